package instant

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

// TestMain runs twice as many tests at a time as there are processors: most of
// them wait for something that takes its time.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// house is a platform with a gate.
type house struct {
	*platformtest.Platform
	lambda *lambda.Client
	gate   string // the gate's URL, inside of functions and outside
}

func start(t *testing.T, options ...platformtest.Option) *house {
	t.Helper()
	p := platformtest.Start(t, options...)
	h := &house{Platform: p, lambda: lambda.NewFromConfig(gosdk.Config(p))}
	h.create(t, "gate", node(gate), several(500), timeout(30))
	h.gate = h.open(t, "gate")
	h.at(t, "count", "up", 0) // before many come at once: it must be one instance
	return h
}

// gate is where functions and tests meet. Each asks for a name: to wait until it
// is opened, to open it, to wait until n have come there, or to be counted.
const gate = `
const places = new Map();
function place(name) {
  let p = places.get(name);
  if (!p) {
    p = { came: 0, watchers: [] };
    p.opened = new Promise((resolve) => { p.open = resolve; });
    places.set(name, p);
  }
  return p;
}
exports.handler = async ({ queryStringParameters: q }) => {
  const p = place(q.name);
  if (q.do === "open") p.open();
  if (q.do === "came") while (p.came < Number(q.n)) await new Promise((resolve) => p.watchers.push(resolve));
  if (q.do === "wait" || q.do === "count") {
    p.came++;
    for (const tell of p.watchers.splice(0)) tell();
  }
  if (q.do === "wait") await p.opened;
  return p.came;
};
`

