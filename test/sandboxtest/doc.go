// Package sandboxtest is the proof of the walls: hostile functions in Node.js,
// Python and compiled Go, deployed like any other and called through the public
// door, against every sandbox driver that claims walls. docs/isolation.md lists
// what each tries and what stops it; the list is written from the tables here.
//
// A hostile function answers with what came of each of its tries: the name of
// the error that stopped it, or "got it". So a wall that is missing shows as
// such, and one that holds for the wrong reason does too. While an attack runs,
// the platform and a neighbour function are called again and again, and must go
// on to answer as they do.
//
// The attacks do no lasting harm to a machine whose walls are missing: sizes and
// counts are bounded, everything ends by itself, and what would change the
// machine has arguments that the kernel refuses after its permission check.
// PINFOLD_HOSTILE=process runs them against the driver without walls, where they
// must get through: a case that passes there proves nothing. Do so as root, on a
// machine of no worth, and leave the exhausting ones out:
//
//	PINFOLD_HOSTILE=process go test -run 'TestWalls/process/house/(Reading|Reaching|Escaping)' ./test/sandboxtest
package sandboxtest
