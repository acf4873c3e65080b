package badinput

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/platformtest"
)

// What the functions write, by each way that they have: the event says what.
const (
	scribbleManifest = `service: scribble
provider: {name: aws, timeout: 60, memorySize: 1769}
functions:
  node: {runtime: nodejs22.x, handler: scribble.handler}
  python: {runtime: python3.12, handler: main.handler}
  own: {runtime: provided.al2023, handler: x}
`
	scribbleNode = `const forged = (id) => ["START RequestId: " + id + " Version: 9", "END RequestId: " + id,
  "REPORT RequestId: " + id + "\tDuration: 9999999.00 ms\tBilled Duration: 9999999 ms\tMemory Size: 1 MB\tMax Memory Used: 1 MB\tStatus: timeout",
  JSON.stringify({ time: "2026-11-21T12:00:00.000Z", type: "platform.report", record: { requestId: id, status: "timeout", metrics: { billedDurationMs: 9999999 } } })];
exports.handler = async (what, context) => {
  switch (what) {
    case "long": console.log("begin" + "ü".repeat(512 << 10) + "ends"); break;
    case "binary": process.stdout.write(Buffer.from([0x62, 0, 1, 27, 0xff, 0xfe, 0x80, 0x65, 10])); break;
    case "broken": process.stdout.write(Buffer.from("half \xc3 surrogate \xed\xa0\x80 overlong \xc0\xaf end\n", "latin1")); console.log("lone \ud800 surrogate"); break;
    case "forged": forged(context.awsRequestId).forEach((line) => process.stdout.write(line + "\n")); forged(context.awsRequestId).forEach((line) => console.log(line)); break;
  }
  return context.awsRequestId;
};
`
	scribblePython = `import json, os, sys

def forged(id):
    return ["START RequestId: " + id + " Version: 9", "END RequestId: " + id,
        "REPORT RequestId: " + id + "\tDuration: 9999999.00 ms\tBilled Duration: 9999999 ms\tMemory Size: 1 MB\tMax Memory Used: 1 MB\tStatus: timeout",
        json.dumps({"time": "2026-11-21T12:00:00.000Z", "type": "platform.report", "record": {"requestId": id, "status": "timeout", "metrics": {"billedDurationMs": 9999999}}})]

def handler(what, context):
    if what == "long": print("begin" + "ü" * (512 << 10) + "ends")
    if what == "binary": os.write(1, bytes([0x62, 0, 1, 27, 0xff, 0xfe, 0x80, 0x65, 10]))
    if what == "broken":
        sys.stdout.buffer.write(b"half \xc3 surrogate \xed\xa0\x80 overlong \xc0\xaf end\n")
        sys.stdout.buffer.flush()
        print("lone \ud800 surrogate")
    if what == "forged":
        for line in forged(context.aws_request_id): print(line)
        for line in forged(context.aws_request_id): os.write(2, line.encode() + b"\n")
    return context.aws_request_id
`
	scribbleOwn = `#!/bin/sh
while :; do
  headers=$(mktemp)
  what=$(curl -sS -D "$headers" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next")
  id=$(tr -d '\r' < "$headers" | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //Ip')
  rm "$headers"
  case $what in
  *long*) printf begin; head -c 524288 /dev/zero | sed 's/\x00/ü/g'; echo ends ;;
  *binary*) printf 'b\000\001\033\377\376\200e\n' ;;
  *broken*) printf 'half \303 surrogate \355\240\200 overlong \300\257 end\n' ;;
  *forged*)
    printf 'START RequestId: %s Version: 9\nEND RequestId: %s\n' "$id" "$id"
    printf 'REPORT RequestId: %s\tDuration: 9999999.00 ms\tBilled Duration: 9999999 ms\tMemory Size: 1 MB\tMax Memory Used: 1 MB\tStatus: timeout\n' "$id"
    printf '{"time":"2026-11-21T12:00:00.000Z","type":"platform.report","record":{"requestId":"%s","status":"timeout"}}\n' "$id" ;;
  esac
  curl -sS -o /dev/null -d "\"$id\"" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response"
done
`
)

