package badinput

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// signed is a request to the API, signed with the root key; change is called
// before it is.
func (h *house) signed(t *testing.T, method, path, service string, body []byte, change func(*http.Request)) *http.Request {
	t.Helper()
	return h.signedAt(t, method, path, service, body, time.Now(), change)
}

func (h *house) signedAt(t *testing.T, method, path, service string, body []byte, at time.Time, change func(*http.Request)) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, h.Endpoints.API+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(req)
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	if err := v4.NewSigner().SignHTTP(context.Background(), h.rootCredentials(), req, hash, service, h.Region, at); err != nil {
		t.Fatal(err)
	}
	return req
}

func (h *house) rootCredentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: h.RootKey.AccessKeyID, SecretAccessKey: h.RootKey.SecretAccessKey}
}

func (h *house) send(t *testing.T, req *http.Request) (status int, body string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return read(t, resp)
}

// ask reads what a failed request was told: its status, name and message.
func ask(t *testing.T, req *http.Request) (status int, name, body string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), string(content)
}
