// Package soak loads a real server with everything at once for half a minute, as
// `make soak` does for twenty, and wants that nothing fails that must not, and
// that nothing leaks.
package soak
