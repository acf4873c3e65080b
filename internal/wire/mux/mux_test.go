package mux

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/protocol"
	"pinfold.dev/pinfold/internal/wire/sigv4"
)

type echoInput struct {
	Name *string `aws:"Name,uri"`
	Body []byte  `aws:"Body,payload"`
}

type echoOutput struct {
	Who  *string `aws:"X-Who,header"`
	Body []byte  `aws:"Body,payload"`
}

type echoAPI interface {
	Invoke(context.Context, *echoInput) (*echoOutput, error)
}

type echo struct{}

func (echo) Invoke(ctx context.Context, in *echoInput) (*echoOutput, error) {
	if in.Name != nil && *in.Name == "panic" {
		panic("broken")
	}
	return &echoOutput{Who: new(Principal(ctx).ARN), Body: in.Body}, nil
}

type nameInput struct {
	Body *string `aws:"Body"`
}

type nameAPI interface {
	GetCallerIdentity(context.Context, *nameInput) (*nameInput, error)
}

type name struct{}

func (name) GetCallerIdentity(_ context.Context, in *nameInput) (*nameInput, error) { return in, nil }

// keys knows who signed, by access key alone.
type keys map[string]string

func (k keys) Authenticate(r *http.Request, body []byte) (pinfold.Principal, error) {
	key, _, _, _ := sigv4.Scope(r)
	if key == "" {
		return pinfold.Principal{Kind: pinfold.Anonymous, ARN: "anonymous"}, nil
	}
	if k[key] == "" {
		return pinfold.Principal{}, pinfold.Errorf(pinfold.Denied, "The security token included in the request is invalid.").WithReason(sigv4.InvalidClientTokenID)
	}
	if body == nil {
		return pinfold.Principal{}, errors.New("authenticated without a body")
	}
	return pinfold.Principal{Kind: pinfold.Root, ARN: k[key]}, nil
}

func server(t *testing.T, model *protocol.Service, impl any) *protocol.Server {
	t.Helper()
	s, err := protocol.NewServer(model, impl, protocol.Options{
		Authorize: func(context.Context, string, any) error { return nil },
		MaxBody:   func(string) int64 { return 1000 },
		Log:       slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testMux(t *testing.T) *Mux {
	t.Helper()
	lambda := &protocol.Service{
		Name: "lambda", Title: "AWS Lambda", Protocol: protocol.RESTJSON, Signing: "lambda", Host: "lambda",
		Operations: []protocol.Operation{protocol.Op(protocol.Route{Name: "Invoke", Method: "POST", URI: "/2015-03-31/functions/{Name}/invocations"}, 200, echoAPI.Invoke)},
		Unserved:   []protocol.Route{{Name: "InvokeAsync", Method: "POST", URI: "/2014-11-13/functions/{FunctionName}/invoke-async"}},
	}
	sts := &protocol.Service{
		Name: "sts", Title: "AWS STS", Protocol: protocol.Query, Version: "2011-06-15", Signing: "sts", Host: "sts",
		Operations: []protocol.Operation{protocol.Op(protocol.Route{Name: "GetCallerIdentity", Method: "POST", URI: "/"}, 200, nameAPI.GetCallerIdentity)},
	}
	show := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, Principal(r.Context()).ARN+" sent "+string(body))
		if err != nil || RequestID(r.Context()) == "" {
			t.Error("body", err, "id", RequestID(r.Context()))
		}
	}
	return New(Options{
		Authenticator: keys{"AKROOT": "arn:root"},
		Services:      []*protocol.Server{server(t, lambda, echo{}), server(t, sts, name{})},
		Routes: []Route{
			{Prefix: "/_pinfold/code/", Handler: http.HandlerFunc(show), Open: true},
			{Prefix: "/_pinfold/", Handler: http.HandlerFunc(show), MaxBody: 20},
		},
		Log: slog.New(slog.DiscardHandler),
	})
}

// request reads a raw request; a header Sign: KEY/SERVICE stands for a signature.
func request(t *testing.T, raw string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(raw, "\n\n")
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	if sign := r.Header.Get("Sign"); sign != "" {
		key, service, _ := strings.Cut(sign, "/")
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+key+"/20260101/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=00")
	}
	return r
}

