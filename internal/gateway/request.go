package gateway

import (
	"bytes"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/trace"
)

// maxHeaders is the most that the request line and the headers of a request to
// an API may have in all. Source: Amazon API Gateway quotas, "Total combined
// size of request line and header values".
const maxHeaders = 10240

// What is read of a body that is too large, before it is refused.
const (
	drainBytes = 64 << 20
	drainTime  = 5 * time.Second
)

// identify notes who asks, and names the request.
func (x *exchange) identify() {
	e := &x.event
	e.time = x.start
	e.source, _, _ = net.SplitHostPort(x.r.RemoteAddr)
	e.proto = "http"
	if x.r.TLS != nil {
		e.proto = "https"
	}
	e.forwarded = e.source
	trust := x.g.o.TrustForwarded && e.source != x.g.o.Inside
	if before := strings.Join(x.r.Header["X-Forwarded-For"], ", "); before != "" {
		e.forwarded = before + ", " + e.source
		// What comes before the last one the client may have written itself.
		last := strings.TrimSpace(before[strings.LastIndexByte(before, ',')+1:])
		if trust && net.ParseIP(last) != nil {
			e.source = last
		}
	}
	if proto := x.r.Header.Get("X-Forwarded-Proto"); trust && (proto == "http" || proto == "https") {
		e.proto = proto
	}
	header, state := trace.Of(x.r.Header)
	x.name(header)
	x.state = state
	x.access = Access{Time: x.start, Remote: e.source, Method: x.r.Method, URI: withoutSecrets(x.r.RequestURI), Proto: x.r.Proto, RequestID: e.request}
}

// withoutSecrets leaves the signature and session token of a presigned URL out
// of the log.
func withoutSecrets(uri string) string {
	path, query, _ := strings.Cut(uri, "?")
	if strings.Contains(strings.ToLower(query), "x-amz-") {
		return path + "?(signed)"
	}
	return uri
}

// admit checks everything that stands between a route and its function: API
// key, sizes, body and signature. If it returns false it has answered.
func (x *exchange) admit() bool {
	f := x.door.failures()
	if !x.checkKey() {
		x.fail(f.forbidden, "no valid API key")
		return false
	}
	if x.door.kind != urlDoor && headerSize(x.r) > maxHeaders {
		x.fail(f.headers, "request line and headers are too long")
		return false
	}
	body, err := x.readBody()
	switch {
	case err == nil:
	case errors.Is(err, errTooLarge):
		x.drain()
		x.fail(f.tooLarge, "body is too large")
		return false
	case errors.Is(err, os.ErrDeadlineExceeded):
		x.fail(f.slow, "client took too long to send the body")
		return false
	default:
		x.fail(f.cutOff, "body was cut off: "+err.Error())
		return false
	}
	if x.door.iam && !x.authenticate(body) {
		x.fail(f.forbidden, "signature missing or wrong")
		return false
	}
	e := &x.event
	e.body, e.base64 = body, x.isBinary(body)
	return true
}

// checkKey compares the request's API key with all of the API's, in a time
// that does not tell which of them came close.
func (x *exchange) checkKey() bool {
	if !x.event.route.keyRequired {
		return true
	}
	given := []byte(x.r.Header.Get("X-Api-Key"))
	for i := range x.door.keys {
		if k := &x.door.keys[i]; subtle.ConstantTimeCompare(given, []byte(k.Value)) == 1 && k.Value != "" {
			x.event.key = k
		}
	}
	return x.event.key != nil
}

func (x *exchange) authenticate(body []byte) bool {
	if x.g.o.Authenticate == nil {
		return false
	}
	who, err := x.g.o.Authenticate(x.r, body)
	if err != nil {
		return false
	}
	x.event.caller = &who
	return true
}

func headerSize(r *http.Request) int {
	n := len(r.Method) + len(r.RequestURI) + len(r.Proto) + len(r.Host)
	for _, values := range r.Header {
		for _, v := range values {
			n += len(v)
		}
	}
	return n
}

var errTooLarge = errors.New("too large")

// promised is how much memory a body's declared length alone is good for, in
// bytes: anybody can declare one.
const promised = 256 << 10

// maxBodies is how many bytes the bodies that are being read may take together,
// those of up to promised bytes not counted. Who comes when it is taken waits,
// for as long as a client may take to send a body.
const maxBodies = 512 << 20

// reserve takes what a body may need of maxBodies, and returns what gives it
// back.
func (x *exchange) reserve(need int64) (release func(), err error) {
	if need <= promised {
		return func() {}, nil
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), x.g.o.BodyTimeout)
	defer cancel()
	if x.g.bodies.Acquire(ctx, need) != nil {
		return nil, os.ErrDeadlineExceeded
	}
	return func() { x.g.bodies.Release(need) }, nil
}

// readBody reads the body whole, within the door's size limit and the time a
// client may take. A length that is announced as too large is refused without
// reading, and so without the 100 Continue that some clients wait for.
func (x *exchange) readBody() ([]byte, error) {
	n, most := x.r.ContentLength, x.door.bodyMax
	if n == 0 || x.r.Body == nil {
		return nil, nil
	}
	if n > most {
		return nil, errTooLarge
	}
	need := n
	if n < 0 {
		need = most
	}
	release, err := x.reserve(need)
	if err != nil {
		return nil, err
	}
	defer release()
	in := x.within(x.g.o.BodyTimeout)
	if n > promised {
		var body bytes.Buffer
		body.Grow(promised)
		if _, err := io.CopyN(&body, x.r.Body, n); err != nil {
			return nil, err
		}
		in.done()
		return body.Bytes(), nil
	}
	if n > 0 {
		body := make([]byte, n)
		if _, err := io.ReadFull(x.r.Body, body); err != nil {
			return nil, err
		}
		in.done()
		return body, nil
	}
	body, err := io.ReadAll(io.LimitReader(x.r.Body, most+1))
	if err == nil && int64(len(body)) > most {
		return nil, errTooLarge
	}
	if err == nil {
		in.done()
	}
	return body, err
}

