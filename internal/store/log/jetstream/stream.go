package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"golang.org/x/sync/errgroup"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// Headers of messages, beside those of NATS. An entry for later keeps its id in one
// of ours: the server takes its own away when the time has come.
const (
	metaHeader = "Pinfold-Meta"
	idHeader   = "Pinfold-Id"
)

// stream implements log.Stream.
type stream struct {
	log     *Log
	name    string
	subject string // what subjects of messages begin with, with the dot
	limits  log.Limits
	js      jetstream.Stream
}

// config puts what the log says about a stream into its configuration.
func (s *stream) config(c jetstream.StreamConfig) jetstream.StreamConfig {
	c.Subjects = []string{s.subject + "e.>", s.subject + "s.>"}
	c.MaxAge = s.limits.Age
	c.MaxBytes, c.MaxMsgsPerSubject = -1, -1
	if s.limits.Bytes > 0 {
		c.MaxBytes = s.limits.Bytes
	}
	if s.limits.PerSubject > 0 {
		c.MaxMsgsPerSubject = s.limits.PerSubject
	}
	c.Duplicates = s.limits.DedupWindow()
	return c
}

// filter returns the subjects of messages that a pattern means.
func (s *stream) filter(pattern string) string {
	if pattern == "" {
		pattern = ">"
	}
	return s.subject + "e." + pattern
}

// waiting returns the subjects under which entries for later wait.
func (s *stream) waiting(pattern string) string {
	if pattern == "" {
		pattern = ">"
	}
	return s.subject + "s.*." + pattern
}

// Append implements log.Stream: it sends all entries before it waits for the first
// acknowledgement, as far as the window allows.
func (s *stream) Append(ctx context.Context, entries ...log.Entry) []log.Stored {
	all := make([]log.Stored, len(entries))
	err := s.log.up(ctx)
	sent := make([]jetstream.PubAckFuture, len(entries))
	settled := 0
	settle := func(until int) {
		for ; settled < until; settled++ {
			if sent[settled] != nil {
				all[settled] = s.settle(ctx, sent[settled])
				s.log.window.Release(cost(&entries[settled]))
			}
		}
	}
	for i := range entries {
		e := &entries[i]
		if all[i].Err = err; err != nil {
			continue
		}
		if all[i].Err = e.Check(s.limits); all[i].Err != nil {
			continue
		}
		if !s.log.window.TryAcquire(cost(e)) {
			settle(i) // or two large calls could wait for each other
			if err = s.log.window.Acquire(ctx, cost(e)); err != nil {
				all[i].Err = err
				continue
			}
		}
		if sent[i], all[i].Err = s.send(e); all[i].Err != nil {
			s.log.window.Release(cost(e))
		}
	}
	settle(len(entries))
	return all
}

// cost is what an entry takes of the window.
func cost(e *log.Entry) int64 { return int64(max(len(e.Data), entryCost)) }

func (s *stream) send(e *log.Entry) (jetstream.PubAckFuture, error) {
	if s.log.server != nil {
		if err := s.log.server.room.take(len(e.Data) + len(e.Meta) + len(e.ID)); err != nil {
			return nil, err
		}
	}
	m := &nats.Msg{Subject: s.subject + "e." + e.Subject, Data: e.Data, Header: nats.Header{}}
	if e.Meta != "" {
		m.Header[metaHeader] = []string{e.Meta}
	}
	if e.ID != "" {
		m.Header[jetstream.MsgIDHeader] = []string{e.ID}
	}
	if e.At.After(time.Now()) {
		if e.ID != "" {
			m.Header[idHeader] = []string{e.ID}
		}
		m.Header[jetstream.ScheduleHeader] = []string{"@at " + e.At.UTC().Format(time.RFC3339Nano)}
		m.Header[jetstream.ScheduleTargetHeader] = []string{m.Subject}
		m.Subject = s.subject + "s." + nuid.Next() + "." + e.Subject // a second one of a subject would take the first one's place
	}
	// Trying again is for the caller: it would mix up the order.
	f, err := s.log.js.PublishMsgAsync(m, jetstream.WithRetryAttempts(0))
	if errors.Is(err, nats.ErrMaxPayload) {
		return nil, pinfold.Errorf(pinfold.TooLarge, "the servers of the log take messages of at most %d bytes: raise max_payload in their configuration", s.log.nc.MaxPayload())
	}
	return f, s.log.failed(err, "store in stream %s of the log: nothing was stored", s.name)
}

func (s *stream) settle(ctx context.Context, f jetstream.PubAckFuture) log.Stored {
	select {
	case ack := <-f.Ok():
		return log.Stored{Position: ack.Sequence, Duplicate: ack.Duplicate}
	case err := <-f.Err():
		return log.Stored{Err: s.log.failed(err, "store in stream %s of the log: it is not known whether it was stored", s.name)}
	case <-ctx.Done():
		return log.Stored{Err: ctx.Err()}
	case <-s.log.closed.Done():
		return log.Stored{Err: log.Closed()}
	}
}

