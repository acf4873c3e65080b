package instant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pinfold.dev/pinfold/client"
)

// Functions that stream. Their event is a text of two words, which a function URL
// gives them as a body: what to do, and the place at the gate to do it with, or
// how many bytes.
const (
	nodeStream = `
const at = (what, name) => fetch(process.env.GATE + "?do=" + what + "&name=" + name);
exports.handler = awslambda.streamifyResponse(async (event, out) => {
  const [what, name] = (event.body ?? event).split(" ");
  const write = async (part) => { if (!out.write(part)) await new Promise((resolve) => out.once("drain", resolve)); };
  switch (what) {
    case "stream": out.write("first "); await at("wait", name); out.write("last"); break;
    case "http":
      out = awslambda.HttpResponseStream.from(out, { statusCode: 201, headers: { "x-is": "there" } });
      out.write("first "); await at("wait", name); out.write("last"); break;
    case "break": out.write("first"); throw new TypeError("broken on purpose");
    case "exit": out.write("first"); await new Promise(setImmediate); process.exit(0);
    case "after": out.end("ok"); out.write("more"); return;
    case "silent": out.write("first"); return;
    case "size": for (let left = Number(name), part = Buffer.alloc(1 << 16); left > 0; left -= part.length) await write(part.subarray(0, left)); break;
    case "leave": for (let i = 0; i < 64; i++) await write(Buffer.alloc(1 << 16)); await at("count", name); break;
    default: out.write("ok");
  }
  out.end();
});
`
	pythonStream = `
import os, urllib.request
def at(what, name): urllib.request.urlopen(os.environ["GATE"] + "?do=" + what + "&name=" + name).read()
def handler(event, context):
    what, _, name = (event["body"] if isinstance(event, dict) else event).partition(" ")
    if what in ("stream", "http"):
        if what == "http": yield {"statusCode": 201, "headers": {"x-is": "there"}}
        yield "first "
        at("wait", name)
        yield b"last"
    elif what == "break":
        yield "first"
        raise TypeError("broken on purpose")
    elif what == "exit":
        yield "first"
        os._exit(0)
    elif what == "size":
        left = int(name)
        while left > 0:
            yield bytes(min(left, 65536))
            left -= 65536
    elif what == "leave":
        for _ in range(64): yield bytes(65536)
        at("count", name)
    elif what == "unfit": yield "first"; yield {1, 2}
    else: yield "ok"
`
	// Nothing but bash and curl, which have trailers only where they are written by hand.
	shellStream = `#!/bin/bash
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
mode="Lambda-Runtime-Function-Response-Mode: streaming"
while :; do
  event=$(curl -sS -D ${TMPDIR:-/tmp}/headers $api/next)
  id=$(tr -d '\r' < ${TMPDIR:-/tmp}/headers | sed -n 's/^lambda-runtime-aws-request-id: //Ip')
  what=$(sed -n 's/.*"\(stream\|break\|cut\|leave\|ok\) *\([a-z-]*\)".*/\1/p' <<< "$event")
  name=$(sed -n 's/.*"\(stream\|break\|cut\|leave\|ok\) *\([a-z-]*\)".*/\2/p' <<< "$event")
  case $what in
    stream) { echo -n "first "; curl -sS -o /dev/null "$GATE?do=wait&name=$name"; echo -n last; } |
      curl -sS -o /dev/null -X POST -T - -H "$mode" -H "Content-Type: text/plain" $api/$id/response ;;
    leave) { head -c 4194304 /dev/zero; curl -sS -o /dev/null "$GATE?do=count&name=$name"; } |
      curl -sS -o /dev/null -X POST -T - -H "$mode" $api/$id/response ;;
    break|cut)
      exec 3<> /dev/tcp/${AWS_LAMBDA_RUNTIME_API/:/\/}
      printf 'POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: x\r\n%s\r\nTransfer-Encoding: chunked\r\nTrailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n5\r\nfirst\r\n' "$id" "$mode" >&3
      if [ $what = break ]; then
        printf '0\r\nLambda-Runtime-Function-Error-Type: TypeError\r\nLambda-Runtime-Function-Error-Body: %s\r\n\r\n' \
          $(printf '{"errorType":"TypeError","errorMessage":"broken on purpose"}' | base64 -w0) >&3
        head -1 <&3 > /dev/null
      fi
      exec 3>&- ;;
    *) curl -sS -o /dev/null -d '"ok"' $api/$id/response ;;
  esac
done
`
)

