package metrics

import (
	"cmp"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pinfold.dev/pinfold"
)

// Events is what the platform knows of events, asked for whenever metrics are read.
// What is nil has no metrics.
type Events struct {
	Queues    func() []pinfold.QueueStatus
	Async     func() []pinfold.AsyncStatus
	Mappings  func() []pinfold.MappingStatus // those of the same function and source are added up
	Schedules func() Schedules
	Streams   func() []Stream // those that can be asked about
}

// Schedules is how schedules and rules with one do; what there was of events is
// since the start.
type Schedules struct {
	Kept                        int
	Sent, Retried, Buried, Lost uint64
}

// Stream is a stream of the log of events.
type Stream struct {
	Name           string
	Entries, Bytes uint64
}

// eventCollector makes metrics of Events.
type eventCollector struct {
	events Events
	most   int // series of each metric that are not for other

	messages, oldest                            *prometheus.Desc
	async, asyncEnded, asyncOldest, asyncPaused *prometheus.Desc
	paused, inFlight, batches, handled          *prometheus.Desc
	schedules, scheduled, logEntries, logBytes  *prometheus.Desc
}

func newEventCollector(e Events, most int) *eventCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("pinfold_"+name, help, labels, nil)
	}
	return &eventCollector{
		events: e, most: most,
		messages:    desc("queue_messages", "Messages in a queue, by their state: visible, in_flight, delayed.", "queue", "state"),
		oldest:      desc("queue_oldest_seconds", "How long the oldest message has been in a queue; 0 if it is empty.", "queue"),
		async:       desc("async_events", "Events of asynchronous invocations, by their state: waiting, running, delayed, sending, failed.", "function", "state"),
		asyncEnded:  desc("async_ended_total", "Events of asynchronous invocations, by what became of them: succeeded, given_up; and undelivered records and dead letters.", "function", "result"),
		asyncOldest: desc("async_oldest_seconds", "How long the oldest event has been waiting for a function; 0 if there is none.", "function"),
		asyncPaused: desc("async_paused", "1 while events wait because their function is throttled or cannot be run.", "function"),
		paused:      desc("mapping_paused", "1 while a queue's messages wait because their function is throttled, keeps failing or cannot be run.", "function", "source"),
		inFlight:    desc("mapping_in_flight", "Batches of a queue that a function has now.", "function", "source"),
		batches:     desc("mapping_batches_total", "Batches of a queue that a function has done with.", "function", "source"),
		handled:     desc("mapping_messages_total", "Messages of a queue, by what came of them: handled, failed, filtered, returned.", "function", "source", "result"),
		schedules:   desc("schedules", "Schedules, and rules that have one."),
		scheduled:   desc("schedule_events_total", "Events of schedules, by what came of an attempt to send them: sent, retried, buried (in a dead-letter queue), lost.", "result"),
		logEntries:  desc("event_log_entries", "Entries in the log of events.", "stream"),
		logBytes:    desc("event_log_bytes", "Size of the log of events.", "stream"),
	}
}

// Describe says nothing: which metrics there are is known when they are read.
func (c *eventCollector) Describe(chan<- *prometheus.Desc) {}

// Collect asks the platform.
func (c *eventCollector) Collect(out chan<- prometheus.Metric) {
	if c.events.Queues != nil {
		c.queues(out, c.events.Queues())
	}
	if c.events.Async != nil {
		c.asynchronous(out, c.events.Async())
	}
	if c.events.Mappings != nil {
		c.mappings(out, c.events.Mappings())
	}
	if c.events.Schedules != nil {
		s := c.events.Schedules()
		gauge(out, c.schedules, s.Kept)
		for result, n := range map[string]uint64{"sent": s.Sent, "retried": s.Retried, "buried": s.Buried, "lost": s.Lost} {
			counter(out, c.scheduled, n, result)
		}
	}
	if c.events.Streams != nil {
		for _, s := range c.events.Streams() {
			gauge(out, c.logEntries, int(s.Entries), s.Name)
			gauge(out, c.logBytes, int(s.Bytes), s.Name)
		}
	}
}

