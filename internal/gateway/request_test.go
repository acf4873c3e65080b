package gateway

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

// TestBinaryBodies decides which bodies reach a function as base64. Source for
// HTTP APIs: ministackorg/ministack pull request 766, measured on API Gateway.
func TestBinaryBodies(t *testing.T) {
	h := everyDoor(t)
	for _, test := range []struct {
		kind, contentType, body string
		encoded                 bool
	}{
		{"http", "text/plain", "hü", false},
		{"http", "text/html; charset=utf-8", "hü", false},
		{"http", "application/json", "{}", false},
		{"http", "Application/JSON; charset=UTF-8", "{}", false},
		{"http", "application/xml", "<a/>", false},
		{"http", "application/javascript", "1", false},
		{"http", "application/x-www-form-urlencoded", "a=1", true},
		{"http", "application/octet-stream", "a", true},
		{"http", "multipart/form-data; boundary=x", "a", true},
		{"http", "", "a", true},
		{"http", "text/plain", "\xff\xfe", true},
		{"httpV1", "application/x-www-form-urlencoded", "a=1", true},
		{"httpV1", "application/json", "{}", false},
		{"url", "application/json", "{}", false},
		{"url", "image/png", "a", true},
		{"rest", "application/json", "{}", false},
		{"rest", "application/x-www-form-urlencoded", "a=1", false},
		{"rest", "application/octet-stream", "a", false},
		{"rest", "image/png", "a", true},
		{"rest", "IMAGE/PNG; q=1", "a", true},
		{"rest", "imagex/png", "a", false},
	} {
		host, path, _ := strings.Cut(hosts[test.kind], " ")
		a := ask{host: host, path: path, method: "POST", body: test.body, headers: []string{"Content-Type: " + test.contentType}}
		if test.contentType == "" {
			a.headers = nil
		}
		h.do(a)
		want := test.body
		if test.encoded {
			want = base64.StdEncoding.EncodeToString([]byte(test.body))
		}
		if e := h.event(); e["body"] != want || e["isBase64Encoded"] != test.encoded {
			t.Errorf("%s %q: body %q, base64 %v", test.kind, test.contentType, e["body"], e["isBase64Encoded"])
		}
	}
}

func TestBinaryEverything(t *testing.T) {
	h := open(t, Options{})
	api := restAPI("rest", "ANY /x")
	api.BinaryMediaTypes = []string{"*/*"}
	h.g.Update([]pinfold.API{api}, nil)
	h.says(`{"statusCode":200,"body":"aGk=","isBase64Encoded":true}`)
	_, body := h.do(ask{method: "POST", path: "/dev/x", body: "hi"})
	if e := h.event(); e["body"] != "aGk=" || e["isBase64Encoded"] != true || body != "hi" {
		t.Errorf("event body %v (base64 %v), answer %q", e["body"], e["isBase64Encoded"], body)
	}
}

