// Package logs is the service that keeps what functions write, and finds it
// again: by function, time, text and request, or as it comes.
//
// Writing never waits for a disk. Lines go into a bounded buffer, one goroutine
// takes them to their files, and if it falls behind, lines are dropped, counted,
// and the gap is written into the log where it is. The same holds for each
// follower: a slow one loses lines and is told so, and slows nobody down.
//
// On disk there is a folder for each function with segments of JSON lines,
// numbered and of bounded size; the oldest go when a function has more than
// its share. Only journal.go knows that form: another engine takes its place
// behind the same Write, Query and Follow.
package logs
