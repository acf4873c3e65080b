package queue

import (
	"context"
	"log/slog"
	"time"

	"pinfold.dev/pinfold"
	sqs "pinfold.dev/pinfold/internal/queue"
)

// Queues is what is asked of the queues, which are named by their ARNs; [Of] makes
// it of the service.
type Queues interface {
	// Receive takes up to max messages, or fewer at a time, out of sight for the queue's
	// visibility timeout and more. It waits up to wait for the first, 20 s at most; none
	// is no error. It returns when ctx ends. A queue that is not there is an error of code NotFound.
	Receive(ctx context.Context, queue string, max int, wait, more time.Duration) ([]Message, error)
	// Delete removes messages for good, by their handles. Those that are gone, or were
	// received again since, are no error.
	Delete(ctx context.Context, queue string, handles []string) error
	// Return has messages be as if they had not been received.
	Return(ctx context.Context, queue string, handles []string) error
}

// Message is a message that was received.
type Message = sqs.Received

// Attribute is a message attribute.
type Attribute = sqs.Attribute

// Mappings is what is asked of the registry of mappings, and told it;
// internal/mapping has it.
type Mappings interface {
	All(ctx context.Context) ([]pinfold.EventSourceMapping, error)
	// OnChange has fn called after every change, on the goroutine that made it.
	OnChange(fn func(uuid string))
	// Settled is told when a mapping has taken effect as it is given.
	Settled(m pinfold.EventSourceMapping)
	// Gone is told when nothing is left of a deleted mapping.
	Gone(uuid string)
	// Processed is told what came of a batch, where it differs from the one before.
	Processed(uuid, result string)
}

// Options are what a Source needs.
type Options struct {
	Account  string
	Queues   Queues
	Mappings Mappings
	Invoker  pinfold.Invoker
	// Limit returns how many invocations of a function may run at a time, whatever
	// others do; nil is that nobody knows. It must not ask this source anything.
	Limit func(ref pinfold.FunctionRef) int
	// Drain is how long Run waits for batches that are out when it is to end.
	Drain time.Duration
	// Memory is how many bytes of events there may be at a time, of all mappings
	// together; 0 is 256 MB. It is passed by what one receive of each mapping brings:
	// where it is reached, a mapping has one batch at a time, of one message.
	Memory int64
	Log    *slog.Logger
}
