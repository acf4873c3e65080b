package metrics

import (
	"cmp"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"pinfold.dev/pinfold"
)

// Config bounds metrics. A zero field takes its default.
type Config struct {
	Functions  int           // how many functions have series of their own, and how many queues and mappings. Default 2,000
	ErrorTypes int           // how many types of errors each of them has. Default 20
	Idle       time.Duration // how long a function is shown that nothing is heard of. Default 24 hours
	Platform   Platform
}

// other is the label of what has no series of its own.
const other = "other"

// maxType is how many bytes of an error's type are kept.
const maxType = 64

// Metrics counts executions. It implements [pinfold.Observer]. It has nothing to
// close.
type Metrics struct {
	// LogWrite and StoreCommit take how long, in seconds, a batch of logs took to
	// be written, and a transaction of the control store to be committed.
	LogWrite, StoreCommit prometheus.Observer
	// EventAppend takes how long, in seconds, events took to be stored that were stored
	// together.
	EventAppend prometheus.Observer

	config   Config
	registry *prometheus.Registry
	vectors  vectors
	known    sync.Map // *pinfold.Version -> *series

	mu     sync.Mutex
	series map[string]*series // by the function's name
	size   int                // about how many known has
}

// vectors are the metrics that there are of each function.
type vectors struct {
	invocations, errors, throttles, cold, billed, bytes *prometheus.CounterVec
	duration, queue, init                               *prometheus.HistogramVec
}

// series are those of one function, found once.
type series struct {
	name                string
	ok, failed, timeout prometheus.Counter
	throttles, billed   prometheus.Counter
	bytes               prometheus.Counter
	duration, queue     prometheus.Observer
	heard               atomic.Bool // since the last sweep
	last                time.Time   // sweep at which something had been heard; guarded by mu of Metrics
	mu                  sync.Mutex
	errors              map[string]prometheus.Counter
}

// New returns metrics of nothing yet.
func New(c Config) *Metrics {
	c.Functions = cmp.Or(c.Functions, 2000) // some 11 KB each
	c.ErrorTypes = cmp.Or(c.ErrorTypes, 20)
	c.Idle = cmp.Or(c.Idle, 24*time.Hour)
	registry := prometheus.NewRegistry()
	logs := prometheus.NewHistogram(histogram("log_write_seconds", "How long a batch of log lines took to be written."))
	store := prometheus.NewHistogram(histogram("store_commit_seconds", "How long a transaction of the control store took to be committed."))
	events := prometheus.NewHistogram(histogram("event_log_append_seconds", "How long events took to be stored that were stored together."))
	m := &Metrics{
		LogWrite: logs, StoreCommit: store, EventAppend: events,
		config: c, registry: registry, series: map[string]*series{},
		vectors: vectors{
			invocations: counters("function_invocations_total", "Invocations that an instance has done with, by how they ended: ok, error, timeout.", "status"),
			errors:      counters("function_errors_total", "Invocations whose function failed, by the type of its error.", "type"),
			throttles:   counters("function_throttles_total", "Invocations that were refused because as many ran as may."),
			cold:        counters("function_cold_starts_total", "Invocations that waited for an instance to be launched, by why.", "reason"),
			billed:      counters("function_billed_milliseconds_total", "Time that is paid for, rounded up for each invocation."),
			bytes:       counters("function_response_bytes_total", "Bytes that functions answered."),
			duration:    prometheus.NewHistogramVec(histogram("function_duration_seconds", "How long handlers ran."), []string{"function"}),
			queue:       prometheus.NewHistogramVec(histogram("function_queue_seconds", "How long invocations waited for an instance to be free or allowed."), []string{"function"}),
			init:        prometheus.NewHistogramVec(histogram("function_init_seconds", "How long the phases of cold starts took: fetch, sandbox, boot, init."), []string{"function", "phase"}),
		},
	}
	v := &m.vectors
	registry.MustRegister(v.invocations, v.errors, v.throttles, v.cold, v.billed, v.bytes, v.duration, v.queue, v.init,
		logs, store, events, newCollector(c.Platform), newEventCollector(c.Platform.Events, c.Functions), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func counters(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "pinfold", Name: name, Help: help}, append([]string{"function"}, labels...))
}

// histogram returns a native histogram: its buckets are a tenth apart, and only
// those that something is in exist.
func histogram(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: "pinfold", Name: name, Help: help,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramZeroThreshold:    1e-6,
		NativeHistogramMaxBucketNumber:  100,
		NativeHistogramMinResetDuration: time.Hour,
	}
}

