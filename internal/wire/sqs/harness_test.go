package sqs_test

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/store/log/mem"
	"pinfold.dev/pinfold/internal/store/sql"
	"pinfold.dev/pinfold/internal/wire/mux"
	"pinfold.dev/pinfold/internal/wire/protocol"
	"pinfold.dev/pinfold/internal/wire/sqs"
)

// root is who sends all requests of these tests.
type root struct{}

func (root) Authenticate(*http.Request, []byte) (pinfold.Principal, error) {
	return pinfold.Principal{Kind: pinfold.Root, UserID: "000000000000"}, nil
}

// permit permits everything but to do forbidden things.
type permit struct {
	asked []pinfold.Action
	quiet bool // asked is not kept
}

func (p *permit) Authorize(_ context.Context, _ pinfold.Principal, what pinfold.Action) error {
	if !p.quiet {
		p.asked = append(p.asked, what)
	}
	if strings.HasSuffix(what.Resource, ":forbidden") {
		return pinfold.Errorf(pinfold.Denied, "not that")
	}
	return nil
}

// server is a listener with SQS behind it.
type server struct {
	http.Handler
	t            testing.TB
	permit       *permit
	handle, task string // that were seen last
}

func newServer(t testing.TB) *server {
	t.Helper()
	discard := slog.New(slog.DiscardHandler)
	db, err := sql.Open(t.Context(), filepath.Join(t.TempDir(), "control.db"))
	if err != nil {
		t.Fatal(err)
	}
	events := mem.New()
	hub, err := backlog.Open(t.Context(), backlog.Options{Log: events, Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	queues, err := queue.Open(t.Context(), queue.Options{
		Store: db, Hub: hub, Log: events, Scope: pinfold.Scope{Account: "000000000000", Region: "us-east-1"}, Logger: discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = hub.Close()
		_ = events.Close()
		_ = db.Close()
	})
	s := &server{t: t, permit: &permit{}}
	service, err := sqs.New(sqs.Options{Queues: queues, Authorizer: s.permit, Stopping: t.Context(), Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	s.Handler = mux.New(mux.Options{Authenticator: root{}, Services: []*protocol.Server{service}, Log: discard})
	return s
}

// json sends a request in the JSON protocol.
func (s *server) json(operation, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "http://localhost:4566/", strings.NewReader(body))
	r.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.0")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// query sends a form in the query protocol.
func (s *server) query(path, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "http://localhost:4566"+path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKID/20260102/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=00")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

var scrubs = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{handlePattern, "HANDLE"},
	{regexp.MustCompile(`\b1\d{19}\b`), "SEQUENCE"},
	{regexp.MustCompile(`\b1[789]\d{11}\b`), "MILLIS"},
	{regexp.MustCompile(`\b1[789]\d{8}\b`), "SECONDS"},
}

var (
	handlePattern = regexp.MustCompile(`AQEB[A-Za-z0-9+/]{48}`)
	taskPattern   = regexp.MustCompile(`eyJ0YXNrSWQi[A-Za-z0-9+/=]+`)
)

// fill puts handles in the place of {H} and {T}.
func (s *server) fill(request string) string {
	return strings.NewReplacer("={H}", "="+escape(s.handle), "={T}", "="+escape(s.task), "{H}", s.handle, "{T}", s.task).Replace(request)
}

// body returns an answer with what differs from run to run replaced by what it is.
func (s *server) body(w *httptest.ResponseRecorder) string {
	text := strings.ReplaceAll(w.Body.String(), "\n", "")
	s.handle = cmp.Or(handlePattern.FindString(text), s.handle)
	s.task = cmp.Or(taskPattern.FindString(text), s.task)
	text = taskPattern.ReplaceAllString(text, "{T}")
	for _, s := range scrubs {
		text = s.pattern.ReplaceAllString(text, s.with)
	}
	return text
}

// receive receives one message in JSON and returns its handle.
func (s *server) receive(name string) string {
	s.t.Helper()
	w := s.json("ReceiveMessage", `{"QueueUrl":"`+name+`"}`)
	handle := handlePattern.FindString(w.Body.String())
	if handle == "" {
		s.t.Fatalf("nothing received: %s", w.Body)
	}
	return handle
}

func escape(s string) string { return url.QueryEscape(s) }
