package jetstream

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

const (
	// readAhead and readAheadBytes bound what is on its way to a reader.
	readAhead, readAheadBytes = 512, 4 << 20
	// idleReader is how long the server remembers a reader that does not ask.
	idleReader = time.Minute
	// endWait is how long a reader that does not follow waits for an entry that was
	// there when it began, before it asks whether it still is; idleWait, how long one
	// that follows waits before it asks whether there is one. Entries that are there and
	// do not come are missed: after maxMissed times, they will not come.
	endWait, idleWait = time.Second, 2 * time.Second
	maxMissed         = 3
	// retryEvery is how long a reader waits before it tries again to be served.
	retryEvery = 100 * time.Millisecond
)

// reader implements log.Reader by a consumer that lives as long as a connection. An
// entry that did not come shows as a gap in the numbers of deliveries, or when it is
// asked for; then, and whenever the connection or the consumer is lost, another
// consumer takes over behind the last entry that was read.
//
// In a cluster the consumer may be on a server that is behind, so that nothing is left
// there is only what it thinks: the server that stores entries has to say so.
type reader struct {
	s      *stream
	filter string
	follow bool
	next   uint64    // the first position that is to be read
	since  time.Time // what is to be read where next is 0
	end    uint64    // the last position of one that does not follow
	now    *serving
	closed bool
}

// serving is one consumer at work.
type serving struct {
	consumer    jetstream.Consumer
	running     jetstream.ConsumeContext
	items       chan item
	broken      chan struct{} // closed when no more will come
	brk         func()
	reconnected <-chan struct{}
	delivered   uint64 // how many have come
	pending     uint64 // how many are to come, as of the last one
	missed      int
	over        chan struct{}
}

type item struct {
	entry              log.Entry
	delivered, pending uint64
	is                 bool // an entry, and not something that waits
}

// Read implements log.Stream.
func (s *stream) Read(ctx context.Context, from log.From) (log.Reader, error) {
	if err := log.CheckPattern(from.Subjects); err != nil {
		return nil, err
	}
	if err := s.up(ctx); err != nil {
		return nil, err
	}
	r := &reader{s: s, filter: s.consumerFilter(from.Subjects), follow: from.Follow, next: from.Position}
	if r.next == 0 {
		r.since = from.Time
	}
	if fresh := r.next == 0 && r.since.IsZero() && from.New; fresh || !r.follow {
		info, err := s.info(ctx)
		if err != nil {
			return nil, s.log.failed(ctx, err, "read stream %s of the log", s.name)
		}
		r.end = info.State.LastSeq
		if fresh {
			r.next = r.end + 1
		}
	}
	if r.next == 0 && r.since.IsZero() {
		r.next = 1
	}
	if r.ended() {
		return r, nil
	}
	if err := r.serve(ctx); err != nil {
		return nil, s.log.failed(ctx, err, "read stream %s of the log", s.name)
	}
	return r, nil
}

func (r *reader) ended() bool { return !r.follow && r.next > r.end }

// serve has the server begin to send what comes from next on.
func (r *reader) serve(ctx context.Context) error {
	cfg := jetstream.ConsumerConfig{
		FilterSubject:     r.filter,
		AckPolicy:         jetstream.AckNonePolicy,
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       r.next,
		MemoryStorage:     true,
		Replicas:          1,
		InactiveThreshold: idleReader,
	}
	if r.next == 0 {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverByStartTimePolicy, &r.since
	}
	v := &serving{items: make(chan item, 64), broken: make(chan struct{}), over: make(chan struct{}), reconnected: r.s.extent.cleared.next().Done()}
	v.brk = sync.OnceFunc(func() { close(v.broken) })
	err := r.s.log.ask(ctx, func(ctx context.Context) (err error) {
		v.consumer, err = r.s.js.CreateConsumer(ctx, cfg)
		return err
	})
	if err != nil {
		return err
	}
	v.pending = v.consumer.CachedInfo().NumPending
	v.running, err = v.consumer.Consume(func(m jetstream.Msg) {
		i, err := r.s.item(m)
		if err != nil {
			v.brk()
			return
		}
		select {
		case v.items <- i:
		case <-v.over:
		}
	}, jetstream.PullMaxMessagesWithBytesLimit(readAhead, readAheadBytes), jetstream.PullExpiry(10*time.Second), jetstream.PullHeartbeat(2*time.Second),
		jetstream.ConsumeErrHandler(func(jetstream.ConsumeContext, error) { v.brk() }))
	if err == nil {
		r.now = v
	}
	return err
}