func TestBodies(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: web.execute-api.localhost\r\nContent-Type: text/plain\r\nConnection: close\r\n"
	for _, test := range []struct{ name, request, want, body string }{
		{"whole", head + "Content-Length: 5\r\n\r\nhello", "200", "hello"},
		{"chunked", head + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "200", "hello"},
		{"empty", head + "Content-Length: 0\r\n\r\n", "200", ""},
		{"cut off", head + "Content-Length: 50\r\n\r\nhello", `400 {"message":"Bad Request"}`, ""},
		{"cut off in a chunk", head + "Transfer-Encoding: chunked\r\n\r\n30\r\nhel", `400 {"message":"Bad Request"}`, ""},
		{"broken chunk", head + "Transfer-Encoding: chunked\r\n\r\nzz\r\nhel", `400 {"message":"Bad Request"}`, ""},
		{"chunks of 10 MB and more", head + "Transfer-Encoding: chunked\r\n\r\na00001\r\n" + strings.Repeat("a", 10<<20+1) + "\r\n0\r\n\r\n", `413 {"message":"Request Entity Too Large"}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := everyDoor(t)
			response, body := h.raw(test.request)
			if got := fmt.Sprint(response.StatusCode, " ", body); !strings.HasPrefix(got, test.want) {
				t.Fatalf("answer %q, want %q", got, test.want)
			}
			if response.StatusCode != 200 {
				if h.invoked() != 0 {
					t.Error("the function was invoked")
				}
				return
			}
			if got, _ := h.event()["body"].(string); got != test.body {
				t.Errorf("body %q, want %q", got, test.body)
			}
		})
	}
}

// TestBodiesTogether: where others take all the memory for bodies, large ones
// wait, and small ones do not.
func TestBodiesTogether(t *testing.T) {
	h := open(t, Options{})
	h.g.Update([]pinfold.API{restAPI("rest", "POST /a")}, nil)
	for range 3 {
		if response, _ := h.do(ask{method: "POST", path: "/dev/a", body: strings.Repeat("x", promised+1)}); response.StatusCode != 200 {
			t.Errorf("a large body: %d", response.StatusCode)
		}
	}
	if !h.g.bodies.TryAcquire(maxBodies) {
		t.Fatal("not all has been given back")
	}
	synctest.Test(t, func(t *testing.T) {
		x := &exchange{g: h.g, r: httptest.NewRequest("POST", "/", nil)}
		if _, err := x.reserve(promised); err != nil {
			t.Errorf("a small body: %v", err)
		}
		began := time.Now()
		if _, err := x.reserve(promised + 1); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != h.g.o.BodyTimeout {
			t.Errorf("a large body finds memory that is not there: %v after %v", err, time.Since(began))
		}
	})
}

func TestSlowClient(t *testing.T) {
	h := open(t, Options{BodyTimeout: 20 * time.Millisecond})
	h.g.Update([]pinfold.API{httpAPI("web", "$default")}, nil)
	c, err := net.Dial("tcp", h.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	in := bufio.NewReader(c)
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != 408 || string(body) != `{"message":"Request Timeout"}` || !response.Close {
		t.Errorf("%d %s, connection closed: %v", response.StatusCode, body, response.Close)
	}
	// Nothing is waited for any more: the connection ends although c stays.
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := in.ReadByte(); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection stays open")
	}
}

// TestExpectContinue refuses a body before it is sent, and takes one that may be.
func TestExpectContinue(t *testing.T) {
	h := everyDoor(t)
	const head = "POST / HTTP/1.1\r\nHost: web.execute-api.localhost\r\nExpect: 100-continue\r\nConnection: close\r\n"
	if response, _ := h.raw(head + "Content-Length: 99999999\r\n\r\n"); response.StatusCode != 413 {
		t.Errorf("too large: %d", response.StatusCode)
	}
	c, err := net.Dial("tcp", h.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, head+"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\n")
	in := bufio.NewReader(c)
	if line, _ := in.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("first line %q", line)
	}
	_, _ = in.ReadString('\n')
	_, _ = io.WriteString(c, "hello")
	response, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if e := h.event(); response.StatusCode != 200 || e["body"] != "hello" || dig(e, "headers", "expect") != nil {
		t.Errorf("%d, event %v", response.StatusCode, e)
	}
}

// deadlines is a connection that notes the read deadlines it is given.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// TestBodyTime bounds the time of the body alone: a connection that is kept, or
// a function that takes long, must not run into it.
func TestBodyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		f.says(`{"statusCode":200}`)
		g := New(Options{Invoker: f, BodyTimeout: time.Second})
		g.Update([]pinfold.API{httpAPI("web", "$default")}, nil)
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		g.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader("hi")))
		if len(w.set) != 2 || !w.set[0].Equal(time.Now().Add(time.Second)) || !w.set[1].IsZero() || w.Code != 200 {
			t.Errorf("status %d, deadlines %v; want one in a second, then none", w.Code, w.set)
		}
		g.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
		if len(w.set) != 2 {
			t.Error("a request without a body set a deadline")
		}
	})
}

// TestClientThatGoesAway lets the function run on, as AWS does.
func TestClientThatGoesAway(t *testing.T) {
	h := open(t, Options{})
	h.g.Update([]pinfold.API{httpAPI("web", "$default")}, nil)
	began, gone, ended := make(chan bool), make(chan bool), make(chan error, 1)
	h.answer = func(ctx context.Context, _ *pinfold.Invocation) (*pinfold.Result, error) {
		close(began)
		<-gone
		ended <- ctx.Err()
		return &pinfold.Result{Payload: []byte(`{"statusCode":200}`)}, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, _ := http.NewRequestWithContext(ctx, "GET", h.server.URL, nil)
	done := make(chan error)
	go func() {
		response, err := http.DefaultClient.Do(r)
		if err == nil {
			_ = response.Body.Close()
		}
		done <- err
	}()
	<-began
	cancel()
	if err := <-done; err == nil {
		t.Fatal("the client got an answer")
	}
	close(gone)
	if err := <-ended; err != nil {
		t.Errorf("the function's context ended: %v", err)
	}
}

func TestForwarded(t *testing.T) {
	for _, tc := range []struct {
		trust      bool
		xff, proto string
		want       string
		inside     string
	}{
		// A function is no proxy.
		{true, "198.51.100.1", "https", "127.0.0.1 http 80 198.51.100.1, 127.0.0.1", "127.0.0.1"},
		{false, "203.0.113.9, 198.51.100.1", "https", "127.0.0.1 http 80 203.0.113.9, 198.51.100.1, 127.0.0.1", ""},
		{true, "198.51.100.1", "https", "198.51.100.1 https 443 198.51.100.1, 127.0.0.1", ""},
		// The client has written the first one; the proxy, the last.
		{true, "203.0.113.9, 198.51.100.1", "https", "198.51.100.1 https 443 203.0.113.9, 198.51.100.1, 127.0.0.1", ""},
		{true, "2001:db8::7", "http", "2001:db8::7 http 80 2001:db8::7, 127.0.0.1", ""},
		{true, "unknown", "gopher", "127.0.0.1 http 80 unknown, 127.0.0.1", ""},
	} {
		h := open(t, Options{TrustForwarded: tc.trust, Inside: tc.inside})
		h.g.Update([]pinfold.API{httpAPI("web", "$default")}, nil)
		h.do(ask{host: "example.com", headers: []string{"X-Forwarded-For: " + tc.xff, "X-Forwarded-Proto: " + tc.proto, "X-Forwarded-Port: 9"}})
		e := h.event()
		got := fmt.Sprint(dig(e, "requestContext", "http", "sourceIp"), " ", dig(e, "headers", "x-forwarded-proto"), " ",
			dig(e, "headers", "x-forwarded-port"), " ", dig(e, "headers", "x-forwarded-for"))
		if got != tc.want {
			t.Errorf("trust %v, %s: %s, want %s", tc.trust, tc.xff, got, tc.want)
		}
	}
}

func TestTraceID(t *testing.T) {
	at := time.Unix(0x67891233, 0)
	for given, want := range map[string]string{
		"":                                      `^Root=1-67891233-[0-9a-f]{24}$`,
		"nonsense":                              `^Root=1-67891233-[0-9a-f]{24}$`,
		"Root=1-5e1b4151-43a0913a12345678f2a4b": `^Root=1-5e1b4151-43a0913a12345678f2a4b$`,
		"Self=1-a;Root=1-b":                     `^Self=1-a;Root=1-b$`,
	} {
		x := &exchange{start: at}
		x.name(given)
		if !regexp.MustCompile(want).MatchString(x.trace) {
			t.Errorf("%q becomes %q, want %s", given, x.trace, want)
		}
	}
	var x, y exchange
	x.name("")
	y.name("Root=1-a")
	if a, b := x.event.request, y.event.request; a == b || !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(a) {
		t.Errorf("uuids %s and %s", a, b)
	}
	if id := x.event.extended; !regexp.MustCompile(`^[A-Za-z0-9_-]{15}=$`).MatchString(id) {
		t.Errorf("request ID %q", id)
	}
}

// TestUpdateWhileServing is for the race detector.
func TestUpdateWhileServing(t *testing.T) {
	h := open(t, Options{})
	apis := []pinfold.API{httpAPI("web", "GET /{id}"), restAPI("rest", "ANY /{proxy+}")}
	h.g.Update(apis, nil)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 20 {
				a := ask{host: "web.execute-api.localhost", path: fmt.Sprint("/", i)}
				if i%2 == 1 {
					a = ask{host: "rest.execute-api.localhost", path: "/dev/a/b", method: "POST", body: "x"}
				}
				if response, body := h.do(a); response.StatusCode != 200 || body != "ok" {
					t.Errorf("%d %s", response.StatusCode, body)
				}
			}
		})
	}
	for range 50 {
		h.g.Update(apis, nil)
	}
	wg.Wait()
}

func TestAccessLine(t *testing.T) {
	for want, a := range map[string]Access{
		`127.0.0.1 "GET /hello" 200 12 B 1.9ms hello-dev-greet (cold 85 ms)`: {Remote: "127.0.0.1", Method: "GET", URI: "/hello", Status: 200, Bytes: 12,
			Duration: 1_912_345, Function: "hello-dev-greet", Cold: 84_600 * time.Microsecond},
		`::1 "POST /a?b=\"\n" 404 23 B 12µs: no such route`: {Remote: "::1", Method: "POST", URI: "/a?b=\"\n", Status: 404, Bytes: 23, Duration: 12_345, Error: "no such route"},
		`10.0.0.1 "GET /" 503 1 B 29s f: late`:              {Remote: "10.0.0.1", Method: "GET", URI: "/", Status: 503, Bytes: 1, Duration: 29_001 * time.Millisecond, Function: "f", Error: "late"},
	} {
		if got := a.String(); got != want {
			t.Errorf("line\n %s\nwant\n %s", got, want)
		}
	}
}

func TestAccessRecord(t *testing.T) {
	h := open(t, Options{})
	h.g.Update([]pinfold.API{restAPI("rest", "GET /a/{id}")}, nil)
	h.answer = func(context.Context, *pinfold.Invocation) (*pinfold.Result, error) {
		return &pinfold.Result{Payload: []byte(`{"body":"hello"}`), Phases: pinfold.Phases{Cold: true, Boot: 40e6, Init: 2e6, Queue: 1e9}}, nil
	}
	h.do(ask{path: "/dev/a/1?x=y"})
	a := h.access()
	if a.Duration <= 0 || a.Time.IsZero() || len(a.RequestID) != 36 {
		t.Errorf("record %+v", a)
	}
	a.Duration, a.Time, a.RequestID = 0, time.Time{}, ""
	want := Access{Remote: "127.0.0.1", Method: "GET", URI: "/dev/a/1?x=y", Proto: "HTTP/1.1", Status: 200, Bytes: 5,
		Door: "rest", Stage: "dev", Route: "GET /a/{id}", Function: "f", Cold: 42e6}
	if a != want {
		t.Errorf("record %+v, want %+v", a, want)
	}
}

// The access log tells apart what callers see as the same failure.
func TestAccessRecordOfFailure(t *testing.T) {
	for envelope, want := range map[string]string{
		`{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: 1 Error: Task timed out after 3.00 seconds"}`: "the function failed: Sandbox.Timedout",
		`{"errorType":"A\n127.0.0.1 \"GET /forged\" 200"}`:                                                        `the function failed: A?127.0.0.1 "GET /forged" 200`,
		`{"errorMessage":"boom"}`: "the function failed",
		`boom`:                    "the function failed",
	} {
		h := open(t, Options{})
		h.g.Update([]pinfold.API{restAPI("rest", "GET /a/{id}")}, nil)
		h.answer = func(context.Context, *pinfold.Invocation) (*pinfold.Result, error) {
			return &pinfold.Result{FunctionError: "Unhandled", Payload: []byte(envelope)}, nil
		}
		h.do(ask{path: "/dev/a/1"})
		if a := h.access(); a.Status != 502 || a.Error != want {
			t.Errorf("after %s: record %+v, want error %q", envelope, a, want)
		}
	}
}

func TestAccessLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan bool)
		var written []int
		l := NewAccessLog(2, func(a Access) {
			<-release
			written = append(written, a.Status)
		})
		l.Record(Access{Status: 1})
		synctest.Wait() // the first is being written and waits
		for i := range 4 {
			l.Record(Access{Status: 2 + i})
		}
		if l.Dropped() != 2 {
			t.Errorf("%d records were dropped, want 2", l.Dropped())
		}
		close(release)
		l.Close()
		l.Close()
		l.Record(Access{Status: 9})
		if fmt.Sprint(written) != "[1 2 3]" {
			t.Errorf("written %v, want [1 2 3]", written)
		}
	})
}