// within bounds how long the client may take to send what is read next. Where
// it fails to, the bound stays: net/http reads what is left of a body before it
// goes on, and a client that has been too slow once has no more time for that.
func (x *exchange) within(d time.Duration) deadline {
	control := http.NewResponseController(x.w)
	// An error means that the connection has no deadlines, which only tests lack.
	_ = control.SetReadDeadline(time.Now().Add(d))
	return deadline{control}
}

type deadline struct{ *http.ResponseController }

func (d deadline) done() { _ = d.SetReadDeadline(time.Time{}) }

// drain takes some of a body that nobody wants, because a client that is still
// sending when its connection is closed does not see the answer.
func (x *exchange) drain() {
	if x.r.Header.Get("Expect") != "" {
		return // it has not begun to send
	}
	in := x.within(drainTime)
	if _, err := io.CopyN(io.Discard, x.r.Body, drainBytes); err == io.EOF {
		in.done()
	}
}

// isBinary reports whether a body reaches the function as base64.
//
// A REST API decides by its binary media types; what it takes for text and is
// not UTF-8 arrives damaged, as on AWS. An HTTP API and a function URL
// keep text/*, application/json, application/javascript and application/xml as
// text and encode everything else, a missing content type and HTML forms
// included: AWS documents only that there is such a list; this one was measured
// in ministackorg/ministack pull request 766. What is not UTF-8 cannot be text
// in an event, so it is encoded too.
func (x *exchange) isBinary(body []byte) bool {
	if len(body) == 0 {
		return false
	}
	t := mediaType(x.r.Header.Get("Content-Type"))
	if x.door.kind == restDoor {
		return matchesMedia(x.door.binary, t)
	}
	switch {
	case strings.HasPrefix(t, "text/"), t == "application/json", t == "application/javascript", t == "application/xml":
		return !utf8.Valid(body)
	}
	return true
}

// mediaType returns the first media type of a header, in lower case and
// without parameters.
func mediaType(header string) string {
	if i := strings.IndexAny(header, ",;"); i >= 0 {
		header = header[:i]
	}
	return strings.ToLower(strings.TrimSpace(header))
}

// matchesMedia reports whether a media type is among those of a list, where
// "image/*" and "*/*" stand for many.
func matchesMedia(list []string, t string) bool {
	for _, m := range list {
		if m == "*/*" || strings.EqualFold(m, t) {
			return true
		}
		if major, ok := strings.CutSuffix(m, "/*"); ok && len(t) > len(major) && strings.EqualFold(t[:len(major)], major) && t[len(major)] == '/' {
			return true
		}
	}
	return false
}

// name gives the request its IDs: a UUID; one in the form of API Gateway's
// extendedRequestId, "JJbxmplHYosFVYQ="; and, if the client's header has none
// with a root, one for X-Amzn-Trace-Id (AWS X-Ray, "Tracing header"). They name
// requests and guard nothing. All share one string.
func (x *exchange) name(trace string) {
	var room [128]byte
	b := appendUUID(room[:0])
	b = appendShortID(b)
	own := len(b)
	if !strings.Contains(trace, "Root=1-") {
		b = appendTrace(b, x.start)
	}
	all := string(b)
	x.event.request, x.event.extended, x.trace = all[:36], all[36:own], trace
	if len(all) > own {
		x.trace = all[own:]
	}
}

func appendUUID(dst []byte) []byte {
	var b [16]byte
	random(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	dst = hex.AppendEncode(dst, b[0:4])
	dst = hex.AppendEncode(append(dst, '-'), b[4:6])
	dst = hex.AppendEncode(append(dst, '-'), b[6:8])
	dst = hex.AppendEncode(append(dst, '-'), b[8:10])
	return hex.AppendEncode(append(dst, '-'), b[10:16])
}

func appendShortID(dst []byte) []byte {
	var b [16]byte
	random(b[:])
	n := len(dst) + 15
	return append(base64.RawURLEncoding.AppendEncode(dst, b[:])[:n], '=')
}

func appendTrace(dst []byte, at time.Time) []byte {
	var b [16]byte
	random(b[:])
	sec := uint32(at.Unix())
	b[0], b[1], b[2], b[3] = byte(sec>>24), byte(sec>>16), byte(sec>>8), byte(sec)
	dst = hex.AppendEncode(append(dst, "Root=1-"...), b[:4])
	return hex.AppendEncode(append(dst, '-'), b[4:])
}

func random(b []byte) {
	for len(b) >= 8 {
		v := rand.Uint64()
		for i := range 8 {
			b[i] = byte(v >> (8 * i))
		}
		b = b[8:]
	}
}

// principal is who the invocation is made for: the signer of the request, or
// the door itself, which is open to everybody.
func (x *exchange) principal() pinfold.Principal {
	if c := x.event.caller; c != nil {
		return *c
	}
	service := "apigateway.amazonaws.com"
	if x.door.kind == urlDoor {
		service = "lambda.amazonaws.com"
	}
	return pinfold.Principal{Kind: pinfold.Service, Account: x.door.account, ARN: service}
}
