// Package instant holds a whole platform to what is promised about instances,
// with real clients and real functions in Node.js, Python, Go and shell: how they
// live and end, how many there are and who waits for them, and how they stream.
//
// Nothing sleeps to be in step. Functions and tests meet at a gate, which is a
// function itself: several invocations at a time in one instance, where one
// waits until another lets it go on.
package instant
