package sigv4

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"pinfold.dev/pinfold"
)

var sdkCredentials = aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "s3cret"}

// authServer answers with what an Authenticator says of each request that
// comes over a real connection.
func authServer(t *testing.T) *httptest.Server {
	a := NewAuthenticator(identities{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		who, err := a.Authenticate(r, body)
		if err != nil {
			http.Error(w, pinfold.ReasonOf(err)+": "+err.Error(), http.StatusForbidden)
			return
		}
		io.WriteString(w, who.ARN)
	}))
	t.Cleanup(server.Close)
	return server
}

func send(t *testing.T, r *http.Request) string {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestAgainstSDK signs with the AWS SDK for Go and verifies what arrives.
func TestAgainstSDK(t *testing.T) {
	server := authServer(t)
	for _, tc := range []struct {
		name, method, target, service, body string
		headers                             map[string]string
	}{
		{"root", "GET", "/", "sts", "", nil},
		{"query protocol", "POST", "/", "sts", "Action=GetCallerIdentity&Version=2011-06-15", map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}},
		{"json protocol", "POST", "/", "dynamodb", `{"TableName":"t"}`, map[string]string{"X-Amz-Target": "DynamoDB_20120810.GetItem", "Content-Type": "application/x-amz-json-1.0"}},
		{"lambda invoke", "POST", "/2015-03-31/functions/hello%3Alive/invocations?Qualifier=live", "lambda", `{"a":1}`, map[string]string{"X-Amz-Invocation-Type": "RequestResponse", "X-Amz-Log-Type": "Tail"}},
		{"encoded arn", "GET", "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Ahello", "lambda", "", nil},
		{"blanks and percent", "GET", "/a%20b/100%25/%E1%88%B4/(x)'*!", "lambda", "", nil},
		{"s3 key", "PUT", "/bucket/a%20b/c%2Bd/%E1%88%B4~%21%2A%27%28%29", "s3", "data", nil},
		{"s3 slashes", "GET", "/bucket//a/./b/../c", "s3", "", nil},
		{"slashes", "GET", "//a/./b//", "lambda", "", nil},
		{"query order", "GET", "/?b=2&a=2&a=1&B=0&a%20b=%2F&empty=&flag", "lambda", "", nil},
		{"header blanks", "GET", "/", "lambda", "", map[string]string{"X-Amz-Meta-Note": "  a   b c  ", "X-Custom": "q"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			newRequest := func() *http.Request {
				r, err := http.NewRequest(tc.method, server.URL+tc.target, strings.NewReader(tc.body))
				if err != nil {
					t.Fatal(err)
				}
				for name, value := range tc.headers {
					r.Header.Set(name, value)
				}
				return r
			}
			sum := sha256.Sum256([]byte(tc.body))
			hash := hex.EncodeToString(sum[:])
			signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = tc.service == "s3" })

			for _, sent := range []string{"", hash, unsignedPayload} {
				r, signed := newRequest(), hash
				if sent != "" {
					r.Header.Set("X-Amz-Content-Sha256", sent)
					signed = sent
				}
				if err := signer.SignHTTP(context.Background(), sdkCredentials, r, signed, tc.service, "eu-west-3", time.Now()); err != nil {
					t.Fatal(err)
				}
				if got := send(t, r); got != "role" {
					t.Errorf("signed header, payload %q: %s", sent, got)
				}
			}

			r := newRequest()
			query := r.URL.Query()
			query.Set("X-Amz-Expires", "60")
			r.URL.RawQuery = query.Encode()
			if tc.service == "s3" {
				hash = unsignedPayload
			}
			uri, headers, err := signer.PresignHTTP(context.Background(), sdkCredentials, r, hash, tc.service, "eu-west-3", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			again, err := http.NewRequest(tc.method, uri, bytes.NewReader([]byte(tc.body)))
			if err != nil {
				t.Fatal(err)
			}
			again.Header = headers
			if got := send(t, again); got != "role" {
				t.Errorf("presigned: %s", got)
			}
		})
	}
}

func TestSDKWithWrongSecret(t *testing.T) {
	server := authServer(t)
	for _, tc := range []struct {
		creds aws.Credentials
		at    time.Time
		want  string
	}{
		{aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "guess"}, time.Now(), "SignatureDoesNotMatch: The request signature we calculated"},
		{aws.Credentials{AccessKeyID: "AKIDNOBODY", SecretAccessKey: "s3cret"}, time.Now(), "InvalidClientTokenId: "},
		{aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "s3cret", SessionToken: "forged"}, time.Now(), "InvalidClientTokenId: "},
		{sdkCredentials, time.Now().Add(-time.Hour), "SignatureDoesNotMatch: Signature expired: "},
	} {
		r, _ := http.NewRequest("GET", server.URL+"/", nil)
		empty := sha256.Sum256(nil)
		if err := v4.NewSigner().SignHTTP(context.Background(), tc.creds, r, hex.EncodeToString(empty[:]), "lambda", "us-east-1", tc.at); err != nil {
			t.Fatal(err)
		}
		if got := send(t, r); !strings.HasPrefix(got, tc.want) {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

// A signature opens the doors of the service that it is scoped to, and no other.
func TestForOneService(t *testing.T) {
	strict, open := NewAuthenticator(identities{}).For("lambda"), NewOpenAuthenticator(identities{}).For("lambda")
	for service, want := range map[string]string{"lambda": "", "s3": "Credential should be scoped to correct service: 'lambda'."} {
		r := httptest.NewRequest("GET", "http://id.lambda-url.localhost/", nil)
		empty := sha256.Sum256(nil)
		if err := v4.NewSigner().SignHTTP(t.Context(), sdkCredentials, r, hex.EncodeToString(empty[:]), service, "us-east-1", time.Now()); err != nil {
			t.Fatal(err)
		}
		who, err := strict(r, nil)
		if want == "" && (err != nil || who.ARN != "role") {
			t.Errorf("scoped to %s: %+v, %v", service, who, err)
		}
		if want != "" && (err == nil || err.Error() != want || pinfold.ReasonOf(err) != "SignatureDoesNotMatch" || who != pinfold.Principal{}) {
			t.Errorf("scoped to %s: %+v, %v; want %s", service, who, err, want)
		}
		if _, err := open(r, nil); err != nil {
			t.Errorf("where any credentials are taken, scoped to %s: %v", service, err)
		}
	}
}
