package jetstream

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

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
	log      *Log
	name     string
	subject  string // what subjects of messages begin with, with the dot
	storedAs string
	limits   log.Limits
	js       jetstream.Stream
	extent   *extent
	doubt    uint64 // the one that is being cleared; 0: none
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

// consumerFilter returns what a consumer is to filter by. For everything that is
// nothing, and what comes of entries that wait is left out here: for each message, the
// server looks through all subjects near it for those that match a pattern.
func (s *stream) consumerFilter(pattern string) string {
	if pattern == "" || pattern == ">" {
		return ""
	}
	return s.filter(pattern)
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
	if err := s.up(ctx); err != nil {
		for i := range all {
			all[i].Err = err
		}
		return all
	}
	b := s.batch(len(entries))
	last := s.extent.last.Load()
	for i := range entries {
		m, err := s.message(&entries[i])
		if err != nil {
			all[i].Err = err
			continue
		}
		s.log.pipeline.send(ctx, b, i, m)
	}
	s.log.pipeline.wait(ctx, b)
	for i := range all {
		if all[i].Err == nil {
			all[i] = s.believe(s.stored(ctx, b.answers[i], b.errs[i]), last)
		}
	}
	return all
}

// batch returns a batch of n requests. None is sent any more when there is a new doubt
// about the streams.
func (s *stream) batch(n int) *batch {
	if s.doubt != 0 {
		return s.log.pipeline.batch(s.doubt, n)
	}
	return s.log.pipeline.batch(s.extent.trusted.Load(), n)
}

// message makes a message of an entry that can be stored.
func (s *stream) message(e *log.Entry) (*nats.Msg, error) {
	if err := e.Check(s.limits); err != nil {
		return nil, err
	}
	if s.log.server != nil {
		if err := s.log.server.room.take(len(e.Data) + len(e.Meta) + len(e.ID)); err != nil {
			return nil, err
		}
	}
	m := &nats.Msg{Subject: s.subject + "e." + e.Subject, Data: e.Data}
	if e.Meta == "" && e.ID == "" && e.At.IsZero() {
		return m, nil
	}
	m.Header = nats.Header{}
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
	return m, nil
}

// stored reads what became of an entry.
func (s *stream) stored(ctx context.Context, answer *nats.Msg, err error) log.Stored {
	switch {
	case errors.Is(err, nats.ErrMaxPayload):
		return log.Stored{Err: pinfold.Errorf(pinfold.TooLarge, "the servers of the log take messages of at most %d bytes: raise max_payload in their configuration", s.log.nc.MaxPayload())}
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrNoResponders), errors.Is(err, errStuck), errors.Is(err, errUnsent):
		return log.Stored{Err: s.log.failed(ctx, err, "store in stream %s of the log: nothing was stored", s.name)}
	case err == nil:
		if position, ok := plainAck(answer.Data, s.storedAs); ok {
			return log.Stored{Position: position}
		}
		var ack struct {
			Sequence  uint64              `json:"seq"`
			Duplicate bool                `json:"duplicate"`
			Error     *jetstream.APIError `json:"error"`
		}
		if err = json.Unmarshal(answer.Data, &ack); err == nil && ack.Error == nil && ack.Sequence > 0 {
			return log.Stored{Position: ack.Sequence, Duplicate: ack.Duplicate}
		}
		if ack.Error != nil {
			err = ack.Error
		} else if err == nil {
			err = jetstream.ErrInvalidJSAck
		}
	}
	return log.Stored{Err: s.log.failed(ctx, err, "store in stream %s of the log: it is not known whether it was stored", s.name)}
}

// storedAs is what the answer begins with that servers nearly always give, before a
// position and "}".
func storedAs(streamName string) string { return `{"stream":"` + streamName + `","seq":` }

// plainAck reads such an answer. All others are left to encoding/json.
func plainAck(answer []byte, storedAs string) (position uint64, ok bool) {
	rest, begins := bytes.CutPrefix(answer, []byte(storedAs))
	digits, ends := bytes.CutSuffix(rest, []byte("}"))
	position, err := strconv.ParseUint(string(digits), 10, 64)
	return position, begins && ends && err == nil && digits[0] != '0'
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
	if err := s.up(ctx); err != nil {
		return log.Entry{}, err
	}
	var m *jetstream.RawStreamMsg
	err := s.log.ask(ctx, func(ctx context.Context) (err error) {
		if m, err = s.js.GetMsg(ctx, position); errors.Is(err, jetstream.ErrMsgNotFound) && s.js.CachedInfo().Config.Replicas > 1 {
			m, err = s.fromLeader(ctx, wanted{Position: position})
		}
		return err
	})
	if err == nil {
		if e, is := s.entry(m.Subject, m.Header, m.Data, m.Sequence, m.Time); is {
			return e, nil
		}
		err = jetstream.ErrMsgNotFound
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return log.Entry{}, pinfold.Errorf(pinfold.NotFound, "stream %s has no entry at %d", s.name, position)
	}
	return log.Entry{}, s.log.failed(ctx, err, "get entry %d of stream %s of the log", position, s.name)
}

// wanted is which message is asked for: the one at a position or, with Next, the first
// one from there on whose subject matches that, or from a time on.
type wanted struct {
	Position uint64     `json:"seq,omitempty"`
	Time     *time.Time `json:"start_time,omitempty"`
	Next     string     `json:"next_by_subj,omitempty"`
}

