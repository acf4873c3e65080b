package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

const nuls = "\x00\x00\x00\x00\x00\x00\x00\x00"

// streams makes the function stream chunks, and then give a result.
func (f *fake) streams(contentType string, result *pinfold.Result, err error, chunks ...string) {
	f.answer = func(_ context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
		inv.Stream.Begin(contentType)
		for _, c := range chunks {
			if _, err := inv.Stream.Write([]byte(c)); err != nil {
				break
			}
		}
		return result, err
	}
}

var (
	streamed = &pinfold.Result{Streamed: true}
	failed   = &pinfold.Result{Streamed: true, FunctionError: "Unhandled", Payload: []byte(`{"errorType":"Sandbox.Timedout"}`)}
)

// toStream asks the URL of everyDoor that streams.
var toStream = ask{host: "stream.lambda-url.localhost", path: "/x"}

func TestStreams(t *testing.T) {
	const integration = pinfold.HTTPIntegration
	const badGateway = "502 [Content-Type: application/json] Internal Server Error"
	throttled := pinfold.Errorf(pinfold.Throttled, "Rate Exceeded.")
	for _, test := range []struct {
		name, contentType string
		chunks            []string
		result            *pinfold.Result
		err               error
		want, log         string
	}{
		{"of a type", "text/event-stream", []string{"data: 1\n\n", "data: 2\n\n"}, streamed, nil,
			"200 [Content-Type: text/event-stream] data: 1\n\ndata: 2\n\n", ""},
		{"of no type", "", []string{"\x00\xff"}, streamed, nil, "200 [Content-Type: application/octet-stream] \x00\xff", ""},
		{"empty", "", nil, streamed, nil, "200 [Content-Type: application/octet-stream] ", ""},
		{"with metadata", integration, []string{`{"statusCode":206,"headers":{"Content-Type":"text/html","X-A":1},"cookies":["s=1","t=2"]}` + nuls + "<b>", "\x00</b>"}, streamed, nil,
			"206 [Content-Type: text/html Set-Cookie: s=1 Set-Cookie: t=2 X-A: 1] <b>\x00</b>", ""},
		{"with metadata in pieces", integration, []string{`{"status`, `Code":404}`, nuls[:3], nuls[3:], "no"}, streamed, nil,
			"404 [Content-Type: application/json] no", ""},
		{"with NULs after the delimiter", integration, []string{"{}" + nuls + nuls}, streamed, nil, "200 [Content-Type: application/json] " + nuls, ""},
		{"with metadata alone", integration, []string{`{"statusCode":302,"headers":{"Location":"/"}}` + nuls}, streamed, nil,
			"302 [Content-Type: application/json Location: /] ", ""},
		{"with no content", integration, []string{`{"statusCode":204}` + nuls + "x", "y"}, streamed, nil, "204 [] ", ""},
		{"empty, with metadata to come", integration, nil, streamed, nil, "200 [Content-Type: application/json] ", ""},
		{"metadata without an end", integration, []string{`{"statusCode":200}`}, streamed, nil, badGateway, "malformed answer of the function: its stream ends before its metadata do"},
		{"metadata that are no JSON", integration, []string{"<b>" + nuls}, streamed, nil, badGateway, "malformed answer of the function: its metadata are not a JSON object"},
		{"metadata with a wrong status", integration, []string{`{"statusCode":700}` + nuls, "x"}, streamed, nil, badGateway, "malformed answer of the function: statusCode 700 is not between 200 and 599"},
		{"metadata that are too long", integration, []string{`{"a":"` + strings.Repeat("x", 10000), strings.Repeat("x", 10000) + `"}` + nuls}, streamed, nil,
			badGateway, "malformed answer of the function: its metadata do not end within 16 KB"},
		{"failed before anything was written", "text/plain", nil, failed, nil, badGateway, "the function failed: Sandbox.Timedout"},
		{"failed in its metadata", integration, []string{`{"sta`}, failed, nil, badGateway, "the function failed: Sandbox.Timedout"},
		{"refused", "text/plain", nil, nil, throttled, `429 [Content-Type: application/json X-Amzn-Errortype: TooManyRequestsException] {"Message":"Rate Exceeded."}`, "Rate Exceeded."},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := everyDoor(t)
			h.streams(test.contentType, test.result, test.err, test.chunks...)
			response, body := h.do(toStream)
			if got := shown(response, body); got != test.want {
				t.Errorf("answer\n %q\nwant\n %q", got, test.want)
			}
			if a := h.access(); a.Error != test.log || a.Status != response.StatusCode || a.Bytes != int64(len(body)) {
				t.Errorf("access log: %+v", a)
			}
		})
	}
}

