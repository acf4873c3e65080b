package trace

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
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
	e.stats.Dropped += int64(len(records) - n)
	full := len(e.queue) >= e.config.Batch
	e.mu.Unlock()
	if full {
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

// Close sends what waits until ctx ends, and drops the rest. Nothing may be sent
// afterwards.
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
		least := 1 // records worth a batch
		select {
		case <-e.closing:
			e.drain(1)
			return
		case <-tick.C:
		case <-e.wake:
			least = e.config.Batch
		}
		e.drain(least)
	}
}

// drain sends batches until there are fewer records than a number.
func (e *Exporter) drain(least int) {
	for e.life.Err() == nil {
		e.mu.Lock()
		n := min(len(e.queue), e.config.Batch)
		if n < least {
			e.mu.Unlock()
			return
		}
		batch := slices.Clone(e.queue[:n]) // it stays in the queue until it is sent
		e.mu.Unlock()
		rejected, err := e.try(&collectorpb.ExportTraceServiceRequest{ResourceSpans: Spans(batch, e.config.Site)})
		if e.life.Err() != nil && err != nil {
			return // Close says what becomes of it
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
}

// The waits between attempts: each is twice the one before, give or take a half.
const (
	firstPause = time.Second
	maxPause   = 15 * time.Second
)

// try sends a batch until the collector has taken it, has refused it for good, or
// the time for it is over.
func (e *Exporter) try(request *collectorpb.ExportTraceServiceRequest) (rejected int64, err error) {
	end := time.Now().Add(e.config.Patience)
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		rejected, err = e.to.post(e.life, request)
		e.note(err)
		later, again := errors.AsType[*retry](err)
		if !again {
			return rejected, err
		}
		wait := max(later.after, pause/2+rand.N(pause))
		if time.Now().Add(wait).After(end) {
			return 0, err
		}
		select {
		case <-time.After(wait):
		case <-e.life.Done():
			return 0, err
		}
	}
}

// note keeps how the collector is, and says when that changes.
func (e *Exporter) note(err error) {
	if e.life.Err() != nil {
		return
	}
	e.mu.Lock()
	was := e.stats.Failing
	e.stats.Failing = ""
	if err != nil {
		e.stats.Failing = err.Error()
	}
	dropped := e.stats.Dropped
	e.mu.Unlock()
	switch {
	case err != nil && was == "":
		e.config.Log.Warn("traces cannot be sent", "collector", e.config.Collector.Endpoint, "error", err)
	case err == nil && was != "":
		e.config.Log.Info("traces are sent again", "collector", e.config.Collector.Endpoint, "dropped", dropped)
	}
}