// fromLeader asks the server that stores entries. GetMsg asks any that has them,
// which may be behind: that it knows none does not say that there is none.
func (s *stream) fromLeader(ctx context.Context, w wanted) (*jetstream.RawStreamMsg, error) {
	request, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	answer, err := s.log.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+s.log.streamName(s.name), request)
	if err != nil {
		return nil, err
	}
	var response struct {
		Message struct {
			Subject  string    `json:"subject"`
			Position uint64    `json:"seq"`
			Header   []byte    `json:"hdrs"`
			Data     []byte    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &response); err != nil {
		return nil, err
	}
	if e := response.Error; e != nil {
		if e.ErrorCode == jetstream.JSErrCodeMessageNotFound {
			return nil, jetstream.ErrMsgNotFound
		}
		return nil, e
	}
	m := &jetstream.RawStreamMsg{Subject: response.Message.Subject, Sequence: response.Message.Position, Data: response.Message.Data, Time: response.Message.Time}
	if len(response.Message.Header) > 0 {
		m.Header, err = nats.DecodeHeadersMsg(response.Message.Header)
	}
	return m, err
}

// Remove implements log.Stream.
func (s *stream) Remove(ctx context.Context, positions ...uint64) error {
	if err := s.up(ctx); err != nil {
		return err
	}
	return s.remove(ctx, positions...)
}

func (s *stream) remove(ctx context.Context, positions ...uint64) error {
	b := s.batch(len(positions))
	for i, position := range positions {
		s.log.pipeline.send(ctx, b, i, &nats.Msg{Subject: "$JS.API.STREAM.MSG.DELETE." + s.log.streamName(s.name), Data: fmt.Appendf(nil, `{"seq":%d,"no_erase":true}`, position)})
	}
	s.log.pipeline.wait(ctx, b)
	for i, position := range positions {
		if err := removed(b.answers[i], b.errs[i]); err != nil {
			return s.log.failed(ctx, err, "remove entry %d of stream %s of the log", position, s.name)
		}
	}
	return nil
}

// Errors of the server for what is not there to be removed.
const (
	codeNoMessage    = jetstream.JSErrCodeMessageNotFound
	codeNoSequence   = 10043 // beyond what the stream had
	codeDeleteFailed = 10057 // of one that was removed before
)

func removed(answer *nats.Msg, err error) error {
	if err != nil || bytes.Contains(answer.Data, []byte(`"success":true`)) {
		return err
	}
	var response struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &response); err != nil || response.Error == nil {
		return cmp.Or[error](err, jetstream.ErrInvalidJSAck)
	}
	switch response.Error.ErrorCode {
	case codeNoMessage, codeNoSequence, codeDeleteFailed:
		return nil
	}
	return response.Error
}

// Purge implements log.Stream.
func (s *stream) Purge(ctx context.Context, subjects string, before uint64) error {
	if err := log.CheckPattern(subjects); err != nil {
		return err
	}
	if err := s.up(ctx); err != nil {
		return err
	}
	var err error
	if subjects == "" || subjects == ">" { // also what waits; and whole files at once
		_, err = s.purge(ctx, "", before)
	} else if err = s.purgeSlowly(ctx, s.filter(subjects), before); err == nil {
		_, err = s.purge(ctx, s.waiting(subjects), before)
	}
	return s.log.failed(ctx, err, "purge %s of stream %s of the log", subjects, s.name)
}

// purgeStep is how many entries are purged at once. All else has to wait for that
// long: 10 ms or so.
const purgeStep = 1000

// purgeSlowly purges from the front on, so that appends come in between.
func (s *stream) purgeSlowly(ctx context.Context, filter string, before uint64) error {
	info, err := s.info(ctx)
	if err != nil {
		return err
	}
	if end := info.State.LastSeq + 1; before == 0 || before > end {
		before = end
	}
	for at, step := info.State.FirstSeq, uint64(purgeStep); at < before; {
		at = min(at+step, before)
		purged, err := s.purge(ctx, filter, at)
		if err != nil {
			return err
		}
		if purged < purgeStep/2 { // few of them are those
			step *= 2
		} else if purged > purgeStep {
			step = max(step/2, purgeStep)
		}
	}
	return nil
}

// purge has the server purge, and returns how many entries it has.
func (s *stream) purge(ctx context.Context, filter string, before uint64) (purged uint64, err error) {
	request, err := json.Marshal(struct {
		Filter string `json:"filter,omitempty"`
		Before uint64 `json:"seq,omitempty"`
	}{filter, before})
	if err != nil {
		return 0, err
	}
	b := s.batch(1)
	s.log.pipeline.send(ctx, b, 0, &nats.Msg{Subject: "$JS.API.STREAM.PURGE." + s.log.streamName(s.name), Data: request})
	s.log.pipeline.wait(ctx, b)
	if b.errs[0] != nil {
		return 0, b.errs[0]
	}
	var response struct {
		Purged uint64              `json:"purged"`
		Error  *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(b.answers[0].Data, &response); err != nil || response.Error == nil {
		return response.Purged, err
	}
	return 0, response.Error
}

// info asks about the stream.
func (s *stream) info(ctx context.Context, options ...jetstream.StreamInfoOpt) (info *jetstream.StreamInfo, err error) {
	err = s.log.ask(ctx, func(ctx context.Context) (err error) {
		info, err = s.js.Info(ctx, options...)
		return err
	})
	if err == nil {
		s.extent.reach(info.State.LastSeq)
	}
	return info, err
}

// Info implements log.Stream.
func (s *stream) Info(ctx context.Context, subjects string) (log.Info, error) {
	if err := log.CheckPattern(subjects); err != nil {
		return log.Info{}, err
	}
	if err := s.up(ctx); err != nil {
		return log.Info{}, err
	}
	var options []jetstream.StreamInfoOpt
	if subjects != "" {
		options = append(options, jetstream.WithSubjectFilter(s.filter(subjects)))
	}
	info, err := s.info(ctx, options...)
	if err != nil {
		return log.Info{}, s.log.failed(ctx, err, "ask about stream %s of the log", s.name)
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