func TestServicesAreToldApart(t *testing.T) {
	const form = "Content-Type: application/x-www-form-urlencoded; charset=utf-8\n\n"
	m := testMux(t)
	for title, tt := range map[string]struct {
		request string
		status  int
		want    string // in the answer
	}{
		"by signature":               {"POST / HTTP/1.1\nHost: 127.0.0.1:4566\nSign: AKROOT/sts\n\nAction=GetCallerIdentity&Body=x", 200, "<Body>x</Body>"},
		"by path, unsigned":          {"POST /2015-03-31/functions/f/invocations HTTP/1.1\nHost: localhost\n\n{\"raw", 200, `{"raw`},
		"by host":                    {"POST /2014-11-13/functions/f/invoke-async HTTP/1.1\nHost: lambda.us-east-1.amazonaws.com\n\n", 501, "Pinfold does not serve InvokeAsync of AWS Lambda yet"},
		"by action and version":      {"POST / HTTP/1.1\nHost: localhost\n" + form + "Action=GetCallerIdentity&Version=2011-06-15&Body=y", 200, "<Body>y</Body>"},
		"by action in the query":     {"GET /?Action=GetCallerIdentity&Version=2011-06-15&Body=z HTTP/1.1\nHost: localhost\n\n", 200, "<Body>z</Body>"},
		"by target, not served":      {"POST / HTTP/1.1\nHost: localhost\nX-Amz-Target: DynamoDB_20120810.PutItem\n\n{}", 501, `{"__type":"NotImplementedException","message":"Pinfold does not serve PutItem of Amazon DynamoDB yet: docs/served.md lists what it serves"}`},
		"in its second protocol":     {"POST / HTTP/1.1\nHost: localhost\nX-Amz-Target: GraniteServiceVersion20100801.ListMetrics\n\n{}", 501, `"message":"Pinfold does not serve ListMetrics of Amazon CloudWatch yet`},
		"shared signing name":        {"POST / HTTP/1.1\nHost: localhost\nSign: AKROOT/dynamodb\nX-Amz-Target: DynamoDBStreams_20120810.GetRecords\n\n{}", 501, "GetRecords of Amazon DynamoDB Streams"},
		"not served, in its XML":     {"GET /bucket/key HTTP/1.1\nHost: localhost\nSign: AKROOT/s3\n\n", 501, "<Error><Code>NotImplemented</Code><Message>Pinfold does not serve Amazon Simple Storage Service (s3) yet"},
		"not served, by its version": {"POST / HTTP/1.1\nHost: localhost\n" + form + "Action=ListTopics&Version=2010-03-31", 501, "<Code>NotImplemented</Code><Message>Pinfold does not serve ListTopics of Amazon Simple Notification Service yet"},
		"not served, by a form":      {"POST / HTTP/1.1\nHost: localhost\nSign: AKROOT/iam\n" + form + "Action=ListUsers&Version=2010-05-08", 501, "<Code>NotImplemented</Code><Message>Pinfold does not serve ListUsers of AWS Identity and Access Management yet"},
		"by an SDK before JSON":      {"POST / HTTP/1.1\nHost: localhost\nSign: AKROOT/sqs\n" + form + "Action=ListQueues&Version=2012-11-05", 501, "<Code>NotImplemented</Code><Message>Pinfold does not serve ListQueues of Amazon Simple Queue Service yet"},
		"by a link before JSON":      {"GET /?Action=ListQueues&Version=2012-11-05 HTTP/1.1\nHost: localhost\nSign: AKROOT/sqs\n\n", 501, "<Code>NotImplemented</Code><Message>Pinfold does not serve ListQueues of"},
		"unknown signature":          {"POST /x HTTP/1.1\nHost: localhost\nSign: AKROOT/quantum\n\n", 404, `Pinfold cannot tell which service POST /x is for: its signature is for the service \"quantum\"`},
		"unknown form":               {"POST / HTTP/1.1\nHost: localhost\n" + form + "Action=Fly", 404, "<Code>UnknownService</Code>"},
		"unknown target":             {"POST / HTTP/1.1\nHost: localhost\nX-Amz-Target: Moon.Fly\n\n{}", 404, `{"__type":"UnknownService","message":"Pinfold cannot tell`},
		"nothing at all":             {"GET / HTTP/1.1\nHost: localhost\n\n", 404, "it is not signed"},
		"broken form":                {"POST / HTTP/1.1\nHost: localhost\n" + form + "Action=%zz", 400, "<Code>MalformedInput</Code>"},
		"route":                      {"PUT /_pinfold/v1/x HTTP/1.1\nHost: localhost\nSign: AKROOT/pinfold\n\nhello", 200, "arn:root sent hello"},
		"open route":                 {"GET /_pinfold/code/x HTTP/1.1\nHost: localhost\nSign: NOBODY/pinfold\n\nbytes", 200, " sent bytes"},
		"bad key, JSON":              {"POST /2015-03-31/functions/f/invocations HTTP/1.1\nHost: localhost\nSign: NOBODY/lambda\n\n{}", 403, `The security token included in the request is invalid.`},
		"bad key, query":             {"POST / HTTP/1.1\nHost: localhost\nSign: NOBODY/sts\n\nAction=GetCallerIdentity", 403, "<Code>InvalidClientTokenId</Code>"},
		"bad key, route":             {"PUT /_pinfold/v1/x HTTP/1.1\nHost: localhost\nSign: NOBODY/pinfold\n\n", 403, `The security token included`},
		"route too large":            {"PUT /_pinfold/v1/x HTTP/1.1\nHost: localhost\nSign: AKROOT/pinfold\n\n123456789012345678901", 413, "Request must be smaller than 20 bytes"},
		"service too large":          {"POST /2015-03-31/functions/f/invocations HTTP/1.1\nHost: localhost\n\n" + strings.Repeat("x", 1001), 413, "Request must be smaller than 1000 bytes"},
		"panic":                      {"POST /2015-03-31/functions/panic/invocations HTTP/1.1\nHost: localhost\n\n", 500, "the server's log has it under request id"},
	} {
		t.Run(title, func(t *testing.T) {
			w := httptest.NewRecorder()
			m.ServeHTTP(w, request(t, tt.request))
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("got %d %s\nwant %d with %s", w.Code, w.Body, tt.status, tt.want)
			}
			if id := w.Header().Get("X-Amzn-Requestid"); len(id) != 36 {
				t.Errorf("request id is %q", id)
			}
		})
	}
}

