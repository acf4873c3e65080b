// Package queue is the service of message queues, by the rules of Amazon SQS:
// standard and FIFO queues, their attributes, what may be sent, receipt handles,
// deduplication, dead-letter queues and redrive.
//
// It is a service of the house. Messages wait in internal/backlog, which knows
// visibility, delays, groups and receive counts, and no more than that a message is
// bytes; what the bytes are is in envelope.go. What a queue is like is in the store
// of control state and, in full, in memory: nothing that sends, receives or removes
// messages reads the store. Requests and errors on the wire are in internal/wire/sqs,
// what takes messages to functions is in internal/source/queue.
//
// Errors have the names that AWS gives them in SQS's JSON protocol as their reason,
// and AWS's words where those are known: the SQS API reference, and what others
// recorded of the service (the snapshots of LocalStack's tests, which are public).
package queue
