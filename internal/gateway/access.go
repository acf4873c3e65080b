package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Access is what is known of a request when it is over.
type Access struct {
	Time      time.Time // when it came
	Duration  time.Duration
	Remote    string // the client's IP address
	Method    string
	URI       string // path and query as they came
	Proto     string
	Status    int
	Bytes     int64  // of the body that was sent
	Door      string // ID of the API or function URL, or ""
	Stage     string
	Route     string // route key, "GET /users/{id}", or ""
	Function  string
	RequestID string
	Cold      time.Duration // what a new instance cost, 0 for a warm one
	Error     string        // why the gateway answered and not the function, or ""
}

// AppendText appends the request as a line without an end, for people:
//
//	127.0.0.1 "GET /hello" 200 12 B 1.9ms hello-dev-greet (cold 85 ms)
func (a Access) AppendText(dst []byte) ([]byte, error) {
	dst = append(dst, a.Remote...)
	dst = append(dst, ' ')
	dst = strconv.AppendQuote(dst, a.Method+" "+a.URI)
	dst = fmt.Appendf(dst, " %d %d B %s", a.Status, a.Bytes, short(a.Duration))
	if a.Function != "" {
		dst = append(dst, ' ')
		dst = append(dst, a.Function...)
	}
	if a.Cold > 0 {
		dst = fmt.Appendf(dst, " (cold %d ms)", (a.Cold+time.Millisecond/2)/time.Millisecond)
	}
	if a.Error != "" {
		dst = append(dst, ": "...)
		dst = append(dst, a.Error...)
	}
	return dst, nil
}

func (a Access) String() string {
	b, _ := a.AppendText(nil)
	return string(b)
}

// short rounds a duration to the digits that people read.
func short(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Microsecond)
}

// Attrs returns the request as attributes of a structured log.
func (a Access) Attrs() []slog.Attr {
	attrs := []slog.Attr{
		slog.String("remote", a.Remote), slog.String("method", a.Method), slog.String("uri", a.URI),
		slog.Int("status", a.Status), slog.Int64("bytes", a.Bytes), slog.Duration("duration", a.Duration),
		slog.String("requestId", a.RequestID),
	}
	for _, o := range []struct{ key, value string }{{"api", a.Door}, {"stage", a.Stage}, {"route", a.Route}, {"function", a.Function}, {"error", a.Error}} {
		if o.value != "" {
			attrs = append(attrs, slog.String(o.key, o.value))
		}
	}
	if a.Cold > 0 {
		attrs = append(attrs, slog.Duration("cold", a.Cold))
	}
	return attrs
}

// AccessLog takes access records off the way of requests: Record puts them
// into a queue, and a goroutine of the log's own hands them on. When the queue
// is full records are dropped, and counted, rather than requests held up.
type AccessLog struct {
	queue   chan Access
	dropped atomic.Int64
	done    chan struct{}
	mu      sync.RWMutex // guards closed against sends on a closed queue
	closed  bool
}

// NewAccessLog starts a log that calls write with each record, one at a time,
// with room for size records that wait. Close ends it.
func NewAccessLog(size int, write func(Access)) *AccessLog {
	l := &AccessLog{queue: make(chan Access, size), done: make(chan struct{})}
	go func() {
		defer close(l.done)
		for a := range l.queue {
			write(a)
		}
	}()
	return l
}

// SlogAccess returns a function for [NewAccessLog] that writes records to a
// structured log: those that the gateway could not serve (status 500 and more)
// as warnings, the others as information.
func SlogAccess(log *slog.Logger) func(Access) {
	return func(a Access) {
		level := slog.LevelInfo
		if a.Status >= 500 {
			level = slog.LevelWarn
		}
		log.LogAttrs(context.Background(), level, "request", a.Attrs()...)
	}
}

// Record queues a record; it never blocks. It is meant for [Options.Access].
func (l *AccessLog) Record(a Access) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return
	}
	select {
	case l.queue <- a:
	default:
		l.dropped.Add(1)
	}
}

// Dropped returns how many records found the queue full.
func (l *AccessLog) Dropped() int64 { return l.dropped.Load() }

// Close writes what is queued and waits until it is written. Records that come
// later are dropped.
func (l *AccessLog) Close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.queue)
	}
	l.mu.Unlock()
	<-l.done
}
