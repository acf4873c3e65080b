package gateway

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"pinfold.dev/pinfold"
)

// fake is an Invoker that answers what it is told to.
type fake struct {
	mu     sync.Mutex
	answer func(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error)
	seen   []*pinfold.Invocation
}

func (f *fake) Invoke(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	f.mu.Lock()
	f.seen = append(f.seen, inv)
	answer := f.answer
	f.mu.Unlock()
	return answer(ctx, inv)
}

// says makes the function's answer.
func (f *fake) says(payload string) {
	f.answer = func(context.Context, *pinfold.Invocation) (*pinfold.Result, error) {
		return &pinfold.Result{Payload: []byte(payload)}, nil
	}
}

// fails makes the invocation fail.
func (f *fake) fails(err error) {
	f.answer = func(context.Context, *pinfold.Invocation) (*pinfold.Result, error) { return nil, err }
}

// house is a gateway behind a real server.
type house struct {
	*fake
	t      *testing.T
	g      *Gateway
	server *httptest.Server
	mu     sync.Mutex
	log    []Access
}

func open(t *testing.T, o Options) *house {
	h := &house{fake: &fake{}, t: t}
	h.says(`{"statusCode":200,"body":"ok"}`)
	o.Invoker = h.fake
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	o.Endpoints = pinfold.Endpoints{HTTP: "http://127.0.0.1:8080"}
	o.Access = func(a Access) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.log = append(h.log, a)
	}
	h.g = New(o)
	h.server = httptest.NewServer(h.g)
	t.Cleanup(h.server.Close)
	return h
}

// ask is a request to a host.
type ask struct {
	host, method, path string
	headers            []string // "Name: value"
	body               string
}

// do sends a request and returns the response with its body read.
func (h *house) do(a ask) (*http.Response, string) {
	h.t.Helper()
	if a.method == "" {
		a.method = "GET"
	}
	if a.path == "" {
		a.path = "/"
	}
	var body io.Reader
	if a.body != "" {
		body = strings.NewReader(a.body)
	}
	r, err := http.NewRequestWithContext(h.t.Context(), a.method, h.server.URL+a.path, body)
	if err != nil {
		h.t.Fatal(err)
	}
	if a.host != "" {
		r.Host = a.host
	}
	for _, line := range a.headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return response, string(text)
}

// raw sends bytes and returns the response to them.
func (h *house) raw(request string) (*http.Response, string) {
	h.t.Helper()
	c, err := net.Dial("tcp", h.server.Listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		h.t.Fatal(err)
	}
	_ = c.(*net.TCPConn).CloseWrite()
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	return response, string(text)
}

// event returns the last event that the function got.
func (h *house) event() map[string]any {
	h.t.Helper()
	inv := h.invocation()
	var e map[string]any
	if err := json.Unmarshal(inv.Payload, &e); err != nil {
		h.t.Fatalf("the event is not JSON: %v\n%s", err, inv.Payload)
	}
	return e
}

func (h *house) invocation() *pinfold.Invocation {
	h.t.Helper()
	h.fake.mu.Lock()
	defer h.fake.mu.Unlock()
	if len(h.seen) == 0 {
		h.t.Fatal("no function was invoked")
	}
	return h.seen[len(h.seen)-1]
}

func (h *house) invoked() int {
	h.fake.mu.Lock()
	defer h.fake.mu.Unlock()
	return len(h.seen)
}

// access returns the record of the last request, which the server writes
// after the response: closing the server waits for it.
func (h *house) access() Access {
	h.server.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.log) == 0 {
		h.t.Fatal("no access record")
	}
	return h.log[len(h.log)-1]
}

// dig follows keys into an event.
func dig(v any, keys ...string) any {
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[k]
	}
	return v
}
