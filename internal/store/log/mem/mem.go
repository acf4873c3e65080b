// Package mem is the engine of the log that keeps everything in memory. It exists
// for tests: it has no goroutines and waits on channels and timers alone, so it
// works in the virtual time of testing/synctest. What a log leaves behind when it is
// closed is in its Disk, where another one finds it.
package mem

import (
	"context"
	"sync"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// Disk is what outlives a log. Several logs may be open on it at the same time, as
// several processes are with a cluster. It belongs to the bubble of synctest that it
// is made in.
type Disk struct {
	mu      sync.Mutex
	streams map[string]*data
	owners  map[string]*owner
}

type owner struct {
	log    *Log
	holder string
	lose   context.CancelFunc
	free   chan struct{} // closed when the name is given back
}

// Log is a log in memory.
type Log struct {
	disk   *Disk
	closed chan struct{}
	once   sync.Once
}

var _ log.Log = (*Log)(nil)

// New opens a log on a disk of its own.
func New() *Log { return NewDisk().Open() }

// NewDisk returns an empty disk.
func NewDisk() *Disk {
	return &Disk{streams: map[string]*data{}, owners: map[string]*owner{}}
}

// Open opens a log on what is there.
func (d *Disk) Open() *Log { return &Log{disk: d, closed: make(chan struct{})} }

func (l *Log) over() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// Stream implements log.Log.
func (l *Log) Stream(ctx context.Context, name string, limits log.Limits) (log.Stream, error) {
	if err := l.ready(ctx, name); err != nil {
		return nil, err
	}
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	d := l.disk.streams[name]
	if d == nil {
		d = newData(name)
		l.disk.streams[name] = d
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit(limits)
	return &stream{data: d, log: l}, nil
}

// Delete implements log.Log.
func (l *Log) Delete(ctx context.Context, name string) error {
	if err := l.ready(ctx, name); err != nil {
		return err
	}
	l.disk.mu.Lock()
	defer l.disk.mu.Unlock()
	if d := l.disk.streams[name]; d != nil {
		delete(l.disk.streams, name)
		d.mu.Lock()
		defer d.mu.Unlock()
		d.gone = true
		d.wake()
	}
	return nil
}

func (l *Log) ready(ctx context.Context, name string) error {
	if l.over() {
		return log.Closed()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return log.CheckName(name)
}

// Own implements log.Log.
func (l *Log) Own(ctx context.Context, name, holder string, waiting func(string)) (context.Context, func(), error) {
	if err := log.CheckSubject(name); err != nil {
		return nil, nil, err
	}
	for told := ""; ; {
		if l.over() {
			return nil, nil, log.Closed()
		}
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		o, mine := l.disk.claim(ctx, l, name, holder)
		if mine != nil {
			return mine, func() { l.disk.release(name, o) }, nil
		}
		if waiting != nil && told != o.holder {
			told = o.holder
			waiting(told)
		}
		select {
		case <-o.free:
		case <-ctx.Done():
		case <-l.closed:
		}
	}
}

// claim makes a name the log's and returns the context of that, or returns whose
// it is.
func (d *Disk) claim(ctx context.Context, l *Log, name, holder string) (*owner, context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if o := d.owners[name]; o != nil {
		return o, nil
	}
	owned, lose := context.WithCancel(ctx)
	o := &owner{log: l, holder: holder, lose: lose, free: make(chan struct{})}
	d.owners[name] = o
	return o, owned
}

func (d *Disk) release(name string, o *owner) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.owners[name] == o {
		delete(d.owners, name)
		o.lose()
		close(o.free)
	}
}

// Take has a name that somebody owns lost, as it is when its owner cannot reach
// the log for too long. It reports whether somebody owned it.
func (d *Disk) Take(name string) bool {
	d.mu.Lock()
	o := d.owners[name]
	d.mu.Unlock()
	if o != nil {
		d.release(name, o)
	}
	return o != nil
}

// Close implements log.Log.
func (l *Log) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.disk.mu.Lock()
		defer l.disk.mu.Unlock()
		for name, o := range l.disk.owners {
			if o.log == l {
				delete(l.disk.owners, name)
				o.lose()
				close(o.free)
			}
		}
	})
	return nil
}

func gone(name string) error {
	return pinfold.Errorf(pinfold.NotFound, "the log has no stream %s any more", name)
}