// item makes an item of a message.
func (s *stream) item(m jetstream.Msg) (item, error) {
	about, err := m.Metadata()
	if err != nil {
		return item{}, err
	}
	i := item{delivered: about.Sequence.Consumer, pending: about.NumPending}
	i.entry, i.is = s.entry(m.Subject(), m.Headers(), m.Data(), about.Sequence.Stream, about.Timestamp)
	return i, nil
}

// Next implements log.Reader.
func (r *reader) Next(ctx context.Context, max int) ([]log.Entry, error) {
	if r.closed {
		return nil, pinfold.Errorf(pinfold.Unavailable, "the reader is closed")
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.s.log.closed.Err() != nil {
			return nil, log.Closed()
		}
		if !r.follow && r.now != nil && r.now.pending == 0 {
			r.look(ctx) // the server counts one too few while it removes another
		}
		if r.ended() {
			r.drop()
			return nil, io.EOF
		}
		if r.now == nil {
			if err := r.again(ctx); err != nil {
				return nil, err
			}
			continue
		}
		if all := r.take(ctx, max); len(all) > 0 {
			return all, nil
		}
	}
}

// again is served anew. While the servers are away it tries again.
func (r *reader) again(ctx context.Context) (err error) {
	if err = r.s.up(ctx); err == nil {
		err = r.serve(ctx)
	}
	if err == nil {
		return nil
	}
	if err = r.s.log.failed(ctx, err, "read stream %s of the log", r.s.name); pinfold.CodeOf(err) != pinfold.Unavailable || r.s.log.closed.Err() != nil {
		return err
	}
	select {
	case <-time.After(retryEvery):
	case <-ctx.Done():
	case <-r.s.log.closed.Done():
	}
	return nil
}

// take waits for an item and takes those that are there.
func (r *reader) take(ctx context.Context, max int) (all []log.Entry) {
	v := r.now
	select {
	case i := <-v.items:
		all = r.add(all, i)
	default:
		all = r.wait(ctx)
	}
	for len(all) > 0 && len(all) < max && r.now == v {
		select {
		case i := <-v.items:
			all = r.add(all, i)
		default:
			return all
		}
	}
	return all
}

// wait waits for an item, and looks after the reader while none comes.
func (r *reader) wait(ctx context.Context) (all []log.Entry) {
	patience := idleWait
	if !r.follow {
		patience = endWait
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case i := <-r.now.items:
		return r.add(nil, i)
	case <-r.now.broken:
		r.drop()
	case <-r.now.reconnected:
		r.drop()
	case <-late.C:
		r.look(ctx)
	case <-ctx.Done():
	case <-r.s.log.closed.Done():
	}
	return nil
}

// add adds an item, if it is the one that comes next.
func (r *reader) add(all []log.Entry, i item) []log.Entry {
	if i.delivered != r.now.delivered+1 {
		r.drop()
		return all
	}
	r.now.delivered, r.now.pending, r.now.missed = i.delivered, i.pending, 0
	if i.entry.Position < r.next { // servers that have lost their end begin there
		return all
	}
	r.s.extent.reach(i.entry.Position)
	if r.next = i.entry.Position + 1; i.is && (r.follow || i.entry.Position <= r.end) {
		return append(all, i.entry)
	}
	return all
}

// look asks whether there is anything to come: what there was may be removed, and what
// was sent may be lost.
func (r *reader) look(ctx context.Context) {
	w := wanted{Position: r.next, Next: r.filter}
	if w.Next == "" {
		w.Next = ">"
	}
	if r.next == 0 {
		w.Time = &r.since
	}
	r.now.pending = 1 // until it is known that there is none
	var m *jetstream.RawStreamMsg
	err := r.s.log.askOnce(ctx, askWait, func(ctx context.Context) (err error) {
		m, err = r.s.fromLeader(ctx, w)
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound), err == nil && !r.follow && m.Sequence > r.end:
		if r.now.missed = 0; !r.follow {
			r.next = r.end + 1
		}
	case err == nil:
		if r.now.missed++; r.now.missed == maxMissed {
			r.drop()
		}
	}
}

// drop has the server serve no more.
func (r *reader) drop() {
	if r.now == nil {
		return
	}
	close(r.now.over)
	r.now.running.Stop()
	v := r.now
	r.now = nil
	// Nobody waits for the answer: what is not deleted, the server forgets after idleReader.
	nc := r.s.log.nc
	_ = nc.PublishRequest("$JS.API.CONSUMER.DELETE."+r.s.log.streamName(r.s.name)+"."+v.consumer.CachedInfo().Name, nc.NewInbox(), nil)
}

// Close implements log.Reader.
func (r *reader) Close() error {
	r.closed = true
	r.drop()
	return nil
}
