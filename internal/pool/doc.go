// Package pool is the service that keeps instances of functions: it lends one
// to each invocation, has more of them made when there are too few, and lets them
// go when their memory is of more use elsewhere.
//
// It knows instances as [Worker]s, runtimes that have booted ahead as [Cell]s,
// and gets both from a [Launcher], so it knows neither walls nor runtimes. An
// instance belongs to exactly one content of one version.
//
// Mechanism and policy are apart. Mechanism: state.go says which lives there are,
// instance.go leads an instance through one and cells.go a cell, invoke.go takes
// an invocation from admission to its answer, lend.go gives instances out and
// takes them back, freeze.go stops the idle ones. Policy: limits.go says who may come in, scale.go how many
// launches a queue is worth, fair.go whose turn it is, evict.go who must go,
// stock.go how many cells are kept, provision.go how many instances whether or
// not they are needed.
//
// One lock guards all of it. It is taken once to lend an instance and once to
// take it back, and never held while a function runs or a process is started,
// stopped or asked.
package pool
