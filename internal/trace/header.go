package trace

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"pinfold.dev/pinfold"
)

// Context is what a header says of the trace that a request belongs to.
type Context struct {
	Trace   pinfold.TraceID // zero: it says nothing that can be used
	Parent  pinfold.SpanID  // zero: not known
	Sampled byte            // '1' or '0' as the sender decided; 0: it did not
	Lineage string          // as AWS's header has it: what stops loops, see internal/invoke
	State   string          // tracestate
}

// maxHeader is how many bytes of a header are looked at; a longer one says
// nothing. The longest of ours has under 400.
const maxHeader = 2048

// What a tracestate may have, as W3C asks to be passed on at least.
const (
	maxState   = 512 // bytes
	maxMembers = 32
)

// Parse reads an X-Amzn-Trace-Id header:
//
//	Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1;Lineage=1:fc3b4ff1:0
//
// What it does not understand it leaves out. Source: "Tracing header", AWS X-Ray
// developer guide.
func Parse(header string) (c Context) {
	if len(header) > maxHeader {
		return c
	}
	for header != "" {
		var field string
		field, header, _ = strings.Cut(header, ";")
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch name {
		case "Root":
			if id, ok := parseRoot(value); ok {
				c.Trace = id
			}
		case "Parent":
			var id pinfold.SpanID
			if unhex(id[:], value) {
				c.Parent = id
			}
		case "Sampled":
			if value == "0" || value == "1" {
				c.Sampled = value[0]
			}
		case "Lineage":
			if isLineage(value) {
				c.Lineage = value
			}
		}
	}
	if c.Trace == (pinfold.TraceID{}) {
		c.Parent = pinfold.SpanID{} // a span of no trace
	}
	return c
}

func isLineage(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case isDigit(c), c >= 'a' && c <= 'f', c >= 'A' && c <= 'F', c == ':', c == '|', c == '%':
		default:
			return false
		}
	}
	return true
}

// parseRoot reads 1-TTTTTTTT-UUUUUUUUUUUUUUUUUUUUUUUU, whose two parts together
// are a trace id as W3C has it. Source: "Tracing header", as above.
func parseRoot(s string) (id pinfold.TraceID, ok bool) {
	if len(s) != 35 || s[:2] != "1-" || s[10] != '-' || !unhex(id[:4], s[2:10]) || !unhex(id[4:], s[11:]) {
		return pinfold.TraceID{}, false
	}
	return id, id != pinfold.TraceID{}
}

// unhex decodes exactly as many digits as dst has room for.
func unhex(dst []byte, s string) bool {
	if len(s) != hex.EncodedLen(len(dst)) {
		return false
	}
	_, err := hex.Decode(dst, []byte(s))
	return err == nil
}

// ParseTraceparent reads a traceparent header. Ids of zeros are none, and a
// version that is not known is read by the four fields that all have. Source:
// "Trace Context", W3C recommendation, 3.2 and 4.3.
func ParseTraceparent(s string) (c Context, ok bool) {
	const length = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	if len(s) < length || len(s) > maxHeader || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return Context{}, false
	}
	version, flags := s[:2], [1]byte{}
	switch {
	case version == "00" && len(s) != length, version == "ff", len(s) > length && s[length] != '-':
		return Context{}, false
	case strings.ToLower(s[:length]) != s[:length]: // capitals are not hexadecimal digits to W3C
		return Context{}, false
	case !unhex(make([]byte, 1), version), !unhex(c.Trace[:], s[3:35]), !unhex(c.Parent[:], s[36:52]), !unhex(flags[:], s[53:55]):
		return Context{}, false
	case c.Trace == pinfold.TraceID{}, c.Parent == pinfold.SpanID{}:
		return Context{}, false
	}
	c.Sampled = '0' + flags[0]&1
	return c, true
}

