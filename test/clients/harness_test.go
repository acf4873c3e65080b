package clients

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

// role is the execution role of every function here.
const role = "arn:aws:iam::000000000000:role/clients"

// probe is a Node.js function that does what its event asks for.
const probe = `
const instance = Math.random().toString(36).slice(2);
let used = 0;
exports.handler = async (event, context) => {
  used += 1;
  switch (event.do) {
    case "throw": throw new TypeError("thrown on purpose");
    case "reject": Promise.reject(new RangeError("rejected on purpose")); return new Promise(() => {});
    case "throw later": setImmediate(() => { throw new Error("thrown late"); }); return new Promise(() => {});
    case "log": console.log("first line"); console.error("x".repeat(event.bytes || 0)); console.log("last line"); return null;
    case "hang": return new Promise((resolve) => setTimeout(resolve, 3600e3));
    case "exit": process.exit(event.code);
    case "kill": process.kill(process.pid, "SIGKILL"); return new Promise(() => {});
    case "big": return "x".repeat(event.bytes);
    case "circular": { const a = {}; a.a = a; return a; }
    case "wait": return await (await fetch(event.url)).text();
    case "env": return process.env;
    case "http": return { statusCode: 201, headers: { "x-was": event.version }, body: "made" };
  }
  if (event.requestContext) return { statusCode: 200, body: JSON.stringify({ event, marker: process.env.MARKER }) };
  return { event, instance, used, marker: process.env.MARKER, version: context.functionVersion, arn: context.invokedFunctionArn, id: context.awsRequestId, client: context.clientContext };
};
`

// zipped makes a zip file of files by name.
func zipped(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, content := range files {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		header.SetMode(0o755)
		f, err := w.CreateHeader(header)
		if err == nil {
			_, err = f.Write([]byte(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// calls remembers the operations that were answered without an error.
type calls struct {
	mu   sync.Mutex
	done map[string]bool
}

// record is an option of a client: it notes what succeeds.
func (c *calls) record(o *lambda.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("record", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			if err == nil {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.done[awsmiddleware.GetOperationName(ctx)] = true
			}
			return out, metadata, err
		}), middleware.After)
	})
}

// sdk is the Go SDK's client, with what the tests often want of it.
type sdk struct {
	*lambda.Client
	p     *platformtest.Platform
	calls *calls
}

func newSDK(p *platformtest.Platform) *sdk {
	c := &calls{done: map[string]bool{}}
	return &sdk{lambda.NewFromConfig(gosdk.Config(p), c.record), p, c}
}

// create makes a function of the given files (nil: the probe) and deletes it
// when the test ends.
func (s *sdk) create(t testing.TB, name string, files map[string]string, change ...func(*lambda.CreateFunctionInput)) *lambda.CreateFunctionOutput {
	t.Helper()
	if files == nil {
		files = map[string]string{"index.js": probe}
	}
	in := &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: types.RuntimeNodejs22x, Handler: aws.String("index.handler"), Role: aws.String(role),
		Code: &types.FunctionCode{ZipFile: zipped(t, files)}, Timeout: aws.Int32(20),
	}
	for _, f := range change {
		f(in)
	}
	out, err := s.CreateFunction(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := s.DeleteFunction(context.WithoutCancel(t.Context()), &lambda.DeleteFunctionInput{FunctionName: &name})
		if gone := new(types.ResourceNotFoundException); err != nil && !errors.As(err, &gone) {
			t.Error(err)
		}
	})
	return out
}

func python(in *lambda.CreateFunctionInput) {
	in.Runtime, in.Handler = types.RuntimePython312, aws.String("app.handler")
}

// invoke calls a function and wants an answer, of the function or of its failure.
func (s *sdk) invoke(t testing.TB, name, payload string, change ...func(*lambda.InvokeInput)) *lambda.InvokeOutput {
	t.Helper()
	in := &lambda.InvokeInput{FunctionName: &name, Payload: []byte(payload)}
	for _, f := range change {
		f(in)
	}
	out, err := s.Invoke(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// told is what the probe tells about itself.
type told struct {
	Event    json.RawMessage
	Instance string
	Used     int
	Marker   string
	Version  string
	ARN      string
	ID       string
	Client   struct{ Custom map[string]string }
}

// ask calls the probe and returns what it tells.
func (s *sdk) ask(t testing.TB, name string) (a told) {
	t.Helper()
	out := s.invoke(t, name, `{"ask": true}`)
	if out.FunctionError != nil {
		t.Fatalf("%s failed: %s", name, out.Payload)
	}
	decode(t, out.Payload, &a)
	if executed := aws.ToString(out.ExecutedVersion); executed != a.Version {
		t.Errorf("X-Amz-Executed-Version is %s, but version %s ran", executed, a.Version)
	}
	return a
}

func decode(t testing.TB, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %.300s", err, data)
	}
}

// apiError checks an error's code on the wire and that its message has the
// given texts. Tests of the typed errors go on with errors.As.
func apiError(t testing.TB, err error, code string, texts ...string) {
	t.Helper()
	var e smithy.APIError
	if !errors.As(err, &e) {
		t.Errorf("want %s, got %v", code, err)
		return
	}
	if e.ErrorCode() != code {
		t.Errorf("want %s, got %v", code, err)
	}
	for _, text := range texts {
		if !strings.Contains(e.ErrorMessage(), text) {
			t.Errorf("%s does not say %q but %q", code, text, e.ErrorMessage())
		}
	}
}

// typed checks that an error is one of the SDK's own types.
func typed[E error](t testing.TB, err error, texts ...string) (e E) {
	t.Helper()
	if !errors.As(err, &e) {
		t.Errorf("want a %T, got %v", e, err)
		return e
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%T does not say %q but %q", e, text, err)
		}
	}
	return e
}

// door is an HTTP client of the public door. It needs no resolver that knows
// the names below localhost.
func door(t testing.TB, p *platformtest.Platform) *http.Client {
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(p.Endpoints.HTTP, "http://"))
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// environ is the environment of a client that is a program of its own: the
// platform's address and root key, and nothing of the user's settings.
func environ(t testing.TB, p *platformtest.Platform, more ...string) []string {
	t.Helper()
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "AWS_") {
			env = append(env, kv)
		}
	}
	nowhere := filepath.Join(t.TempDir(), "none")
	return append(append(env,
		"AWS_ACCESS_KEY_ID="+p.RootKey.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+p.RootKey.SecretAccessKey,
		"AWS_DEFAULT_REGION="+p.Region, "AWS_REGION="+p.Region, "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=",
		"AWS_CONFIG_FILE="+nowhere, "AWS_SHARED_CREDENTIALS_FILE="+nowhere, "AWS_EC2_METADATA_DISABLED=true",
		"PINFOLD_API="+p.Endpoints.API, "PINFOLD_HTTP="+p.Endpoints.HTTP, "PINFOLD_ACCOUNT="+p.Account, "PINFOLD_ROLE="+role,
		"PINFOLD_PROBE="+probeFile(t), "PYTHONDONTWRITEBYTECODE=1",
	), more...)
}

// probeFile writes the probe as a zip file.
func probeFile(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "probe.zip")
	if err := os.WriteFile(file, zipped(t, map[string]string{"index.js": probe}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// program runs a client's own test program, which must succeed.
func program(t *testing.T, p *platformtest.Platform, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, environ(t, p)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
}
