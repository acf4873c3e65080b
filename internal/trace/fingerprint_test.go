package trace

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFingerprint(t *testing.T) {
	node := func(message, frame string) string {
		s, _ := json.Marshal(map[string]any{"errorType": "TypeError", "errorMessage": message, "trace": []string{
			"TypeError: " + message, "    at " + frame, "    at Runtime.handler (/var/runtime/index.mjs:1173:29)",
			"    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)",
		}})
		return string(s)
	}
	python := func(message string, frames ...string) string {
		s, _ := json.Marshal(map[string]any{"errorType": "KeyError", "errorMessage": message, "requestId": "67e55044-10b1-426f-9247-bb680e5fe0c8", "stackTrace": frames})
		return string(s)
	}
	for _, tc := range []struct {
		name string
		same []string
		not  string
	}{
		{
			"lines move",
			[]string{node("x is undefined", "price (/var/task/index.js:3:9)"), node("x is undefined", "price (/var/task/index.js:300:1)")},
			node("x is undefined", "total (/var/task/index.js:3:9)"),
		},
		{
			"numbers and ids",
			[]string{
				node("order 12 of 67e55044-10b1-426f-9247-bb680e5fe0c8 took 3.5 s", "f (/a.js:1:1)"),
				node("order 7 of 00000000-10b1-426f-9247-bb680e5fe0c9 took 12 s", "f (/a.js:1:1)"),
			},
			node("order lost", "f (/a.js:1:1)"),
		},
		{
			"hexadecimal and addresses",
			[]string{node("at 0x7ffe12 by deadbeefcafe to 10.0.0.1:443 on 2026-01-01T12:00:00Z", "f (/a.js:1:1)"), node("at 0xff by feedfacefeed to 127.0.0.1:80 on 2025-12-31T23:59:59Z", "f (/a.js:1:1)")},
			node("by a dead beef", "f (/a.js:1:1)"),
		},
		{
			"quotes",
			[]string{
				node(`Cannot read properties of undefined (reading 'price')`, "f (/a.js:1:1)"),
				node(`Cannot read properties of undefined (reading 'it"s')`, "f (/a.js:1:1)"),
			},
			node(`Cannot read properties of null (reading 'price')`, "f (/a.js:1:1)"),
		},
		{
			"a message of several lines",
			[]string{
				`{"errorMessage":"no\nrow 1","trace":["Error: no","row: 1","    at f (/a.js:1:1)"]}`,
				`{"errorMessage":"no\nrow 2","trace":["Error: no","row: 2","    at f (/a.js:2:1)"]}`,
			},
			`{"errorMessage":"no\nrow 2","trace":["Error: no","row: 2","    at g (/a.js:2:1)"]}`,
		},
		{
			"Python: source lines move, and the last frame counts",
			[]string{
				python("'a'", "  File \"/var/task/app.py\", line 3, in handler\n    price()\n", "  File \"/var/task/app.py\", line 9, in price\n    return d['a']\n"),
				python("'b'", "  File \"/var/task/app.py\", line 33, in handler\n    x = price()\n", "  File \"/var/task/app.py\", line 99, in price\n    return d['b']\n"),
			},
			python("'a'", "  File \"/var/task/app.py\", line 3, in handler\n    price()\n", "  File \"/var/task/app.py\", line 9, in total\n    return d['a']\n"),
		},
		{
			"Python: only the innermost frames",
			[]string{
				python("x", append([]string{`File "/a.py", line 1, in first`}, slicesOf(`File "/a.py", line 2, in again`, 9)...)...),
				python("x", append([]string{`File "/a.py", line 1, in other`}, slicesOf(`File "/a.py", line 2, in again`, 9)...)...),
			},
			python("x", append(slicesOf(`File "/a.py", line 2, in again`, 9), `File "/a.py", line 1, in last`)...),
		},
		{
			"Java",
			[]string{`{"errorMessage":"x","stackTrace":["com.x.Shop.price(Shop.java:12)"]}`, `{"errorMessage":"x","stackTrace":["com.x.Shop.price(Shop.java:21)"]}`},
			`{"errorMessage":"x","stackTrace":["com.x.Shop.total(Shop.java:12)"]}`,
		},
		{
			"Ruby and .NET",
			[]string{
				`{"errorMessage":"x","stackTrace":["/var/task/f.rb:3:in 'handler'","at Shop.Price() in /x.cs:line 12"]}`,
				`{"errorMessage":"x","stackTrace":["/var/task/f.rb:31:in 'handler'","at Shop.Price() in /x.cs:line 1"]}`,
			},
			`{"errorMessage":"x","stackTrace":["/var/task/f.rb:3:in 'handler2'","at Shop.Price() in /x.cs:line 12"]}`,
		},
		{"not an envelope", []string{"", "null", "{", `{"errorMessage":null,"trace":null}`, strings.Repeat("[", 1<<20)}, `{"errorMessage":{"a":"b"}}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := Fingerprint("E", []byte(tc.same[0]))
			for _, s := range tc.same {
				if got := Fingerprint("E", []byte(s)); got != want || len(got) != 16 {
					t.Errorf("%s: %s, not %s", s, got, want)
				}
			}
			if Fingerprint("E", []byte(tc.not)) == want {
				t.Errorf("the same for %s", tc.not)
			}
			if Fingerprint("F", []byte(tc.same[0])) == want {
				t.Error("the same for another type")
			}
		})
	}
}

func slicesOf(s string, n int) []string {
	return strings.Split(strings.TrimSuffix(strings.Repeat(s+"|", n), "|"), "|")
}

func TestNormalise(t *testing.T) {
	for message, want := range map[string]string{
		"":                                "",
		"Task timed out after 3.01 s":     "Task timed out after # s",
		"can't do 5 things, and won't":    "can't do # things, and won't",
		`no "such" thing`:                 "no ? thing",
		`an "open quote`:                  `an "open quote`,
		"user-42 of req_9f8e":             "# of #",
		"well-known":                      "well-known",
		"ECONNREFUSED 127.0.0.1:5432":     "ECONNREFUSED #",
		"1,000,000 rows":                  "# rows",
		"Größe 3":                         "Größe #",
		"version 2.":                      "version #.",
		strings.Repeat("a ", maxMessage):  strings.Repeat("a ", maxMessage/2),
		"'quoted' at the beginning, 'too": "? at the beginning, 'too",
	} {
		if got := normalise(message); got != want {
			t.Errorf("%q: %q, not %q", message, got, want)
		}
	}
}

func FuzzFingerprint(f *testing.F) {
	f.Add("TypeError", []byte(`{"errorMessage":"x is 'undefined'","trace":["TypeError: x","    at f (/a.js:1:1)"]}`))
	f.Add("", []byte(`{"errorMessage":7,"stackTrace":[["a",1],"File \"x\", line 1, in f"]}`))
	f.Fuzz(func(t *testing.T, kind string, envelope []byte) {
		a := Fingerprint(kind, envelope)
		if len(a) != 16 || a != Fingerprint(kind, envelope) {
			t.Errorf("%q", a)
		}
	})
}

func BenchmarkFingerprint(b *testing.B) {
	e := []byte(`{"errorType":"TypeError","errorMessage":"Cannot read properties of undefined (reading 'price')","trace":["TypeError: Cannot","    at price (/var/task/index.js:3:9)","    at handler (/var/task/index.js:9:9)"]}`)
	b.ReportAllocs()
	for b.Loop() {
		Fingerprint("TypeError", e)
	}
}