// at does something at the gate, and returns how many have come there.
func (h *house) at(t testing.TB, do, name string, n int) int {
	t.Helper()
	resp, err := http.Get(h.gate + "?" + url.Values{"do": {do}, "name": {name}, "n": {strconv.Itoa(n)}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	came, notANumber := strconv.Atoi(string(body))
	if err != nil || notANumber != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the gate answers %d %s, %v", resp.StatusCode, body, err)
	}
	return came
}

// came waits until n have come to a place.
func (h *house) came(t testing.TB, name string, n int) { t.Helper(); h.at(t, "came", name, n) }

// let lets all go on that wait at a place, and those that will come.
func (h *house) let(t testing.TB, name string) { t.Helper(); h.at(t, "open", name, 0) }

// change is a change of a function before it is made.
type change func(*lambda.CreateFunctionInput)

// node and python make a function of a file; shell and program a custom runtime.
func node(code string) change {
	return func(in *lambda.CreateFunctionInput) {
		in.Runtime, in.Handler = types.RuntimeNodejs22x, aws.String("index.handler")
		in.Code = zipped(map[string]string{"index.js": code})
	}
}

func python(code string) change {
	return func(in *lambda.CreateFunctionInput) {
		in.Runtime, in.Handler = types.RuntimePython312, aws.String("index.handler")
		in.Code = zipped(map[string]string{"index.py": code})
	}
}

func custom(bootstrap string) change {
	return func(in *lambda.CreateFunctionInput) {
		in.Runtime, in.Handler = types.RuntimeProvidedal2023, aws.String("any")
		in.Code = zipped(map[string]string{"bootstrap": bootstrap})
	}
}

func timeout(seconds int32) change {
	return func(in *lambda.CreateFunctionInput) { in.Timeout = &seconds }
}

func memory(mb int32) change {
	return func(in *lambda.CreateFunctionInput) { in.MemorySize = &mb }
}

// several has one instance serve n invocations at a time.
func several(n int32) change {
	return func(in *lambda.CreateFunctionInput) {
		in.CapacityProviderConfig = &types.CapacityProviderConfig{LambdaManagedInstancesCapacityProviderConfig: &types.LambdaManagedInstancesCapacityProviderConfig{
			CapacityProviderArn:                   aws.String("arn:aws:lambda:us-east-1:000000000000:capacity-provider:mine"),
			PerExecutionEnvironmentMaxConcurrency: &n,
		}}
	}
}

// create makes a function, which knows the gate as $GATE.
func (h *house) create(t testing.TB, name string, changes ...change) {
	t.Helper()
	in := &lambda.CreateFunctionInput{
		FunctionName: &name, Role: aws.String("arn:aws:iam::000000000000:role/any"), Timeout: aws.Int32(60), Publish: true,
		Environment: &types.Environment{Variables: map[string]string{"GATE": h.gate}},
	}
	for _, c := range changes {
		c(in)
	}
	if _, err := h.lambda.CreateFunction(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func zipped(files map[string]string) *types.FunctionCode {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range files {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		header.SetMode(0o755)
		f, _ := w.CreateHeader(header) // memory does not fail
		_, _ = io.WriteString(f, content)
	}
	_ = w.Close()
	return &types.FunctionCode{ZipFile: b.Bytes()}
}

// open gives a function an address of its own, at which it streams if it wants to.
func (h *house) open(t testing.TB, name string, mode ...types.InvokeMode) string {
	t.Helper()
	in := &lambda.CreateFunctionUrlConfigInput{FunctionName: &name, AuthType: types.FunctionUrlAuthTypeNone}
	if len(mode) > 0 {
		in.InvokeMode = mode[0]
	}
	u, err := h.lambda.CreateFunctionUrlConfig(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(*u.FunctionUrl, "http://"), ".")
	return h.Endpoints.FunctionURLByPath(id)
}

// answer is what came of an invocation.
type answer struct {
	payload       string
	kind, message string // of a function error
	logged        string
	err           error // the platform's
}

// is checks that an invocation went well and says what it should.
func (a answer) is(t testing.TB, want string) {
	t.Helper()
	if a.err != nil || a.kind != "" || a.payload != want {
		t.Errorf("the answer is %.300s, %v; want %s", a.payload, a.err, want)
	}
}

// fails checks that an invocation ended with a function error.
func (a answer) fails(t testing.TB, kind, message string) {
	t.Helper()
	if a.err != nil || a.kind != kind || !strings.Contains(a.message, message) {
		t.Errorf("the answer is %.300s, %v; want %s: %s", a.payload, a.err, kind, message)
	}
}

// call invokes a function with AWS's SDK and waits for what comes of it.
func (h *house) call(ctx context.Context, name, payload string) (a answer) {
	out, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload), LogType: types.LogTypeTail})
	if err != nil {
		return answer{err: err}
	}
	a.payload = string(out.Payload)
	if out.FunctionError != nil {
		var e struct{ ErrorType, ErrorMessage string }
		if err := json.Unmarshal(out.Payload, &e); err != nil {
			return answer{payload: a.payload, err: fmt.Errorf("the error is no envelope: %w", err)}
		}
		a.kind, a.message = e.ErrorType, e.ErrorMessage
	}
	log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	a.logged, a.err = string(log), err
	return a
}

// later calls a function meanwhile.
func (h *house) later(ctx context.Context, name, payload string) <-chan answer {
	done := make(chan answer, 1)
	go func() { done <- h.call(ctx, name, payload) }()
	return done
}

// logs reads what a function has logged, until enough says that it is enough.
func (h *house) logs(t testing.TB, q client.LogQuery, enough func(pinfold.LogLine) bool) (lines []pinfold.LogLine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	q.Follow = true
	for line, err := range h.Client.Logs(ctx, q) {
		if err != nil {
			t.Fatalf("the log of %q says no more than %+v: %v", q.Functions, lines, err)
		}
		if lines = append(lines, line); enough(line) {
			return lines
		}
	}
	t.Fatalf("the log of %q says no more than %+v", q.Functions, lines)
	return nil
}

// says is for logs: it waits for a text.
func says(text string) func(pinfold.LogLine) bool {
	return func(l pinfold.LogLine) bool { return strings.Contains(l.Text, text) }
}

// long reports whether tests are to be as long as the issue has them.
func long() bool { return os.Getenv("PINFOLD_TORTURE") != "" }
