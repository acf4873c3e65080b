// Package crash kills a real server with SIGKILL in the middle of what it does,
// starts it again, and looks at what is left: what was acknowledged is there,
// what was not is there as a whole or not at all, and nothing runs on.
//
// PINFOLD_TORTURE is how many times as often it kills; see `make torture`.
// PINFOLD_KILLS is how often it kills a server under a load of events.
package crash
