// Package mappings drives queues into functions on a whole platform: queues,
// functions and event source mappings are made with AWS's SDK for Go, messages are
// sent with it, and functions in Node.js and Python ask the test, which stands behind
// an HTTP server, what to answer. Nothing in it knows how the platform is built.
package mappings
