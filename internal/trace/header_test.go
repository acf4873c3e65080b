package trace

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

const (
	root  = "1-67891233-abcdef012345678912345678"
	w3cID = "67891233abcdef012345678912345678"
	span1 = "463ac35c9f6413ad"
	span2 = "00f067aa0ba902b7"
)

func TestParse(t *testing.T) {
	for header, want := range map[string]string{
		"Root=" + root + ";Parent=" + span1 + ";Sampled=1":            "Root=" + root + ";Parent=" + span1 + ";Sampled=1",
		"Self=1-67891234-12456789abcdef012345678; Root=" + root:       "Root=" + root,
		" Sampled=0 ;Parent=" + span1 + ";Root=" + root + ";":         "Root=" + root + ";Parent=" + span1 + ";Sampled=0",
		"Root=" + root + ";Lineage=2:fc3b4ff1:1|1:00000001:0":         "Root=" + root + ";Lineage=2:fc3b4ff1:1|1:00000001:0",
		"Root=" + root + ";Lineage=2:fc3b4ff1:1%7C1:00000001:0;x=y":   "Root=" + root + ";Lineage=2:fc3b4ff1:1%7C1:00000001:0",
		"Root=" + root + ";Parent=463ac35c9f6413a;Sampled=?":          "Root=" + root,
		"Root=" + root + ";Parent=xyz;Lineage=<script>":               "Root=" + root,
		"Root=" + root + ";Root=1-2-3":                                "Root=" + root,
		"Root=" + strings.ToUpper(root):                               "Root=" + root,
		"Root=" + root + strings.Repeat(";a=b", 3000):                 "",
		"Root=2-67891233-abcdef012345678912345678":                    "",
		"Root=1-00000000-000000000000000000000000;Parent=" + span1:    "",
		"Root=1-67891233-abcdef01234567891234567\xff;Parent=" + span1: "",
		"Root=1-67891233-abcdef012345678912345678a;Parent=" + span1:   "",
		"Parent=" + span1 + ";Sampled=1":                              "",
		"":                                                            "",
		";;;===;=;Root":                                               "",
		"Root=\r\nRoot=" + root:                                       "",
		"root=" + root:                                                "",
	} {
		if got := Parse(header).Amzn(); got != want {
			t.Errorf("%.100q: %q, not %q", header, got, want)
		}
	}
}

func TestParseTraceparent(t *testing.T) {
	for header, want := range map[string]string{
		"00-" + w3cID + "-" + span1 + "-01":                                "00-" + w3cID + "-" + span1 + "-01",
		"00-" + w3cID + "-" + span1 + "-00":                                "00-" + w3cID + "-" + span1 + "-00",
		"00-" + w3cID + "-" + span1 + "-fe":                                "00-" + w3cID + "-" + span1 + "-00",
		"cc-" + w3cID + "-" + span1 + "-03":                                "00-" + w3cID + "-" + span1 + "-01",
		"cc-" + w3cID + "-" + span1 + "-01-what-the-future-will-be-like":   "00-" + w3cID + "-" + span1 + "-01",
		"cc-" + w3cID + "-" + span1 + "-01.what-the-future-will-be-like":   "",
		"00-" + w3cID + "-" + span1 + "-01-what-the-future-will-be-like":   "",
		"ff-" + w3cID + "-" + span1 + "-01":                                "",
		"00-" + strings.ToUpper(w3cID) + "-" + span1 + "-01":               "",
		"0x-" + w3cID + "-" + span1 + "-01":                                "",
		"00-" + strings.Repeat("0", 32) + "-" + span1 + "-01":              "",
		"00-" + w3cID + "-0000000000000000-01":                             "",
		"00-" + w3cID + "-" + span1 + "-1":                                 "",
		"00-" + w3cID + "-" + span1 + "-zz":                                "",
		"00_" + w3cID + "_" + span1 + "_01":                                "",
		"cc-" + w3cID + "-" + span1 + "-01-" + strings.Repeat("x", 10<<10): "",
		"": "",
	} {
		c, ok := ParseTraceparent(header)
		if got := c.Traceparent(); got != want || ok != (want != "") {
			t.Errorf("%.100q: %q, %v, not %q", header, got, ok, want)
		}
	}
}

