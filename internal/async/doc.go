// Package async is the service of asynchronous invocation: an event is stored, its
// sender goes on, and the function gets it, again and again until it has taken it
// or it is time to give up.
//
// It is a service over the lines of internal/backlog, three a function: events that
// wait for the function, messages that wait for a destination which did not take
// them at once, and the last events that were given up. It knows functions, who
// runs them and who takes messages by the ports of service.go.
//
// The calendar of retries is AWS's ("How Lambda handles errors and retries with
// asynchronous invocation", Lambda developer guide); run.go has it. A [pump] takes
// from a line while there is something in it, at the pace that the function keeps.
//
// An event is delivered at least once: who crashes while a function runs has it run
// again, and that attempt is not counted. What is out of a line has been taken by
// the function, or stored where it goes next.
package async
