package platform

import (
	"cmp"
	"context"
	"maps"
	"strings"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/mapping"
	"pinfold.dev/pinfold/internal/metrics"
	queuesource "pinfold.dev/pinfold/internal/source/queue"
	"pinfold.dev/pinfold/internal/store/log"
)

// mappingStatus tells every event source mapping, and how it is.
func (p *Platform) mappingStatus(ctx context.Context) ([]pinfold.MappingStatus, error) {
	all := []pinfold.MappingStatus{}
	polled := map[string]pinfold.MappingStatus{}
	for _, s := range p.polledMappings() {
		polled[s.UUID] = s
	}
	for q := (mapping.Query{}); ; {
		page, next, err := p.mappings.List(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			s, ok := polled[d.UUID]
			if !ok {
				s = pinfold.MappingStatus{UUID: d.UUID, Source: d.Source, Function: qualified(d.Function), Phase: pinfold.MappingIdle}
			}
			s.State, s.Result = string(d.State), cmp.Or(s.Result, d.Result)
			all = append(all, s)
		}
		if next == "" {
			return all, nil
		}
		q.Marker = next
	}
}

// polledMappings is mappingStatus of those that are polled, or were since the start,
// without their State. It asks nobody but those who poll.
func (p *Platform) polledMappings() []pinfold.MappingStatus {
	statuses := p.pollers.Statuses()
	all := make([]pinfold.MappingStatus, len(statuses))
	for i, s := range statuses {
		all[i] = pinfold.MappingStatus{
			UUID: s.UUID, Source: s.Source, Function: qualified(s.Function), Phase: phases[s.State], Places: s.Places, InFlight: s.InFlight, Result: s.Result, Last: s.Last,
			Batches: s.Batches, Messages: s.Messages, Failures: s.Failures, Filtered: s.Filtered, Returned: s.Returned,
		}
		if s.State == queuesource.Paused || s.State == queuesource.Probing {
			all[i].Paused = &pinfold.EventPause{Since: s.Since, Next: s.Probe, Error: s.Why}
		}
	}
	return all
}

var phases = map[queuesource.State]pinfold.MappingPhase{
	queuesource.Polling: pinfold.MappingPolling, queuesource.Paused: pinfold.MappingPaused,
	queuesource.Probing: pinfold.MappingProbing, queuesource.Disabled: pinfold.MappingIdle,
}

// qualified returns NAME or NAME:QUALIFIER.
func qualified(ref pinfold.FunctionRef) string {
	return strings.TrimSuffix(ref.Name+":"+ref.Qualifier, ":")
}

// eventMetrics is what metrics tell of events.
func (p *Platform) eventMetrics() metrics.Events {
	return metrics.Events{
		Queues:   p.queueMetrics,
		Async:    func() []pinfold.AsyncStatus { return p.async.Statuses() },
		Mappings: p.polledMappings,
		Schedules: func() metrics.Schedules {
			return metrics.Schedules(p.schedules.Totals())
		},
		Streams: p.streamMetrics,
	}
}

func (p *Platform) queueMetrics() []pinfold.QueueStatus {
	names, _ := p.queues.List("", "", 0)
	all := make([]pinfold.QueueStatus, 0, len(names))
	for _, name := range names {
		if c, err := p.queues.Counts(p.queues.Ref(name)); err == nil { // it is there still
			all = append(all, pinfold.QueueStatus{Name: name, Visible: c.Visible, InFlight: c.InFlight, Delayed: c.Delayed, Oldest: c.Oldest})
		}
	}
	return all
}

// askLog is how long metrics wait for a log that does not answer.
const askLog = 2 * time.Second

func (p *Platform) streamMetrics() (all []metrics.Stream) {
	ctx, cancel := context.WithTimeout(p.stopping, askLog)
	defer cancel()
	for name, s := range p.eventLog.opened() {
		if info, err := s.Info(ctx, ""); err == nil { // else the log is away, which is logged where it hurts
			all = append(all, metrics.Stream{Name: name, Entries: info.Entries, Bytes: info.Bytes})
		}
	}
	return all
}

// measuredLog is the log, of which metrics can tell how it is.
type measuredLog struct {
	log.Log
	appended func(took time.Duration)

	mu      sync.Mutex
	streams map[string]log.Stream // that were opened, by name
}

func (l *measuredLog) Stream(ctx context.Context, name string, limits log.Limits) (log.Stream, error) {
	s, err := l.Log.Stream(ctx, name, limits)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams[name] = s
	return measuredStream{s, l.appended}, nil
}

func (l *measuredLog) opened() map[string]log.Stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.streams)
}

// measuredStream tells how long it takes to append.
type measuredStream struct {
	log.Stream
	appended func(took time.Duration)
}

func (s measuredStream) Append(ctx context.Context, entries ...log.Entry) []log.Stored {
	began := time.Now()
	stored := s.Stream.Append(ctx, entries...)
	s.appended(time.Since(began))
	return stored
}
