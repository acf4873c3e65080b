package runtimes

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

const anyStamp = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`

// matchLines fails unless the log consists of lines that match, in order.
func matchLines(t *testing.T, got []byte, want ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(string(got), "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), got)
	}
	for i := range want {
		if !regexp.MustCompile("^(?:" + want[i] + ")$").MatchString(lines[i]) {
			t.Errorf("line %d: %q\nwant:   %q", i, lines[i], want[i])
		}
	}
}

const (
	anyReport  = `REPORT RequestId: ` + testID + `\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\tMax Memory Used: [1-9]\d* MB\t`
	coldReport = anyReport + `Init Duration: \d+\.\d\d ms\t`
)

func TestTextLogs(t *testing.T) { behind(t, testTextLogs) }

func testTextLogs(t *testing.T, w walls) {
	l := newLab(t, w)
	in := l.launch(l.version("nodejs20.x", "index.handler", map[string]string{"index.js": `
console.log("loading");
exports.handler = async () => {
  console.log("a %s", "b", {c: 1});
  console.error("two\nlines");
  console.debug("d"); console.warn("w"); console.trace("t");
  process.stdout.write("raw\n");
  process.stdout.write("no end");
}`}))
	res := l.call(in, "{}")
	matchLines(t, res.LogTail,
		`INIT_START Runtime Version: node:20\..*`,
		anyStamp+`\tundefined\tINFO\tloading`,
		`START RequestId: `+testID+` Version: \$LATEST`,
		anyStamp+`\t`+testID+`\tINFO\ta b \{ c: 1 \}`,
		anyStamp+`\t`+testID+`\tERROR\ttwo`, `lines`,
		anyStamp+`\t`+testID+`\tDEBUG\td`, anyStamp+`\t`+testID+`\tWARN\tw`, anyStamp+`\t`+testID+`\tTRACE\tt`,
		`raw`, `no end`,
		`END RequestId: `+testID,
		coldReport)
	line, err := l.logs.find("two")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(line.Text, "\ttwo\nlines") || line.RequestID != testID || line.System || line.Name != "under-test" ||
		line.Version != "$LATEST" || line.Instance != in.ID() || line.Function != in.version.Ref || line.Time.IsZero() {
		t.Errorf("line: %+v", line)
	}
	if line, _ := l.logs.find("loading"); line.RequestID != "" {
		t.Errorf("what init logged belongs to invocation %s", line.RequestID)
	}
	if line, _ := l.logs.find("REPORT"); !line.System {
		t.Error("REPORT is not the platform's")
	}
	if tail := string(l.call(in, "{}").LogTail); !strings.HasPrefix(tail, "START ") || strings.Contains(tail, "Init Duration") {
		t.Errorf("tail of a warm invocation:\n%s", tail)
	}
}

// TestLogIsCompleteWithTheAnswer runs many invocations whose output comes just
// before their answers: each line belongs to its own invocation.
func TestLogIsCompleteWithTheAnswer(t *testing.T) { behind(t, testLogIsCompleteWithTheAnswer) }

func testLogIsCompleteWithTheAnswer(t *testing.T, w walls) {
	for runtime, files := range map[string]map[string]string{
		"nodejs20.x": {"app.js": `exports.handler = async (e) => { console.log("line of", e); }`},
		"python3.11": {"app.py": "def handler(e, c): print('line of', e)"},
	} {
		l := newLab(t, w)
		in := l.launch(l.version(runtime, "app.handler", files))
		for _, id := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
			res, err := invoke(in, t.Context(), &pinfold.Invocation{ID: id, Payload: []byte(`"` + id + `"`), WantLogTail: id > "m"})
			if err != nil {
				t.Fatal(err)
			}
			if id > "m" && !strings.Contains(string(res.LogTail), "line of "+id+"\nEND RequestId: "+id+"\nREPORT") {
				t.Fatalf("%s: tail of %s:\n%s", runtime, id, res.LogTail)
			}
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		for _, line := range l.logs.all() {
			if _, of, ok := strings.Cut(line.Text, "line of "); ok && of != line.RequestID {
				t.Errorf("%s: %q is taken for a line of %s", runtime, line.Text, line.RequestID)
			}
		}
	}
}

func TestTailIsTheLast4KB(t *testing.T) { behind(t, testTailIsTheLast4KB) }

func testTailIsTheLast4KB(t *testing.T, w walls) {
	l := newLab(t, w)
	res := l.once(l.version("nodejs20.x", "index.handler", map[string]string{
		"index.js": `exports.handler = async () => { for (let i = 0; i < 5000; i++) console.log("line", i) }`,
	}), "{}")
	if len(res.LogTail) != 4096 || !strings.Contains(string(res.LogTail), "line 4999\nEND") {
		t.Errorf("%d bytes of tail:\n%s", len(res.LogTail), res.LogTail)
	}
	if n := len(l.logs.all()); n < 5003 {
		t.Errorf("%d lines reached the log", n)
	}
}

func TestLongLinesAreSplit(t *testing.T) { behind(t, testLongLinesAreSplit) }

func testLongLinesAreSplit(t *testing.T, w walls) {
	l := newLab(t, w)
	l.once(l.version("python3.11", "app.handler", map[string]string{"app.py": "def handler(e, c): print('x' * 600000)"}), "{}")
	var sizes []int
	for _, line := range l.logs.all() {
		if strings.HasPrefix(line.Text, "xxx") {
			sizes = append(sizes, len(line.Text))
		}
	}
	if len(sizes) != 3 || sizes[0] != 256<<10 || sizes[1] != 256<<10 || sizes[2] != 600000-2*256<<10 {
		t.Errorf("sizes: %v", sizes)
	}
}

// TestEndlessOutput: a child that never stops writing holds up nobody.
func TestEndlessOutput(t *testing.T) { behind(t, testEndlessOutput) }

func testEndlessOutput(t *testing.T, w walls) {
	l := newLab(t, w)
	in := l.launch(l.version("python3.11", "app.handler", map[string]string{
		"app.py": "import subprocess\ndef handler(e, c):\n    subprocess.Popen(['yes', 'x' * 1000])\n    return 1",
	}))
	for range 3 {
		if res := l.call(in, "{}"); string(res.Payload) != "1" {
			t.Errorf("answer: %s", res.Payload)
		}
	}
	if err := in.Close(); err != nil {
		t.Error(err)
	}
}

func TestPythonTextLogs(t *testing.T) { behind(t, testPythonTextLogs) }

func testPythonTextLogs(t *testing.T, w walls) {
	l := newLab(t, w)
	res := l.once(l.version("python3.11", "app.handler", map[string]string{"app.py": `
