package gateway

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"pinfold.dev/pinfold"
)

// event is what a function is told about a request. It is written by hand, in
// one pass and without reflection, because it is on the way of every request.
type event struct {
	door  *door
	route *route

	path      string   // without the stage, with percent escapes
	values    []string // of the route's variables, with percent escapes
	domain    string
	prefix    string
	source    string // the client's IP address
	proto     string // http or https
	forwarded string // X-Forwarded-For
	request   string // a UUID
	extended  string
	time      time.Time
	key       *pinfold.APIKey
	caller    *pinfold.Principal
	body      []byte
	base64    bool

	headers []header
	names   func(canonical string) string // as the client wrote them, or nil
	query   []pair
	cookies []string
}

type header struct {
	name   string // canonical, or as the client wrote it
	values []string
	one    [1]string // room for values
}

// pair is one parameter of a query, decoded.
type pair struct{ name, value string }

// Headers that belong to one connection, or that AWS does not hand over.
// Sources: RFC 9110, 7.6.1; for REST APIs the table in "Amazon API Gateway
// important notes", as LocalStack has it in execute_api/header_utils.py.
func dropped(name string, kind doorKind) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect":
		return true
	case "Content-Md5", "Max-Forwards", "Server", "Www-Authenticate":
		return kind == restDoor
	case "Content-Length", "Host", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto":
		return true // we write our own
	}
	return false
}

// append writes the event for a request.
func (e *event) append(dst []byte, r *http.Request, trace string) []byte {
	e.collect(r, trace)
	if e.door.kind == restDoor || e.route.payload1 {
		return e.appendV1(dst, r)
	}
	return e.appendV2(dst, r)
}

// collect gathers headers, cookies and query in the order of their names.
func (e *event) collect(r *http.Request, trace string) {
	v2 := e.door.kind != restDoor && !e.route.payload1
	for name, values := range r.Header {
		if dropped(name, e.door.kind) || len(values) == 0 {
			continue
		}
		if name == "Cookie" && v2 {
			for _, v := range values {
				e.addCookies(v)
			}
			// Payload 2.0 has cookies in a place of their own, and function
			// URLs in both (hattipjs/hattip pull request 159).
			if e.door.kind == httpDoor {
				continue
			}
		}
		if e.names != nil && !v2 {
			name = e.names(name)
		}
		e.headers = append(e.headers, header{name: name, values: values})
	}
	if e.door.kind != restDoor {
		e.add("Content-Length", strconv.Itoa(len(e.body)))
	}
	e.add("Host", r.Host)
	e.add("X-Amzn-Trace-Id", trace)
	e.add("X-Forwarded-For", e.forwarded)
	e.add("X-Forwarded-Port", e.port(r))
	e.add("X-Forwarded-Proto", e.proto)
	slices.SortFunc(e.headers, func(a, b header) int { return strings.Compare(a.name, b.name) })
	e.parseQuery(r.URL.RawQuery)
}

func (e *event) add(name, value string) {
	e.headers = append(e.headers, header{name: name, one: [1]string{value}})
}

// list returns the header's values.
func (h *header) list() []string {
	if h.values == nil {
		return h.one[:]
	}
	return h.values
}

// port returns the port that the client used, as far as it told.
func (e *event) port(r *http.Request) string {
	if i := strings.LastIndexByte(r.Host, ':'); i >= 0 && strings.IndexByte(r.Host[i:], ']') < 0 {
		return r.Host[i+1:]
	}
	if e.proto == "https" {
		return "443"
	}
	return "80"
}

func (e *event) addCookies(line string) {
	for line != "" {
		var one string
		one, line, _ = strings.Cut(line, ";")
		if one = strings.TrimSpace(one); one != "" {
			e.cookies = append(e.cookies, one)
		}
	}
}

// parseQuery decodes a query, sorted by name; parameters of one name keep their
// order. + is a space, as recorded in LocalStack
// test_apigateway_lambda.snapshot.json, "invocation-payload-with-params-encoding".
func (e *event) parseQuery(raw string) {
	for raw != "" {
		var one string
		one, raw, _ = strings.Cut(raw, "&")
		if one == "" {
			continue
		}
		name, value, _ := strings.Cut(one, "=")
		e.query = append(e.query, pair{unescape(name, true), unescape(value, true)})
	}
	slices.SortStableFunc(e.query, func(a, b pair) int { return strings.Compare(a.name, b.name) })
}

// eachQuery calls fn with each name once and all of its parameters.
func (e *event) eachQuery(fn func(same []pair)) {
	for q := e.query; len(q) > 0; {
		n := 1
		for n < len(q) && q[n].name == q[0].name {
			n++
		}
		fn(q[:n])
		q = q[n:]
	}
}

// fullPath is the path with the stage in front, if the stage has a name.
func (e *event) fullPath() string {
	if strings.HasPrefix(e.door.stage, "$") {
		return e.path
	}
	return "/" + e.door.stage + e.path
}

// appendField appends ,"name": or "name": after an opening brace.
func appendField(dst []byte, name string) []byte {
	if len(dst) > 0 && dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// appendText appends a field with a string.
func appendText(dst []byte, name, value string) []byte {
	return appendString(appendField(dst, name), value)
}

// appendRaw appends a field with ready JSON.
func appendRaw(dst []byte, name, json string) []byte {
	return append(appendField(dst, name), json...)
}

// appendEntry appends a member of an object whose names come from outside.
func appendEntry(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(appendString(dst, name), ':')
}

// appendTime appends a time as the access logs of web servers have it.
func appendTime(dst []byte, name string, t time.Time) []byte {
	dst = append(appendField(dst, name), '"')
	dst = t.UTC().AppendFormat(dst, "02/Jan/2006:15:04:05 +0000")
	return append(dst, '"')
}

// appendBody appends the body's content as a JSON string.
func (e *event) appendBody(dst []byte) []byte {
	if !e.base64 {
		return appendString(dst, e.body)
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, e.body)
	return append(dst, '"')
}

// size is about how long the event will be: payload 1.0 says most things twice.
func (e *event) size(r *http.Request) int {
	n := 704 + len(e.path) + 2*headerSize(r) + len(e.body)
	if e.door.iam {
		n += 320
	}
	if e.door.kind == restDoor || e.route.payload1 {
		n += 832 + headerSize(r)
	}
	if e.base64 {
		n += len(e.body) / 3
	}
	return n + n/16
}
