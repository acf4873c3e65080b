package metrics

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"sync"
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

const (
	maxType    = 64 // how many bytes of an error's type are kept
	maxReasons = 20 // more than there are for cold starts
)

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
	known    sync.Map // *pinfold.Version -> *series

	mu     sync.Mutex
	series map[string]*series // by the function's name
	size   int                // about how many known has
}

// New returns metrics of nothing yet.
func New(c Config) *Metrics {
	c.Functions = cmp.Or(c.Functions, 2000) // each is a dozen series for who keeps them
	c.ErrorTypes = cmp.Or(c.ErrorTypes, 20)
	c.Idle = cmp.Or(c.Idle, 24*time.Hour)
	registry := prometheus.NewRegistry()
	logs := prometheus.NewHistogram(native("log_write_seconds", "How long a batch of log lines took to be written."))
	store := prometheus.NewHistogram(native("store_commit_seconds", "How long a transaction of the control store took to be committed."))
	events := prometheus.NewHistogram(native("event_log_append_seconds", "How long events took to be stored that were stored together."))
	m := &Metrics{
		LogWrite: logs, StoreCommit: store, EventAppend: events,
		config: c, registry: registry, series: map[string]*series{},
	}
	registry.MustRegister(newFunctionCollector(m), logs, store, events, newCollector(c.Platform), newEventCollector(c.Platform.Events, c.Functions),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// native returns a histogram of the client library like those of functions.
func native(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: "pinfold", Name: name, Help: help,
		NativeHistogramBucketFactor:     1.1,
		NativeHistogramZeroThreshold:    zeroThreshold,
		NativeHistogramMaxBucketNumber:  maxBuckets,
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
	s.executed(e, m.config.ErrorTypes)
}

// Throttled counts an invocation that was refused because as many ran as may, of
// a function that exists.
func (m *Metrics) Throttled(function string) {
	m.mu.Lock()
	s := m.of(function)
	m.mu.Unlock()
	s.throttled()
}

// all returns the series of all functions.
func (m *Metrics) all() []*series {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.series))
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
	now := time.Now()
	s := &series{name: name, began: now, last: now}
	m.series[name] = s
	return s
}

// sweep drops the series of functions that nothing was heard of for long. What
// is counted in this very moment may go with them.
func (m *Metrics) sweep(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, s := range m.series {
		if s.silent(now, m.config.Idle) {
			delete(m.series, name)
			m.known.Clear()
			m.size = 0
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
