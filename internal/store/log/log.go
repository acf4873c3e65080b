// Package log is the contract between the services and the engine that keeps
// events: messages in queues, asynchronous invocations, later what topics, buses
// and data streams carry. What happens is appended here before it is acted on.
//
// A [Log] has streams; a [Stream] has entries in the order in which they were
// stored, each under a subject. Engines are in folders of their own: jetstream
// (NATS JetStream, in the process or an external server or cluster) and mem,
// which forgets everything and exists for tests in virtual time. logtest is the
// conformance suite that every engine passes.
//
// Acknowledged means written: when Append returns without an error for an entry,
// it survives the end of the process. What survives a power cut depends on how
// the engine is set up; docs/durability.md.
package log

import (
	"context"
	"time"
)

// Entry is one record of a stream.
type Entry struct {
	// Position is where it is in its stream: ascending, with gaps. The log sets it. While
	// a log is open no entry gets one that another one had, though an engine should lose
	// what it acknowledged: that is a gap, then.
	Position uint64
	Time     time.Time // when it was stored; the log sets it
	// Subject is what it is about: tokens of ASCII letters, digits, "-" and "_",
	// joined by dots.
	Subject string
	// ID, if it is not "", has a second entry with the same one dropped for as long
	// as Limits.Dedup says, be the first one still there or not: printable ASCII, at
	// most MaxID bytes, with no space at either end.
	ID string
	// Meta is what is to be known without Data: of the same kind, at most MaxMeta bytes.
	Meta string
	Data []byte // at most MaxData bytes; neither the log nor its readers change it
	// At, if it is in the future, is when the entry enters the stream, or at most half
	// a second later: until then it is kept, survives restarts, and is not read. It gets
	// another position then. A stream that drops old entries takes none for later than
	// that. Only Append sets it.
	At time.Time
}

// MaxData is the most bytes that an entry's Data may have: a message of 1 MiB, and
// what goes around it.
const MaxData = 2 << 20

// Limits say how much a stream keeps. A zero field is no limit.
type Limits struct {
	Age        time.Duration // older entries are dropped
	Bytes      int64         // the oldest entries are dropped beyond that
	PerSubject int64         // the oldest entries of a subject are dropped beyond that
	Dedup      time.Duration // for how long ids are remembered; 0 is two minutes, and more than Age is Age
}

// Stored is what Append says of an entry.
type Stored struct {
	Position  uint64 // of an entry with At, where it waits
	Duplicate bool   // an entry with its ID was there already, at Position
	Err       error  // it is not known to be stored: it may turn up all the same
}

// Info is about a stream. What waits for its time is counted with the others, but
// for Subjects.
type Info struct {
	First, Last uint64 // positions; Last stays when entries are removed, and First is Last+1 where there is none
	Entries     uint64
	Bytes       uint64
	// Subjects has the number of entries by subject, of those that were asked for.
	Subjects map[string]uint64
}

// Log is an engine. Errors have a code: Unavailable where the engine cannot be
// reached or the disk is full, Conflict for a name that is in use otherwise.
type Log interface {
	// Stream opens a stream and gives it limits. It is made if there is none.
	Stream(ctx context.Context, name string, limits Limits) (Stream, error)
	// Delete deletes a stream and everything in it; none is not an error.
	Delete(ctx context.Context, name string) error
	// Own waits until no other process owns a name in this log, and then owns it
	// for as long as this one can keep it: for seconds more when the process ends
	// without a word. The context that it returns, a child of ctx, is done when the name
	// is lost, or has been given back by release. Within a process, too, one at a time
	// owns a name. holder says who owns it to those that
	// wait; waiting, if it is not nil, is called with who does when there is need to wait.
	Own(ctx context.Context, name, holder string, waiting func(holder string)) (owned context.Context, release func(), err error)
	// Close closes the log; its streams are of no use any more.
	Close() error
}

// Stream is a stream of entries. It may be used concurrently.
type Stream interface {
	// Append stores entries in their order and waits until all are stored or have
	// failed. Its result has one for each. Calls run side by side.
	Append(ctx context.Context, entries ...Entry) []Stored
	// Get returns the entry at a position, or an error with code NotFound.
	Get(ctx context.Context, position uint64) (Entry, error)
	// Read reads entries in order of position.
	Read(ctx context.Context, from From) (Reader, error)
	// Remove removes entries for good; those that are not there are no error.
	Remove(ctx context.Context, positions ...uint64) error
	// Purge removes all entries of subjects that match a pattern, as From.Subjects
	// has them, and are before a position; 0 is all.
	Purge(ctx context.Context, subjects string, before uint64) error
	// Info returns what the stream has; with the number of entries by subject of
	// those that match a pattern, "" for none.
	Info(ctx context.Context, subjects string) (Info, error)
	// Consumer opens a durable consumer, which is made if there is none.
	Consumer(ctx context.Context, name string, cfg ConsumerConfig) (Consumer, error)
	// DeleteConsumer deletes one; none is not an error.
	DeleteConsumer(ctx context.Context, name string) error
}

// From says what a Reader reads.
type From struct {
	// Position is the first that is read; where it is 0, Time is; where that is zero,
	// too, all is read, or, with New, nothing that is there already.
	Position uint64
	Time     time.Time
	New      bool
	// Subjects is a pattern: a subject in which a token may be "*", and the last one
	// ">" for one or more. "" is all.
	Subjects string
	// Follow has the reader wait at the end for what comes. Else it ends where the
	// stream ended when it was made.
	Follow bool
}

// Reader reads entries one after the other. It is not for concurrent use.
type Reader interface {
	// Next returns the next entries, at least one and at most max. At the end it
	// returns io.EOF or, if it follows, waits for more. An entry comes once, also when
	// the engine was away in between.
	Next(ctx context.Context, max int) ([]Entry, error)
	Close() error
}

// ConsumerConfig is how a durable consumer delivers.
type ConsumerConfig struct {
	Subjects string        // as in From
	New      bool          // what is there already is not delivered
	AckWait  time.Duration // what is not acknowledged by then is delivered again; 0 is 30 s
	// MaxPending is how many entries may be delivered and not acknowledged; 0 is 1,000.
	MaxPending int
}

// Consumer hands out entries until each is acknowledged. How far it is survives
// restarts; several processes may share one.
type Consumer interface {
	// Fetch returns at least one delivery and at most max. It waits for the first.
	Fetch(ctx context.Context, max int) ([]Delivery, error)
}

// Delivery is one entry, handed out.
type Delivery interface {
	Entry() Entry
	Attempt() int // 1 is the first
	// Ack has the entry never delivered again to this consumer. It returns when the
	// engine knows; only if it ends without a word in that moment, the entry may come
	// again.
	Ack(ctx context.Context) error
	// Delay has it delivered again after d.
	Delay(d time.Duration) error
	// InProgress has its AckWait begin again.
	InProgress() error
}
