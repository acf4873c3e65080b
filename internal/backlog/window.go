package backlog

import (
	"container/heap"
	"slices"
	"time"
)

// message is what is known of a message that is in the window.
type message struct {
	position uint64
	sent     time.Time
	first    time.Time // when it was received for the first time; zero: never
	due      time.Time // delayed or in flight: when it is visible again
	receives int
	state    State
	index    int // in window.timed; -1: it is not there
	group    *group
	data     []byte // nil: to be read from the log
	bytes    int    // of data
	journal  journaled
}

// State is how a message is to those who receive.
type State int

// The states.
const (
	Visible  State = iota // may be received; in a FIFO backlog, when it is its group's turn
	Delayed               // not yet
	InFlight              // was received, and is out of sight
	gone
)

// group is a message group of a FIFO backlog: its messages in order.
type group struct {
	name     string
	messages []*message // the oldest first
	inFlight int
	queued   bool // it is in window.groups.available
}

// window is the part of a backlog that is in memory, and the rules by which its
// messages are received. It knows no log, no clock and no lock.
type window struct {
	fifo     bool
	messages map[uint64]*message
	order    queue[*message] // all of them, the oldest first, with those that are gone
	ready    queue[*message] // standard: visible ones in the order in which they became so, with some that are not any more
	timed    byDue           // those that are delayed or in flight
	groups   map[string]*group
	turns    queue[*group] // FIFO: groups of which something may be received
	visible  int
	inFlight int
	notes    notebook
}

// notebook is where it is written down how a message is.
type notebook interface {
	write(*message)   // that came back without being removed, or is out of sight for longer
	correct(*message) // whose note, if it has one, is not right any more
}

func newWindow(fifo bool, notes notebook) *window {
	return &window{fifo: fifo, messages: map[uint64]*message{}, groups: map[string]*group{}, notes: notes}
}

func (w *window) delayed() int { return len(w.messages) - w.visible - w.inFlight }

// receivable is how much there is to be received: messages, or groups in a FIFO
// backlog.
func (w *window) receivable() int {
	if w.fifo {
		return w.turns.len()
	}
	return w.visible
}

// add takes in a message that comes after all that were. Its due is when it is
// visible; if it is in flight, its receives and first are set.
func (w *window) add(m *message, name string, now time.Time) {
	w.messages[m.position] = m
	w.order.push(m)
	m.index = -1
	if w.fifo {
		g := w.groups[name]
		if g == nil {
			g = &group{name: name}
			w.groups[name] = g
		}
		g.messages = append(g.messages, m)
		m.group = g
	}
	switch {
	case m.state == InFlight && m.due.After(now):
		w.inFlight++
		if m.group != nil {
			m.group.inFlight++
		}
		heap.Push(&w.timed, m)
	case m.due.After(now):
		m.state = Delayed
		heap.Push(&w.timed, m)
	default:
		w.show(m)
	}
}

// show has a message that is in no list visible.
func (w *window) show(m *message) {
	m.state, m.due = Visible, time.Time{}
	w.visible++
	if w.fifo {
		w.turn(m.group)
		return
	}
	w.ready.push(m)
}

// turn gives a group its turn, if something of it may be received.
func (w *window) turn(g *group) {
	if !g.queued && g.inFlight == 0 && len(g.messages) > 0 && g.messages[0].state == Visible {
		g.queued = true
		w.turns.push(g)
	}
}

// hide takes a message out of what its state keeps it in.
func (w *window) hide(m *message) {
	switch m.state {
	case Visible:
		w.visible--
	case InFlight:
		w.inFlight--
		if m.group != nil {
			m.group.inFlight--
		}
	}
	if m.index >= 0 {
		heap.Remove(&w.timed, m.index)
	}
}

// wake shows what is due. It returns how much has become visible.
func (w *window) wake(now time.Time) (n int) {
	for len(w.timed) > 0 && !w.timed[0].due.After(now) {
		m := w.timed[0]
		back := m.state == InFlight
		w.hide(m)
		w.show(m)
		if back {
			w.notes.write(m)
		}
		n++
	}
	return n
}

// nextDue returns when the next message becomes visible.
func (w *window) nextDue() (time.Time, bool) {
	if len(w.timed) == 0 {
		return time.Time{}, false
	}
	return w.timed[0].due, true
}