import logging, sys
print("loading")
log = logging.getLogger()
def handler(e, c):
    log.info("hidden")
    log.warning("root %s", "warns")
    logging.getLogger("mine").error("several\nlines")
    log.setLevel("INFO")
    log.info("shown ü")
    print("printed", file=sys.stderr)
    print("no end", end="")
`}), "{}")
	matchLines(t, res.LogTail,
		`INIT_START Runtime Version: python:3\..*`, `loading`, `START .*`,
		`\[WARNING\]\t`+anyStamp+`\t`+testID+`\troot warns`,
		`\[ERROR\]\t`+anyStamp+`\t`+testID+`\tseveral`, `lines`,
		`\[INFO\]\t`+anyStamp+`\t`+testID+`\tshown ü`,
		`printed`, `no end`, `END .*`, coldReport)
}

func TestJSONLogs(t *testing.T) { behind(t, testJSONLogs) }

func testJSONLogs(t *testing.T, w walls) {
	for runtime, function := range map[string]struct {
		files map[string]string
		want  string
		level string
		kinds string
	}{
		"nodejs20.x": {map[string]string{"app.js": `exports.handler = async () => { console.info("hidden"); console.warn({a: 1}); console.error("x %d", 1, new RangeError("r")) }`},
			`{"level":"WARN","message":{"a":1}}{"errorMessage":"r","errorType":"RangeError","level":"ERROR"}`,
			"INFO", "platform.initStart platform.start platform.report "},
		"python3.11": {map[string]string{"app.py": "import logging\ndef handler(e, c):\n    logging.info('hidden')\n    logging.warning('w', extra={'a': 1})\n    try: 1/0\n    except Exception: logging.exception('e')"},
			`{"a":1,"level":"WARNING","message":"w"}{"errorMessage":"division by zero","errorType":"ZeroDivisionError","level":"ERROR","message":"e"}`,
			"DEBUG", "platform.initStart platform.start platform.runtimeDone platform.report "},
	} {
		t.Run(runtime, func(t *testing.T) {
			l := newLab(t, w)
			l.once(l.version(runtime, "app.handler", function.files, func(c *pinfold.Config) {
				c.LogFormat, c.ApplicationLevel, c.SystemLevel = "JSON", "WARN", function.level
			}), "{}")
			got, kinds := "", ""
			for _, line := range l.logs.all() {
				var event map[string]any
				if err := json.Unmarshal([]byte(line.Text), &event); err != nil {
					t.Errorf("%q is not JSON", line.Text)
					continue
				}
				if line.System {
					kinds += event["type"].(string) + " "
					continue
				}
				if event["requestId"] != testID || !regexp.MustCompile("^"+anyStamp+"$").MatchString(event["timestamp"].(string)) {
					t.Errorf("event: %s", line.Text)
				}
				for _, field := range []string{"requestId", "timestamp", "stackTrace", "logger", "location"} {
					delete(event, field)
				}
				if runtime == "nodejs20.x" && event["errorType"] != nil {
					delete(event, "message")
				}
				b, _ := json.Marshal(event)
				got += string(b)
			}
			if got != function.want {
				t.Errorf("events: %s\nwant:   %s", got, function.want)
			}
			if kinds != function.kinds {
				t.Errorf("system events: %s", kinds)
			}
		})
	}
}

func TestJSONReport(t *testing.T) { behind(t, testJSONReport) }

func testJSONReport(t *testing.T, w walls) {
	l := newLab(t, w)
	l.once(l.version("nodejs20.x", "index.handler", map[string]string{"index.js": `exports.handler = async () => process.exit(1)`},
		func(c *pinfold.Config) { c.LogFormat, c.SystemLevel = "JSON", "WARN" }), "{}")
	all := l.logs.all()
	if len(all) != 2 {
		t.Fatalf("at level WARN the log is:\n%s", texts(all))
	}
	done := `^\{"time":"` + anyStamp + `","type":"platform\.runtimeDone","record":\{"requestId":"` + testID + `","status":"error","errorType":"Runtime\.ExitError","metrics":\{"durationMs":[\d.]+\}\}\}$`
	if !regexp.MustCompile(done).MatchString(all[0].Text) {
		t.Errorf("runtimeDone: %s", all[0].Text)
	}
	want := `^\{"time":"` + anyStamp + `","type":"platform\.report","record":\{"requestId":"` + testID +
		`","metrics":\{"durationMs":[\d.]+,"billedDurationMs":\d+,"memorySizeMB":128,"maxMemoryUsedMB":\d+,"initDurationMs":[\d.]+\},"status":"error","errorType":"Runtime\.ExitError"\}\}$`
	if !regexp.MustCompile(want).MatchString(all[1].Text) {
		t.Errorf("report: %s", all[1].Text)
	}
}