// TestStreamArrivesAsItIsWritten has the function wait for the client at each step.
func TestStreamArrivesAsItIsWritten(t *testing.T) {
	h := everyDoor(t)
	read := make(chan struct{})
	h.answer = func(_ context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
		inv.Stream.Begin(pinfold.HTTPIntegration)
		for _, part := range []string{`{"statusCode":200,"headers":{"Content-Type":"text/event-stream"}}` + nuls, "one", "two"} {
			if _, err := io.WriteString(inv.Stream, part); err != nil {
				t.Error(err)
			}
			<-read
		}
		return streamed, nil
	}
	response := h.begin("GET")
	read <- struct{}{} // headers come before the first byte of the body
	if response.Header.Get("Content-Type") != "text/event-stream" || response.ContentLength != -1 {
		t.Errorf("headers: %v", response.Header)
	}
	for _, want := range []string{"one", "two"} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(response.Body, got); err != nil || string(got) != want {
			t.Fatalf("read %q, %v", got, err)
		}
		read <- struct{}{}
	}
	if rest, err := io.ReadAll(response.Body); err != nil || len(rest) != 0 {
		t.Errorf("the end: %q, %v", rest, err)
	}
}

// begin sends a request to the URL that streams and returns when the headers are there.
func (h *house) begin(method string) *http.Response {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), method, h.server.URL+"/x", nil)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Host = toStream.host
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { response.Body.Close() })
	return response
}

// TestStreamThatBreaksOff must not look complete to the client.
func TestStreamThatBreaksOff(t *testing.T) {
	for name, f := range map[string]func(*house){
		"function failed": func(h *house) { h.streams("text/plain", failed, nil, "half") },
		"instance lost":   func(h *house) { h.streams("text/plain", nil, errors.New("gone"), "half") },
	} {
		t.Run(name, func(t *testing.T) {
			h := everyDoor(t)
			f(h)
			response := h.begin("GET")
			got, err := io.ReadAll(response.Body)
			if string(got) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) || response.StatusCode != 200 {
				t.Errorf("%d %q, %v", response.StatusCode, got, err)
			}
			if a := h.access(); !strings.HasPrefix(a.Error, "broken off: ") || a.Status != 200 || a.Bytes != 4 {
				t.Errorf("access log: %+v", a)
			}
		})
	}
}

func TestStreamToHEAD(t *testing.T) {
	h := everyDoor(t)
	h.streams("text/plain", failed, nil, "a body", "more")
	if response := h.begin("HEAD"); response.StatusCode != 200 || response.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	if a := h.access(); a.Bytes != 0 || a.Status != 200 || a.Error != "broken off: the function failed: Sandbox.Timedout" {
		t.Errorf("access log: %+v", a)
	}
}

// TestStreamToHTTP10 ends with the connection: there are no chunks.
func TestStreamToHTTP10(t *testing.T) {
	h := everyDoor(t)
	h.streams("text/plain", streamed, nil, "a", "b")
	response, body := h.raw("GET /x HTTP/1.0\r\nHost: " + toStream.host + "\r\n\r\n")
	if body != "ab" || len(response.TransferEncoding) != 0 || !response.Close {
		t.Errorf("%v %q", response, body)
	}
}

// TestStreamCannotInject headers behind the body, where only a stream could have some.
func TestStreamCannotInject(t *testing.T) {
	h := everyDoor(t)
	h.streams(pinfold.HTTPIntegration, streamed, nil, `{"headers":{"Trailer:Injected":"yes","Trailer":"Injected","Injected":"a\r\nb: c","Transfer-Encoding":"x"}}`+nuls+"body")
	response, body := h.do(toStream)
	if got := shown(response, body); got != "200 [Content-Type: application/json Injected: a  b: c] body" || len(response.Trailer) != 0 {
		t.Errorf("%q, trailers %v", got, response.Trailer)
	}
}

