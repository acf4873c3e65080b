package invoke

import (
	"encoding/hex"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"pinfold.dev/pinfold"
)

// trace is an X-Amzn-Trace-Id header:
//
//	Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=0;Lineage=2:fc3b4ff1:1
//
// AWS's SDKs pass on the one that their function was invoked with, which is what
// makes a chain of invocations. Sources: "Tracing header", AWS X-Ray developer
// guide; "Use Lambda recursive loop detection to prevent infinite loops", Lambda
// developer guide.
type trace struct {
	root, parent, sampled string
	lineage               lineage
}

// maxField is how many bytes of a caller's a field may have. A root has 35.
const maxField = 64

// parseTrace reads what it understands of a header and leaves out the rest.
func parseTrace(header string) (t trace) {
	for header != "" {
		var field string
		field, header, _ = strings.Cut(header, ";")
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		switch {
		case name == "Lineage":
			t.lineage.parse(value)
		case len(value) > maxField:
		case name == "Root":
			t.root = value
		case name == "Parent":
			t.parent = value
		case name == "Sampled":
			t.sampled = value
		}
	}
	return t
}

// header returns the header to invoke with. It keeps the caller's root, parent
// and decision to sample, and makes up what is missing. It costs one allocation.
func (t *trace) header(now time.Time) string {
	var room [4*maxField + len(t.lineage.visits)*len("255:fc3b4ff1:254|")]byte
	b := append(room[:0], "Root="...)
	if t.root != "" {
		b = append(b, t.root...)
	} else {
		b = append(b, '1', '-')
		b = appendHex32(b, uint32(now.Unix()))
		b = append(b, '-')
		b = appendHex32(appendHex32(appendHex32(b, rand.Uint32()), rand.Uint32()), rand.Uint32())
	}
	b = append(b, ";Parent="...)
	if t.parent != "" {
		b = append(b, t.parent...)
	} else {
		b = appendHex32(appendHex32(b, rand.Uint32()), rand.Uint32())
	}
	b = append(b, ";Sampled="...)
	if t.sampled != "" {
		b = append(b, t.sampled...)
	} else {
		b = append(b, '0')
	}
	return string(t.lineage.append(b))
}

// appendHex32 appends eight hexadecimal digits.
func appendHex32(b []byte, n uint32) []byte {
	return hex.AppendEncode(b, []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

// maxVisits is how often a function may be invoked in one chain. Source: Lambda
// developer guide, as above: "If your function is invoked approximately 16 times
// in the same chain of requests, then Lambda automatically stops the next
// function invocation in that request chain".
const maxVisits = 16

// lineage counts how often the functions of a chain have been invoked in it. On
// the wire each is as AWS writes its one (times invoked : hash : times come
// back), with | between them.
//
// There is room for 16. A further function takes the place and the count of the
// one with the lowest (the Space-Saving algorithm: Metwally, Agrawal, El Abbadi,
// 2005), so no count is ever too low: every loop is stopped, and a chain in which
// no function comes twice after 256.
type lineage struct {
	n      int
	visits [16]visit
}

type visit struct {
	function uint32
	times    uint8
}

// parse reads a lineage. Some SDKs write | as %7C. What is of another form is
// left out.
func (l *lineage) parse(s string) {
	for s = strings.ReplaceAll(s, "%7C", "|"); s != "" && l.n < len(l.visits); {
		var one string
		one, s, _ = strings.Cut(s, "|")
		times, rest, _ := strings.Cut(one, ":")
		hash, _, _ := strings.Cut(rest, ":")
		count, err := strconv.ParseUint(times, 10, 16)
		function, hashErr := strconv.ParseUint(hash, 16, 32)
		if err == nil && hashErr == nil && len(hash) == 8 {
			l.visits[l.n] = visit{uint32(function), uint8(min(count, 255))}
			l.n++
		}
	}
}

func (l *lineage) append(b []byte) []byte {
	for i, v := range l.visits[:l.n] {
		if i == 0 {
			b = append(b, ";Lineage="...)
		} else {
			b = append(b, '|')
		}
		b = strconv.AppendUint(b, uint64(v.times), 10)
		b = appendHex32(append(b, ':'), v.function)
		b = strconv.AppendUint(append(b, ':'), uint64(max(v.times, 1)-1), 10)
	}
	return b
}

// visit notes an invocation of a function and returns how many that makes.
func (l *lineage) visit(ref pinfold.FunctionRef) int {
	function := hash(ref)
	at := 0
	for i, v := range l.visits[:l.n] {
		if v.function == function {
			at = i
			break
		}
		if v.times < l.visits[at].times {
			at = i
		}
	}
	if l.visits[at].function != function && l.n < len(l.visits) {
		at = l.n
		l.n++
	}
	v := &l.visits[at]
	v.function = function
	if v.times < 255 {
		v.times++
	}
	return int(v.times)
}

// hash names a function, whichever its version (FNV-1a).
func hash(ref pinfold.FunctionRef) uint32 {
	h := uint32(2166136261)
	for _, s := range [...]string{ref.Account, ref.Region, ref.Name} {
		for i := range len(s) {
			h = (h ^ uint32(s[i])) * 16777619
		}
		h = (h ^ ':') * 16777619
	}
	return h
}
