package client

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/smithy-go/eventstream"

	"pinfold.dev/pinfold"
)

// event returns a message of an event stream; headers are "name=value".
func event(payload string, headers ...string) string {
	m := eventstream.Message{Payload: []byte(payload)}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, "=")
		m.Headers.Set(name, eventstream.StringValue(value))
	}
	var b bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		panic(err)
	}
	return b.String()
}

// collected is a stream that keeps what comes.
type collected struct {
	contentType string
	bytes.Buffer
	fails error
}

func (c *collected) Begin(contentType string) { c.contentType = contentType }

func (c *collected) Write(p []byte) (int, error) {
	if c.fails != nil {
		return 0, c.fails
	}
	return c.Buffer.Write(p)
}

func TestInvokeStream(t *testing.T) {
	chunk := func(s string) string {
		return event(s, ":event-type=PayloadChunk", ":content-type=application/octet-stream", ":message-type=event")
	}
	end := func(json string) string {
		return event(json, ":event-type=InvokeComplete", ":content-type=application/json", ":message-type=event")
	}
	full := errors.New("no room")
	for _, test := range []struct {
		name, wire string
		fails      error
		got        string // what came, then what the result says
		says       string // in the error
	}{
		{"parts", chunk("a") + chunk("") + chunk("b\x00") + end("{}"), nil, "ab\x00||", ""},
		{"log", end(`{"LogResult":"` + base64.StdEncoding.EncodeToString([]byte("START")) + `"}`), nil, "||START", ""},
		{"failed", chunk("a") + end(`{"ErrorCode":"Sandbox.Timedout","ErrorDetails":"late"}`), nil, "a|late|", ""},
		{"an event that is not known", event("x", ":event-type=News", ":message-type=event") + end("{}"), nil, "||", ""},
		{"cut off", chunk("a"), nil, "a", "the answer broke off: unexpected EOF"},
		{"cut off in a message", chunk("abcdef")[:40], nil, "", "the answer broke off"},
		{"damaged", strings.Replace(chunk("abc"), "abc", "abd", 1) + end("{}"), nil, "", "the answer broke off"},
		{"end that cannot be read", end("{"), nil, "", "reading the end of the answer"},
		{"exception", event(`{"Message":"no more"}`, ":exception-type=ServiceException", ":message-type=exception"), nil, "", "no more"},
		{"error", event("", ":error-code=InternalFailure", ":error-message=oops", ":message-type=error"), nil, "", "oops"},
		{"nobody reads", chunk("a") + end("{}"), full, "", "no room"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if r.RequestURI != "/2021-11-15/functions/f:1/response-streaming-invocations" || string(body) != `{"n":1}` || r.Header.Get("X-Amz-Log-Type") != "Tail" {
					t.Errorf("request for %s with %s, %v", r.RequestURI, body, r.Header)
				}
				w.Header().Set("X-Amzn-Remapped-Content-Type", "text/plain")
				w.Header().Set("X-Amz-Executed-Version", "1")
				_, _ = io.WriteString(w, test.wire)
			}))
			defer server.Close()
			to := &collected{fails: test.fails}
			result, err := New(server.URL, "us-east-1", Credentials{"AKID", "secret"}).InvokeStream(t.Context(), "f:1", []byte(`{"n":1}`), true, to)
			got := to.String()
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) || got != test.got {
					t.Errorf("read %q, error is %v", got, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got += "|" + string(result.Payload) + "|" + string(result.LogTail)
			if got != test.got || to.contentType != "text/plain" || result.ExecutedVersion != "1" || (result.FunctionError != "") != (len(result.Payload) > 0) {
				t.Errorf("read %q of %s: %+v", got, to.contentType, result)
			}
		})
	}
}

func TestInvokeStreamIsRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Amzn-Errortype", "ResourceNotFoundException")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"Message":"Function not found: f"}`)
	}))
	defer server.Close()
	_, err := New(server.URL, "us-east-1", Credentials{"AKID", "secret"}).InvokeStream(t.Context(), "f", nil, false, &collected{})
	if pinfold.CodeOf(err) != pinfold.NotFound || pinfold.ReasonOf(err) != "ResourceNotFoundException" {
		t.Errorf("error is %v", err)
	}
}
