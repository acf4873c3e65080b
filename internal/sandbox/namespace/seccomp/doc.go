// Package seccomp is the wall between a function and the kernel: a filter that
// lets the system calls of list.go pass and no others. The init of a sandbox
// loads it as its last step before it takes orders to start anything.
//
// The filter is compiled when the code is generated and not when a sandbox
// starts: tables of names and assembling would cost 0.4 ms there, more than
// loading does. A test compiles it again and compares.
package seccomp

//go:generate go test -run TestProgramIsOfTheList -update .
