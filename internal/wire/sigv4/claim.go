package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// claim is a signature that nobody has checked yet.
type claim struct {
	Signature
	date          string        // YYYYMMDD of the credential scope
	timestamp     string        // as it was signed
	signedHeaders string        // names in lower case, joined by ";"
	signature     string        // lower-case hex
	lifetime      time.Duration // how long after Time it holds
}

// Scope reads what service a request is meant for, and who says to have signed
// it, from its signature. It checks nothing, and costs next to nothing. ok is
// false for a request without a signature in either form.
func Scope(r *http.Request) (accessKeyID, region, service string, ok bool) {
	credential := ""
	if rest, signed := strings.CutPrefix(r.Header.Get("Authorization"), algorithm); signed {
		_, credential, _ = strings.Cut(rest, "Credential=")
		if end := strings.IndexAny(credential, ", "); end >= 0 {
			credential = credential[:end]
		}
	} else if i := strings.Index(r.URL.RawQuery, "X-Amz-Credential="); i >= 0 {
		credential, _, _ = strings.Cut(r.URL.RawQuery[i+len("X-Amz-Credential="):], "&")
		credential, _ = url.QueryUnescape(credential)
	}
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || parts[4] != terminator {
		return "", "", "", false
	}
	return parts[0], parts[2], parts[3], true
}

// readClaim finds the signature in the header or, failing that, in the URL.
func readClaim(r *http.Request) (*claim, error) {
	header := r.Header.Get("Authorization")
	presigned := strings.Contains(r.URL.RawQuery, "X-Amz-")
	switch {
	case strings.HasPrefix(header, algorithm):
		return headerClaim(r, header)
	case presigned && (query(r).has("X-Amz-Algorithm") || query(r).has("X-Amz-Signature")):
		return queryClaim(r)
	case header == "":
		return nil, missing()
	}
	return nil, incomplete("Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. " +
		"Authorization header requires 'SignedHeaders' parameter. It must begin with " + algorithm + ": sign the request with AWS Signature Version 4.")
}

// headerClaim reads "AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...".
func headerClaim(r *http.Request, header string) (*claim, error) {
	var credential, signature, signedHeaders string
	fields := []struct {
		name string
		to   *string
	}{{"Credential", &credential}, {"Signature", &signature}, {"SignedHeaders", &signedHeaders}}
	for part := range strings.FieldsFuncSeq(header[len(algorithm):], func(r rune) bool { return r == ',' || r == ' ' }) {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return nil, incomplete("'%s' not a valid key=value pair (missing equal-sign) in Authorization header.", part)
		}
		for _, f := range fields {
			if f.name != name {
				continue
			}
			if *f.to != "" {
				return nil, incomplete("Authorization header has '%s' more than once.", name)
			}
			*f.to = value
		}
	}
	var lacks []string
	for _, f := range fields {
		if *f.to == "" {
			lacks = append(lacks, "Authorization header requires '"+f.name+"' parameter.")
		}
	}
	timestamp, date := r.Header.Get("X-Amz-Date"), r.Header.Get("Date")
	if timestamp == "" && date == "" {
		lacks = append(lacks, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if lacks != nil {
		return nil, incomplete("%s", strings.Join(lacks, " "))
	}
	if timestamp == "" {
		// Signers that use Date write it in one of HTTP's forms, and sign the
		// basic one all the same.
		if at, err := http.ParseTime(date); err == nil {
			timestamp = at.UTC().Format(timeFormat)
		} else {
			timestamp = date
		}
	}
	c := &claim{lifetime: MaxSkew, timestamp: timestamp, signature: signature}
	c.SessionToken = r.Header.Get("X-Amz-Security-Token")
	return c, c.finish(credential, signedHeaders)
}

// maxExpires is the longest life of a presigned URL: a week. Source: "Create a
// signed AWS API request", X-Amz-Expires.
const maxExpires = 604800

func queryClaim(r *http.Request) (*claim, error) {
	values := map[string]string{}
	for _, p := range query(r) {
		if !strings.HasPrefix(p.name, "X-Amz-") {
			continue
		}
		if _, twice := values[p.name]; twice {
			return nil, incomplete("The query-string parameter '%s' is there more than once.", p.name)
		}
		values[p.name] = p.value
	}
	var lacks []string
	for _, name := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if values[name] == "" {
			lacks = append(lacks, "AWS query-string parameters must include '"+name+"'.")
		}
	}
	if lacks != nil {
		return nil, incomplete("%s Re-examine the query-string parameters.", strings.Join(lacks, " "))
	}
	if values["X-Amz-Algorithm"] != algorithm {
		return nil, incomplete("Unsupported AWS 'algorithm': '%s'. Use %s.", values["X-Amz-Algorithm"], algorithm)
	}
	c := &claim{lifetime: MaxSkew, timestamp: values["X-Amz-Date"], signature: values["X-Amz-Signature"]}
	if expires, given := values["X-Amz-Expires"]; given {
		seconds, err := strconv.Atoi(expires)
		if err != nil || seconds < 1 || seconds > maxExpires {
			return nil, incomplete("X-Amz-Expires must be a number of seconds between 1 and %d, not '%s'.", maxExpires, expires)
		}
		c.lifetime = time.Duration(seconds) * time.Second
	}
	c.Presigned = true
	c.SessionToken = values["X-Amz-Security-Token"]
	return c, c.finish(values["X-Amz-Credential"], values["X-Amz-SignedHeaders"])
}