// goProgram is the program in golang, built once.
var goProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "pinfold-instant-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "bootstrap")
	build := exec.Command("go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", file, "./golang")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(file)
})

func goStream(t *testing.T) change {
	t.Helper()
	program, err := goProgram()
	if err != nil {
		t.Fatal(err)
	}
	return custom(string(program))
}

// stream is an answer that is read while it comes. At its end Read fails, with
// io.EOF if it was whole.
type stream struct {
	io.Reader
	close  func()
	status int // of a function URL's
	header http.Header
}

// door is a way to functions.
type door string

const (
	byAPI door = "API"
	byURL door = "URL"
)

// asks has a function stream.
func (h *house) asks(ctx context.Context, by door, function, event string) (*stream, error) {
	if by == byAPI {
		own := lambda.New(h.lambda.Options()) // of one client only one stream at a time can be read (smithy-go 1.28)
		out, err := own.InvokeWithResponseStream(ctx, &lambda.InvokeWithResponseStreamInput{FunctionName: &function, Payload: fmt.Appendf(nil, "%q", event)})
		if err != nil {
			return nil, err
		}
		events := out.GetStream()
		return &stream{Reader: &chunks{events: events}, close: func() { _ = events.Close() }}, nil
	}
	u, err := h.lambda.GetFunctionUrlConfig(ctx, &lambda.GetFunctionUrlConfigInput{FunctionName: &function})
	if err != nil {
		return nil, err
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(*u.FunctionUrl, "http://"), ".")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.Endpoints.FunctionURLByPath(id), strings.NewReader(event))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	return &stream{Reader: resp.Body, close: func() { _ = resp.Body.Close() }, status: resp.StatusCode, header: resp.Header}, nil
}

