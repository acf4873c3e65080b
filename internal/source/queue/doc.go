// Package queue has functions invoked with what comes from queues: the pollers of
// event source mappings. It is a room of the sources, which take from one service
// and have another invoke: the mappings are those of internal/mapping, the messages
// those of internal/queue behind the port [Queues], and functions run through a
// [pinfold.Invoker] as for everybody else.
//
// A mapping has a group: one goroutine that receives, and one for each batch that is
// out. The receiver takes a place first, then gathers a batch (batch.go) and hands it
// over (deliver.go); while nothing comes there is one long poll and nothing else. How
// many places there are is for scale.go to say, and whether any batch may be taken
// for breaker.go: a function that is throttled, or keeps failing, is left alone and
// tried again later, with messages that pick.go finds.
//
// What becomes of a message:
//
//   - Its batch is done: it is deleted.
//   - Its batch failed, or it is among the reported failures: it comes back by itself
//     when its visibility timeout is over, and counts as received; the queue's redrive
//     policy bounds how often.
//   - Its batch could not be run (throttled, no such function, shutting down): it is
//     given back as if it had not been received.
//   - It is filtered out: it is deleted.
//
// Order within the groups of a FIFO queue is kept by the queue, which hands out no
// more of a group while messages of it are out.
//
// Sources: "Using Lambda with Amazon SQS" and "Handling errors for an SQS event
// source in Lambda", Lambda developer guide.
package queue
