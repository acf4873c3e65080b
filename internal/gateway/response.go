package gateway

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// reply is a function's answer, as it is on the wire between function and door.
type reply struct {
	status    int
	hasStatus bool
	headers   []replyHeader
	multi     []replyHeader
	cookies   []string
	body      []byte
	base64    bool
	wrong     string // what is not as it must be, or ""
	text      []byte // room for strings that have escapes
}

type replyHeader struct{ name, value string }

// dialect is how a door reads answers.
type dialect struct {
	strict  bool // REST: members that are not known make an answer malformed
	cookies bool // payload 2.0
	rawBody bool // function URL: a body that is no string is taken as JSON
}

// read scans an answer once. It reports false if the answer is not a JSON
// object; otherwise what is wrong with it is in r.wrong.
func (r *reply) read(payload []byte, d dialect) bool {
	s := &scanner{b: payload, text: r.text}
	defer func() { r.text = s.text }()
	r.status = http.StatusOK
	err := s.object(func(key []byte) error {
		at := s.i
		if r.member(s, known(key), d) == nil {
			return nil
		}
		if r.wrong == "" {
			r.wrong = string(key) + " has the wrong type"
		}
		s.i = at
		return s.skip(0)
	})
	return err == nil && s.end()
}

// member takes the value of one member.
func (r *reply) member(s *scanner, key string, d dialect) (err error) {
	switch {
	case key == "statusCode":
		r.hasStatus = true
		r.status, err = s.integer()
		// 1xx is not an answer; above 599 no status is defined.
		if err == nil && (r.status < 200 || r.status > 599) {
			r.wrong = "statusCode " + strconv.Itoa(r.status) + " is not between 200 and 599"
		}
	case key == "headers":
		r.headers, err = s.headers(r.headers[:0], false)
	case key == "multiValueHeaders":
		r.multi, err = s.headers(r.multi[:0], true)
	case key == "cookies" && d.cookies:
		r.cookies, err = r.cookies[:0], nil
		if !s.word("null") {
			err = s.array(func() error {
				c, ok, err := s.scalar()
				if ok {
					r.cookies = append(r.cookies, c)
				}
				return err
			})
		}
	case key == "body":
		r.body = nil
		switch c := s.space(); {
		case c == '"':
			r.body, err = s.str()
		case c == 'n' && s.word("null"):
		case d.rawBody:
			from := s.i
			err = s.skip(0)
			r.body = s.b[from:s.i]
		default:
			err = errJSON
		}
	case key == "isBase64Encoded", key == "base64Encoded" && d.strict:
		var text string
		text, _, err = s.scalar()
		r.base64 = text == "true"
	default:
		if d.strict && r.wrong == "" {
			r.wrong = "a REST API allows no member " + strconv.Quote(key)
		}
		err = s.skip(0)
	}
	return err
}

// headers takes an object of headers; in multi each has an array of values.
// Numbers and booleans count as text, null as nothing.
func (s *scanner) headers(to []replyHeader, multi bool) ([]replyHeader, error) {
	if s.word("null") {
		return to, nil
	}
	err := s.object(func(key []byte) error {
		name := known(key)
		value := func() error {
			v, ok, err := s.scalar()
			if ok {
				to = append(to, replyHeader{name, v})
			}
			return err
		}
		if multi && s.space() == '[' {
			return s.array(value)
		}
		return value()
	})
	return to, err
}

// respond answers with what the function said.
//
// In payload 2.0 an answer without a statusCode, JSON or not, is the body of a
// 200; an HTTP API then shows a JSON string without its quotes, a function URL
// with them. In payload 1.0 an HTTP API needs a statusCode; a REST API does not,
// but allows no members of its own invention. Sources: "Create AWS Lambda proxy
// integrations for HTTP APIs"; "Invoking Lambda function URLs"; what
// aws/aws-lambda-dotnet LambdaTestTool-v2 verified on API Gateway in
// InvokeResponseExtensionsIntegrationTests; LocalStack
// test_lambda_aws_proxy_response_format.
func (x *exchange) respond(payload []byte) {
	kind := x.door.kind
	infer := kind != restDoor && !x.event.route.payload1
	d := dialect{strict: kind == restDoor, cookies: infer, rawBody: kind == urlDoor}
	r := &x.reply
	object := r.read(payload, d)
	switch {
	case infer && (!object || !r.hasStatus):
		x.inferred(payload)
	case !object:
		x.malformed("it is not a JSON object")
	case r.wrong != "":
		x.malformed(r.wrong)
	case !r.hasStatus && kind == httpDoor:
		x.malformed("statusCode is missing")
	default:
		x.write(r)
	}
}

func (x *exchange) malformed(why string) {
	x.fail(x.door.failures().malformed, "malformed answer of the function: "+why)
}

// respondWhole answers with what a function said that does not stream, at a URL
// that does: status, headers and cookies are taken from its answer, but the body
// is all of it. Source: recorded on AWS in radkawar/stackd,
// testdata/aws/lambda/urls_http.json.
func (x *exchange) respondWhole(payload []byte) {
	r := &x.reply
	switch object := r.read(payload, dialect{cookies: true, rawBody: true}); {
	case !object || !r.hasStatus:
		x.inferred(payload)
	case r.wrong != "":
		x.malformed(r.wrong)
	default:
		r.body, r.base64 = payload, false
		x.write(r)
	}
}

