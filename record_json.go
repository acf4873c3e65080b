package pinfold

import (
	"encoding"
	"encoding/hex"
	"encoding/json"
	"time"
)

// recordJSON is a record as programs read it: durations in microseconds, CPU
// among them, but what is billed in milliseconds.
type recordJSON struct {
	Time        time.Time  `json:"time"`
	RequestID   string     `json:"requestId,omitempty"`
	TraceID     TraceID    `json:"traceId,omitzero"`
	SpanID      SpanID     `json:"spanId,omitzero"`
	ParentID    SpanID     `json:"parentId,omitzero"`
	Service     string     `json:"service,omitempty"`
	Operation   string     `json:"operation,omitempty"`
	Function    string     `json:"function"`
	Version     string     `json:"version,omitempty"`
	Alias       string     `json:"alias,omitempty"`
	Trigger     string     `json:"trigger,omitempty"`
	Source      string     `json:"source,omitempty"`
	Caller      string     `json:"caller,omitempty"`
	Status      string     `json:"status"`
	ErrorType   string     `json:"errorType,omitempty"`
	Fingerprint string     `json:"fingerprint,omitempty"`
	Cold        ColdReason `json:"cold,omitempty"`
	Phases      phasesJSON `json:"phasesUs"`
	BilledMS    int64      `json:"billedMs"`
	MemoryMB    int        `json:"memoryMB"`
	PeakMB      int        `json:"peakMB"`
	CPU         int64      `json:"cpuUs"`
	BytesIn     int64      `json:"bytesIn"`
	BytesOut    int64      `json:"bytesOut"`
	CodeSize    int64      `json:"codeSize,omitempty"`
	Instance    string     `json:"instance,omitempty"`
}

type phasesJSON struct {
	Queue    int64 `json:"queue"`
	Place    int64 `json:"place"`
	Fetch    int64 `json:"fetch,omitempty"`
	Sandbox  int64 `json:"sandbox,omitempty"`
	Boot     int64 `json:"boot,omitempty"`
	Init     int64 `json:"init,omitempty"`
	Handler  int64 `json:"handler"`
	Response int64 `json:"response"`
}

// MarshalJSON writes a record with its durations in microseconds.
func (r Record) MarshalJSON() ([]byte, error) {
	return json.Marshal(recordJSON{
		r.Time, r.RequestID, r.Trace, r.Span, r.Parent, r.Service, r.Operation, r.Function, r.Version, r.Alias,
		r.Trigger, r.Source, r.Caller, r.Status, r.ErrorType, r.Fingerprint, r.Cold,
		phasesJSON{
			r.Queue.Microseconds(), r.Place.Microseconds(), r.Fetch.Microseconds(), r.Sandbox.Microseconds(),
			r.Boot.Microseconds(), r.Init.Microseconds(), r.Handler.Microseconds(), r.Response.Microseconds(),
		},
		r.Billed.Milliseconds(), r.MemoryMB, r.PeakMB, r.CPU.Microseconds(), r.BytesIn, r.BytesOut, r.CodeSize, r.Instance,
	})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *Record) UnmarshalJSON(b []byte) error {
	var j recordJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	p := j.Phases
	*r = Record{
		Time: j.Time, RequestID: j.RequestID, Trace: j.TraceID, Span: j.SpanID, Parent: j.ParentID, Service: j.Service, Operation: j.Operation,
		Function: j.Function, Version: j.Version, Alias: j.Alias, Trigger: j.Trigger, Source: j.Source, Caller: j.Caller,
		Status: j.Status, ErrorType: j.ErrorType, Fingerprint: j.Fingerprint, Cold: j.Cold,
		Queue: us(p.Queue), Place: us(p.Place), Fetch: us(p.Fetch), Sandbox: us(p.Sandbox), Boot: us(p.Boot), Init: us(p.Init),
		Handler: us(p.Handler), Response: us(p.Response),
		Billed: time.Duration(j.BilledMS) * time.Millisecond, MemoryMB: j.MemoryMB, PeakMB: j.PeakMB, CPU: us(j.CPU),
		BytesIn: j.BytesIn, BytesOut: j.BytesOut, CodeSize: j.CodeSize, Instance: j.Instance,
	}
	return nil
}

var (
	_ encoding.TextMarshaler = TraceID{}
	_ encoding.TextMarshaler = SpanID{}
)

// String returns 32 hexadecimal digits.
func (t TraceID) String() string { return hex.EncodeToString(t[:]) }

// String returns 16 hexadecimal digits.
func (s SpanID) String() string { return hex.EncodeToString(s[:]) }

// MarshalText returns what String does.
func (t TraceID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, t[:]), nil }

// MarshalText returns what String does.
func (s SpanID) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

// UnmarshalText reads 32 hexadecimal digits.
func (t *TraceID) UnmarshalText(b []byte) error { return unhex(t[:], b, "trace") }

// UnmarshalText reads 16 hexadecimal digits.
func (s *SpanID) UnmarshalText(b []byte) error { return unhex(s[:], b, "span") }

func unhex(to, text []byte, what string) error {
	if len(text) != hex.EncodedLen(len(to)) {
		return Errorf(Invalid, "%q is not the id of a %s: it has %d hexadecimal digits", text, what, hex.EncodedLen(len(to)))
	}
	if _, err := hex.Decode(to, text); err != nil {
		return Errorf(Invalid, "%q is not the id of a %s: %v", text, what, err)
	}
	return nil
}
