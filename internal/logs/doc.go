// Package logs is the service that keeps what functions write, and finds it
// again: by function, time, text and request, or as it comes.
//
// Writing never waits for a disk. Lines go into bounded buffers, in the form that
// they have on disk, and one goroutine takes them there; if it falls behind,
// lines are dropped, counted, and the gap is written into the log where it is.
// The same holds for each follower: a slow one loses lines and is told so, and
// slows nobody down.
//
// Every invocation writes some lines, so they must cost next to nothing. Where
// much is written, the writer wakes up a hundred times a second and writes once
// per function; where little is written, it does so at once.
//
// On disk there is a folder for each function with segments of JSON lines,
// numbered and of bounded size; the oldest go when a function has more than
// its share. Only journal.go and encode.go know that form: another engine takes its place
// behind the same Write, Query and Follow.
package logs