func TestParseTracestate(t *testing.T) {
	members := func(n int) string {
		s := make([]string, n)
		for i := range s {
			s[i] = fmt.Sprintf("k%d=1", i)
		}
		return strings.Join(s, ",")
	}
	for _, good := range []string{"rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE , rojo=1", "fw529a3039@dt=FfD@!;#", "a=1,,b=2", members(32), "k=" + strings.Repeat("v", 256), "0k=v"} {
		if got := ParseTracestate(good); got != good {
			t.Errorf("%q: %q", good, got)
		}
	}
	for _, bad := range []string{"", " , ", "a", "a=", "=1", "A=1", "a=1,a=2", "a=1=2", "a=\x00", "a=é", "@a=1", members(33), "k=" + strings.Repeat("v", 257), strings.Repeat("k", 257) + "=1", members(32) + strings.Repeat(" ", maxState)} {
		if got := ParseTracestate(bad); got != "" {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

func TestWhoWins(t *testing.T) {
	other := "00-" + strings.Repeat("a", 32) + "-" + span2 + "-01"
	for _, tc := range []struct{ name, amzn, traceparent, want string }{
		{"only AWS's", "Root=" + root + ";Parent=" + span1, "", "Root=" + root + ";Parent=" + span1},
		{"only W3C's", "", "00-" + w3cID + "-" + span2 + "-01", "Root=" + root + ";Parent=" + span2 + ";Sampled=1"},
		{"neither", "", "", ""},
		{"both nonsense", "Root=x", "00-x", ""},
		{"two traces", "Root=" + root + ";Parent=" + span1 + ";Lineage=1:00000001:0", other, "Root=1-aaaaaaaa-" + strings.Repeat("a", 24) + ";Parent=" + span2 + ";Sampled=1;Lineage=1:00000001:0"},
		{"one trace", "Root=" + root + ";Parent=" + span1, "00-" + w3cID + "-" + span2 + "-00", "Root=" + root + ";Parent=" + span1 + ";Sampled=0"},
		{"one trace, one parent", "Root=" + root, "00-" + w3cID + "-" + span2 + "-00", "Root=" + root + ";Parent=" + span2 + ";Sampled=0"},
		{"W3C's is nonsense", "Root=" + root + ";Parent=" + span1, "00-" + w3cID + "-x-00", "Root=" + root + ";Parent=" + span1},
		{"AWS's is nonsense", strings.Repeat("x", 10<<10), "00-" + w3cID + "-" + span2 + "-00", "Root=" + root + ";Parent=" + span2 + ";Sampled=0"},
	} {
		if got := Join(tc.amzn, tc.traceparent, "").Amzn(); got != tc.want {
			t.Errorf("%s: %q, not %q", tc.name, got, tc.want)
		}
	}
}

func TestHeadersOfARequest(t *testing.T) {
	const parent, became = "00-" + w3cID + "-" + span2 + "-01", "Root=" + root + ";Parent=" + span2 + ";Sampled=1"
	long := "k=" + strings.Repeat("v", 256) + ",l=" + strings.Repeat("v", 251) // 512 bytes
	for _, tc := range []struct {
		name          string
		lines         []string
		header, state string
	}{
		{"none", nil, "", ""},
		{"only AWS's", []string{"X-Amzn-Trace-Id: as it came", "Tracestate: rojo=1"}, "as it came", ""},
		{"W3C's", []string{"Traceparent: " + parent, "Tracestate: rojo=1, congo=2"}, became, "rojo=1, congo=2"},
		{"capitals", []string{"TRACEPARENT: " + parent, "TraceState: rojo=1"}, became, "rojo=1"},
		{"tracestate in parts", []string{"traceparent: " + parent, "tracestate: rojo=1", "tracestate: congo=2"}, became, "rojo=1,congo=2"},
		{"tracestate with one key twice", []string{"traceparent: " + parent, "tracestate: rojo=1", "tracestate: rojo=2"}, became, ""},
		{"the longest", []string{"traceparent: " + parent, "tracestate: " + long}, became, long},
		{"too long", []string{"traceparent: " + parent, "tracestate: " + long + "v"}, became, ""},
		{"traceparent twice", []string{"traceparent: " + parent, "traceparent: " + parent, "tracestate: rojo=1"}, "", ""},
		{"no traceparent", []string{"traceparent: nonsense", "tracestate: rojo=1"}, "", ""},
		{"10 KB", []string{"traceparent: " + parent + "-" + strings.Repeat("a", 10<<10), "tracestate: rojo=1"}, "", ""},
	} {
		h := http.Header{}
		for _, line := range tc.lines {
			name, value, _ := strings.Cut(line, ": ")
			h.Add(name, value)
		}
		if header, state := Of(h); header != tc.header || state != tc.state {
			t.Errorf("%s: %q and %q, want %q and %q", tc.name, header, state, tc.header, tc.state)
		}
	}
}

func TestNewTrace(t *testing.T) {
	at := time.Unix(0x67891233, 0)
	a, b := newTrace(at), newTrace(at)
	if a == b || !strings.HasPrefix((Context{Trace: a}).Amzn(), "Root=1-67891233-") {
		t.Errorf("%x, %x", a, b)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("Root="+root+";Parent="+span1+";Sampled=1;Lineage=2:fc3b4ff1:1%7C1:00000001:0", "00-"+w3cID+"-"+span2+"-01", "rojo=1,congo=2")
	f.Add("Self=x;Root=1-x", "ff-"+w3cID+"-"+span2+"-01", "a@b=c")
	f.Add("Root="+root+";;=;Parent=", "cc-"+w3cID+"-"+span2+"-01-x", ",,")
	f.Fuzz(func(t *testing.T, amzn, traceparent, tracestate string) {
		c := Join(amzn, traceparent, tracestate)
		if c.Trace == (pinfold.TraceID{}) && c.Parent != (pinfold.SpanID{}) {
			t.Errorf("a span of no trace: %+v", c)
		}
		h := c.Amzn()
		if strings.ContainsAny(h, "\r\n\x00") || len(h) > maxHeader+100 {
			t.Errorf("%q", h)
		}
		again := Parse(h)
		if again.State = c.State; h != "" && len(h) <= maxHeader && again != c {
			t.Errorf("%q: %+v, not %+v", h, again, c)
		}
		if p := c.Traceparent(); p != "" {
			if w, ok := ParseTraceparent(p); !ok || w.Trace != c.Trace || w.Parent != c.Parent {
				t.Errorf("%q: %+v", p, w)
			}
		}
		if s := ParseTracestate(tracestate); s != "" && s != tracestate {
			t.Errorf("%q became %q", tracestate, s)
		}
	})
}
