package cli

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"pinfold.dev/pinfold"
)

// TestAnswer shows what a function says to people and to programs.
func TestAnswer(t *testing.T) {
	const failure = `{"errorType":"E"}`
	for _, c := range []struct {
		name, contentType string
		json, terminal    bool
		parts             []string
		result            pinfold.Result
		early, out, err   string // early is there before the function is done
	}{
		{"JSON", "application/json", false, false, []string{`{"a":`, `1}`}, pinfold.Result{}, "", `{"a":1}` + "\n", ""},
		{"JSON for people", "application/json", false, true, []string{`{"a":`, `1}`}, pinfold.Result{}, "", "{\n  \"a\": 1\n}\n", ""},
		{"stream", "text/plain", false, false, []string{"a", "b"}, pinfold.Result{LogTail: []byte("END\n")}, "ab", "ab", "END\n"},
		{"stream for people", "", false, true, []string{"a", "b"}, pinfold.Result{}, "ab", "ab\n", ""},
		{"stream for programs", "text/plain", true, false, []string{"a", "b"}, pinfold.Result{ExecutedVersion: "1"}, "",
			"{\n  \"executedVersion\": \"1\",\n  \"functionError\": \"\",\n  \"log\": \"\",\n  \"payload\": \"ab\"\n}\n", ""},
		{"error", "application/json", false, false, []string{failure}, pinfold.Result{FunctionError: "Unhandled", Payload: []byte(failure)}, "",
			failure + "\n", "error: the function failed (Unhandled)\n"},
		{"broken stream", "text/plain", false, false, []string{"a"}, pinfold.Result{FunctionError: "Unhandled", Payload: []byte(failure)}, "a",
			"a", "error: the stream broke off: " + failure + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			a := &answer{sh: &shell{out: screen{Writer: &out, terminal: c.terminal}, err: newScreen(&errOut), json: c.json}}
			a.Begin(c.contentType)
			for _, p := range c.parts {
				_, _ = io.WriteString(a, p)
			}
			if out.String() != c.early {
				t.Errorf("early: %q", out.String())
			}
			err := a.finish(&c.result)
			if out.String() != c.out || errOut.String() != c.err || errors.Is(err, errSilent) != (c.result.FunctionError != "") {
				t.Errorf("%q and %q, %v", out.String(), errOut.String(), err)
			}
		})
	}
}
