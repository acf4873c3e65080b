package sigv4

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"pinfold.dev/pinfold"
)

const unsignedPayload = "UNSIGNED-PAYLOAD"

// payloadHash returns the payload's line of the canonical request, after
// checking that body is what it speaks of.
func (c *claim) payloadHash(r *http.Request, body []byte) (string, error) {
	said := r.Header.Get("X-Amz-Content-Sha256")
	if said == "" && c.Presigned {
		said = query(r).get("X-Amz-Content-Sha256")
		if said == "" && c.Service == "s3" {
			// "you don't know the payload content when you create a presigned URL" (S3 API reference)
			said = unsignedPayload
		}
	}
	if said == unsignedPayload {
		return said, nil
	}
	if strings.HasPrefix(said, "STREAMING-") {
		return "", pinfold.Errorf(pinfold.Unserved,
			"a body sent in chunks (x-amz-content-sha256: %s) is not served yet: sign the body as a whole, or send %s", said, unsignedPayload)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if said != "" && said != hash {
		return "", refused("The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return hash, nil
}

// canonicalRequest appends the text that a signature is made of.
func (c *claim) canonicalRequest(b []byte, r *http.Request, path, payload string) []byte {
	b = appendAll(b, r.Method, "\n", path, "\n", c.canonicalQuery(r), "\n")
	for name := range strings.SplitSeq(c.signedHeaders, ";") {
		b = appendAll(b, name, ":")
		b = append(appendHeader(b, r, name), '\n')
	}
	return appendAll(b, "\n", c.signedHeaders, "\n", payload)
}

func appendAll(b []byte, parts ...string) []byte {
	for _, part := range parts {
		b = append(b, part...)
	}
	return b
}

// canonicalPaths returns the forms of the path that a signer may have signed.
// Every service but S3 has the path as it goes over the wire encoded once more.
// Some signers also remove dot segments and repeated slashes first, and AWS's
// test vectors have both kinds.
func (c *claim) canonicalPaths(r *http.Request) []string {
	raw := wirePath(r)
	if c.Service == "s3" {
		if plain, err := url.PathUnescape(raw); err == nil {
			raw = plain
		}
		return []string{uriEncode(raw, true)}
	}
	paths := []string{uriEncode(raw, true)}
	if strings.Contains(raw, "//") || strings.Contains(raw, "/.") {
		paths = append(paths, uriEncode(normalize(raw), true))
	}
	return paths
}

// wirePath is the path exactly as the client sent it.
func wirePath(r *http.Request) string {
	raw := r.URL.EscapedPath()
	if strings.HasPrefix(r.RequestURI, "/") {
		raw, _, _ = strings.Cut(r.RequestURI, "?")
	}
	if raw == "" {
		return "/"
	}
	return raw
}

// normalize removes dot segments (RFC 3986, 5.2.4) and repeated slashes, and
// keeps a slash at the end.
func normalize(p string) string {
	clean := path.Clean("/" + p)
	if clean != "/" && (strings.HasSuffix(p, "/") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")) {
		clean += "/"
	}
	return clean
}

func (c *claim) canonicalQuery(r *http.Request) string {
	var pairs params
	for _, p := range query(r) {
		if c.Presigned && p.name == "X-Amz-Signature" {
			continue
		}
		pairs = append(pairs, param{uriEncode(p.name, false), uriEncode(p.value, false)})
	}
	slices.SortFunc(pairs, func(a, b param) int { // by code point, after encoding
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.value, b.value))
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name + "=" + p.value)
	}
	return b.String()
}

// appendHeader appends a header's canonical value: white space trimmed and folded into
// one blank (as botocore and the SDK for JavaScript do), several values joined by
// commas. Go keeps some headers elsewhere.
func appendHeader(b []byte, r *http.Request, name string) []byte {
	switch name {
	case "host", ":authority":
		return append(b, r.Host...)
	case "content-length":
		return strconv.AppendInt(b, r.ContentLength, 10)
	case "transfer-encoding":
		return append(b, strings.Join(r.TransferEncoding, ",")...)
	}
	var room [64]byte
	for i, value := range r.Header[string(appendKey(room[:0], name))] {
		if i > 0 {
			b = append(b, ',')
		}
		start := len(b)
		for word := range strings.FieldsSeq(value) {
			if len(b) > start {
				b = append(b, ' ')
			}
			b = append(b, word...)
		}
	}
	return b
}

// appendKey appends how net/http writes a header's name that is in lower case:
// http.CanonicalHeaderKey makes a string of each, which is most of the work here.
func appendKey(b []byte, name string) []byte {
	first := true
	for _, c := range []byte(name) {
		if first && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		b, first = append(b, c), c == '-'
	}
	return b
}

// param is one query parameter, decoded.
type param struct{ name, value string }

type params []param

// query splits a query by itself: net/url refuses semicolons and drops the
// order, and a signature covers what it refuses too.
func query(r *http.Request) params {
	var list params
	for field := range strings.SplitSeq(r.URL.RawQuery, "&") {
		if field == "" {
			continue
		}
		name, value, _ := strings.Cut(field, "=")
		list = append(list, param{unescape(name), unescape(value)})
	}
	return list
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func (l params) get(name string) string {
	for _, p := range l {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

func (l params) has(name string) bool {
	return slices.ContainsFunc(l, func(p param) bool { return p.name == name })
}

// uriEncode is AWS's UriEncode: every byte but the unreserved characters of RFC
// 3986 becomes %XX, in upper case. A path keeps its slashes.
func uriEncode(s string, isPath bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s))
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/' && isPath:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
	return b.String()
}
