// Package pool is the service that keeps instances of functions: it lends one
// to each invocation, has more of them launched when there are too few, and
// lets them go when nobody has needed them for a while.
//
// It knows instances as [Worker]s and gets them from a [Launch] function, so it
// knows neither walls nor runtimes. An instance serves one invocation at a time
// and belongs to exactly one content of one version.
//
// Mechanism and policy are apart: pool.go lends and takes back, launch.go leads
// each instance through its life, state.go says which lives there are, and
// policy.go alone decides: who may launch next, who must make room, and who has
// idled for long enough.
package pool
