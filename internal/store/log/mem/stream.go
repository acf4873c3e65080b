package mem

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// overhead is what an entry takes beside its own bytes.
const overhead = 32

// data is a stream on a disk.
type data struct {
	name string

	mu        sync.Mutex
	limits    log.Limits
	entries   []*log.Entry // by position
	later     []*log.Entry // those with At, the next one first
	last      uint64
	bytes     int64
	count     map[string]uint64 // of entries by subject
	ids       map[string]uint64 // position by id
	idTimes   []idTime
	consumers map[string]*progress
	changed   chan struct{} // closed and made anew when something happens
	gone      bool
}

type idTime struct {
	id   string
	time time.Time
}

func newData(name string) *data {
	return &data{name: name, count: map[string]uint64{}, ids: map[string]uint64{}, consumers: map[string]*progress{}, changed: make(chan struct{})}
}

func (d *data) wake() {
	close(d.changed)
	d.changed = make(chan struct{})
}

func size(e *log.Entry) int64 {
	return int64(len(e.Data) + len(e.Meta) + len(e.ID) + len(e.Subject) + overhead)
}

// limit gives new limits.
func (d *data) limit(l log.Limits) {
	d.limits = l
	if l.PerSubject > 0 {
		for subject, n := range d.count {
			if n > uint64(l.PerSubject) {
				d.trimSubject(subject)
			}
		}
	}
	d.trimBytes()
}

// tick does what time has brought: entries whose time has come enter, and old
// ones leave.
func (d *data) tick(now time.Time) {
	for len(d.later) > 0 && !d.later[0].At.After(now) {
		due := *d.later[0]
		d.later = d.later[1:]
		d.bytes -= size(&due)
		due.Time, due.At = due.At, time.Time{}
		d.store(&due)
	}
	if age := d.limits.Age; age > 0 {
		for len(d.entries) > 0 && !d.entries[0].Time.Add(age).After(now) {
			d.remove(0)
		}
	}
	dedup := d.limits.DedupWindow()
	for len(d.idTimes) > 0 && !d.idTimes[0].time.Add(dedup).After(now) {
		delete(d.ids, d.idTimes[0].id)
		d.idTimes = d.idTimes[1:]
	}
}

// next returns when tick has something to do next; zero is never.
func (d *data) next() (at time.Time) {
	if len(d.later) > 0 {
		at = d.later[0].At
	}
	return at
}

// store gives an entry its position and keeps it.
func (d *data) store(e *log.Entry) {
	d.last++
	e.Position = d.last
	d.entries = append(d.entries, e)
	d.bytes += size(e)
	d.count[e.Subject]++
	if l := d.limits.PerSubject; l > 0 && d.count[e.Subject] > uint64(l) {
		d.trimSubject(e.Subject)
	}
	d.trimBytes()
	d.wake()
}

func (d *data) trimBytes() {
	for d.limits.Bytes > 0 && d.bytes > d.limits.Bytes && len(d.entries) > 0 {
		d.remove(0)
	}
}

func (d *data) trimSubject(subject string) {
	for excess := d.count[subject] - uint64(d.limits.PerSubject); excess > 0; excess-- {
		i := slices.IndexFunc(d.entries, func(e *log.Entry) bool { return e.Subject == subject })
		d.remove(i)
	}
}

// remove removes the entry at an index.
func (d *data) remove(i int) {
	d.forget(d.entries[i])
	if i == 0 {
		d.entries[0], d.entries = nil, d.entries[1:]
		return
	}
	d.entries = slices.Delete(d.entries, i, i+1)
}

// forget takes an entry that is to go out of the sums.
func (d *data) forget(e *log.Entry) {
	d.bytes -= size(e)
	if d.count[e.Subject]--; d.count[e.Subject] == 0 {
		delete(d.count, e.Subject)
	}
}

// index returns where an entry of a position is or would be.
func (d *data) index(position uint64) (int, bool) {
	return slices.BinarySearchFunc(d.entries, position, func(e *log.Entry, p uint64) int {
		switch {
		case e.Position < p:
			return -1
		case e.Position > p:
			return 1
		}
		return 0
	})
}

// stream is a data that a log has open.
type stream struct {
	*data
	log *Log
}

var _ log.Stream = (*stream)(nil)

