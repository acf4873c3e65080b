//go:build linux

package namespace

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"pinfold.dev/pinfold/internal/sandbox"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

const (
	// spares is how many sandboxes of one kind are made ahead: as many as small
	// machines have use for at once.
	spares = 2
	// maxKinds bounds the kinds of which there are spares, those asked for last:
	// one per interpreter is usual.
	maxKinds = 4
	// restockAfter is how long nobody must have wanted a sandbox before spares are
	// made: they are not to take the processor from a start that is under way.
	restockAfter = 100 * time.Millisecond
)

// stock is sandboxes that are made ahead, without a process inside. One that is
// made while somebody waits takes 18 ms, most of it for the kernel to wait until
// no processor looks at what a move into a control group changes.
type stock struct {
	driver  *Driver
	life    context.Context
	end     context.CancelFunc
	working sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	shelves []*shelf // the kind that was asked for last is the last
	timer   *time.Timer
	filling bool
}

// shelf has the spares of one kind.
type shelf struct {
	spec  sandbox.Spec
	boxes []*box
}

func newStock(d *Driver) *stock {
	s := &stock{driver: d}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// Stock has sandboxes made ahead that Create can give out when it is asked for
// such a one.
func (d *Driver) Stock(spec sandbox.Spec) {
	s := d.stock
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.find(spec) != nil {
		return
	}
	if len(s.shelves) == maxKinds {
		s.discard(s.shelves[0].boxes)
		s.shelves = slices.Delete(s.shelves, 0, 1)
	}
	s.shelves = append(s.shelves, &shelf{spec: spec})
	s.restock()
}

// find returns the shelf for such sandboxes, or nil. The caller holds s.mu.
func (s *stock) find(spec sandbox.Spec) *shelf {
	for _, h := range s.shelves {
		if h.spec.Runtime == spec.Runtime && slices.Equal(h.spec.ReadOnly, spec.ReadOnly) {
			return h
		}
	}
	return nil
}

// take returns a spare as the sandbox of this spec, or nil if there is none.
func (s *stock) take(spec sandbox.Spec) *box {
	if spec.Background { // nobody waits: it can be made
		return nil
	}
	for {
		s.mu.Lock()
		h := s.find(spec)
		if h == nil {
			s.mu.Unlock()
			return nil
		}
		s.restock()
		n := len(h.boxes)
		if n == 0 {
			s.mu.Unlock()
			return nil
		}
		b := h.boxes[n-1]
		h.boxes = h.boxes[:n-1]
		s.mu.Unlock()
		if s.fresh(b) && s.driver.rename(b, spec.ID) {
			return b
		}
		s.mu.Lock()
		s.discard([]*box{b})
		s.mu.Unlock()
	}
}

// fresh reports whether a spare is as one would be that is made now.
func (s *stock) fresh(b *box) bool {
	select {
	case <-b.done:
		return false
	default:
	}
	_, err := s.driver.ask(b.keeper, message.Request{Check: &message.Check{PID: b.pid}})
	return err == nil
}

// discard closes spares. The caller holds s.mu.
func (s *stock) discard(boxes []*box) {
	for _, b := range boxes {
		s.working.Go(func() { s.warn(b.Close()) }) // close waits
	}
}

// restock fills the shelves when it has been quiet for a while. The caller holds
// s.mu.
func (s *stock) restock() {
	switch {
	case s.closed:
	case s.timer == nil:
		s.timer = time.AfterFunc(restockAfter, s.begin)
	default:
		s.timer.Reset(restockAfter)
	}
}

// begin has the shelves filled by a goroutine that close waits for.
func (s *stock) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.filling {
		return
	}
	s.filling = true
	s.working.Go(s.fill)
}

func (s *stock) fill() {
	for {
		s.mu.Lock()
		at := slices.IndexFunc(s.shelves, func(h *shelf) bool { return len(h.boxes) < spares })
		if s.filling = at >= 0 && !s.closed; !s.filling {
			s.mu.Unlock()
			return
		}
		h := s.shelves[at]
		s.mu.Unlock()
		spec := h.spec
		spec.ID = "spare-" + rand.Text()
		b, err := s.driver.make(s.life, spec)
		s.mu.Lock()
		switch {
		case err != nil: // whoever wants one next is told why there are none
			s.filling = false
			s.mu.Unlock()
			s.warn(err)
			return
		case s.closed || !slices.Contains(s.shelves, h):
			s.discard([]*box{b})
		default:
			h.boxes = append(h.boxes, b)
		}
		s.mu.Unlock()
	}
}

func (s *stock) warn(err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		s.driver.options.Log.Warn("sandboxes that are made ahead", "error", err)
	}
}

// close closes all spares. There are none from then on.
func (s *stock) close() {
	s.mu.Lock()
	s.closed = true
	s.end()
	if s.timer != nil {
		s.timer.Stop()
	}
	for _, h := range s.shelves {
		s.discard(h.boxes)
	}
	s.shelves = nil
	s.mu.Unlock()
	s.working.Wait()
}