// ask is asks for who is sure to be heard.
func (h *house) ask(t *testing.T, by door, function, event string) *stream {
	t.Helper()
	s, err := h.asks(t.Context(), by, function, event)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// chunks reads AWS's event stream.
type chunks struct {
	events *lambda.InvokeWithResponseStreamEventStream
	left   []byte
	end    error
}

func (c *chunks) Read(p []byte) (int, error) {
	for len(c.left) == 0 && c.end == nil {
		switch e := (<-c.events.Events()).(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			c.left = e.Value.Payload
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			if c.end = io.EOF; e.Value.ErrorCode != nil {
				c.end = fmt.Errorf("%s: %s", *e.Value.ErrorCode, aws.ToString(e.Value.ErrorDetails))
			}
		default:
			c.end = errors.Join(io.ErrUnexpectedEOF, c.events.Err())
		}
	}
	if len(c.left) == 0 {
		return 0, c.end
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}

// streaming makes all functions that stream.
func streaming(t *testing.T, h *house, changes ...change) {
	t.Helper()
	for name, code := range map[string]change{
		"node": node(nodeStream), "python": python(pythonStream), "go": goStream(t), "shell": custom(shellStream),
		"node-several": node(nodeStream), "python-several": python(pythonStream),
	} {
		all := append([]change{code, timeout(20), memory(1769)}, changes...)
		if strings.HasSuffix(name, "-several") {
			all = append(all, several(10))
		}
		h.create(t, name, all...)
		h.open(t, name, types.InvokeModeResponseStream)
	}
}

// The first byte is there long before the last: before the function knows it.
func TestStreams(t *testing.T) {
	t.Parallel()
	h := start(t)
	streaming(t, h)
	for _, by := range []door{byAPI, byURL} {
		for _, function := range []string{"node", "node-several", "python", "python-several", "go", "shell"} {
			t.Run(string(by)+"/"+function, func(t *testing.T) {
				t.Parallel()
				h.firstBeforeLast(t, by, function, "stream")
				s := h.ask(t, by, function, "break")
				body, err := io.ReadAll(s)
				if string(body) != "first" || err == nil {
					t.Errorf("a stream that breaks off: %q, %v", body, err)
				}
				if by == byAPI && (err == nil || !strings.Contains(err.Error(), "broken on purpose")) {
					t.Errorf("it does not say why: %v", err)
				}
				h.still(t, by, function)
			})
		}
	}
	for _, function := range []string{"node", "node-several", "python", "python-several"} {
		t.Run("metadata/"+function, func(t *testing.T) {
			t.Parallel()
			if s := h.firstBeforeLast(t, byURL, function, "http"); s.status != http.StatusCreated || s.header.Get("X-Is") != "there" {
				t.Errorf("%d %v", s.status, s.header)
			}
			h.still(t, byURL, function)
		})
	}
}

// firstBeforeLast reads the first part of a stream, and only then lets the
// function write the last one.
func (h *house) firstBeforeLast(t *testing.T, by door, function, event string) *stream {
	t.Helper()
	place := strings.ToLower(event + "-" + function + "-" + string(by))
	s := h.ask(t, by, function, event+" "+place)
	first := make([]byte, len("first "))
	if _, err := io.ReadFull(s, first); err != nil || string(first) != "first " {
		t.Fatalf("it begins with %q: %v", first, err)
	}
	h.let(t, place)
	if last, err := io.ReadAll(s); err != nil || string(last) != "last" {
		t.Errorf("it ends with %q: %v", last, err)
	}
	return s
}

// still checks that a function works.
func (h *house) still(t *testing.T, by door, function string) {
	t.Helper()
	if body, err := io.ReadAll(h.ask(t, by, function, "ok")); err != nil || strings.Trim(string(body), `"`) != "ok" {
		t.Errorf("the next answer is %q: %v", body, err)
	}
}

// Streams that do not end as they should.
func TestBadStreams(t *testing.T) {
	t.Parallel()
	h := start(t)
	streaming(t, h)
	for function, cases := range map[string][]struct{ event, why string }{
		"node":           {{"exit", "Runtime.ExitError"}, {"after", "write after end"}, {"silent", "Response stream is not finished"}},
		"node-several":   {{"exit", "Runtime.ExitError"}, {"after", "write after end"}},
		"python":         {{"exit", "Runtime.ExitError"}, {"unfit", "not JSON serializable"}},
		"python-several": {{"exit", "Runtime.ExitError"}, {"unfit", "not JSON serializable"}},
		"shell":          {{"cut", "Runtime.TruncatedResponse"}},
	} {
		t.Run(function, func(t *testing.T) {
			t.Parallel()
			for _, c := range cases { // one after the other: some end their instance
				body, err := io.ReadAll(h.ask(t, byAPI, function, c.event))
				if len(body) == 0 || err == nil || !strings.Contains(err.Error(), c.why) {
					t.Errorf("%s: %q, %v; want a part of it, and then %s", c.event, body, err, c.why)
				}
				h.still(t, byAPI, function)
				if body, err := io.ReadAll(h.ask(t, byURL, function, c.event)); err == nil {
					t.Errorf("%s at its URL: %q, %v", c.event, body, err)
				}
				h.still(t, byURL, function)
			}
		})
	}
}

// A client that leaves in the middle keeps no function from its end.
func TestClientsThatLeave(t *testing.T) {
	t.Parallel()
	h := start(t)
	streaming(t, h)
	for _, by := range []door{byAPI, byURL} {
		for _, function := range []string{"node", "node-several", "python", "python-several", "shell"} {
			t.Run(string(by)+"/"+function, func(t *testing.T) {
				t.Parallel()
				place := strings.ToLower("left-" + function + "-" + string(by))
				ctx, leave := context.WithCancel(t.Context())
				s, err := h.asks(ctx, by, function, "leave "+place)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
					t.Fatal(err)
				}
				leave()
				s.close()
				h.came(t, place, 1) // although there was more than fits into what is on its way
				h.still(t, by, function)
			})
		}
	}
}

// A client that stops reading stops its function, for as long as that may run,
// and nobody else.
func TestClientsThatStopReading(t *testing.T) {
	t.Parallel()
	h := start(t)
	streaming(t, h, timeout(2))
	for _, function := range []string{"node", "node-several", "python", "python-several", "go"} {
		t.Run(function, func(t *testing.T) {
			t.Parallel()
			s := h.ask(t, byURL, function, "size 104857600")
			if _, err := io.ReadFull(s, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			h.still(t, byURL, function) // while the other one hangs
			h.logs(t, client.LogQuery{Functions: []string{function}}, says("Task timed out after 2.00 seconds"))
			if body, err := io.ReadAll(s); err == nil {
				t.Errorf("a stream that was cut off looks whole: %d bytes", len(body))
			}
			h.still(t, byURL, function)
		})
	}
}
