package mux

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"pinfold.dev/pinfold"
)

// A client has patience for its whole body, and more with what comes: it may be
// slow, but not hold a connection, and memory that others wait for, on a
// promise alone.
const (
	patience = 30 * time.Second
	minRate  = 64 << 10 // bytes a second
)

// paced reads a body and gives its client another second for each minRate
// bytes that came.
type paced struct {
	io.Reader
	w     http.ResponseWriter
	start time.Time
	n     int64
}

func (p *paced) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	before := p.n / minRate
	if p.n += int64(n); p.n/minRate > before {
		p.bound()
	}
	return n, err
}

func (p *paced) bound() {
	setDeadline(p.w, p.start.Add(patience+time.Duration(p.n/minRate)*time.Second))
}

// maxForm bounds the body of a request in the query protocol. Source: AWS
// documents no number; its services take a policy of 131,072 characters in
// one parameter, three bytes each when encoded.
const maxForm = 1 << 20

// firstBuffer is how much memory a declared length alone is good for, in bytes.
const firstBuffer = 1 << 20

// maxBodies is how many bytes the bodies of all requests together may take
// whose senders are not known yet, those under smallBody not counted. Who comes
// when it is taken waits.
const (
	maxBodies = 512 << 20
	smallBody = 1 << 20
)

// reserve takes what a body may need of the memory for bodies, and returns what
// gives it back.
func (m *Mux) reserve(r *http.Request, limit int64) (release func(), err error) {
	need := r.ContentLength
	if need < 0 {
		need = limit
	}
	if need = min(need, limit, maxBodies); need <= smallBody {
		return func() {}, nil
	}
	if err := m.bodies.Acquire(r.Context(), need); err != nil {
		return func() {}, pinfold.Errorf(pinfold.Unavailable, "too many large requests at a time: %w", err)
	}
	return func() { m.bodies.Release(need) }, nil
}

// readBody reads a body of at most limit bytes. It is never nil. The memory is
// the reader's to keep: an invocation may hold it after the request has ended.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	size := r.ContentLength
	if size == 0 {
		return []byte{}, nil
	}
	if size > limit {
		drain(w, r)
		return nil, tooLarge(limit)
	}
	in := &paced{Reader: io.LimitReader(r.Body, limit+1), w: w, start: time.Now()}
	in.bound()

	body, n, err := readAll(in, size)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		// The deadline stays, or net/http would wait for the rest before it answers.
		w.Header().Set("Connection", "close")
		return nil, pinfold.Errorf(pinfold.Timeout,
			"Your socket connection to the server was not read from or written to within the timeout period: %d bytes of the body came in time", n).WithReason("RequestTimeout")
	case err != nil:
		return nil, pinfold.Errorf(pinfold.Invalid, "the request's body was cut off after %d bytes (Content-Length says %d)", n, size).WithReason("IncompleteBody")
	case n > limit:
		drain(w, r)
		return nil, tooLarge(limit)
	}
	clearDeadline(w)
	return body, nil
}

// readAll reads a body of a declared size, or of -1: then it has none. n is how many
// bytes came; the slice is never nil.
func readAll(r io.Reader, size int64) (body []byte, n int64, err error) {
	if 0 <= size && size <= firstBuffer { // most are: no byte is taken too many
		body = make([]byte, size)
		n, err := io.ReadFull(r, body)
		return body, int64(n), err
	}
	var buf bytes.Buffer
	if size > 0 {
		buf.Grow(firstBuffer + bytes.MinRead)
	}
	n, err = buf.ReadFrom(r)
	return buf.Bytes(), n, err
}

func tooLarge(limit int64) error {
	return pinfold.Errorf(pinfold.TooLarge, "Request must be smaller than %d bytes", limit)
}

// maxDrain bounds what is read of a body that nobody wants, in bytes.
const maxDrain = 128 << 20

// drain reads what is left of a refused body, within reason: a client that
// cannot send its body to the end does not read the answer either.
func drain(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 || r.ContentLength > maxDrain || w.Header().Get("Connection") == "close" {
		return
	}
	setDeadline(w, time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, io.LimitReader(r.Body, maxDrain)); err != nil {
		w.Header().Set("Connection", "close")
		return
	}
	clearDeadline(w)
}

// setDeadline bounds reading. Not every ResponseWriter can: those of tests
// cannot, and need not.
func setDeadline(w http.ResponseWriter, at time.Time) {
	_ = http.NewResponseController(w).SetReadDeadline(at)
}

func clearDeadline(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

// withBody returns a request whose body is bytes that were read already.
func withBody(r *http.Request, body []byte) *http.Request {
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return r
}
