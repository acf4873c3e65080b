//go:build linux

package load

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestWhole(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for name, tc := range map[string]struct {
		answer, err string
		done        bool
	}{
		"nothing":          {},
		"half a head":      {answer: ok + "Content-Length: 5\r\n"},
		"half a body":      {answer: ok + "Content-Length: 5\r\n\r\nHel"},
		"a whole one":      {answer: ok + "content-length: 5\r\n\r\nHello", done: true},
		"without a body":   {answer: ok + "Content-Length: 0\r\n\r\n", err: "want 200"},
		"two":              {answer: ok + "Content-Length: 5\r\n\r\nHelloHTTP", err: "4 bytes came after"},
		"another text":     {answer: ok + "Content-Length: 5\r\n\r\nAdieu", err: "want 200"},
		"another status":   {answer: "HTTP/1.1 502 Bad\r\nContent-Length: 5\r\n\r\nHello", err: "502"},
		"in chunks":        {answer: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n", done: true},
		"half in chunks":   {answer: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n"},
		"a failed one":     {answer: ok + "X-Amz-Function-Error: Unhandled\r\nContent-Length: 5\r\n\r\nHello", err: "the function failed"},
		"a length of text": {answer: ok + "Content-Length: five\r\n\r\nHello", err: "length"},
	} {
		done, err := wanted{200, []byte("Hello")}.whole([]byte(tc.answer))
		if done != tc.done || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: got %v, %v; want %v and an error with %q", name, done, err, tc.done, tc.err)
		}
	}
}

func FuzzWhole(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 500 No\r\nContent-Length: -1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if done, err := (wanted{200, []byte("Hello")}).whole(b); done && (err != nil || !strings.Contains(string(b), "Hello")) {
			t.Errorf("%q is whole: %v", b, err)
		}
	})
}

// One request is under way on each connection, all are answered, and in turn.
func TestRun(t *testing.T) {
	var under, most, asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		n := under.Add(1)
		defer under.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if r.URL.Query().Has("wrong") && asked.Load() > 20 {
			w.WriteHeader(http.StatusTeapot)
		}
		fmt.Fprintf(w, "Hello, %s!", r.URL.Query().Get("name"))
	}))
	defer s.Close()
	target, err := Get(s.URL+"/?name=Ada", "Hello, Ada!")
	if err != nil {
		t.Fatal(err)
	}
	sample, err := Run(t.Context(), target, 4, 50*time.Millisecond)
	if err != nil || sample.Requests() == 0 || int64(sample.Requests()) != asked.Load() || most.Load() > 4 {
		t.Errorf("%d answers to %d requests, %d at a time: %v", sample.Requests(), asked.Load(), most.Load(), err)
	}
	if sample.CPU <= 0 || sample.Quantile(0) > sample.Quantile(1) || sample.Rate() <= 0 {
		t.Errorf("the sample makes no sense: %+v", sample)
	}
	if sample, err := Ordinary(t.Context(), target, 2, 10*time.Millisecond); err != nil || sample.Requests() == 0 {
		t.Errorf("%d answers with net/http: %v", sample.Requests(), err)
	}
	if target, err = Get(s.URL+"/?wrong", "Hello"); err != nil {
		t.Fatal(err)
	}
	for _, run := range []func(context.Context, Target, int, time.Duration) (Sample, error){Run, Ordinary} {
		if _, err := run(t.Context(), target, 2, time.Hour); err == nil || !strings.Contains(err.Error(), "418") {
			t.Errorf("a wrong answer ends the load with %v", err)
		}
	}
}

// A burst is every request once, all of them under way before the first answer.
func TestBurst(t *testing.T) {
	const n = 8
	all, asked := make(chan struct{}), atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == n {
			close(all)
		}
		<-all
		_, _ = io.WriteString(w, "Hello")
	}))
	defer s.Close()
	target, err := Get(s.URL, "Hello")
	if err != nil {
		t.Fatal(err)
	}
	for range n - 1 {
		target.Requests = append(target.Requests, target.Requests[0])
	}
	if sample, err := Burst(t.Context(), target); err != nil || sample.Requests() != n {
		t.Errorf("%d answers: %v", sample.Requests(), err)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	asked := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(asked)
		<-r.Context().Done()
	}))
	defer s.Close()
	target, err := Get(s.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-asked; cancel(io.ErrNoProgress) }()
	if _, err := Run(ctx, target, 1, time.Hour); err != io.ErrNoProgress {
		t.Errorf("got %v, want the cause of the context's end", err)
	}
}

func TestQuantile(t *testing.T) {
	for _, tc := range []struct {
		values []time.Duration
		q      float64
		want   time.Duration
	}{{nil, .5, 0}, {[]time.Duration{1}, .99, 1}, {[]time.Duration{1, 2, 3}, .5, 2}, {[]time.Duration{1, 2, 3, 4}, 1, 4}, {[]time.Duration{1, 2, 3, 4}, .75, 3}, {[]time.Duration{1, 2}, 0, 1}} {
		if got := Quantile(tc.values, tc.q); got != tc.want {
			t.Errorf("Quantile(%v, %v) = %v, want %v", tc.values, tc.q, got, tc.want)
		}
	}
	if got := Median([]float64{3, 1, 2}); got != 2 {
		t.Errorf("Median = %v", got)
	}
}