// promise is a body that declares much and sends little.
type promise struct{ room int }

func (p *promise) Read(b []byte) (int, error) {
	p.room = max(p.room, len(b))
	if p.room > 0 && len(b) > 0 {
		b[0] = 'x'
		return 1, io.ErrUnexpectedEOF
	}
	return 0, io.EOF
}

// A length costs nothing to declare, so it must cost little to believe.
func TestPromisedBodyTakesNoMemory(t *testing.T) {
	h := open(t, Options{})
	h.g.Update([]pinfold.API{httpAPI("abc", "POST /x")}, nil)
	body := &promise{}
	r := httptest.NewRequest("POST", "http://abc.execute-api.localhost/x", body)
	r.ContentLength = 10 << 20
	w := httptest.NewRecorder()
	h.g.ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest || h.invoked() != 0 {
		t.Errorf("a body that breaks off is answered %d", w.Code)
	}
	if body.room == 0 || body.room > 1<<20 {
		t.Errorf("%d bytes of memory are ready for a body of which one byte came", body.room)
	}
}

func TestLogHasNoSignatures(t *testing.T) {
	for uri, want := range map[string]string{
		"/a?b=c": "/a?b=c",
		"/a":     "/a",
		"/a?b=c&X-Amz-Signature=s&X-Amz-Security-Token=t": "/a?(signed)",
	} {
		if got := withoutSecrets(uri); got != want {
			t.Errorf("%s is logged as %s, want %s", uri, got, want)
		}
	}
}
