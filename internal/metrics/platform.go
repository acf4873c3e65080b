package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Platform is what the platform knows of itself, asked for whenever metrics are
// read. What is nil has no metrics.
type Platform struct {
	Pool      func() Pool
	Functions func() []Function // those of the same name are added up
	// RecordsDropped and LogLinesDropped are how many were lost, since the start,
	// because their writers fell behind, and TracesDropped how many records a
	// collector did not take.
	RecordsDropped, LogLinesDropped, TracesDropped func() uint64
	MeteringFails                                  func() bool // at the moment
	Events                                         Events
}

// Pool is how the pool of instances does.
type Pool struct {
	Instances          int
	Cells              map[string]int // that wait for a function, by kind
	InFlight           int            // invocations that run or wait
	Waiting            int            // of them, those that wait
	Limit              int            // of InFlight
	MemoryMB, BudgetMB int
	Evictions          uint64 // instances that gave their memory to others, since the start
}

// Function is how many invocations of a function there are now.
type Function struct {
	Name             string
	Running, Waiting int
}

// collector makes metrics of a Platform.
type collector struct {
	platform Platform

	running, waiting                          *prometheus.Desc
	instances, cells, inFlight, queued, limit *prometheus.Desc
	memory, budget, evictions, records, lines *prometheus.Desc
	traces, metering                          *prometheus.Desc
}

func newCollector(p Platform) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("pinfold_"+name, help, labels, nil)
	}
	return &collector{
		platform:  p,
		running:   desc("function_concurrency", "Invocations that run now.", "function"),
		waiting:   desc("function_waiting", "Invocations that wait now: for an instance, or at a limit.", "function"),
		instances: desc("pool_instances", "Instances that there are."),
		cells:     desc("pool_cells", "Runtimes that have booted and wait for a function, by kind.", "kind"),
		inFlight:  desc("pool_in_flight", "Invocations that run, or wait for an instance."),
		queued:    desc("pool_waiting", "Invocations that wait for an instance, or at a limit."),
		limit:     desc("pool_in_flight_limit", "How many invocations there may be."),
		memory:    desc("pool_memory_bytes", "Memory that instances and cells hold."),
		budget:    desc("pool_memory_budget_bytes", "Memory that they may hold."),
		evictions: desc("pool_evictions_total", "Instances that gave their memory to others."),
		records:   desc("records_dropped_total", "Records of invocations that were lost because their writer fell behind."),
		lines:     desc("log_lines_dropped_total", "Log lines that were lost because their writer fell behind."),
		traces:    desc("traces_dropped_total", "Invocations and calls that were not sent to the collector, because it does not take them or is too slow."),
		metering:  desc("metering_failing", "1 while something goes wrong with metering, which the log tells."),
	}
}

// Describe says nothing: which metrics there are is known when they are read.
func (c *collector) Describe(chan<- *prometheus.Desc) {}

// Collect asks the platform.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	if c.platform.Pool != nil {
		p := c.platform.Pool()
		gauge(out, c.instances, p.Instances)
		for kind, n := range p.Cells {
			gauge(out, c.cells, n, kind)
		}
		gauge(out, c.inFlight, p.InFlight)
		gauge(out, c.queued, p.Waiting)
		gauge(out, c.limit, p.Limit)
		gauge(out, c.memory, p.MemoryMB<<20)
		gauge(out, c.budget, p.BudgetMB<<20)
		counter(out, c.evictions, p.Evictions)
	}
	if c.platform.Functions != nil {
		sums := map[string]Function{}
		for _, f := range c.platform.Functions() {
			sum := sums[f.Name]
			sum.Running += f.Running
			sum.Waiting += f.Waiting
			sums[f.Name] = sum
		}
		for name, f := range sums {
			gauge(out, c.running, f.Running, name)
			gauge(out, c.waiting, f.Waiting, name)
		}
	}
	for desc, dropped := range map[*prometheus.Desc]func() uint64{
		c.records: c.platform.RecordsDropped, c.lines: c.platform.LogLinesDropped, c.traces: c.platform.TracesDropped,
	} {
		if dropped != nil {
			counter(out, desc, dropped())
		}
	}
	if c.platform.MeteringFails != nil {
		gauge(out, c.metering, one(c.platform.MeteringFails()))
	}
}

func gauge(out chan<- prometheus.Metric, d *prometheus.Desc, n int, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
}

func counter(out chan<- prometheus.Metric, d *prometheus.Desc, n uint64, labels ...string) {
	out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
}

// one is 1 for true.
func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
