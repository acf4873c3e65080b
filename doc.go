// Package pinfold holds the nouns of the platform: ARNs, functions, versions,
// aliases, invocations, APIs, principals and errors.
//
// It is the ground that every other package stands on, so it knows none of
// them: it imports the standard library only, and of that neither net/http nor
// database/sql. deps_test.go holds the import lattice of the whole module.
package pinfold
