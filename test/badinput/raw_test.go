package badinput

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// line is a bare connection to one of the platform's listeners.
type line struct {
	*net.TCPConn
	t      *testing.T
	reader *bufio.Reader
}

// connect opens a connection. Its deadline is there only to end a test that
// would wait for ever.
func connect(t *testing.T, endpoint string) *line {
	t.Helper()
	u, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(70 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &line{conn.(*net.TCPConn), t, bufio.NewReader(conn)}
}

// write sends as much as the other side takes: it may have answered and closed.
func (l *line) write(text string) { _, _ = io.WriteString(l, text) }

// answer reads one response to a request with the given method.
func (l *line) answer(method string) (status int, body string) {
	l.t.Helper()
	resp, err := http.ReadResponse(l.reader, &http.Request{Method: method})
	if err != nil {
		l.t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, string(content)
}

// ended checks that the other side says no more and has closed the connection.
func (l *line) ended() {
	l.t.Helper()
	if rest := l.closed("the connection"); len(rest) > 0 {
		l.t.Errorf("more was said: %.200q", rest)
	}
}

// closed checks that the other side closes the connection, and returns what it
// says before.
func (l *line) closed(what string) []byte {
	l.t.Helper()
	rest, err := io.ReadAll(l.reader)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
		l.t.Errorf("%s: it stays open", what)
	}
	return rest
}

// Requests that no client makes, each on a connection of its own: they get an
// answer that says whose fault it is, and nothing panics (a handler that did
// would have no answer).
func TestOddRequests(t *testing.T) {
	t.Parallel()
	h := start(t)
	const plain = "GET /hello HTTP/1.1\r\nHost: localhost\r\n"
	headers := func(n int, value string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "X-%d: %s\r\n", i, value)
		}
		return b.String()
	}
	for name, test := range map[string]struct {
		request string
		door    int // status of the public door
		api     int // status of the API
	}{
		"a plain one":                {plain + "\r\n", 200, 404},
		"HTTP/1.0":                   {"GET /hello HTTP/1.0\r\n\r\n", 200, 404},
		"HTTP/1.0 with a host":       {"GET /hello HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n", 200, 404},
		"HTTP/0.9":                   {"GET /hello\r\n\r\n", 400, 400},
		"HTTP/1.7":                   {"GET /hello HTTP/1.7\r\nHost: x\r\n\r\n", 200, 404},
		"HTTP/3.0":                   {"GET /hello HTTP/3.0\r\nHost: x\r\n\r\n", 505, 505},
		"HTTP/2 without asking":      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404, 404},
		"an absolute URI":            {"GET http://elsewhere.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, 404},
		"an absolute URI of another": {"GET ftp://user:pass@elsewhere/hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, 404},
		"a proxy's CONNECT":          {"CONNECT elsewhere.example:443 HTTP/1.1\r\nHost: elsewhere.example:443\r\n\r\n", 404, 404},
		"OPTIONS *":                  {"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, 200},
		"TRACE":                      {"TRACE /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"a method of its own":        {"BREW /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"a method in small letters":  {"get /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"a method that is none":      {"G\x00T /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, 400},
		"a long method":              {strings.Repeat("A", 50_000) + " /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"TLS":                        {"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400, 400},
		"noise":                      {strings.Repeat("\xfe\xed\x00", 300) + "\r\n\r\n", 400, 400},
		"no host":                    {"GET /hello HTTP/1.1\r\n\r\n", 400, 400},
		"two hosts":                  {plain + "Host: other\r\n\r\n", 400, 400},
		"an empty host":              {"GET /hello HTTP/1.1\r\nHost:\r\n\r\n", 200, 404},
		"a host with a blank":        {"GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n", 400, 400},
		"a host of colons":           {"GET /hello HTTP/1.1\r\nHost: :::::\r\n\r\n", 200, 404},
		"a host of dots":             {"GET /hello HTTP/1.1\r\nHost: ......\r\n\r\n", 200, 404},
		"an IPv6 host":               {"GET /hello HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200, 404},
		"half an IPv6 host":          {"GET /hello HTTP/1.1\r\nHost: [::1\r\n\r\n", 200, 404},
		"a host beyond ASCII":        {"GET /hello HTTP/1.1\r\nHost: gr\xc3\xbc\xc3\x9fe\r\n\r\n", 400, 400},
		"a host of no API":           {"GET /hello HTTP/1.1\r\nHost: nobody.execute-api.localhost\r\n\r\n", 404, 404},
		"a host of an API's domain":  {"GET /hello HTTP/1.1\r\nHost: .execute-api.\r\n\r\n", 404, 404},
		"a host of no function URL":  {"GET /hello HTTP/1.1\r\nHost: x.lambda-url.localhost:1:2\r\n\r\n", 404, 404},
		"a long host":                {"GET /hello HTTP/1.1\r\nHost: " + strings.Repeat("a.", 2000) + "\r\n\r\n", 200, 404},
		"a path by API without one":  {"GET /_aws/execute-api/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"a path by URL without one":  {"GET /_aws/lambda-url/%2f%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"a path up":                  {"GET /../../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"a path up, escaped":         {"GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"a path up to the route":     {"GET /x/../hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"slashes":                    {"GET ////// HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"a zero in the path":         {"GET /hello%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"half an escape":             {"GET /hello%4 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, 400},
		"no slash":                   {"GET hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, 400},
		"an odd query":               {"GET /hello?%zz&&=;&a=%00&\xff=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 200, 404},
		"a long path":                {"GET /" + strings.Repeat("a", 60_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 404, 404},
		"a long query":               {"GET /hello?" + strings.Repeat("a=1&", 5_000) + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 431, 404},
		"a large header":             {plain + "X: " + strings.Repeat("x", 20_000) + "\r\n\r\n", 431, 404},
		"a huge header":              {plain + "X: " + strings.Repeat("x", 200_000) + "\r\n\r\n", 431, 431},
		"many headers":               {plain + headers(400, "1") + "\r\n", 200, 404},
		"too many headers":           {plain + headers(20_000, "1") + "\r\n", 431, 431},
		"a folded header":            {plain + "X: a\r\n b\r\n\r\n", 200, 404},
		"a header without a colon":   {plain + "X\r\n\r\n", 400, 400},
		"a header with a zero":       {plain + "X: \x00\r\n\r\n", 400, 400},
		"a header beyond ASCII":      {plain + "X: \xff\xfe gr\xc3\xbc\xc3\x9fe\r\n\r\n", 200, 404},
		"a header without a name":    {plain + ": x\r\n\r\n", 400, 400},
		"a blank before the colon":   {plain + "Content-Length : 3\r\n\r\nabc", 400, 400},
		"an odd expectation":         {plain + "Expect: miracles\r\n\r\n", 417, 417},
		"an upgrade":                 {plain + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 200, 404},
		"odd cookies":                {plain + "Cookie: =;;;a=\"b;c\"; \xff\r\nCookie: ,\r\n\r\n", 200, 404},
		"odd forwarding":             {plain + "X-Forwarded-For: ,,\"<script>\r\nX-Amzn-Trace-Id: Root=;;;=\r\n\r\n", 200, 404},
		"a negative length":          {"POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400, 400},
		"an endless length":          {"POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9223372036854775807\r\n\r\n", 413, 404},
		"a length beyond numbers":    {"POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 92233720368547758070\r\n\r\n", 400, 400},
		"two lengths":                {"POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, 400},
		"length and chunks":          {"POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, 404},
		"an encoding of nobody":      {"POST /hello HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501, 501},
		"chunks that are none":       {"POST /hello HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, 404},
		"a chunk beyond numbers":     {"POST /hello HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400, 404},
		"a chunk of lies":            {"POST /hello HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n", 400, 404},
	} {
		for _, to := range []struct {
			name, endpoint string
			status         int
		}{{"door", h.Endpoints.HTTP, test.door}, {"API", h.Endpoints.API, test.api}} {
			t.Run(name+" at the "+to.name, func(t *testing.T) {
				l := connect(t, to.endpoint)
				l.write(test.request)
				method, _, _ := strings.Cut(test.request, " ")
				if status, body := l.answer(method); status != to.status {
					t.Errorf("%d %.300s, want %d", status, body, to.status)
				}
			})
		}
	}
	h.unharmed(t)
}

// What follows good requests on one connection, unasked, does not spoil their
// answers.
func TestPipelinedGarbage(t *testing.T) {
	t.Parallel()
	h := start(t)
	l := connect(t, h.Endpoints.HTTP)
	l.write(strings.Repeat("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n", 5) + "\x00\x01garbage\r\n\r\n" + "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
	for range 5 {
		if status, body := l.answer(http.MethodGet); status != http.StatusOK || body != "unharmed" {
			t.Errorf("%d %s", status, body)
		}
	}
	if status, _ := l.answer(http.MethodGet); status != http.StatusBadRequest {
		t.Errorf("the garbage was answered with %d", status)
	}
	l.ended()
	h.unharmed(t)
}

// A body that ends before its length reaches no function and no store.
func TestBodiesThatAreCutOff(t *testing.T) {
	t.Parallel()
	h := start(t)
	t.Run("at the door", func(t *testing.T) {
		for _, head := range []string{"Content-Length: 100\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n64\r\n"} {
			l := connect(t, h.Endpoints.HTTP)
			l.write("POST /hello HTTP/1.1\r\nHost: localhost\r\n" + head + "half of it")
			if err := l.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if status, body := l.answer(http.MethodPost); status != http.StatusBadRequest || body != `{"message":"Bad Request"}` {
				t.Errorf("%d %s", status, body)
			}
			l.ended()
		}
	})
	file := zipOf(t, item{name: "x.js", content: "1"})
	pkg := packageOf(file)
	for name, req := range map[string]*http.Request{
		"a package":      h.signed(t, http.MethodPut, "/_pinfold/v1/packages/"+pkg.SHA256, "pinfold", file, nil),
		"a payload":      h.signed(t, http.MethodPost, invokePath, "lambda", []byte(`{"a":"whole payload"}`), nil),
		"an application": h.signed(t, http.MethodPost, "/_pinfold/v1/deploy", "pinfold", []byte(`{"name":"good","stage":"dev"}`), nil),
	} {
		t.Run(name, func(t *testing.T) {
			var whole strings.Builder
			if err := req.Write(&whole); err != nil {
				t.Fatal(err)
			}
			l := connect(t, h.Endpoints.API)
			l.write(whole.String()[:whole.Len()-5])
			if err := l.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			status, body := l.answer(http.MethodPost)
			if status != http.StatusBadRequest {
				t.Errorf("%d %s", status, body)
			}
			wantText(t, body, fmt.Sprintf("cut off after %d bytes", req.ContentLength-5), fmt.Sprintf("Content-Length says %d", req.ContentLength))
			l.ended()
		})
	}
	h.nothingLeft(t, pkg)
	// And if the client is gone altogether there is nobody to tell.
	for _, endpoint := range []string{h.Endpoints.HTTP, h.Endpoints.API} {
		l := connect(t, endpoint)
		l.write("POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf of it")
		if err := l.SetLinger(0); err != nil { // close with a reset
			t.Fatal(err)
		}
		l.Close()
	}
	h.unharmed(t)
}
