package gateway

import (
	"bytes"
	"errors"
	"net/http"
	"strings"

	"pinfold.dev/pinfold"
)

// stream is the [pinfold.Stream] to the client of a function URL with InvokeMode
// RESPONSE_STREAM: what the function writes is on its way to the client before
// the next part is taken.
//
// What an HTTP door makes of a stream was recorded on AWS in radkawar/stackd
// (testdata/aws/lambda/urls_http.json, 2026-09): the content type of the stream
// is that of the response, or application/octet-stream; one of
// [pinfold.HTTPIntegration] begins with status, headers and cookies. There are
// two things that we do and AWS does not: a stream that breaks off is seen to be
// incomplete by the client, and an empty one ends.
type stream struct {
	x     *exchange
	begun bool   // the function streams
	head  bool   // metadata comes first, and is not complete
	meta  []byte // as far as it has come
	sent  bool   // status and headers are on the wire
	gone  error  // nobody takes what comes now
}

// maxMetadata is how many bytes may come before the body, its delimiter
// included. Clients commonly take no more headers than that (Node.js: 16 KB).
const maxMetadata = 16 << 10

// delimiter ends the metadata of a stream.
var delimiter = make([]byte, 8)

// Why a stream has nobody to read it although no client has gone away.
var (
	errNoBody    = errors.New("the response has no body")
	errMalformed = errors.New("the metadata of the stream are malformed")
)

// Begin implements [pinfold.Stream].
func (s *stream) Begin(contentType string) {
	s.begun = true
	s.x.reply.status = http.StatusOK
	if contentType == pinfold.HTTPIntegration {
		s.head = true
		return
	}
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	s.x.reply.headers = append(s.x.reply.headers[:0], replyHeader{"Content-Type", contentType})
}

// Write implements [pinfold.Stream]. Each part is flushed: the function may
// take its time for the next one.
func (s *stream) Write(p []byte) (int, error) {
	if s.gone != nil {
		return 0, s.gone
	}
	body := p
	if s.head {
		if body = s.metadata(p); s.head || s.gone != nil {
			return len(p), s.gone
		}
	}
	if !s.sent {
		s.send()
	}
	if s.gone != nil {
		return 0, s.gone
	}
	n, err := s.x.w.Write(body)
	s.x.access.Bytes += int64(n)
	if err == nil {
		err = http.NewResponseController(s.x.w).Flush()
	}
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		s.gone = err
		s.x.access.Error = "the client went away: " + strings.TrimSpace(err.Error())
		return 0, err
	}
	return len(p), nil
}

// metadata takes what belongs to the metadata and returns the rest, which is
// the beginning of the body.
func (s *stream) metadata(p []byte) (body []byte) {
	from := max(0, len(s.meta)-len(delimiter)+1)
	room := maxMetadata - len(s.meta)
	s.meta = append(s.meta, p[:min(room, len(p))]...)
	at := bytes.Index(s.meta[from:], delimiter)
	switch {
	case at < 0 && len(p) < room:
		return nil
	case at < 0:
		s.malformed("its metadata do not end within 16 KB")
		return nil
	}
	end := from + at
	before := len(s.meta) - min(room, len(p))
	switch {
	case !s.x.reply.read(s.meta[:end], dialect{cookies: true}):
		s.malformed("its metadata are not a JSON object")
	case s.x.reply.wrong != "":
		s.malformed(s.x.reply.wrong)
	}
	s.head, s.meta = false, nil
	return p[end+len(delimiter)-before:]
}

func (s *stream) malformed(why string) {
	s.gone = errMalformed
	s.x.malformed(why)
}

// send writes status and headers.
func (s *stream) send() {
	s.sent = true
	s.x.head(&s.x.reply)
	s.x.access.Status = s.x.reply.status
	s.x.w.WriteHeader(s.x.reply.status)
	if s.x.r.Method == http.MethodHead || bodyless(s.x.reply.status) {
		s.gone = errNoBody
	}
}

// end answers for a stream that is over. why says how the function failed, or
// is "".
func (s *stream) end(f *failure, why string) {
	x := s.x
	switch {
	case s.gone != nil && !s.sent: // answered as malformed
	case s.sent && why != "" && x.access.Error == "":
		x.access.Error = "broken off: " + why
		x.broken = s.gone == nil
	case s.sent:
	case why != "":
		x.fail(f, why)
	case s.head && len(s.meta) > 0:
		x.malformed("its stream ends before its metadata do")
	default:
		x.write(&s.x.reply)
	}
}
