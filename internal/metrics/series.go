package metrics

import (
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pinfold.dev/pinfold"
)

// series are those of one function. There may be thousands of functions, most of
// which are seldom called: what counts is how little each holds, so metrics are made
// of this when they are read.
type series struct {
	name string

	mu                 sync.Mutex // of all that follows
	began              time.Time
	heard              bool      // since the last sweep
	last               time.Time // sweep at which something had been heard
	ok, failed         uint64
	timeouts           uint64
	throttles          uint64
	billed, bytes      uint64
	errors, colds      tallies // by type, by reason
	duration, queue    histogram
	fetch, sandbox     histogram // of cold starts, as what follows
	boot, initialising histogram
}

// tallies are counters by name. There are few.
type tallies []tally

type tally struct {
	name string
	n    uint64
}

// of returns the counter of a name, which is made if there are fewer than most, or
// else that of [other].
func (t *tallies) of(name string, most int) *uint64 {
	for i := range *t {
		if (*t)[i].name == name {
			return &(*t)[i].n
		}
	}
	if len(*t) >= most && name != other {
		return t.of(other, most)
	}
	*t = append(*t, tally{name: strings.Clone(name)})
	return &(*t)[len(*t)-1].n
}

// executed counts an execution.
func (s *series) executed(e *pinfold.Execution, errorTypes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = true
	switch {
	case e.Status == "timeout":
		s.timeouts++
	case e.Status != "" || e.Failure != "": // REPORT has no status where a function throws
		s.failed++
	default:
		s.ok++
	}
	if e.Failure != "" {
		*s.errors.of(strings.ToValidUTF8(e.Failure[:min(len(e.Failure), maxType)], ""), errorTypes)++ // as labels must be
	}
	s.billed += uint64(max(e.Billed, 0).Milliseconds())
	s.bytes += uint64(max(e.BytesOut, 0))
	s.duration.observe(e.Phases.Handler)
	s.queue.observe(e.Phases.Queue)
	if e.Cold == pinfold.Warm {
		return
	}
	*s.colds.of(string(e.Cold), maxReasons)++
	s.fetch.observe(e.Phases.Fetch)
	s.sandbox.observe(e.Phases.Sandbox)
	s.boot.observe(e.Phases.Boot)
	s.initialising.observe(e.Phases.Init)
}

func (s *series) throttled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = true
	s.throttles++
}

// silent reports whether nothing has been heard for so long.
func (s *series) silent(now time.Time, idle time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard {
		s.heard, s.last = false, now
	}
	return now.Sub(s.last) >= idle
}

// functionCollector makes metrics of all series.
type functionCollector struct {
	metrics *Metrics

	invocations, errors, throttles, cold, billed, bytes *prometheus.Desc
	duration, queue, init                               *prometheus.Desc
}

func newFunctionCollector(m *Metrics) *functionCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("pinfold_function_"+name, help, append([]string{"function"}, labels...), nil)
	}
	return &functionCollector{
		metrics:     m,
		invocations: desc("invocations_total", "Invocations that an instance has done with, by how they ended: ok, error, timeout.", "status"),
		errors:      desc("errors_total", "Invocations whose function failed, by the type of its error.", "type"),
		throttles:   desc("throttles_total", "Invocations that were refused because as many ran as may."),
		cold:        desc("cold_starts_total", "Invocations that waited for an instance to be launched, by why.", "reason"),
		billed:      desc("billed_milliseconds_total", "Time that is paid for, rounded up for each invocation."),
		bytes:       desc("response_bytes_total", "Bytes that functions answered."),
		duration:    desc("duration_seconds", "How long handlers ran."),
		queue:       desc("queue_seconds", "How long invocations waited for an instance to be free or allowed."),
		init:        desc("init_seconds", "How long the phases of cold starts took: fetch, sandbox, boot, init.", "phase"),
	}
}

// Describe says nothing, as that of collector.
func (c *functionCollector) Describe(chan<- *prometheus.Desc) {}

// Collect tells all series.
func (c *functionCollector) Collect(out chan<- prometheus.Metric) {
	var made []prometheus.Metric
	for _, s := range c.metrics.all() {
		made = c.of(s, made[:0]) // whoever is counted does not wait for who reads
		for _, m := range made {
			out <- m
		}
	}
}

// of appends what there is of a function.
func (c *functionCollector) of(s *series, made []prometheus.Metric) []prometheus.Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		made = append(made, prometheus.MustNewConstMetricWithCreatedTimestamp(d, prometheus.CounterValue, float64(n), s.began, append([]string{s.name}, labels...)...))
	}
	count(c.invocations, s.ok, "ok")
	count(c.invocations, s.failed, "error")
	count(c.invocations, s.timeouts, "timeout")
	count(c.throttles, s.throttles)
	count(c.billed, s.billed)
	count(c.bytes, s.bytes)
	for _, t := range s.errors {
		count(c.errors, t.n, t.name)
	}
	for _, t := range s.colds {
		count(c.cold, t.n, t.name)
	}
	made = append(made, s.duration.metric(c.duration, s.began, s.name), s.queue.metric(c.queue, s.began, s.name))
	if len(s.colds) > 0 {
		made = append(made,
			s.fetch.metric(c.init, s.began, s.name, "fetch"), s.sandbox.metric(c.init, s.began, s.name, "sandbox"),
			s.boot.metric(c.init, s.began, s.name, "boot"), s.initialising.metric(c.init, s.began, s.name, "init"))
	}
	return made
}
