// Package logs is the service that keeps what functions write, and finds it
// again: by function, time, text and request, or as it comes. To tools made for
// AWS it is CloudWatch Logs: groups of streams of events, into which anybody may
// put events too.
//
// Writing never waits for a disk. Lines go into bounded buffers, in the form that
// they have on disk, and one goroutine takes them there; if it falls behind,
// lines are dropped, counted, and the gap is written into the log where it is.
// That does not happen to those who ask [Source.Wait] before they take in more: a
// function that floods is slowed down, and nobody else notices. Each follower
// that is too slow loses lines and is told so, and slows nobody down.
//
// Every invocation writes some lines, so they must cost next to nothing. Where
// much is written, the writer wakes up a hundred times a second and writes once
// per function; where little is written, it does so at once.
//
// On disk there is a folder for each group: what is known of it as group.json,
// and its lines, which internal/logs/segment keeps. A function's lines are in its
// group, in a stream for each of its instances; their place says which version
// and instance wrote them. The oldest go when a group has more than its share,
// and when they are older than its retention.
package logs
