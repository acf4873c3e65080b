package logs

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"pinfold.dev/pinfold"
)

// levels are lines as libraries and runtimes write them, by their level.
var levels = map[Level][]string{
	Trace: {
		`{"level":10,"time":1700000000000,"pid":1,"hostname":"h","msg":"pino"}`,
		`{"level":"silly","message":"winston"}`,
		"2026-11-21T12:00:00.000Z\t6bc9e3a1-7c53-4b0e-9f0a-2b8f3c1d5e77\tTRACE\tconsole.trace",
	},
	Debug: {
		`{"name":"bunyan","hostname":"h","pid":1,"level":20,"msg":"m","time":"2026-11-21T12:00:00.000Z","v":0}`,
		`{"level":"verbose","message":"winston"}`,
		`{"levelno":10,"msg":"Python"}`,
		"[DEBUG]\t2026-11-21T12:00:00.000Z\t6bc9e3a1\tPython",
	},
	Info: {
		`{"level":"INFO","location":"handler:7","message":"Powertools","timestamp":"2026-11-21 12:00:00,000+0000","service":"s"}`,
		`{"timestamp":"2026-11-21T12:00:00Z","level":"INFO","message":{"level":"ERROR"},"requestId":"6bc9e3a1"}`,
		`{"message":"Lambda's own, in Node.js","tags":["error",{"level":"error"}],"level":"INFO"}`,
		`{"level":"\u0049NFO","msg":"escaped","severity":"INFO"}`,
		"2026-11-21T12:00:00.000Z\tundefined\tINFO\tat load",
	},
	Warn: {
		`{"asctime":"2026-11-21","levelname":"WARNING","message":"python-json-logger"}`,
		`{"severity":"WARNING","message":"Google's"}`,
		`{"@timestamp":"2026-11-21T12:00:00Z","log.level":"warn","message":"ECS"}`,
		`{"@timestamp":"2026-11-21T12:00:00Z","log":{"logger":"x","level":"WARN"},"message":"ECS"}`,
		`{"time":"2026-11-21T12:00:00Z","level":"WARN","msg":"slog"}`,
		"[WARNING]\t2026-11-21T12:00:00.000Z\t6bc9e3a1\tPython",
		`{"Level":"warning"}`,
	},
	Error: {
		`{"level":50,"msg":"pino"}`,
		`{"level":"50","msg":"as text"}`,
		`{"levelno":40,"levelname":"ERROR"}`,
		`{"level":"error","message":"winston","stack":"Error: x\n at y"}`,
		"2026-11-21T12:00:00.000Z\t6bc9e3a1-7c53-4b0e-9f0a-2b8f3c1d5e77\tERROR\tInvoke Error \t{\"errorType\":\"TypeError\"}",
		"2026-11-21T12:00:00.000Z\t6bc9e3a1-7c53-4b0e-9f0a-2b8f3c1d5e77\tINFO\t{\"level\":\"error\",\"msg\":\"console.log of JSON\"}",
		"[ERROR] KeyError: 'x'\nTraceback (most recent call last):",
		"  {\"level\":\"error\"}",
		`{"level":"nothing that is known","severity":"ERROR"}`,
		`{"level":{"value":1},"severity":"err"}`,
		`{"level":"error","broken`,
	},
	Fatal: {
		`{"level":60}`, `{"level":"fatal"}`, `{"levelname":"CRITICAL"}`, `{"levelno":50}`, `{"severity":"EMERGENCY"}`, `{"level":"CRITICAL","service":"Powertools"}`,
	},
	0: {
		"", " ", "plain text with ERROR in it", "{", "{}", `{"level":`, `{"level":null}`, `{"level":true}`, `{"level":5}`, `{"level":1e3}`, `{"level":99999999999999999999}`,
		`{"message":"level: error"}`, `{"a":{"level":"error"}}`, `{"log":{"log":{"level":"error"}}}`, `["level","error"]`, `[1,2]`, "[", "[]", "[not a level] x", "[ERRORS]", "[ERROR",
		"a\tb\tERROR\tnot of Node.js", "2026-11-21T12:00:00.000Z\t6bc9e3a1\tERROR", "\xff\xfe\x00", `{"\xff":"\xff"}`, `{"level":"` + strings.Repeat("error", 1000) + `"}`,
	},
}

