package sigv4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// BenchmarkAuthenticate checks a request as the SDK for Go sends it.
func BenchmarkAuthenticate(b *testing.B) {
	body := `{"MessageBody":"one message of the many","QueueUrl":"http://127.0.0.1:4566/000000000000/q"}`
	r := httptest.NewRequest("POST", "http://127.0.0.1:4566/", strings.NewReader(body))
	for name, value := range map[string]string{
		"User-Agent":            "aws-sdk-go-v2/1.41.0 ua/2.1 os/linux lang/go#1.26 md/GOOS#linux md/GOARCH#amd64 api/sqs#1.42.20 m/E,e",
		"Content-Type":          "application/x-amz-json-1.0",
		"X-Amz-Target":          "AmazonSQS.SendMessage",
		"Amz-Sdk-Invocation-Id": "6b6a5b36-2d2c-4f0b-9a28-3b7b9f5c1d52",
		"Amz-Sdk-Request":       "attempt=1; max=1",
		"Accept-Encoding":       "gzip",
	} {
		r.Header.Set(name, value)
	}
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(context.Background(), sdkCredentials, r, hex.EncodeToString(sum[:]), "sqs", "us-east-1", time.Now()); err != nil {
		b.Fatal(err)
	}
	a := NewAuthenticator(identities{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(r, []byte(body)); err != nil {
			b.Fatal(err)
		}
	}
}