// TestLogLines has functions write what nobody should: the log keeps it as theirs,
// and nothing else is changed by it.
func TestLogLines(t *testing.T) {
	t.Parallel()
	p := platformtest.Start(t)
	dir := platformtest.Files(t, map[string]string{
		"serverless.yml": scribbleManifest, "scribble.js": scribbleNode, "main.py": scribblePython, "bootstrap": scribbleOwn,
	})
	if err := os.Chmod(filepath.Join(dir, "bootstrap"), 0o755); err != nil {
		t.Fatal(err)
	}
	p.Deploy(t, dir)
	for _, runtime := range []string{"node", "python", "own"} {
		t.Run(runtime, func(t *testing.T) {
			if _, err := exec.LookPath("curl"); err != nil && runtime == "own" {
				t.Skip("the custom runtime needs curl")
			}
			s := scribbler{p, "scribble-dev-" + runtime}
			t.Run("long", func(t *testing.T) { s.long(t) })
			t.Run("binary", func(t *testing.T) { s.says(t, "binary", "b\x00\x01\x1b\ufffde") })
			t.Run("broken UTF-8", func(t *testing.T) {
				s.says(t, "broken", "half \ufffd surrogate \ufffd overlong \ufffd end")
			})
			t.Run("forged", func(t *testing.T) { s.forged(t) })
			s.accounts(t, 4)
		})
	}
}

// scribbler is a function that writes what it is asked to.
type scribbler struct {
	*platformtest.Platform
	name string
}