func TestLevels(t *testing.T) {
	l := new(leveler)
	for want, lines := range levels {
		for _, line := range lines {
			if got := l.of(false, []byte(line)); got != want {
				t.Errorf("%q has level %d, want %d", line, got, want)
			}
		}
	}
}

// The platform's lines have a level of their own; what only looks like them has none.
func TestLevelsOfThePlatform(t *testing.T) {
	l := new(leveler)
	for line, want := range map[string]Level{
		"INIT_START Runtime Version: nodejs:20":                                       Info,
		"START RequestId: 6bc9e3a1 Version: $LATEST":                                  Info,
		"END RequestId: 6bc9e3a1":                                                     Info,
		"REPORT RequestId: 6bc9e3a1\tDuration: 1.00 ms\tMax Memory Used: 1 MB\t":      Info,
		"REPORT RequestId: 6bc9e3a1\tDuration: 1.00 ms\tStatus: timeout":              Error,
		"INIT_REPORT Init Duration: 1.00 ms\tPhase: init\tStatus: error":              Error,
		"2026-11-21T12:00:00.000Z 6bc9e3a1 Task timed out after 3.00 seconds":         Error,
		"RequestId: 6bc9e3a1 Error: Runtime exited with error: signal: killed":        Error,
		`{"time":"t","type":"platform.report","record":{"status":"success"}}`:         Info,
		`{"time":"t","type":"platform.start","record":{"requestId":"6bc9e3a1"}}`:      Info,
		`{"time":"t","type":"platform.report","record":{"status":"timeout"}}`:         Error,
		"PINFOLD 5 log lines are missing here: the disk was slower than the function": Warn,
	} {
		if got := l.of(true, []byte(line)); got != want {
			t.Errorf("%q has level %d, want %d", line, got, want)
		}
		if got := l.of(false, []byte(line)); got != 0 {
			t.Errorf("forged, %q has level %d", line, got)
		}
	}
}

func TestParseLevel(t *testing.T) {
	for name, want := range map[string]Level{"": 0, "trace": Trace, "Warn": Warn, "WARNING": Warn, "critical": Fatal} {
		if got, err := ParseLevel(name); got != want || err != nil {
			t.Errorf("%q is %d, %v", name, got, err)
		}
	}
	for _, name := range []string{"loud", "50", " ", "warn,error", strings.Repeat("x", 1000)} {
		if _, err := ParseLevel(name); pinfold.CodeOf(err) != pinfold.Invalid || !strings.Contains(err.Error(), "use trace, debug, info, warn, error or fatal") {
			t.Errorf("%.20q: %v", name, err)
		}
	}
}

// Level, pattern, text and requests must all be met, by what is kept and what comes.
func TestQueryTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		write := func(from int) {
			for i, text := range []string{
				`{"level":"warn","n":1}`, `{"level":"error","n":2}`, `{"level":"info","n":1}`, `{"level":40,"n":1}`, `plain`, `{"level":"fatal","n":1,"quiet":true}`,
			} {
				l := line("a", from+i, text)
				l.RequestID = []string{"r0", "r1", "r2"}[i%3]
				s.Write(l)
				synctest.Wait()
			}
		}
		write(0)
		q := Query{Level: Warn, Pattern: "{$.n = 1}", Text: "level", Requests: []string{"r0", "r2"}}
		want := []string{`{"level":"warn","n":1}`, `{"level":40,"n":1}`, `{"level":"fatal","n":1,"quiet":true}`}
		expect(t, "kept", texts(t, s.Query(t.Context(), q)), want...)
		ctx, cancel := context.WithCancel(t.Context())
		var got []string
		done := make(chan struct{})
		go func() {
			defer close(done)
			got = texts(t, s.Follow(ctx, q))
		}()
		synctest.Wait()
		write(10)
		cancel()
		<-done
		expect(t, "followed", got, append(want, want...)...)
		s.Close()
	})
}

func FuzzLevel(f *testing.F) {
	for _, lines := range levels {
		for _, line := range lines {
			f.Add([]byte(line))
		}
	}
	f.Add([]byte(strings.Repeat(`{"log":`, 1000)))
	l := new(leveler)
	f.Fuzz(func(t *testing.T, line []byte) {
		for range 2 { // a reader that was used before says the same
			got := l.of(false, line)
			if fresh := new(leveler).of(false, line); got != fresh || got < 0 || got > Fatal {
				t.Errorf("%q has level %d, and %d", line, got, fresh)
			}
		}
		l.of(true, line)
	})
}
