package jetstream

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sync/semaphore"

	"pinfold.dev/pinfold/internal/store/log"
)

// pipeline sends requests without waiting for the answers of those before: entries
// to store and to remove come in masses. Requests in nats.go wait one by one, and its
// asynchronous publishing costs a timer and a channel for each.
type pipeline struct {
	log    *Log
	prefix string              // of the subjects of answers
	window *semaphore.Weighted // bounds what is on its way

	mu      sync.Mutex
	last    uint64
	pending map[uint64]request
}

// request is one that waits for its answer.
type request struct {
	batch *batch
	index int
	cost  int64
}

// batch is requests that somebody waits for together. Each has an answer or an error
// in the end.
type batch struct {
	answers []*nats.Msg
	errs    []error
	ids     []uint64
	left    int
	done    chan struct{} // closed when none is left
	doubt   uint64        // it is sent while this is the latest of Log.doubts
}

const (
	// windowBytes bounds what is on its way, and requestCost is what the smallest takes
	// of it: 4,096 of them, below what servers queue before they drop.
	windowBytes = 64 << 20
	requestCost = 16 << 10
	// answerWait is how long servers that are there may take for an answer.
	answerWait = 30 * time.Second
)

// newPipeline subscribes to answers.
func newPipeline(l *Log) (*pipeline, error) {
	p := &pipeline{log: l, prefix: nats.NewInbox() + ".", window: semaphore.NewWeighted(windowBytes), pending: map[uint64]request{}}
	sub, err := l.nc.Subscribe(p.prefix+"*", p.answer)
	if err == nil {
		err = sub.SetPendingLimits(-1, -1) // bounded by the window
	}
	return p, err
}

// batch returns a batch of n requests, to be sent while a doubt is the latest.
func (p *pipeline) batch(doubt uint64, n int) *batch {
	return &batch{answers: make([]*nats.Msg, n), errs: make([]error, n), ids: make([]uint64, 0, n), left: 1, done: make(chan struct{}), doubt: doubt}
}

// send sends a batch's request number index. What hinders it is in b.errs.
func (p *pipeline) send(ctx context.Context, b *batch, index int, m *nats.Msg) {
	cost := int64(max(len(m.Data), requestCost))
	if b.errs[index] = p.enter(ctx, cost); b.errs[index] != nil {
		return
	}
	p.mu.Lock()
	p.last++
	id := p.last
	p.pending[id] = request{b, index, cost}
	b.ids = append(b.ids, id)
	b.left++
	p.mu.Unlock()
	m.Reply = p.prefix + strconv.FormatUint(id, 36)
	if p.log.doubts.Load() != b.doubt {
		p.settle(id, nil, errUnsent)
	} else if err := p.log.nc.PublishMsg(m); err != nil {
		p.settle(id, nil, err)
	}
}

// enter waits for room in the window.
func (p *pipeline) enter(ctx context.Context, cost int64) error {
	if p.window.TryAcquire(cost) {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	defer context.AfterFunc(p.log.closed, cancel)()
	err := p.window.Acquire(wait, cost)
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case p.log.closed.Err() != nil:
		return log.Closed()
	}
	return errStuck
}

// wait waits until all of a batch that was sent is answered.
func (p *pipeline) wait(ctx context.Context, b *batch) {
	p.mu.Lock()
	b.lessen()
	p.mu.Unlock()
	late := time.NewTimer(answerWait)
	defer late.Stop()
	var err error
	select {
	case <-b.done:
		return
	case <-ctx.Done():
		err = ctx.Err()
	case <-p.log.closed.Done():
		err = log.Closed()
	case <-late.C:
		err = nats.ErrTimeout
	}
	for _, id := range b.ids {
		p.settle(id, nil, err)
	}
}

// lessen is called with the lock of the pipeline.
func (b *batch) lessen() {
	if b.left--; b.left == 0 {
		close(b.done)
	}
}

// settle gives a request its end, unless it has one.
func (p *pipeline) settle(id uint64, answer *nats.Msg, err error) {
	p.mu.Lock()
	r, is := p.pending[id]
	if is {
		delete(p.pending, id)
		r.batch.answers[r.index], r.batch.errs[r.index] = answer, err
		r.batch.lessen()
	}
	p.mu.Unlock()
	if is {
		p.window.Release(r.cost)
	}
}

// answer takes an answer in.
func (p *pipeline) answer(m *nats.Msg) {
	id, err := strconv.ParseUint(m.Subject[len(p.prefix):], 36, 64)
	if err != nil {
		return
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		err = nats.ErrNoResponders
	}
	p.settle(id, m, err)
}

var (
	// errLost is the end of requests whose answers went with the connection.
	errLost = errors.New("the connection was lost")
	// errStuck and errUnsent are those of one that was not sent.
	errStuck  = errors.New("the servers do not answer those before")
	errUnsent = errors.New("the connection was lost before")
)

// lose ends all requests that are on their way.
func (p *pipeline) lose() {
	p.mu.Lock()
	ids := make([]uint64, 0, len(p.pending))
	for id := range p.pending {
		ids = append(ids, id)
	}
	p.mu.Unlock()
	for _, id := range ids {
		p.settle(id, nil, errLost)
	}
}