// inferred answers with all that the function said as the body.
func (x *exchange) inferred(payload []byte) {
	if x.door.kind == httpDoor {
		s := &scanner{b: payload}
		if text, err := s.str(); err == nil && s.end() {
			payload = text
		}
	}
	h := x.w.Header()
	clear(h)
	h["Content-Type"] = x.one("application/json")
	x.applyCORS(h)
	x.ownHeaders(h)
	x.send(http.StatusOK, payload)
}

// write answers with a reply that is well formed.
func (x *exchange) write(r *reply) {
	if r.base64 && (x.door.kind != restDoor || matchesMedia(x.door.binary, mediaType(x.r.Header.Get("Accept")))) {
		decoded := make([]byte, base64.StdEncoding.DecodedLen(len(r.body)))
		n, err := base64.StdEncoding.Decode(decoded, r.body)
		if err != nil {
			x.malformed("isBase64Encoded is true, but the body is not base64")
			return
		}
		r.body = decoded[:n]
	}
	x.head(r)
	x.send(r.status, r.body)
}

// head sets the headers of a reply.
func (x *exchange) head(r *reply) {
	h := x.w.Header()
	clear(h)
	v2 := x.door.kind != restDoor && !x.event.route.payload1
	if !v2 {
		for _, m := range r.multi {
			x.header(h, m, false)
		}
	}
	for _, m := range r.headers {
		x.header(h, m, true)
	}
	for _, c := range r.cookies {
		h.Add("Set-Cookie", c)
	}
	if h.Get("Content-Type") == "" && !bodyless(r.status) {
		h["Content-Type"] = x.one(x.door.defaultType())
	}
	x.applyCORS(h)
	x.ownHeaders(h)
}

// defaultType is the content type of an answer that names none. Sources:
// aws/aws-lambda-dotnet LambdaTestTool-v2, V1_DefaultsToCorrectContentType and
// SetContentTypeAndStatusCodeV2; "Invoking Lambda function URLs".
func (d *door) defaultType() string {
	if d.kind == httpDoor {
		return "text/plain; charset=utf-8"
	}
	return "application/json"
}

// header adds a header of the function's. A value in headers comes after those
// in multiValueHeaders, unless it is one of them. Source: "Output format of a
// Lambda function for proxy integration".
//
// What belongs to the connection is ours to say. A REST API hands on what the
// function says of it under another name. Source: the tables in "Amazon API
// Gateway important notes", as LocalStack has them in
// execute_api/header_utils.py; aws-sam-cli issue 696 for WWW-Authenticate.
func (x *exchange) header(h http.Header, m replyHeader, single bool) {
	name := http.CanonicalHeaderKey(m.name)
	if strings.HasPrefix(name, http.TrailerPrefix) { // net/http would make a trailer of it
		return
	}
	switch name {
	case "Transfer-Encoding":
		return
	case "Connection", "Content-Length", "Date", "Server", "Www-Authenticate":
		if x.door.kind == restDoor {
			name = "X-Amzn-Remapped-" + name
			break
		}
		if name == "Content-Length" && x.r.Method == http.MethodHead {
			if n, err := strconv.ParseInt(m.value, 10, 64); err == nil && n >= 0 {
				h.Set(name, m.value)
			}
		}
		if name != "Server" && name != "Www-Authenticate" {
			return
		}
	case "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Upgrade":
		return
	}
	for _, v := range h[name] {
		if single && v == m.value {
			return
		}
	}
	if h[name] == nil {
		h[name] = x.one(m.value)
	} else {
		h[name] = append(h[name], m.value)
	}
}

// ownHeaders sets the headers by which AWS names a request.
func (x *exchange) ownHeaders(h http.Header) {
	e := &x.event
	switch x.door.kind {
	case httpDoor:
		h["Apigw-Requestid"] = x.one(e.extended)
	case restDoor:
		h["X-Amzn-Requestid"] = x.one(e.request)
		h["X-Amz-Apigw-Id"] = x.one(e.extended)
		h["X-Amzn-Trace-Id"] = x.one(x.trace)
	case urlDoor:
		h["X-Amzn-Requestid"] = x.one(e.request)
		h["X-Amzn-Trace-Id"] = x.one(x.trace)
	}
}

// bodyless reports whether a response with a status has no body, ever.
func bodyless(status int) bool {
	return status == http.StatusNoContent || status == http.StatusNotModified
}

// send writes the response. A HEAD request gets the length of the body and not
// the body; a function may know that length better than we do.
func (x *exchange) send(status int, body []byte) {
	h := x.w.Header()
	switch {
	case bodyless(status):
		h.Del("Content-Length")
		body = nil
	case x.r.Method != http.MethodHead || len(body) > 0 || h.Get("Content-Length") == "":
		h["Content-Length"] = x.one(strconv.Itoa(len(body)))
	}
	x.access.Status = status
	x.w.WriteHeader(status)
	if x.r.Method == http.MethodHead || len(body) == 0 {
		return
	}
	n, err := x.w.Write(body)
	x.access.Bytes = int64(n)
	if err != nil && x.access.Error == "" {
		x.access.Error = "the client went away: " + strings.TrimSpace(err.Error())
	}
}
