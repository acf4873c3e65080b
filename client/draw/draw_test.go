package draw

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pinfold.dev/pinfold"
)

var update = flag.Bool("update", false, "write the golden files")

const ms = time.Millisecond

var (
	at    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	trace = pinfold.TraceID{0x67, 0x89, 0x12, 0x33, 15: 1}

	order = pinfold.Record{
		Time: at, RequestID: "6bc9e3a1-7c53-4b0e-9f0a-2b8f3c1d5e77", Trace: trace, Span: pinfold.SpanID{1}, Function: "order", Version: "7", Alias: "live",
		Status: "ok", Queue: 8 * ms, Place: 400 * time.Microsecond, Fetch: 2 * ms, Sandbox: 3 * ms, Boot: 40 * ms, Init: 12 * ms, Handler: 300 * ms, Response: 600 * time.Microsecond,
		Billed: 312 * ms, MemoryMB: 128, PeakMB: 64, CPU: 90 * ms, Cold: pinfold.ColdFirst, Instance: "i1", BytesIn: 412, BytesOut: 18_400, CodeSize: 2_300_000,
	}
	first   = pinfold.Record{Time: at.Add(90 * ms), Trace: trace, Span: pinfold.SpanID{2}, Parent: order.Span, Service: "lambda", Operation: "Invoke", Status: "error", Handler: 60 * ms}
	failed  = pinfold.Record{Time: at.Add(91 * ms), Trace: trace, Span: pinfold.SpanID{3}, Parent: first.Span, Function: "price", Version: "$LATEST", Status: "error", ErrorType: "TypeError", Handler: 58 * ms, Instance: "i2"}
	second  = pinfold.Record{Time: at.Add(200 * ms), Trace: trace, Span: pinfold.SpanID{4}, Parent: order.Span, Service: "lambda", Operation: "Invoke", Status: "ok", Handler: 90 * ms}
	retried = pinfold.Record{Time: at.Add(201 * ms), Trace: trace, Span: pinfold.SpanID{5}, Parent: second.Span, Function: "price", Version: "$LATEST", Status: "ok", Queue: 40 * ms, Handler: 48 * ms, Instance: "i2"}
	mail    = pinfold.Record{Time: at.Add(380 * ms), Trace: trace, Span: pinfold.SpanID{6}, Parent: pinfold.SpanID{99}, Function: "mail", Version: "3", Status: "throttled", ErrorType: "TooManyRequestsException", Queue: 20 * ms}
)

func TestDrawings(t *testing.T) {
	nasty := failed
	nasty.Function, nasty.ErrorType = "price\x1b[2J\x07\n", "\x1b]0;owned\x07"+strings.Repeat("Error", 100)
	circle := []pinfold.Record{retried, second}
	circle[1].Parent = retried.Span
	tiny := order
	tiny.Queue, tiny.Boot, tiny.Init, tiny.Handler, tiny.Cold = 0, 0, 0, 2*time.Microsecond, ""
	for name, draw := range map[string]func(*bytes.Buffer){
		"retry": func(b *bytes.Buffer) {
			Waterfall(b, []pinfold.Record{mail, retried, order, failed, second, first}, 120)
		},
		"narrow":     func(b *bytes.Buffer) { Waterfall(b, []pinfold.Record{order, first, failed, second, retried}, 10) },
		"nasty":      func(b *bytes.Buffer) { Waterfall(b, []pinfold.Record{nasty}, 100) },
		"circle":     func(b *bytes.Buffer) { Waterfall(b, circle, 80) },
		"none":       func(b *bytes.Buffer) { Waterfall(b, nil, 80) },
		"invocation": func(b *bytes.Buffer) { Phases(b, order, 100) },
		"warm":       func(b *bytes.Buffer) { Phases(b, tiny, 80) },
		"refused":    func(b *bytes.Buffer) { Phases(b, mail, 80) },
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			draw(&got)
			golden(t, name+".txt", got.String())
		})
	}
}

// golden compares a drawing with the one that was looked at.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s\nis not\n%s", got, want)
	}
}

// TestEveryRecordOnce has traces that are long, deep, and of one id throughout.
func TestEveryRecordOnce(t *testing.T) {
	for name, parent := range map[string]func(i int) (span, parent int){
		"a chain":  func(i int) (int, int) { return i + 1, i },
		"a fan":    func(i int) (int, int) { return i + 1, 1 },
		"one id":   func(int) (int, int) { return 1, 1 },
		"a circle": func(i int) (int, int) { return i + 1, (i+1)%3000 + 1 },
	} {
		records := make([]pinfold.Record, 3000)
		for i := range records {
			s, p := parent(i)
			records[i] = pinfold.Record{Time: at.Add(time.Duration(i) * ms), Span: pinfold.SpanID{byte(s), byte(s >> 8)}, Parent: pinfold.SpanID{byte(p), byte(p >> 8)}, Function: fmt.Sprint("f", i), Handler: ms}
		}
		var b bytes.Buffer
		Waterfall(&b, records, 100)
		lines := strings.Split(b.String(), "\n")
		if len(lines) != len(records)+5 {
			t.Errorf("%s: %d lines", name, len(lines))
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > 100 {
				t.Fatalf("%s: %d wide: %s", name, n, l)
			}
		}
	}
}

func FuzzWaterfall(f *testing.F) {
	f.Add("order", "TypeError", int64(5), int64(0), int64(1e9), 80)
	f.Add("\x1b[2J", "\xff", int64(math.MaxInt64), int64(-5), int64(math.MaxInt64), -1)
	f.Fuzz(func(t *testing.T, function, kind string, queue, place, handler int64, width int) {
		r := pinfold.Record{Time: at, Function: function, Status: "error", ErrorType: kind, Queue: time.Duration(queue), Place: time.Duration(place), Handler: time.Duration(handler), Instance: "i"}
		other := r
		other.Time = at.Add(time.Duration(handler))
		var b bytes.Buffer
		Waterfall(&b, []pinfold.Record{r, other}, width)
		Phases(&b, r, width)
		if strings.ContainsAny(b.String(), "\x1b\x07\r\x00") || strings.Count(b.String(), "\n") > 20 {
			t.Errorf("%q", b.String())
		}
	})
}
