package trace

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync"
	"time"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"

	"pinfold.dev/pinfold"
)

// ExporterConfig says where traces are sent, and what to do when they cannot be.
type ExporterConfig struct {
	Collector Collector
	Site      Site
	// MaxQueue is how many records wait for the collector; more are dropped.
	// Default 8,192, which is about 5 MB.
	MaxQueue int
	// Batch is how many records are sent together at most, and Interval how long
	// they wait for others. Defaults 512 and 1 s.
	Batch    int
	Interval time.Duration
	// Patience is how long it is tried to send a batch, before it is dropped.
	// Default 1 min.
	Patience time.Duration
	Log      *slog.Logger // is told when the collector fails, and when it is back
}

// Exporter sends records as spans to a collector. Its queue is bounded; what a
// collector cannot take in time is dropped and counted.
type Exporter struct {
	config ExporterConfig
	to     sender

	mu    sync.Mutex
	queue []pinfold.Record
	stats ExporterStats
	full  int64 // records for which there was no room; a part of stats.Dropped

	// Of the goroutine that sends:
	notBefore time.Time // the collector has asked for that
	failing   complaint
	losing    complaint
	missed    int64 // what full was when it was looked at last

	wake    chan struct{}
	closing chan struct{}
	done    chan struct{}
	life    context.Context
	kill    context.CancelFunc
}

// ExporterStats count records, but Rejected, which counts spans.
type ExporterStats struct {
	Sent, Dropped int64
	Rejected      int64 // by the collector, out of what was sent
	Waiting       int
	Failing       string // why the collector does not take any; "" if it does
}

// NewExporter returns an exporter. It fails only if the configuration cannot be
// meant: a collector that is down may come up.
func NewExporter(config ExporterConfig) (*Exporter, error) {
	p, err := config.Collector.dial()
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(config.Collector.Endpoint); err == nil {
		config.Collector.Endpoint = u.Redacted() // from here on it is what is told to people
	}
	return newExporter(config, p), nil
}

// sender sends a request once.
type sender interface {
	post(ctx context.Context, request *collectorpb.ExportTraceServiceRequest) (rejected int64, err error)
	hangUp()
}

func newExporter(config ExporterConfig, to sender) *Exporter {
	config.MaxQueue = cmp.Or(config.MaxQueue, 8192)
	config.Batch = cmp.Or(config.Batch, 512)
	config.Interval = cmp.Or(config.Interval, time.Second)
	config.Patience = cmp.Or(config.Patience, time.Minute)
	config.Log = cmp.Or(config.Log, slog.New(slog.DiscardHandler))
	life, kill := context.WithCancel(context.Background())
	e := &Exporter{
		config: config, to: to, wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}),
		life: life, kill: kill,
	}
	go e.run()
	return e
}

// Send queues records, as far as there is room. It does not keep the slice, and
// does not block.
func (e *Exporter) Send(records []pinfold.Record) {
	e.mu.Lock()
	n := min(len(records), e.config.MaxQueue-len(e.queue))
	e.queue = append(e.queue, records[:n]...)
	e.full += int64(len(records) - n)
	e.stats.Dropped += int64(len(records) - n)
	enough := len(e.queue) >= e.config.Batch
	e.mu.Unlock()
	if enough {
		select {
		case e.wake <- struct{}{}:
		default:
		}
	}
}

// Stats returns what the exporter has done so far.
func (e *Exporter) Stats() ExporterStats {
	e.mu.Lock()
	defer e.mu.Unlock()
	stats := e.stats
	stats.Waiting = len(e.queue)
	return stats
}

// Close sends what waits until ctx ends or the collector does not take it, and
// drops the rest. Nothing may be sent afterwards.
func (e *Exporter) Close(ctx context.Context) error {
	close(e.closing)
	defer e.kill()
	select {
	case <-e.done:
	case <-ctx.Done():
		e.kill()
		<-e.done
	}
	if n := e.Stats().Waiting; n > 0 {
		return pinfold.Errorf(pinfold.Timeout, "%d records of traces were dropped: the collector at %s did not take them in time", n, e.config.Collector.Endpoint)
	}
	return nil
}