// entry makes an entry of what a message has. It reports false for one that waits.
func (s *stream) entry(subject string, header nats.Header, data []byte, position uint64, at time.Time) (log.Entry, bool) {
	subject, is := strings.CutPrefix(subject, s.subject+"e.")
	e := log.Entry{Position: position, Time: at, Subject: subject, Data: data}
	if len(header) > 0 {
		e.Meta, e.ID = header.Get(metaHeader), header.Get(jetstream.MsgIDHeader)
		if e.ID == "" {
			e.ID = header.Get(idHeader)
		}
	}
	return e, is
}

// Get implements log.Stream.
func (s *stream) Get(ctx context.Context, position uint64) (log.Entry, error) {
	if err := s.log.up(ctx); err != nil {
		return log.Entry{}, err
	}
	m, err := s.js.GetMsg(ctx, position)
	if err == nil {
		if e, is := s.entry(m.Subject, m.Header, m.Data, m.Sequence, m.Time); is {
			return e, nil
		}
		err = jetstream.ErrMsgNotFound
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return log.Entry{}, pinfold.Errorf(pinfold.NotFound, "stream %s has no entry at %d", s.name, position)
	}
	return log.Entry{}, s.log.failed(err, "get entry %d of stream %s of the log", position, s.name)
}

// Remove implements log.Stream.
func (s *stream) Remove(ctx context.Context, positions ...uint64) error {
	if err := s.log.up(ctx); err != nil {
		return err
	}
	if len(positions) == 1 {
		return s.remove(ctx, positions[0])
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for _, position := range positions {
		group.Go(func() error { return s.remove(ctx, position) })
	}
	return group.Wait()
}

func (s *stream) remove(ctx context.Context, position uint64) error {
	if err := s.log.requests.Acquire(ctx, 1); err != nil {
		return err
	}
	defer s.log.requests.Release(1)
	ctx, cancel := context.WithTimeout(ctx, ackWait)
	defer cancel()
	request := fmt.Appendf(nil, `{"seq":%d,"no_erase":true}`, position)
	answer, err := s.log.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.DELETE."+s.log.streamName(s.name), request)
	var response struct {
		Success bool                `json:"success"`
		Error   *jetstream.APIError `json:"error"`
	}
	if err == nil {
		err = json.Unmarshal(answer.Data, &response)
	}
	// 10043: there is none, and none was there since the stream began.
	if e := response.Error; e != nil && e.ErrorCode != jetstream.JSErrCodeMessageNotFound && e.ErrorCode != 10043 && e.ErrorCode != 10057 {
		err = e
	}
	return s.log.failed(err, "remove entry %d of stream %s of the log", position, s.name)
}

// Purge implements log.Stream.
func (s *stream) Purge(ctx context.Context, subjects string, before uint64) error {
	if err := log.CheckPattern(subjects); err != nil {
		return err
	}
	if err := s.log.up(ctx); err != nil {
		return err
	}
	for _, filter := range []string{s.filter(subjects), s.waiting(subjects)} {
		options := []jetstream.StreamPurgeOpt{jetstream.WithPurgeSubject(filter)}
		if before > 0 {
			options = append(options, jetstream.WithPurgeSequence(before))
		}
		if err := s.js.Purge(ctx, options...); err != nil {
			return s.log.failed(err, "purge %s of stream %s of the log", subjects, s.name)
		}
	}
	return nil
}

// Info implements log.Stream.
func (s *stream) Info(ctx context.Context, subjects string) (log.Info, error) {
	if err := log.CheckPattern(subjects); err != nil {
		return log.Info{}, err
	}
	if err := s.log.up(ctx); err != nil {
		return log.Info{}, err
	}
	var options []jetstream.StreamInfoOpt
	if subjects != "" {
		options = append(options, jetstream.WithSubjectFilter(s.filter(subjects)))
	}
	info, err := s.js.Info(ctx, options...)
	if err != nil {
		return log.Info{}, s.log.failed(err, "ask about stream %s of the log", s.name)
	}
	state := info.State
	all := log.Info{First: state.FirstSeq, Last: state.LastSeq, Entries: state.Msgs, Bytes: state.Bytes}
	if state.Msgs == 0 {
		all.First = state.LastSeq + 1
	}
	if subjects != "" {
		all.Subjects = make(map[string]uint64, len(state.Subjects))
		for subject, n := range state.Subjects {
			all.Subjects[strings.TrimPrefix(subject, s.subject+"e.")] = n
		}
	}
	return all, nil
}
