package sigv4

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

const vanilla = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"

// signedRequest is the suite's simplest request, changed by header lines
// ("Name: value"; an empty value removes).
func signedRequest(headers ...string) *http.Request {
	r := httptest.NewRequest("GET", "http://example.amazonaws.com/", nil)
	r.RequestURI = "/"
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	r.Header.Set("Authorization", vanilla)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if value == "" {
			r.Header.Del(name)
		} else {
			r.Header.Set(name, value)
		}
	}
	return r
}

func presignedRequest(query string) *http.Request {
	r := httptest.NewRequest("GET", "http://example.amazonaws.com/?"+query, nil)
	r.RequestURI = "/?" + query
	return r
}

const presignedQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request" +
	"&X-Amz-Date=20150830T123600Z&X-Amz-SignedHeaders=host&X-Amz-Expires=3600&X-Amz-Signature=0000"

// Texts: github.com/aws/aws-sdk-js/issues/4285 (Credential, Signature,
// SignedHeaders), github.com/AnWeber/httpyac/issues/769 (date),
// github.com/iann0036/cloud9-sync/issues/10 (equal-sign),
// github.com/aws/aws-cli/issues/6676 (expired),
// github.com/aws/aws-sdk-php/issues/2469 (host).
func TestRefusals(t *testing.T) {
	auth := func(from, to string) string { return "Authorization: " + strings.Replace(vanilla, from, to, 1) }
	for _, tc := range []struct {
		name   string
		r      *http.Request
		now    time.Duration // after the time of signing
		reason string
		says   string
	}{
		{"no signature", signedRequest("Authorization: "), 0, MissingAuthenticationToken, "Missing Authentication Token"},
		{"bearer token", signedRequest("Authorization: Bearer abc"), 0, IncompleteSignature, "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."},
		{"nothing but the algorithm", signedRequest("Authorization: AWS4-HMAC-SHA256"), 0, IncompleteSignature, "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."},
		{"no signature field", signedRequest(auth(", Signature=", ", Sig=")), 0, IncompleteSignature, "requires 'Signature' parameter."},
		{"no date", signedRequest("X-Amz-Date: "), 0, IncompleteSignature, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."},
		{"blank in the key", signedRequest(auth("=AKIDEXAMPLE/", "=AKIDEXAMPLE /")), 0, IncompleteSignature, "'/20150830/us-east-1/service/aws4_request' not a valid key=value pair (missing equal-sign) in Authorization header"},
		{"twice", signedRequest(auth("SignedHeaders=", "Signature=00, SignedHeaders=")), 0, IncompleteSignature, "'Signature' more than once"},
		{"short credential", signedRequest(auth("/us-east-1", "")), 0, IncompleteSignature, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'AKIDEXAMPLE/20150830/service/aws4_request'"},
		{"terminator", signedRequest(auth("aws4_request", "aws5_request")), 0, SignatureDoesNotMatch, "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'."},
		{"not a date", signedRequest("X-Amz-Date: yesterday"), 0, IncompleteSignature, "Date must be in ISO-8601 'basic format'. Got 'yesterday'."},
		{"another day", signedRequest(auth("20150830", "20150831")), 0, SignatureDoesNotMatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20150831' != '20150830', from '20150830T123600Z'."},
		{"host is not signed", signedRequest(auth("host;", "")), 0, SignatureDoesNotMatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
		{"target is not signed", signedRequest("X-Amz-Target: X.Y"), 0, SignatureDoesNotMatch, "'X-Amz-Target' must be a 'SignedHeader' in the AWS Authorization."},
		{"unsorted", signedRequest(auth("host;x-amz-date", "x-amz-date;host")), 0, IncompleteSignature, "sorted"},
		{"repeated", signedRequest(auth("host;", "host;host;")), 0, IncompleteSignature, "without repetition"},
		{"unknown key", signedRequest(auth("AKIDEXAMPLE", "AKIDNOBODY")), 0, InvalidClientTokenID, "The security token included in the request is invalid."},
		{"wrong signature", signedRequest(auth("5fa0", "5fa1")), 0, SignatureDoesNotMatch, "The request signature we calculated does not match the signature you provided."},
		{"wrong body hash", signedRequest("X-Amz-Content-Sha256: 00ff"), 0, SignatureDoesNotMatch, "The provided 'x-amz-content-sha256' header does not match what was computed."},
		{"expired", signedRequest(), 15*time.Minute + time.Second, SignatureDoesNotMatch, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)"},
		{"from the future", signedRequest(), -15*time.Minute - time.Second, SignatureDoesNotMatch, "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)"},

		{"presigned, expired", presignedRequest(presignedQuery), time.Hour + time.Second, SignatureDoesNotMatch, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T133601Z - 60 min.)"},
		{"presigned, wrong", presignedRequest(presignedQuery), time.Hour, SignatureDoesNotMatch, "does not match the signature you provided"},
		{"presigned, lacking", presignedRequest("X-Amz-Signature=00"), 0, IncompleteSignature, "AWS query-string parameters must include 'X-Amz-Algorithm'."},
		{"presigned, other algorithm", presignedRequest(strings.Replace(presignedQuery, "HMAC-SHA256", "ECDSA-P256-SHA256", 1)), 0, IncompleteSignature, "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256'"},
		{"presigned for more than a week", presignedRequest(strings.Replace(presignedQuery, "=3600", "=604801", 1)), 0, IncompleteSignature, "between 1 and 604800"},
		{"presigned twice", presignedRequest(presignedQuery + "&X-Amz-Signature=11"), 0, IncompleteSignature, "'X-Amz-Signature' is there more than once"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Verify(tc.r, nil, suiteSecrets, suiteTime.Add(tc.now))
			if pinfold.ReasonOf(err) != tc.reason || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s: %v\nwant %s: %s", pinfold.ReasonOf(err), err, tc.reason, tc.says)
			}
			if JSONReason(tc.reason) == tc.reason {
				t.Errorf("%s has no name for JSON protocols", tc.reason)
			}
		})
	}
}

func TestWithinTheWindow(t *testing.T) {
	for _, d := range []time.Duration{-15 * time.Minute, 0, 15 * time.Minute} {
		if _, err := Verify(signedRequest(), nil, suiteSecrets, suiteTime.Add(d)); err != nil {
			t.Errorf("%v after signing: %v", d, err)
		}
	}
	// Date instead of X-Amz-Date: the basic form is signed all the same.
	r := signedRequest("X-Amz-Date: ", "Date: Sun, 30 Aug 2015 12:36:00 GMT")
	c, err := readClaim(r)
	if err != nil || c.timestamp != "20150830T123600Z" {
		t.Errorf("Date header: %+v, %v", c, err)
	}
}

func TestChunkedIsNamed(t *testing.T) {
	_, err := Verify(signedRequest("X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), nil, suiteSecrets, suiteTime)
	if pinfold.CodeOf(err) != pinfold.Unserved || !strings.Contains(err.Error(), "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") {
		t.Errorf("%v", err)
	}
}

type identities struct{}

func (identities) Root() pinfold.Principal { return pinfold.Principal{Kind: pinfold.Root, ARN: "root"} }
func (identities) Lookup(id, token string) (string, pinfold.Principal, bool) {
	return "s3cret", pinfold.Principal{Kind: pinfold.Role, ARN: "role", AccessKeyID: id}, id == "AKIDEXAMPLE" && token == ""
}

func TestOpenAuthenticator(t *testing.T) {
	a := NewOpenAuthenticator(identities{})
	for name, tc := range map[string]struct {
		r   *http.Request
		key string
	}{
		"unsigned":         {signedRequest("Authorization: "), ""},
		"nonsense":         {signedRequest("Authorization: Basic eDp5"), ""},
		"any credentials":  {signedRequest(), "AKIDEXAMPLE"},
		"any presigned":    {presignedRequest(presignedQuery), "AKIDEXAMPLE"},
		"half a signature": {signedRequest("Authorization: AWS4-HMAC-SHA256 Credential="), ""},
	} {
		if who, err := a.Authenticate(tc.r, nil); err != nil || who.Kind != pinfold.Root || who.AccessKeyID != tc.key {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}

func TestScopeOfTheUnsigned(t *testing.T) {
	for _, r := range []*http.Request{
		signedRequest("Authorization: "),
		signedRequest("Authorization: Bearer Credential=a/b/c/d/aws4_request"),
		signedRequest("Authorization: AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/lambda"),
		presignedRequest("X-Amz-Credential=%zz"),
	} {
		if id, region, service, ok := Scope(r); ok || id+region+service != "" {
			t.Errorf("%v %v: %q %q %q", r.Header, r.URL, id, region, service)
		}
	}
}
