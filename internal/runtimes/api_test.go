package runtimes

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// client speaks the Runtime API as a runtime does.
type client struct {
	*testing.T
	in   *Instance
	api  *api
	base string
}

// noBox is walls around nothing.
type noBox struct{ sandbox.Sandbox }

func (noBox) Usage() sandbox.Usage { return sandbox.Usage{} }

func newClient(t *testing.T) *client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in := new(Launcher).newInstance("i", &pinfold.Version{Config: pinfold.Config{Timeout: 900}}, identifier{family: Custom}, How{})
	c := &client{t, in, newAPI(in, listener), "http://" + listener.Addr().String()}
	in.box, in.worker = noBox{}, c.api
	out, theirs, err := newOutput(nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = theirs.Close()
	in.out = out
	in.take(in.body)
	t.Cleanup(func() {
		if err := out.close(); err != nil {
			t.Error(err)
		}
		if err := c.api.close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// do sends a request; headers are pairs.
func (c *client) do(method, path, body string, headers ...string) (status int, header http.Header, answer string) {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

const runtimePath = "/2018-06-01/runtime/"

// deliver has the runtime given an invocation, and returns what comes of it.
func (c *client) deliver(inv *pinfold.Invocation) <-chan outcome {
	c.Helper()
	over := newCall(inv, func() {})
	over.arn, over.limit = "arn:f", time.Hour
	if c.in.enter(over) != runs {
		c.Fatal("there is no place for the invocation")
	}
	if err := c.api.deliver(over); err != nil {
		c.Fatal(err)
	}
	return over.result
}

// TestRuntimeAPI holds headers, statuses and bodies. Source: "Using the Lambda
// runtime API" in the Lambda developer guide, and for errors
// aws/aws-lambda-runtime-interface-emulator, internal/lambda/rapi/rendering/render_error.go
// and middleware/middleware.go.
func TestRuntimeAPI(t *testing.T) {
	c := newClient(t)
	answers := c.deliver(&pinfold.Invocation{ID: "id-1", TraceID: "Root=1", ClientContext: `{"a":1}`, Payload: []byte(`{"event":true}`)})
	status, header, body := c.do("GET", runtimePath+"invocation/next", "")
	if status != 200 || body != `{"event":true}` {
		t.Errorf("next: %d %s", status, body)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Lambda-Runtime-Aws-Request-Id": "id-1",
		"Lambda-Runtime-Invoked-Function-Arn": "arn:f", "Lambda-Runtime-Trace-Id": "Root=1", "Lambda-Runtime-Client-Context": `{"a":1}`,
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if ms, err := strconv.ParseInt(header.Get("Lambda-Runtime-Deadline-Ms"), 10, 64); err != nil || time.Until(time.UnixMilli(ms)).Round(time.Minute) != time.Hour {
		t.Errorf("deadline: %d %v", ms, err)
	}
	if result := <-c.api.inited(); result.failure != nil {
		t.Errorf("ready: %+v", result.failure)
	}
	for _, path := range []string{"invocation/other/response", "invocation/other/error"} {
		if status, _, body := c.do("POST", runtimePath+path, "{}"); status != 400 || body != `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`+"\n" {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _, body := c.do("POST", runtimePath+"invocation/id-1/response", `"answer"`); status != 202 || body != `{"status":"OK"}`+"\n" {
		t.Errorf("response: %d %s", status, body)
	}
	if a := <-answers; string(a.payload) != `"answer"` || a.failure != nil {
		t.Errorf("answer: %+v", a)
	}
	if status, _, _ := c.do("POST", runtimePath+"invocation/id-1/response", `"again"`); status != 400 {
		t.Errorf("a second response: %d", status)
	}
	if status, _, body := c.do("POST", runtimePath+"init/error", `{}`); status != 202 {
		// The emulator refuses it too: the runtime has been initialised.
		if status != 403 {
			t.Errorf("a late init error: %d %s", status, body)
		}
	}
}

func TestRuntimeAPIErrors(t *testing.T) {
	c := newClient(t)
	for _, test := range []struct {
		name, path, body string
		headers          []string
		status           int
		kind, payload    string
	}{
		{"envelope", "error", `{"errorType":"A","errorMessage":"m"}`, nil, 202, "A", `{"errorType":"A","errorMessage":"m"}`},
		{"header only", "error", `{"errorMessage":"m"}`, []string{"Lambda-Runtime-Function-Error-Type", "B"}, 202, "B", `{"errorMessage":"m"}`},
		{"malformed", "error", `oops`, []string{"Lambda-Runtime-Function-Error-Type", "B"}, 202, "B", `{"errorType":"B","errorMessage":"RequestId: id Error: the runtime sent a malformed error"}`},
		{"bad mode", "response", `x`, []string{"Lambda-Runtime-Function-Response-Mode", "fast"}, 400, "Runtime.InvalidResponseModeHeader", `{"errorType":"Runtime.InvalidResponseModeHeader","errorMessage":"RequestId: id Error: unknown response mode \"fast\""}`},
		{"streaming", "response", `x`, []string{"Lambda-Runtime-Function-Response-Mode", "streaming"}, 202, "", `x`},
		{"largest", "response", bigString(pinfold.MaxPayload), nil, 202, "", bigString(pinfold.MaxPayload)},
	} {
		t.Run(test.name, func(t *testing.T) {
			answers := c.deliver(&pinfold.Invocation{ID: "id", Payload: []byte("{}")})
			c.do("GET", runtimePath+"invocation/next", "")
			status, _, body := c.do("POST", runtimePath+"invocation/id/"+test.path, test.body, test.headers...)
			if status != test.status {
				t.Errorf("status %d: %s", status, body)
			}
			a := <-answers
			kind := ""
			if a.failure != nil {
				kind, a.payload = a.failure.kind, a.failure.payload("id")
			}
			if kind != test.kind || string(a.payload) != test.payload {
				t.Errorf("answer: %.200s %s", a.payload, kind)
			}
			c.in.asked()
		})
	}
	answers := c.deliver(&pinfold.Invocation{ID: "id", Payload: []byte("{}")})
	c.do("GET", runtimePath+"invocation/next", "")
	status, _, body := c.do("POST", runtimePath+"invocation/id/response", bigString(pinfold.MaxPayload+1))
	if status != 413 || body != `{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}`+"\n" {
		t.Errorf("too large: %d %s", status, body)
	}
	if a := <-answers; a.failure == nil || a.failure.kind != "Function.ResponseSizeTooLarge" {
		t.Errorf("answer: %+v", a)
	}
}

// TestTruncatedResponse cuts a response off in the middle.
func TestTruncatedResponse(t *testing.T) {
	c := newClient(t)
	answers := c.deliver(&pinfold.Invocation{ID: "id", Payload: []byte("{}")})
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST "+runtimePath+"invocation/id/response HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this"); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if a := <-answers; a.failure == nil || a.failure.kind != "Runtime.TruncatedResponse" {
		t.Errorf("answer: %+v", a)
	}
}

// TestNextIsNotLost: a runtime that goes away while it waits takes nothing with it.
func TestNextIsNotLost(t *testing.T) {
	c := newClient(t)
	c.deliver(&pinfold.Invocation{ID: "id", Payload: []byte(`"kept"`)})
	for range 100 { // whichever the handler notices first
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w := httptest.NewRecorder()
		c.api.serveNext(w, httptest.NewRequestWithContext(ctx, "GET", runtimePath+"invocation/next", nil))
		if w.Body.Len() > 0 {
			t.Fatalf("nobody was given %s", w.Body)
		}
	}
	if _, header, body := c.do("GET", runtimePath+"invocation/next", ""); header.Get("Lambda-Runtime-Aws-Request-Id") != "id" || body != `"kept"` {
		t.Errorf("next: %s", body)
	}
}

func TestExtensionsAreNotServed(t *testing.T) {
	c := newClient(t)
	for method, path := range map[string]string{"POST": "/2020-01-01/extension/register", "PUT": "/2022-07-01/telemetry"} {
		status, _, body := c.do(method, path, "{}")
		var e struct{ ErrorType, ErrorMessage string }
		if err := json.Unmarshal([]byte(body), &e); err != nil || status != 501 || e.ErrorType != "Extension.NotServed" || !strings.Contains(e.ErrorMessage, "does not serve") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _, _ := c.do("GET", "/2018-06-01/nothing", ""); status != 404 {
		t.Errorf("an unknown path: %d", status)
	}
}

// TestBodiesAtATime has many requests send a body at once: only so many are in
// memory, and all come through in the end.
func TestBodiesAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{bodies: make(chan struct{}, maxBodies)}
		var under, done atomic.Int32
		for range 10 * maxBodies {
			go func() {
				r := httptest.NewRequest("POST", "/", slowBody(func() {
					under.Add(1)
					time.Sleep(time.Second)
					under.Add(-1)
				}))
				if _, err := a.body(r, 10); err == nil {
					done.Add(1)
				}
			}()
		}
		synctest.Wait()
		if n := under.Load(); n != maxBodies {
			t.Errorf("%d bodies are read at a time, not %d", n, maxBodies)
		}
		time.Sleep(time.Minute)
		if n := done.Load(); n != 10*maxBodies {
			t.Errorf("%d of %d bodies came through", n, 10*maxBodies)
		}
	})
}

// slowBody is a body that is empty, which it takes some time to say.
type slowBody func()

func (b slowBody) Read([]byte) (int, error) {
	b()
	return 0, io.EOF
}

// TestStreamBreaksOffUnread: a runtime may go away, or be ended, while the caller
// has not read enough of its answer for more to be taken in. It cannot answer again.
func TestStreamBreaksOffUnread(t *testing.T) {
	for name, ended := range map[string]bool{"goes away": false, "is ended": true} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			answers := c.deliver(&pinfold.Invocation{ID: "id-1", Stream: &sink{}})
			c.do("GET", runtimePath+"invocation/next", "")
			one := c.in.find(1)
			c.in.streams(one, "")
			one.flow.waiting = window
			conn, err := net.Dial("tcp", strings.TrimPrefix(c.base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			length := 1
			if ended {
				length++
			}
			fmt.Fprintf(conn, "POST %sinvocation/id-1/response HTTP/1.1\r\nHost: x\r\nLambda-Runtime-Function-Response-Mode: streaming\r\nContent-Length: %d\r\n\r\nx",
				runtimePath, length)
			if ended {
				c.in.endDone()
			} else {
				_ = conn.Close()
			}
			if o := <-answers; o.failure == nil || o.failure.kind != "Runtime.TruncatedResponse" {
				t.Errorf("outcome: %+v", o)
			}
		})
	}
}
