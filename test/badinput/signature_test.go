package badinput

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"pinfold.dev/pinfold"
)

const invokePath = "/2015-03-31/functions/good-dev-hello/invocations"

// Who signs wrongly is told what is wrong with it, and nothing is run for them.
func TestSignatures(t *testing.T) {
	t.Parallel()
	h := start(t)
	now := time.Now()
	good := func(at time.Time) *http.Request {
		return h.signedAt(t, http.MethodPost, invokePath, "lambda", []byte("{}"), at, nil)
	}
	authorization := func(from, to string) *http.Request {
		req := good(now)
		header := req.Header.Get("Authorization")
		if !strings.Contains(header, from) {
			t.Fatalf("%q is not in %s", from, header)
		}
		req.Header.Set("Authorization", strings.Replace(header, from, to, 1))
		return req
	}
	with := func(change func(*http.Request)) *http.Request {
		req := good(now)
		change(req)
		return req
	}
	presigned := func(at time.Time, seconds string) *http.Request {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.Endpoints.API+invokePath+"?X-Amz-Expires="+seconds, bytes.NewReader([]byte("{}")))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte("{}"))
		signed, _, err := v4.NewSigner().PresignHTTP(context.Background(), h.rootCredentials(), req, hex.EncodeToString(sum[:]), "lambda", h.Region, at)
		if err != nil {
			t.Fatal(err)
		}
		if req.URL, err = url.Parse(signed); err != nil {
			t.Fatal(err)
		}
		return req
	}
	for name, test := range map[string]struct {
		req    *http.Request
		status int
		kind   string
		want   string
	}{
		"none":         {with(func(r *http.Request) { r.Header.Del("Authorization") }), 403, "MissingAuthenticationTokenException", "Missing Authentication Token"},
		"a wrong one":  {authorization("Signature=", "Signature=00"), 403, "InvalidSignatureException", "does not match"},
		"another body": {with(func(r *http.Request) { r.Body = http.NoBody; r.ContentLength = 0 }), 403, "InvalidSignatureException", "does not match"},
		"another header": {with(func(r *http.Request) {
			r.Header.Set("X-Amz-Date", now.UTC().Add(time.Minute).Format("20060102T150405Z"))
		}), 403, "InvalidSignatureException", "does not match"},
		"another path":                {with(func(r *http.Request) { r.URL.Path += "/" }), 403, "InvalidSignatureException", "does not match"},
		"a key of nobody":             {authorization(h.RootKey.AccessKeyID, "AKIAIOSFODNN7EXAMPLE"), 403, "UnrecognizedClientException", "security token"},
		"an expired one":              {good(now.Add(-16 * time.Minute)), 403, "InvalidSignatureException", "Signature expired"},
		"one of the future":           {good(now.Add(16 * time.Minute)), 403, "InvalidSignatureException", "Signature not yet current"},
		"one that cannot be read":     {authorization("Credential=", "Credentials="), 400, "IncompleteSignatureException", "Credential"},
		"another algorithm":           {authorization("AWS4-HMAC-SHA256", "AWS9-HMAC-SHA256"), 400, "IncompleteSignatureException", ""},
		"an expired presigned one":    {presigned(now.Add(-2*time.Minute), "60"), 403, "InvalidSignatureException", "Signature expired"},
		"a presigned one for a year":  {presigned(now, "31536000"), 400, "IncompleteSignatureException", "X-Amz-Expires"},
		"a presigned one for no time": {presigned(now, "soon"), 400, "IncompleteSignatureException", "X-Amz-Expires"},
	} {
		t.Run(name, func(t *testing.T) {
			status, kind, body := ask(t, test.req)
			if kind, _, _ = strings.Cut(kind, ":"); status != test.status || kind != test.kind {
				t.Errorf("%d %s, want %d %s: %s", status, kind, test.status, test.kind, body)
			}
			wantText(t, body, test.want)
		})
	}
	t.Run("a right one still does", func(t *testing.T) {
		for _, req := range []*http.Request{good(now), presigned(now, "60")} {
			if status, body := h.send(t, req); status != http.StatusOK {
				t.Errorf("%d %s", status, body)
			}
		}
	})
	t.Run("the control API, too", func(t *testing.T) {
		_, err := h.withKey(h.RootKey.AccessKeyID, "wrong").Functions(t.Context())
		wantError(t, err, pinfold.Denied, "InvalidSignatureException", "Check your AWS Secret Access Key")
		_, err = h.withKey("AKIAIOSFODNN7EXAMPLE", "wrong").Deploy(t.Context(), nil, "")
		wantError(t, err, pinfold.Denied, "UnrecognizedClientException", "security token")
	})
	h.unharmed(t)
}