func TestErrorsOfAuthenticationHaveTheNameOfTheProtocol(t *testing.T) {
	w := httptest.NewRecorder()
	testMux(t).ServeHTTP(w, request(t, "POST /2015-03-31/functions/f/invocations HTTP/1.1\nHost: localhost\nSign: NOBODY/lambda\n\n{}"))
	if kind := w.Header().Get("X-Amzn-Errortype"); kind != "UnrecognizedClientException" {
		t.Errorf("error type is %q", kind)
	}
}

// connection serves one in-memory connection inside a synctest bubble.
func connection(t *testing.T, h http.Handler) net.Conn {
	t.Helper()
	client, serverSide := net.Pipe()
	listener := &oneConn{conns: make(chan net.Conn, 1), done: make(chan struct{})}
	listener.conns <- serverSide
	s := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = s.Serve(listener) }()
	t.Cleanup(func() { client.Close(); s.Close(); <-stopped })
	return client
}

type oneConn struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

const slowHead = "POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n"

func readAnswer(t *testing.T, c net.Conn) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestSlowClientTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connection(t, testMux(t))
		start := time.Now()
		if _, err := io.WriteString(c, slowHead+"only this"); err != nil {
			t.Fatal(err)
		}
		resp, body := readAnswer(t, c)
		if resp.StatusCode != 408 || resp.Header.Get("X-Amzn-Errortype") != "RequestTimeout" || !strings.Contains(body, "9 bytes of the body came in time") {
			t.Errorf("got %d %s %s", resp.StatusCode, resp.Header, body)
		}
		if waited := time.Since(start); waited != patience {
			t.Errorf("waited %v, want %v", waited, patience)
		}
	})
}