// use locks the stream, up to date. The caller unlocks it if there is no error.
func (s *stream) use(ctx context.Context) error {
	if s.log.over() {
		return log.Closed()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.gone {
		s.mu.Unlock()
		return gone(s.name)
	}
	s.tick(time.Now())
	return nil
}

// wait unlocks the stream, waits until something happens or at has come, if it is
// not zero, and locks it again.
func (s *stream) wait(ctx context.Context, at time.Time) error {
	if next := s.next(); at.IsZero() || !next.IsZero() && next.Before(at) {
		at = next
	}
	var due <-chan time.Time
	if !at.IsZero() {
		timer := time.NewTimer(time.Until(at))
		defer timer.Stop()
		due = timer.C
	}
	changed := s.changed
	s.mu.Unlock()
	select {
	case <-changed:
	case <-due:
	case <-ctx.Done():
	case <-s.log.closed:
	}
	return s.use(ctx)
}

// Append implements log.Stream.
func (s *stream) Append(ctx context.Context, entries ...log.Entry) []log.Stored {
	all := make([]log.Stored, len(entries))
	if err := s.use(ctx); err != nil {
		for i := range all {
			all[i].Err = err
		}
		return all
	}
	defer s.mu.Unlock()
	for i := range entries {
		all[i] = s.append(entries[i])
	}
	return all
}

func (s *stream) append(e log.Entry) log.Stored {
	if err := e.Check(s.limits); err != nil {
		return log.Stored{Err: err}
	}
	if position, known := s.ids[e.ID]; known && e.ID != "" {
		return log.Stored{Position: position, Duplicate: true}
	}
	now := time.Now()
	e.Data = slices.Clone(e.Data)
	if e.Time = now; e.At.After(now) {
		s.last++
		e.Position = s.last
		i, _ := slices.BinarySearchFunc(s.later, e.At, func(o *log.Entry, at time.Time) int {
			if o.At.After(at) {
				return 1
			}
			return -1
		})
		s.later = slices.Insert(s.later, i, &e)
		s.bytes += size(&e)
		s.wake() // those that wait may have to wait shorter
	} else {
		e.At = time.Time{}
		s.store(&e)
	}
	if e.ID != "" {
		s.ids[e.ID] = e.Position
		s.idTimes = append(s.idTimes, idTime{e.ID, now})
	}
	return log.Stored{Position: e.Position}
}

// Get implements log.Stream.
func (s *stream) Get(ctx context.Context, position uint64) (log.Entry, error) {
	if err := s.use(ctx); err != nil {
		return log.Entry{}, err
	}
	defer s.mu.Unlock()
	i, found := s.index(position)
	if !found {
		return log.Entry{}, pinfold.Errorf(pinfold.NotFound, "stream %s has no entry at %d", s.name, position)
	}
	return *s.entries[i], nil
}

// Remove implements log.Stream.
func (s *stream) Remove(ctx context.Context, positions ...uint64) error {
	if err := s.use(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, position := range positions {
		if i, found := s.index(position); found {
			s.remove(i)
		} else if i := slices.IndexFunc(s.later, func(e *log.Entry) bool { return e.Position == position }); i >= 0 {
			s.bytes -= size(s.later[i])
			s.later = slices.Delete(s.later, i, i+1)
		}
	}
	s.wake()
	return nil
}

// Purge implements log.Stream.
func (s *stream) Purge(ctx context.Context, subjects string, before uint64) error {
	if err := log.CheckPattern(subjects); err != nil {
		return err
	}
	if err := s.use(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	purge := func(e *log.Entry) bool {
		return (before == 0 || e.Position < before) && log.Match(subjects, e.Subject)
	}
	s.entries = slices.DeleteFunc(s.entries, func(e *log.Entry) bool {
		if purge(e) {
			s.forget(e)
			return true
		}
		return false
	})
	s.later = slices.DeleteFunc(s.later, func(e *log.Entry) bool {
		if purge(e) {
			s.bytes -= size(e)
			return true
		}
		return false
	})
	s.wake()
	return nil
}

// Info implements log.Stream.
func (s *stream) Info(ctx context.Context, subjects string) (log.Info, error) {
	if err := log.CheckPattern(subjects); err != nil {
		return log.Info{}, err
	}
	if err := s.use(ctx); err != nil {
		return log.Info{}, err
	}
	defer s.mu.Unlock()
	info := log.Info{First: s.last + 1, Last: s.last, Entries: uint64(len(s.entries) + len(s.later)), Bytes: uint64(s.bytes)}
	if len(s.entries) > 0 {
		info.First = s.entries[0].Position
	}
	for _, e := range s.later {
		info.First = min(info.First, e.Position)
	}
	if subjects != "" {
		info.Subjects = map[string]uint64{}
		for subject, n := range s.count {
			if log.Match(subjects, subject) {
				info.Subjects[subject] = n
			}
		}
	}
	return info, nil
}

// Read implements log.Stream.
func (s *stream) Read(ctx context.Context, from log.From) (log.Reader, error) {
	if err := log.CheckPattern(from.Subjects); err != nil {
		return nil, err
	}
	if err := s.use(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	r := &reader{stream: s, from: from, next: 1, end: s.last}
	switch {
	case from.Position > 0:
		r.next = from.Position
	case !from.Time.IsZero():
		r.next = s.last + 1
		if i := slices.IndexFunc(s.entries, func(e *log.Entry) bool { return !e.Time.Before(from.Time) }); i >= 0 {
			r.next = s.entries[i].Position
		}
	case from.New:
		r.next = s.last + 1
	}
	return r, nil
}

type reader struct {
	*stream
	from   log.From
	next   uint64
	end    uint64
	closed bool
}

// Next implements log.Reader.
func (r *reader) Next(ctx context.Context, max int) ([]log.Entry, error) {
	if r.closed {
		return nil, pinfold.Errorf(pinfold.Unavailable, "the reader is closed")
	}
	if err := r.use(ctx); err != nil {
		return nil, err
	}
	for {
		i, _ := r.index(r.next)
		var all []log.Entry
		for ; i < len(r.entries) && len(all) < max && (r.from.Follow || r.entries[i].Position <= r.end); i++ {
			if e := r.entries[i]; log.Match(r.from.Subjects, e.Subject) {
				all = append(all, *e)
			}
			r.next = r.entries[i].Position + 1
		}
		switch {
		case len(all) > 0:
			r.mu.Unlock()
			return all, nil
		case !r.from.Follow:
			r.mu.Unlock()
			return nil, io.EOF
		}
		if err := r.wait(ctx, time.Time{}); err != nil {
			return nil, err
		}
	}
}

// Close implements log.Reader.
func (r *reader) Close() error {
	r.closed = true
	return nil
}