// finish reads the parts that have the same form in header and URL.
func (c *claim) finish(credential, signedHeaders string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return incomplete("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", credential)
	}
	c.AccessKeyID, c.date, c.Region, c.Service = parts[0], parts[1], parts[2], parts[3]
	if parts[4] != terminator {
		return refused("Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, parts[4])
	}
	at, err := time.Parse(timeFormat, c.timestamp)
	if err != nil {
		return incomplete("Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", c.timestamp)
	}
	c.Time = at
	if c.date != c.timestamp[:8] {
		return refused("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", c.date, c.timestamp[:8], c.timestamp)
	}
	c.signedHeaders = signedHeaders
	// Order and uniqueness are the signer's duty, and bound our work.
	before := ""
	for name := range strings.SplitSeq(signedHeaders, ";") {
		if name != strings.ToLower(name) || before >= name {
			return incomplete("SignedHeaders must be in lower case, sorted, and without repetition, got '%s'.", signedHeaders)
		}
		before = name
	}
	return nil
}

// checkTime holds a signature to its time. The texts are AWS's: see
// github.com/aws/aws-cli/issues/6676 for the past, and
// github.com/serverless/enterprise/issues/11 for the future.
func (c *claim) checkTime(now time.Time) error {
	now = now.UTC()
	if oldest := now.Add(-c.lifetime); c.Time.Before(oldest.Truncate(time.Second)) {
		return refused("Signature expired: %s is now earlier than %s (%s - %s)",
			c.timestamp, oldest.Format(timeFormat), now.Format(timeFormat), spell(c.lifetime))
	}
	if newest := now.Add(MaxSkew); c.Time.After(newest) {
		return refused("Signature not yet current: %s is still later than %s (%s + %s)",
			c.timestamp, newest.Format(timeFormat), now.Format(timeFormat), spell(MaxSkew))
	}
	return nil
}

func spell(d time.Duration) string {
	if d%time.Minute == 0 {
		return strconv.Itoa(int(d/time.Minute)) + " min."
	}
	return strconv.Itoa(int(d/time.Second)) + " sec."
}

// unsignedOK are the x-amz- headers that need not be signed as headers: their
// values are part of what is signed anyway, or are checked by themselves.
var unsignedOK = []string{"X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Content-Sha256"}

// checkSignedHeaders asks for what must be signed: "You must include the host
// header (HTTP/1.1) or the :authority header (HTTP/2), and any x-amz-* headers
// in the signature" (IAM user guide, "Create a signed AWS API request").
func (c *claim) checkSignedHeaders(r *http.Request) error {
	if !c.signed("host") && !c.signed(":authority") {
		return refused("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") && !slices.Contains(unsignedOK, name) && !c.signed(strings.ToLower(name)) {
			return refused("'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	return nil
}

// signed reports whether a header, in lower case, is among those that are signed.
func (c *claim) signed(name string) bool {
	for signed := range strings.SplitSeq(c.signedHeaders, ";") {
		if signed == name {
			return true
		}
	}
	return false
}
