package queue_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"pinfold.dev/pinfold/internal/queue"
)

// machine has a queue with a dead-letter queue, and what it must do.
type machine struct {
	*house
	fifo    bool
	q, dead queue.Ref
	sent    []*message           // in order
	recent  map[string]time.Time // until when a deduplication id is known
	first   map[string]string    // message ids by deduplication id
	n       int
}

// message is one that was sent, once.
type message struct {
	id, group string
	receives  int
	due       time.Time // out of sight until then
	handle    string    // the latest
	removed   bool
	forgotten bool // a restart since it was received: an expired receipt may do
}

const (
	modelTimeout  = 10 * time.Second
	modelReceives = 3
)

func (m *machine) sendOne(r *rapid.T) {
	m.n++
	out := queue.Message{Body: fmt.Sprint(m.n)}
	if m.fifo {
		out.Group = rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "group")
		out.Deduplication = rapid.SampledFrom([]string{"1", "2", "3", "4", "5", "6", "7", "8"}).Draw(r, "deduplication")
	}
	got := m.send(m.q, out)
	if m.fifo && m.recent[out.Deduplication].After(time.Now()) {
		if got.ID != m.first[out.Deduplication] {
			r.Fatalf("a duplicate was given the id %s, not that of the first", got.ID)
		}
		return
	}
	m.recent[out.Deduplication], m.first[out.Deduplication] = time.Now().Add(5*time.Minute), got.ID
	m.sent = append(m.sent, &message{id: got.ID, group: out.Group})
}

func (m *machine) find(r *rapid.T, id string) *message {
	for _, s := range m.sent {
		if s.id == id {
			return s
		}
	}
	r.Fatalf("the message %s was never sent", id)
	return nil
}

func (m *machine) receiveSome(r *rapid.T) {
	max := rapid.IntRange(1, 10).Draw(r, "max")
	got := m.receive(m.q, queue.ReceiveOptions{Max: max})
	for _, received := range got {
		s := m.find(r, received.ID)
		switch {
		case s.removed:
			r.Fatalf("%s was removed", s.id)
		case s.due.After(time.Now()):
			r.Fatalf("%s is out of sight", s.id)
		case s.receives >= modelReceives:
			r.Fatalf("%s was received %d times: it belongs into the dead-letter queue", s.id, s.receives)
		case received.System["ApproximateReceiveCount"] != fmt.Sprint(s.receives+1):
			r.Fatalf("%s: receive %s, not %d", s.id, received.System["ApproximateReceiveCount"], s.receives+1)
		}
		for _, other := range m.sent {
			if other == s {
				break
			}
			inTurn := other.removed || other.receives >= modelReceives || other.group != s.group || other.due.Equal(time.Now().Add(modelTimeout))
			if m.fifo && !inTurn {
				r.Fatalf("%s was received before %s of its group", s.id, other.id)
			}
		}
		s.receives++
		s.due, s.handle, s.forgotten = time.Now().Add(modelTimeout), received.Handle, false
	}
}

func (m *machine) removeOne(r *rapid.T) {
	if len(m.sent) == 0 {
		return
	}
	s := rapid.SampledFrom(m.sent).Draw(r, "message")
	if s.handle == "" || s.removed {
		return
	}
	errs, err := m.Remove(m.ctx(), m.q, s.handle)
	if err != nil {
		r.Fatal(err)
	}
	late := !s.due.After(time.Now())
	switch {
	case errs[0] == nil && m.fifo && late && s.receives < modelReceives && !s.forgotten:
		r.Fatalf("%s was removed with a receipt that has expired", s.id)
	case errs[0] != nil && !(m.fifo && late):
		r.Fatal(errs[0])
	case errs[0] == nil && s.receives == modelReceives && late: // it may be in the dead-letter queue already
	case errs[0] == nil:
		s.removed = true
	}
}

func (m *machine) wait(r *rapid.T) {
	after(rapid.SampledFrom([]time.Duration{time.Second, modelTimeout, 3 * time.Minute}).Draw(r, "wait"))
}

func (m *machine) restartAll(*rapid.T) {
	m.restart()
	for _, s := range m.sent {
		s.forgotten = true
	}
}

// check empties both queues: each message that was not removed is in one of them.
func (m *machine) check(r *rapid.T) {
	there := map[string]int{}
	for range 2 {
		after(modelTimeout) // what is in flight comes back
		for _, q := range []queue.Ref{m.q, m.dead} {
			for {
				got := m.receive(q, queue.ReceiveOptions{})
				if len(got) == 0 {
					break
				}
				for _, received := range got {
					there[received.ID]++
					m.remove(q, received)
				}
			}
		}
	}
	for _, s := range m.sent {
		maybe := s.receives == modelReceives && s.handle != "" // removed late, from wherever it was
		if n := there[s.id]; n > 1 || n == 0 && !s.removed && !maybe || n == 1 && s.removed {
			r.Fatalf("%+v is there %d times", s, n)
		}
		delete(there, s.id)
	}
	if len(there) > 0 {
		r.Fatalf("never sent: %v", there)
	}
	for _, q := range []queue.Ref{m.q, m.dead} {
		if err := m.Delete(m.ctx(), q); err != nil {
			r.Fatal(err)
		}
	}
}

// TestModel: order in groups, nothing lost, nothing twice but after its timeout, no
// duplicates within five minutes, dead letters on the receive that is one too many.
func TestModel(t *testing.T) {
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("fifo=%v", fifo), func(t *testing.T) {
			inHouse(t, func(h *house) {
				n := 0
				rapid.Check(timeless{h.t}, func(r *rapid.T) {
					n++
					m := &machine{house: h, fifo: fifo, recent: map[string]time.Time{}, first: map[string]string{}}
					suffix, attributes := "", []string{"VisibilityTimeout", "10"}
					if fifo {
						suffix, attributes = ".fifo", append(attributes, "FifoQueue", "true")
					}
					m.dead = h.create(fmt.Sprint("dead", n, suffix), attributes...)
					m.q = h.create(fmt.Sprint("q", n, suffix), append(attributes, "RedrivePolicy", redrive(m.dead, modelReceives))...)
					r.Repeat(map[string]func(*rapid.T){
						"send": m.sendOne, "receive": m.receiveSome, "remove": m.removeOne, "wait": m.wait, "restart": m.restartAll,
					})
					m.check(r)
				})
			})
		})
	}
}

// timeless hides deadlines from rapid, which are of no meaning in virtual time.
type timeless struct{ *testing.T }

func (timeless) Deadline() (time.Time, bool) { return time.Time{}, false }