// ParseTracestate returns a tracestate header as it may be passed on, or "" if
// it is not one: what others have written in it must be passed on whole, or not
// at all. Source: "Trace Context", W3C recommendation, 3.3.
func ParseTracestate(s string) string {
	if len(s) > maxState {
		return ""
	}
	seen := make(map[string]bool)
	for member := range strings.SplitSeq(s, ",") {
		member = strings.Trim(member, " \t")
		if member == "" {
			continue
		}
		key, value, ok := strings.Cut(member, "=")
		if !ok || !isStateKey(key) || !isStateValue(value) || seen[key] || len(seen) == maxMembers {
			return ""
		}
		seen[key] = true
	}
	if len(seen) == 0 {
		return ""
	}
	return s
}

func isStateKey(s string) bool {
	return s != "" && len(s) <= 256 && strings.Trim(s[:1], "abcdefghijklmnopqrstuvwxyz0123456789") == "" &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-*/@") == ""
}

func isStateValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '=' {
			return false
		}
	}
	return s != "" && len(s) <= 256
}

// Join reads the headers of a request. Of the trace, traceparent decides: who
// sends one has meant to, while load balancers and AWS's SDKs add X-Amzn-Trace-Id
// to everything. Where both name the same trace, the parent is that of
// X-Amzn-Trace-Id: it is the span of a function that this platform has run, and
// can draw. The lineage has no place in W3C's headers.
func Join(amzn, traceparent, tracestate string) Context {
	c := Parse(amzn)
	w3c, ok := ParseTraceparent(traceparent)
	if !ok {
		return c
	}
	w3c.Lineage, w3c.State = c.Lineage, ParseTracestate(tracestate)
	if c.Trace == w3c.Trace && c.Parent != (pinfold.SpanID{}) {
		w3c.Parent = c.Parent
	}
	return w3c
}

// Of returns what TraceID and TraceState of a [pinfold.Invocation] are to be for a
// request with these headers. A traceparent that is there twice is none. Source:
// "Trace Context", W3C recommendation, 3.2.
func Of(h http.Header) (header, state string) {
	amzn, traceparent := h.Get("X-Amzn-Trace-Id"), h["Traceparent"]
	if len(traceparent) != 1 {
		return amzn, ""
	}
	c := Join(amzn, traceparent[0], strings.Join(h["Tracestate"], ","))
	return c.Amzn(), c.State
}

// Amzn formats c as an X-Amzn-Trace-Id header: "" without a trace. It costs one
// allocation.
func (c Context) Amzn() string {
	if c.Trace == (pinfold.TraceID{}) {
		return ""
	}
	var room [512]byte
	b := append(room[:0], "Root=1-"...)
	b = hex.AppendEncode(b, c.Trace[:4])
	b = append(b, '-')
	b = hex.AppendEncode(b, c.Trace[4:])
	if c.Parent != (pinfold.SpanID{}) {
		b = append(b, ";Parent="...)
		b = hex.AppendEncode(b, c.Parent[:])
	}
	if c.Sampled != 0 {
		b = append(b, ";Sampled="...)
		b = append(b, c.Sampled)
	}
	if c.Lineage != "" {
		b = append(b, ";Lineage="...)
		b = append(b, c.Lineage...)
	}
	return string(b)
}

// Traceparent formats c as a traceparent header: "" if trace or parent are not
// known.
func (c Context) Traceparent() string {
	if c.Trace == (pinfold.TraceID{}) || c.Parent == (pinfold.SpanID{}) {
		return ""
	}
	b := make([]byte, 0, 64)
	b = append(b, "00-"...)
	b = hex.AppendEncode(b, c.Trace[:])
	b = append(b, '-')
	b = hex.AppendEncode(b, c.Parent[:])
	if c.Sampled == '1' {
		return string(append(b, "-01"...))
	}
	return string(append(b, "-00"...))
}

// newTrace makes up a trace that began now. AWS's begin with their time.
func newTrace(now time.Time) (id pinfold.TraceID) {
	binary.BigEndian.PutUint32(id[:], uint32(now.Unix()))
	binary.BigEndian.PutUint32(id[4:], rand.Uint32())
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	return id
}

func newSpan() (id pinfold.SpanID) {
	binary.BigEndian.PutUint64(id[:], max(1, rand.Uint64()))
	return id
}