func (e *Exporter) run() {
	defer close(e.done)
	defer e.to.hangUp()
	tick := time.NewTicker(e.config.Interval)
	defer tick.Stop()
	for {
		least, last := 1, false // records worth a batch
		select {
		case <-e.closing:
			last = true
		case <-tick.C:
		case <-e.wake:
			least = e.config.Batch
		}
		if !e.drain(least) || last {
			return
		}
		e.count()
	}
}

// drain sends batches until there are fewer records than a number. It reports
// false if nothing more is to be tried: Close says what becomes of it.
func (e *Exporter) drain(least int) bool {
	for e.life.Err() == nil && (isClosed(e.closing) || !time.Now().Before(e.notBefore)) {
		e.mu.Lock()
		n := min(len(e.queue), e.config.Batch)
		if n < least {
			e.mu.Unlock()
			return true
		}
		batch := slices.Clone(e.queue[:n]) // it stays in the queue until it is sent
		e.mu.Unlock()
		rejected, err := e.try(&collectorpb.ExportTraceServiceRequest{ResourceSpans: Spans(batch, e.config.Site)})
		if err != nil && isClosed(e.closing) {
			return false
		}
		e.mu.Lock()
		e.queue = slices.Delete(e.queue, 0, n)
		e.stats.Rejected += rejected
		if err == nil {
			e.stats.Sent += int64(n)
		} else {
			e.stats.Dropped += int64(n)
		}
		e.mu.Unlock()
	}
	return true
}

// The waits between attempts: each is twice the one before, give or take a half.
const (
	firstPause = time.Second
	maxPause   = 15 * time.Second
	// maxAsked is for how long a collector is left alone that asks for more.
	maxAsked = 5 * time.Minute
)

// try sends a batch until the collector has taken it, has refused it for good, or
// the time for it is over. Once the exporter closes there are no more attempts.
func (e *Exporter) try(request *collectorpb.ExportTraceServiceRequest) (rejected int64, err error) {
	end := time.Now().Add(e.config.Patience)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		last := isClosed(e.closing)
		rejected, err = e.to.post(e.life, request)
		e.note(err)
		later, again := errors.AsType[*retry](err)
		if !again || last {
			return rejected, err
		}
		wait := max(later.after, pause/2+rand.N(pause))
		if now := time.Now(); now.Add(wait).After(end) {
			e.notBefore = now.Add(min(later.after, maxAsked))
			return 0, err
		}
		select {
		case <-time.After(wait):
		case <-e.closing:
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// note keeps how the collector is, and says when that changes.
func (e *Exporter) note(err error) {
	if e.life.Err() != nil {
		return
	}
	e.mu.Lock()
	e.stats.Failing = ""
	if err != nil {
		e.stats.Failing = err.Error()
	}
	dropped := e.stats.Dropped
	e.mu.Unlock()
	switch e.failing.changes(err != nil) {
	case begins:
		e.config.Log.Warn("traces cannot be sent", "collector", e.config.Collector.Endpoint, "error", err)
	case ends:
		e.config.Log.Info("traces are sent again", "collector", e.config.Collector.Endpoint, "dropped", dropped)
	}
}

// count says when traces begin to be dropped because they come faster than the
// collector takes them, and when that is over.
func (e *Exporter) count() {
	e.mu.Lock()
	lost, dropped := e.full > e.missed, e.stats.Dropped
	e.missed = e.full
	e.mu.Unlock()
	switch e.losing.changes(lost && !e.failing.said) { // which says enough
	case begins:
		e.config.Log.Warn("traces are dropped: they come faster than the collector takes them", "collector", e.config.Collector.Endpoint, "dropped", dropped)
	case ends:
		e.config.Log.Info("no traces are dropped any more", "collector", e.config.Collector.Endpoint, "dropped", dropped)
	}
}

// complaint is something that is said when it begins and when it has ended, if it
// comes and goes once a minute at most.
type complaint struct {
	said  bool      // and has not ended
	since time.Time // when it was said last
}

type change int

const (
	nothing change = iota
	begins
	ends
)

// quiet is for how long nothing is said again.
const quiet = time.Minute

// changes takes in whether it is so now, and returns what is to be said.
func (c *complaint) changes(now bool) change {
	switch {
	case now == c.said || now && !c.since.IsZero() && time.Since(c.since) < quiet:
		return nothing
	case now:
		c.said, c.since = true, time.Now()
		return begins
	}
	c.said = false
	return ends
}