// Executed counts an execution. It does not block.
func (m *Metrics) Executed(e *pinfold.Execution) {
	var s *series
	if known, ok := m.known.Load(e.Version); ok {
		s = known.(*series)
	} else {
		s = m.find(e.Version)
	}
	s.hear()
	switch {
	case e.Status == "timeout":
		s.timeout.Inc()
	case e.Status != "" || e.Failure != "": // REPORT has no status where a function throws
		s.failed.Inc()
	default:
		s.ok.Inc()
	}
	if e.Failure != "" {
		m.failure(s, e.Failure).Inc()
	}
	s.billed.Add(float64(max(e.Billed, 0).Milliseconds()))
	s.bytes.Add(float64(max(e.BytesOut, 0)))
	s.duration.Observe(e.Phases.Handler.Seconds())
	s.queue.Observe(e.Phases.Queue.Seconds())
	if e.Cold != pinfold.Warm {
		m.cold(s, e)
	}
}

func (m *Metrics) cold(s *series, e *pinfold.Execution) {
	m.vectors.cold.WithLabelValues(s.name, string(e.Cold)).Inc()
	phase := func(name string, took time.Duration) {
		m.vectors.init.WithLabelValues(s.name, name).Observe(took.Seconds())
	}
	phase("fetch", e.Phases.Fetch)
	phase("sandbox", e.Phases.Sandbox)
	phase("boot", e.Phases.Boot)
	phase("init", e.Phases.Init)
}

// Throttled counts an invocation that was refused because as many ran as may, of
// a function that exists.
func (m *Metrics) Throttled(function string) {
	m.mu.Lock()
	s := m.of(function)
	m.mu.Unlock()
	s.hear()
	s.throttles.Inc()
}

func (s *series) hear() {
	if !s.heard.Load() { // a load is cheaper where many do it
		s.heard.Store(true)
	}
}

// failure returns the counter of a type of errors.
func (m *Metrics) failure(s *series, name string) prometheus.Counter {
	name = strings.ToValidUTF8(name[:min(len(name), maxType)], "") // as labels must be
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.errors[name]
	if c == nil && len(s.errors) >= m.config.ErrorTypes {
		name = other
		c = s.errors[name]
	}
	if c == nil {
		c = m.vectors.errors.WithLabelValues(s.name, name)
		s.errors[name] = c
	}
	return c
}

// maxKnown is how many versions known may have before it begins anew: a registry
// may give out the same version anew every now and then.
const maxKnown = 1 << 14

func (m *Metrics) find(v *pinfold.Version) *series {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.size++; m.size > maxKnown {
		m.known.Clear()
		m.size = 0
	}
	s := m.of(v.Ref.Name)
	m.known.Store(v, s)
	return s
}

// of returns the series of a function. mu is held.
func (m *Metrics) of(name string) *series {
	if s := m.series[name]; s != nil {
		return s
	}
	if len(m.series) >= m.config.Functions {
		name = other
		if s := m.series[name]; s != nil {
			return s
		}
	}
	v := &m.vectors
	s := &series{
		name: name,
		ok:   v.invocations.WithLabelValues(name, "ok"), failed: v.invocations.WithLabelValues(name, "error"), timeout: v.invocations.WithLabelValues(name, "timeout"),
		throttles: v.throttles.WithLabelValues(name), billed: v.billed.WithLabelValues(name), bytes: v.bytes.WithLabelValues(name),
		duration: v.duration.WithLabelValues(name), queue: v.queue.WithLabelValues(name),
		last: time.Now(), errors: map[string]prometheus.Counter{},
	}
	m.series[name] = s
	return s
}

// sweep drops the series of functions that nothing was heard of for long. What
// is counted in this very moment may go with them.
func (m *Metrics) sweep(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, s := range m.series {
		if s.heard.Swap(false) {
			s.last = now
		}
		if now.Sub(s.last) < m.config.Idle {
			continue
		}
		delete(m.series, name)
		m.known.Clear()
		m.size = 0
		gone := prometheus.Labels{"function": name}
		v := &m.vectors
		for _, c := range []*prometheus.CounterVec{v.invocations, v.errors, v.throttles, v.cold, v.billed, v.bytes} {
			c.DeletePartialMatch(gone)
		}
		for _, h := range []*prometheus.HistogramVec{v.duration, v.queue, v.init} {
			h.DeletePartialMatch(gone)
		}
	}
}

// Handler answers scrapes: as text, and to who asks for it as protocol buffers,
// which alone have native histograms.
func (m *Metrics) Handler() http.Handler {
	scrape := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.sweep(time.Now())
		scrape.ServeHTTP(w, r)
	})
}