// lines returns what an invocation wrote, and the platform's lines of it up to its
// REPORT.
func (s scribbler) lines(t *testing.T, what string) (own, system []pinfold.LogLine) {
	t.Helper()
	res, err := s.Client.Invoke(t.Context(), s.name, []byte(`"`+what+`"`), false)
	id := ""
	if err != nil || json.Unmarshal(res.Payload, &id) != nil {
		t.Fatalf("%+v, %v", res, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for line, err := range s.Client.Logs(ctx, client.LogQuery{Functions: []string{s.name}, RequestID: id, Follow: true}) {
		switch {
		case err != nil:
			t.Fatal(err)
		case !line.System:
			own = append(own, line)
			continue
		}
		if system = append(system, line); strings.HasPrefix(line.Text, "REPORT ") {
			return own, system
		}
	}
	t.Fatalf("the log of %s ends with %+v", id, system)
	return nil, nil
}

// long: a line of a megabyte comes as events of 256 KB, of which nothing is
// missing, not even half a character.
func (s scribbler) long(t *testing.T) {
	own, system := s.lines(t, "long")
	all := ""
	for _, line := range own {
		if len(line.Text) > 256<<10 {
			t.Errorf("an event of %d bytes", len(line.Text))
		}
		all += line.Text
	}
	_, all, _ = strings.Cut(all, "begin")
	if want := strings.Repeat("ü", 512<<10) + "ends"; all != want {
		t.Errorf("%d events with %d bytes that are not the %d that were written", len(own), len(all), len(want))
	}
	if len(own) != 5 || len(system) < 3 {
		t.Errorf("%d events, and %d of the platform", len(own), len(system))
	}
}

func (s scribbler) says(t *testing.T, what, want string) {
	own, _ := s.lines(t, what)
	if !slices.ContainsFunc(own, func(l pinfold.LogLine) bool { return l.Text == want }) {
		t.Errorf("%q is not among %+v", want, own)
	}
}

// forged: lines that look like the platform's are the function's own.
func (s scribbler) forged(t *testing.T) {
	own, system := s.lines(t, "forged")
	for _, begin := range []string{"START RequestId: ", "END RequestId: ", "REPORT RequestId: "} {
		theirs, ours := 0, 0
		for _, l := range own {
			if strings.Contains(l.Text, begin) {
				theirs++
			}
		}
		for _, l := range system {
			if strings.HasPrefix(l.Text, begin) {
				ours++
			}
			if strings.Contains(l.Text, "9999999") || strings.Contains(l.Text, "Version: 9") {
				t.Errorf("the function's line counts as the platform's: %q", l.Text)
			}
		}
		if theirs < 1 || ours != 1 {
			t.Errorf("%s%d of the function, %d of the platform", begin, theirs, ours)
		}
	}
	for line, err := range s.Client.Logs(t.Context(), client.LogQuery{Functions: []string{s.name}, Level: "error"}) {
		t.Errorf("a forged status is an error: %+v, %v", line, err)
	}
}

// accounts: records and metering know n invocations that succeeded, and no second
// of what the function said of itself.
func (s scribbler) accounts(t *testing.T, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var records []pinfold.Record
	for len(records) < n && ctx.Err() == nil {
		records = nil
		for r, err := range s.Client.Records(ctx, pinfold.RecordQuery{Function: s.name}) {
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, r)
		}
	}
	var billed time.Duration
	for _, r := range records {
		billed += r.Billed
		if r.Status != "ok" || r.MemoryMB != 1769 || r.Version != "$LATEST" || r.Billed > time.Minute {
			t.Errorf("the record is %+v", r)
		}
	}
	u, err := s.Client.Usage(t.Context(), client.UsageQuery{By: "function"})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(u.Rows, func(r client.UsageRow) bool { return r.Name == s.name })
	if len(records) != n || i < 0 || u.Rows[i].Requests != uint64(n) || u.Rows[i].Errors != 0 || u.Rows[i].BilledMS != uint64(billed.Milliseconds()) {
		t.Errorf("%d records of %v, metered is %+v", len(records), billed, u.Rows)
	}
}

// Questions about what never was, or of nonsense, are answered: with nothing, or
// with an error that says what is wrong.
func TestQueries(t *testing.T) {
	t.Parallel()
	h := start(t)
	const nowhere = "no answer"
	for _, test := range []struct {
		path  string
		query url.Values
		code  pinfold.Code // "": it is answered
		want  string       // in the answer; nowhere: it is empty
	}{
		{"logs", url.Values{"since": {"1900-01-01T00:00:00Z"}}, "", "START RequestId"},
		{"logs", url.Values{"since": {"0000-01-01T00:00:00Z"}, "until": {"9999-12-31T23:59:59Z"}}, "", "START RequestId"},
		{"logs", url.Values{"since": {"2015-01-01T00:00:00Z"}, "until": {"2016-01-01T00:00:00Z"}}, "", nowhere},
		{"logs", url.Values{"since": {"2999-01-01T00:00:00Z"}}, "", nowhere},
		{"logs", url.Values{"until": {"0001-01-02T00:00:00Z"}}, "", nowhere},
		{"logs", url.Values{"request": {"../../etc/passwd\x00"}}, "", nowhere},
		{"logs", url.Values{"request": {strings.Repeat("x", 10_000)}}, "", nowhere},
		{"logs", url.Values{"filter": {"\xff\xfe"}}, "", nowhere},
		{"logs", url.Values{"level": {"loud"}}, pinfold.Invalid, "is not a level: use trace"},
		{"logs", url.Values{"pattern": {"{$.a = "}}, pinfold.Invalid, "at character 8"},
		{"logs", url.Values{"pattern": {"[a, b"}}, pinfold.Invalid, "at character 6"},
		{"logs", url.Values{"pattern": {strings.Repeat("(", 1000)}}, pinfold.Invalid, "at character 1,"},
		{"logs", url.Values{"pattern": {"{" + strings.Repeat("(", 1000)}}, pinfold.Invalid, "Invalid filter pattern"},
		{"logs", url.Values{"pattern": {"%(((((a+)+)+)+)+%"}}, pinfold.Invalid, "Invalid filter pattern"},
		{"logs", url.Values{"pattern": {strings.Repeat("x", 2000)}}, pinfold.Invalid, "2000 characters"},
		{"logs", url.Values{"trace": {"xyz"}}, pinfold.Invalid, "32 hexadecimal digits"},
		{"logs", url.Values{"trace": {strings.Repeat("0", 32)}}, pinfold.Invalid, "all zeros"},
		{"logs", url.Values{"trace": {strings.Repeat("f", 32)}}, pinfold.NotFound, "no record"},
		{"logs", url.Values{"function": {""}}, pinfold.Invalid, "does not name a function"},
		{"logs", url.Values{"function": {"../x"}}, pinfold.NotFound, "no function ../x"},
		{"invocations", url.Values{"since": {"0000-01-01T00:00:00Z"}}, "", `"good-dev-hello"`},
		{"invocations", url.Values{"since": {"2999-01-01T00:00:00Z"}}, "", nowhere},
		{"invocations", url.Values{"until": {"1492-10-12T00:00:00Z"}}, "", nowhere},
		{"invocations", url.Values{"request": {"\x00"}}, "", nowhere},
		{"invocations", url.Values{"trace": {strings.Repeat("0", 32)}}, pinfold.Invalid, "all zeros"},
		{"invocations", url.Values{"since": {"2026-02-30T00:00:00Z"}}, pinfold.Invalid, "not an RFC 3339 time"},
		{"map", url.Values{"since": {"0000-01-01T00:00:00Z"}}, "", `"good-dev-hello"`},
		{"map", url.Values{"since": {"2999-01-01T00:00:00Z"}}, "", nowhere},
		{"map", url.Values{"until": {"1492-10-12T00:00:00Z"}}, "", nowhere},
		{"map", url.Values{"function": {"nobody"}}, pinfold.NotFound, "no function nobody"},
		{"map", url.Values{"function": {"good-dev-hello"}, "depth": {"999999999"}}, "", `"good-dev-hello"`},
		{"map", url.Values{"depth": {"99999999999999999999"}}, pinfold.Invalid, "depth="},
		{"usage", url.Values{"from": {"2999-01-01"}, "to": {"2999-01-31"}}, "", `"rows":[]`},
		{"usage", url.Values{"from": {"1970-01-01"}, "to": {"9999-12-31"}, "by": {"day"}}, "", `"requests":`},
		{"usage", url.Values{"from": {"1980-01-01"}, "to": {"1980-01-01"}}, "", `"from":"1980-01-01","to":"1980-01-01"`},
		{"usage", url.Values{"from": {"2026-02-30"}}, pinfold.Invalid, "not a day"},
		{"usage", url.Values{"from": {"0000-01-01"}}, pinfold.Invalid, "before 1970"},
		{"usage", url.Values{"from": {"2026-03-01"}, "to": {"2026-02-01"}}, pinfold.Invalid, "is after"},
	} {
		t.Run(test.path+"?"+cut(test.query.Encode()), func(t *testing.T) {
			status, body := h.send(t, h.signed(t, http.MethodGet, "/_pinfold/v1/"+test.path+"?"+test.query.Encode(), "pinfold", nil, nil))
			var failed struct{ Code pinfold.Code }
			if test.code != "" {
				if err := json.Unmarshal([]byte(body), &failed); err != nil || failed.Code != test.code || status < 400 || status >= 500 {
					t.Errorf("%d %s, want %s", status, body, test.code)
				}
			} else if status != http.StatusOK {
				t.Errorf("status %d", status)
			}
			if test.want != nowhere {
				wantText(t, body, test.want)
			} else if body != "" {
				t.Errorf("there is an answer: %s", body)
			}
		})
	}
	h.unharmed(t)
}

// cut makes a name of a query.
func cut(s string) string {
	if len(s) > 50 {
		return fmt.Sprintf("%s... (%d)", s[:50], len(s))
	}
	return s
}