// A promise of much does not buy time, what comes does.
func TestPatienceIsForWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connection(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := readBody(w, r, 10<<20)
			http.Error(w, fmt.Sprint(err), http.StatusTeapot)
		}))
		start := time.Now()
		if _, err := io.WriteString(c, strings.Replace(slowHead, "500", "6000000", 1)+strings.Repeat("x", 3*minRate)); err != nil {
			t.Fatal(err)
		}
		if _, body := readAnswer(t, c); !strings.Contains(body, fmt.Sprint(3*minRate, " bytes of the body came in time")) {
			t.Errorf("got %s", body)
		}
		if waited := time.Since(start); waited != patience+3*time.Second {
			t.Errorf("waited %v", waited)
		}
		_, _ = io.Copy(io.Discard, c) // until the server closes it
	})
}

func TestBodyThatComesInPiecesIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connection(t, testMux(t))
		body := strings.Repeat("0123456789", 50)
		if _, err := io.WriteString(c, slowHead); err != nil {
			t.Fatal(err)
		}
		for rest := body; rest != ""; rest = rest[100:] {
			time.Sleep(patience / 6) // slow, but not too slow
			if _, err := io.WriteString(c, rest[:100]); err != nil {
				t.Fatal(err)
			}
		}
		if resp, got := readAnswer(t, c); resp.StatusCode != 200 || got != body {
			t.Errorf("got %d %q", resp.StatusCode, got)
		}
	})
}

func TestCutOffBody(t *testing.T) {
	s := httptest.NewServer(testMux(t))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, slowHead+"half"); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, body := readAnswer(t, c)
	if resp.StatusCode != 400 || resp.Header.Get("X-Amzn-Errortype") != "IncompleteBody" || !strings.Contains(body, "cut off after 4 bytes (Content-Length says 500)") {
		t.Errorf("got %d %s %s", resp.StatusCode, resp.Header, body)
	}
}

// Large bodies share a bounded memory: one that does not fit waits for it.
func TestLargeBodiesWaitForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := testMux(t)
		r := httptest.NewRequest("POST", "/", nil)
		r.ContentLength = -1
		release, err := m.reserve(r, maxBodies)
		if err != nil {
			t.Fatal(err)
		}
		small, err := m.reserve(r, smallBody)
		if err != nil {
			t.Fatal(err)
		}
		small()
		got := make(chan error, 1)
		go func() {
			release, err := m.reserve(r, smallBody+1)
			release()
			got <- err
		}()
		synctest.Wait()
		select {
		case err := <-got:
			t.Errorf("did not wait: %v", err)
		default:
		}
		release()
		if err := <-got; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		release, _ = m.reserve(r, maxBodies)
		defer release()
		if _, err := m.reserve(r.WithContext(ctx), maxBodies); pinfold.CodeOf(err) != pinfold.Unavailable {
			t.Errorf("error is %v", err)
		}
	})
}

// A client that is still sending must be able to read why it is refused.
func TestTooLargeBodyGetsItsAnswer(t *testing.T) {
	s := httptest.NewServer(testMux(t))
	defer s.Close()
	for _, chunked := range []bool{false, true} {
		var body io.Reader = bytes.NewReader(make([]byte, 7<<20))
		if chunked {
			body = struct{ io.Reader }{body}
		}
		resp, err := http.Post(s.URL+"/2015-03-31/functions/f/invocations", "application/json", body)
		if err != nil {
			t.Fatal(err)
		}
		var answer struct{ Message string }
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != 413 || answer.Message != "Request must be smaller than 1000 bytes" {
			t.Errorf("chunked %v: got %d %q %v", chunked, resp.StatusCode, answer.Message, err)
		}
		resp.Body.Close()
	}
}