// take receives up to max messages. For a visibility of 0 they stay visible. In a
// FIFO backlog as many as there are of one group come first, then those of the
// next one ("FIFO queue delivery logic", SQS developer guide).
func (w *window) take(now time.Time, max int, visibility time.Duration) []*message {
	var taken []*message
	if w.fifo {
		taken = w.takeGroups(max)
	} else {
		for len(taken) < max && w.ready.len() > 0 {
			m := w.ready.pop()
			if m.state == Visible {
				taken = append(taken, m)
			}
		}
	}
	for _, m := range taken {
		m.receives++
		if m.first.IsZero() {
			m.first = now
		}
		if visibility > 0 {
			w.hide(m)
			w.fly(m, now.Add(visibility))
			continue
		}
		if !w.fifo {
			w.ready.push(m)
		}
		w.notes.write(m)
	}
	if w.fifo && visibility <= 0 {
		for _, m := range taken {
			w.turn(m.group)
		}
	}
	return taken
}

func (w *window) takeGroups(max int) (taken []*message) {
	for len(taken) < max && w.turns.len() > 0 {
		g := w.turns.pop()
		g.queued = false
		if g.inFlight > 0 {
			continue // it has its turn again when they are back or removed
		}
		for _, m := range g.messages {
			if len(taken) == max || m.state != Visible {
				break
			}
			taken = append(taken, m)
		}
	}
	return taken
}

// fly has a message that is in no list out of sight until a time.
func (w *window) fly(m *message, until time.Time) {
	m.state, m.due = InFlight, until
	w.inFlight++
	if m.group != nil {
		m.group.inFlight++
	}
	heap.Push(&w.timed, m)
}

// extend has a message in flight be so until another time, or back now.
func (w *window) extend(m *message, now time.Time, visibility time.Duration) {
	w.hide(m)
	if visibility > 0 {
		w.fly(m, now.Add(visibility))
	} else {
		w.show(m)
	}
	w.notes.write(m)
}

// untake undoes a receive: the message is visible after a delay.
func (w *window) untake(m *message, now time.Time, delay time.Duration) {
	w.hide(m)
	if m.receives--; m.receives == 0 {
		m.first = time.Time{}
	}
	if delay > 0 {
		m.state, m.due = Delayed, now.Add(delay)
		heap.Push(&w.timed, m)
		if m.group != nil {
			w.turn(m.group) // those before it may have waited for it alone
		}
	} else {
		w.show(m)
	}
	w.notes.correct(m)
}

// remove takes a message out for good.
func (w *window) remove(m *message) {
	w.hide(m)
	m.state = gone
	delete(w.messages, m.position)
	if g := m.group; g != nil {
		if i := slices.Index(g.messages, m); i == 0 {
			g.messages[0] = nil
			g.messages = g.messages[1:]
		} else {
			g.messages = slices.Delete(g.messages, i, i+1)
		}
		if len(g.messages) == 0 {
			delete(w.groups, g.name)
		} else {
			w.turn(g)
		}
	}
	w.order.tidy(len(w.messages), func(m *message) bool { return m.state == gone })
	w.ready.tidy(w.visible, func(m *message) bool { return m.state == gone })
}

// oldest returns the oldest message, or nil.
func (w *window) oldest() *message {
	for w.order.len() > 0 {
		if m := w.order.peek(); m.state != gone {
			return m
		}
		w.order.pop()
	}
	return nil
}

// byDue is a heap of messages, the next one that is due first.
type byDue []*message

func (h byDue) Len() int           { return len(h) }
func (h byDue) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h byDue) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *byDue) Push(x any) {
	m := x.(*message)
	m.index = len(*h)
	*h = append(*h, m)
}

func (h *byDue) Pop() any {
	last := len(*h) - 1
	m := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	m.index = -1
	return m
}

// queue is a first-in-first-out list.
type queue[T any] struct {
	items []T
	head  int
}

func (q *queue[T]) len() int { return len(q.items) - q.head }
func (q *queue[T]) peek() T  { return q.items[q.head] }
func (q *queue[T]) push(v T) {
	if q.head > 32 && q.head > len(q.items)/2 { // make room at the front, at constant cost on average
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, v)
}

// tidy drops what is of no use, if that is more than what is.
func (q *queue[T]) tidy(used int, useless func(T) bool) {
	if q.len() > 2*used+32 {
		q.items, q.head = slices.DeleteFunc(slices.Clone(q.items[q.head:]), useless), 0
	}
}

func (q *queue[T]) pop() (v T) {
	v, q.items[q.head] = q.items[q.head], v
	q.head++
	return v
}