// TestStreamWithoutAReader has a client that leaves: the function learns of it
// and runs on.
func TestStreamWithoutAReader(t *testing.T) {
	h := everyDoor(t)
	h.answer = func(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
		inv.Stream.Begin("")
		part := bytes.Repeat([]byte("x"), 64<<10)
		for {
			if _, err := inv.Stream.Write(part); err != nil {
				break
			}
		}
		if _, err := inv.Stream.Write(part); err == nil {
			t.Error("a client that is gone has come back")
		}
		return failed, ctx.Err()
	}
	c, err := net.Dial("tcp", h.server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET /x HTTP/1.1\r\nHost: "+toStream.host+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if a := h.access(); !strings.HasPrefix(a.Error, "the client went away: ") || a.Bytes == 0 {
		t.Errorf("access log: %+v", a)
	}
}

// TestOnlyThoseDoorsStream: elsewhere the platform collects.
func TestOnlyThoseDoorsStream(t *testing.T) {
	h := everyDoor(t)
	for kind := range hosts {
		host, path, _ := strings.Cut(hosts[kind], " ")
		h.do(ask{host: host, path: path})
		if got := h.invocation().Stream != nil; got != (kind == "stream") {
			t.Errorf("%s: streams: %v", kind, got)
		}
	}
}

func TestStreamAndCORS(t *testing.T) {
	h := open(t, Options{})
	u := urlOf("stream", "NONE")
	u.InvokeMode = "RESPONSE_STREAM"
	u.CORS = &pinfold.CORS{AllowOrigins: []string{"https://example.com"}}
	h.g.Update(nil, []pinfold.URL{u})
	h.streams("text/plain", streamed, nil, "x")
	a := toStream
	a.headers = []string{"Origin: https://example.com"}
	if response, _ := h.do(a); response.Header.Get("Access-Control-Allow-Origin") != "https://example.com" || response.Header.Get("X-Amzn-Requestid") == "" {
		t.Errorf("headers: %v", response.Header)
	}
}

// FuzzMetadata cuts streams in two anywhere: that must make no difference.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(`{"statusCode":201,"headers":{"a":"b"}}`+nuls+"body"), uint(3))
	f.Add([]byte(`{}`+nuls+nuls), uint(9))
	f.Add([]byte("x"+nuls), uint(1))
	f.Add(append(bytes.Repeat([]byte(" "), maxMetadata-10), "{}"+nuls...), uint(maxMetadata-1))
	f.Fuzz(func(t *testing.T, written []byte, cut uint) {
		at := int(cut % uint(len(written)+1))
		whole, _ := record(written)
		parts, body := record(written[:at], written[at:])
		if whole.Code != parts.Code || whole.Body.String() != parts.Body.String() {
			t.Errorf("%q cut at %d: %d %q, as a whole %d %q", written, at, parts.Code, parts.Body, whole.Code, whole.Body)
		}
		if body && !bytes.HasSuffix(written, whole.Body.Bytes()) {
			t.Errorf("%q gave the body %q", written, whole.Body)
		}
	})
}

// record writes parts into a stream and reports whether they went out.
func record(parts ...[]byte) (*httptest.ResponseRecorder, bool) {
	w := httptest.NewRecorder()
	x := &exchange{w: w, r: httptest.NewRequest("GET", "/", nil), door: compileURL(urlOf("u", "NONE"))}
	x.event.route = &route{}
	x.stream.x = x
	x.stream.Begin(pinfold.HTTPIntegration)
	for _, p := range parts {
		_, _ = x.stream.Write(p)
	}
	x.stream.end(nil, "")
	return w, x.stream.sent
}

// BenchmarkStream is what a part of a stream costs the door, without the network.
func BenchmarkStream(b *testing.B) {
	w := flushing{discard{http.Header{}}}
	x := &exchange{w: w, r: httptest.NewRequest("GET", "/", nil), door: compileURL(urlOf("u", "NONE"))}
	x.event.route = &route{}
	x.stream.x = x
	x.stream.Begin("")
	part := make([]byte, 64<<10)
	b.SetBytes(int64(len(part)))
	b.ReportAllocs()
	for b.Loop() {
		_, _ = x.stream.Write(part)
	}
}

type flushing struct{ discard }

func (flushing) Flush() {}