func (c *eventCollector) queues(out chan<- prometheus.Metric, all []pinfold.QueueStatus) {
	sums := addUp(all, c.most, other, func(q pinfold.QueueStatus) string { return q.Name }, func(sum *pinfold.QueueStatus, q pinfold.QueueStatus) {
		sum.Visible += q.Visible
		sum.InFlight += q.InFlight
		sum.Delayed += q.Delayed
		sum.Oldest = older(sum.Oldest, q.Oldest)
	})
	for queue, q := range sums {
		gauge(out, c.messages, q.Visible, queue, "visible")
		gauge(out, c.messages, q.InFlight, queue, "in_flight")
		gauge(out, c.messages, q.Delayed, queue, "delayed")
		out <- age(c.oldest, q.Oldest, queue)
	}
}

func (c *eventCollector) asynchronous(out chan<- prometheus.Metric, all []pinfold.AsyncStatus) {
	sums := addUp(all, c.most, other, func(s pinfold.AsyncStatus) string { return s.Function }, func(sum *pinfold.AsyncStatus, s pinfold.AsyncStatus) {
		sum.Waiting += s.Waiting
		sum.Running += s.Running
		sum.Delayed += s.Delayed
		sum.Sending += s.Sending
		sum.Failed += s.Failed
		sum.Ended.Succeeded += s.Ended.Succeeded
		sum.Ended.GivenUp += s.Ended.GivenUp
		sum.Ended.Undelivered += s.Ended.Undelivered
		sum.Oldest = older(sum.Oldest, s.Oldest)
		sum.Paused = cmp.Or(sum.Paused, s.Paused)
	})
	for function, s := range sums {
		for state, n := range map[pinfold.AsyncState]int{
			pinfold.AsyncWaiting: s.Waiting, pinfold.AsyncRunning: s.Running, pinfold.AsyncDelayed: s.Delayed, pinfold.AsyncSending: s.Sending, pinfold.AsyncFailed: s.Failed,
		} {
			gauge(out, c.async, n, function, string(state))
		}
		for result, n := range map[string]uint64{"succeeded": s.Ended.Succeeded, "given_up": s.Ended.GivenUp, "undelivered": s.Ended.Undelivered} {
			counter(out, c.asyncEnded, n, function, result)
		}
		out <- age(c.asyncOldest, s.Oldest, function)
		gauge(out, c.asyncPaused, one(s.Paused != nil), function)
	}
}

func (c *eventCollector) mappings(out chan<- prometheus.Metric, all []pinfold.MappingStatus) {
	type link struct{ function, source string }
	of := func(m pinfold.MappingStatus) link {
		function, _, _ := strings.Cut(m.Function, ":")
		return link{function, m.Source[strings.LastIndex(m.Source, ":")+1:]}
	}
	sums := addUp(all, c.most, link{other, other}, of, func(sum *pinfold.MappingStatus, m pinfold.MappingStatus) {
		sum.Paused = cmp.Or(sum.Paused, m.Paused)
		sum.InFlight += m.InFlight
		sum.Batches += m.Batches
		sum.Messages += m.Messages
		sum.Failures += m.Failures
		sum.Filtered += m.Filtered
		sum.Returned += m.Returned
	})
	for l, m := range sums {
		gauge(out, c.paused, one(m.Paused != nil), l.function, l.source)
		gauge(out, c.inFlight, m.InFlight, l.function, l.source)
		counter(out, c.batches, m.Batches, l.function, l.source)
		for result, n := range map[string]uint64{"handled": m.Messages, "failed": m.Failures, "filtered": m.Filtered, "returned": m.Returned} {
			counter(out, c.handled, n, l.function, l.source, result)
		}
	}
}

// addUp adds up what has the same key, and everything under rest that comes with
// others than the first so many keys.
func addUp[K comparable, T any](all []T, most int, rest K, key func(T) K, add func(sum *T, t T)) map[K]*T {
	sums := map[K]*T{}
	for _, t := range all {
		k := key(t)
		if sums[k] == nil && len(sums) >= most {
			k = rest
		}
		if sums[k] == nil {
			sums[k] = new(T)
		}
		add(sums[k], t)
	}
	return sums
}

// older returns the earlier of two times, where zero is none.
func older(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// age is how long ago a time is, in seconds; 0 where there is none.
func age(d *prometheus.Desc, t time.Time, labels ...string) prometheus.Metric {
	seconds := 0.0
	if !t.IsZero() {
		seconds = max(0, time.Since(t).Seconds())
	}
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, seconds, labels...)
}
