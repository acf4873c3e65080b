package sigv4

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// FuzzVerify feeds hostile requests to the verifier. None may pass but for the
// published ones themselves, and Scope must agree with what Verify reads.
func FuzzVerify(f *testing.F) {
	for _, text := range vectors(f) {
		r, body := parseRequest(f, text)
		f.Add(r.Method, r.RequestURI, r.Host, r.Header.Get("Authorization"), r.Header.Get("X-Amz-Date"), string(body))
	}
	f.Add("GET", "/?"+presignedQuery, "example.amazonaws.com", "", "", "")
	f.Add("GET", "/%zz?a=%zz&;=&&=", "h", "AWS4-HMAC-SHA256 Credential=////,SignedHeaders=;,Signature=,", "20150830T123600.5Z", "")
	f.Fuzz(func(t *testing.T, method, target, host, authorization, date, body string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Skip()
		}
		r := &http.Request{Method: method, URL: u, RequestURI: target, Host: host, Header: http.Header{}}
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		if date != "" {
			r.Header.Set("X-Amz-Date", date)
		}
		// Nobody knows this secret, so nothing can be signed with it.
		got, err := Verify(r, []byte(body), func(string, string) (string, bool) { return "unguessable\x00", true }, suiteTime)
		if err == nil {
			t.Fatalf("forged: %+v", got)
		}
		id, region, service, ok := Scope(r)
		if c, err := readClaim(r); err == nil {
			if !ok || id != c.AccessKeyID || region != c.Region || service != c.Service {
				if strings.Count(target, "X-Amz-Credential")+strings.Count(authorization, "Credential=") == 1 {
					t.Errorf("scope is %q %q %q %v, the signature says %+v", id, region, service, ok, c.Signature)
				}
			}
		}
	})
}
