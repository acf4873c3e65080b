package sts_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"pinfold.dev/pinfold/internal/iam"
	"pinfold.dev/pinfold/internal/wire/mux"
	"pinfold.dev/pinfold/internal/wire/protocol"
	"pinfold.dev/pinfold/internal/wire/sigv4"
	"pinfold.dev/pinfold/internal/wire/sts"
)

const account = "123456789012"

// start serves the adapter behind the real listener and real signatures.
func start(t *testing.T) (url string, root iam.Credentials) {
	t.Helper()
	root = iam.Credentials{AccessKeyID: "AKIAROOT", SecretAccessKey: "root-secret"}
	identities := iam.New(account, root)
	server, err := sts.New(sts.Options{Authorizer: identities, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(mux.New(mux.Options{
		Authenticator: sigv4.NewAuthenticator(identities), Services: []*protocol.Server{server}, Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(s.Close)
	return s.URL, root
}

func client(url, id, secret string) *awssts.Client {
	return awssts.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: &url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

func TestGetCallerIdentity(t *testing.T) {
	url, root := start(t)
	out, err := client(url, root.AccessKeyID, root.SecretAccessKey).GetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if *out.Account != account || *out.Arn != "arn:aws:iam::123456789012:root" || *out.UserId != account {
		t.Errorf("got %s %s %s", *out.Account, *out.Arn, *out.UserId)
	}
}

func TestRefused(t *testing.T) {
	url, root := start(t)
	for name, tt := range map[string]struct {
		call func(context.Context) error
		code string
	}{
		"wrong secret": {func(ctx context.Context) error {
			_, err := client(url, root.AccessKeyID, "wrong").GetCallerIdentity(ctx, nil)
			return err
		}, "SignatureDoesNotMatch"},
		"unknown key": {func(ctx context.Context) error {
			_, err := client(url, "AKIANOBODY", "x").GetCallerIdentity(ctx, nil)
			return err
		}, "InvalidClientTokenId"},
		"not served": {func(ctx context.Context) error {
			_, err := client(url, root.AccessKeyID, root.SecretAccessKey).GetSessionToken(ctx, nil)
			return err
		}, "NotImplemented"},
	} {
		t.Run(name, func(t *testing.T) {
			api, ok := errors.AsType[smithy.APIError](tt.call(t.Context()))
			if !ok || api.ErrorCode() != tt.code {
				t.Errorf("error is %v, want %s", api, tt.code)
			}
		})
	}
}

// TestPresigned is how clusters and vaults have a caller prove who it is.
func TestPresigned(t *testing.T) {
	url, root := start(t)
	r, err := awssts.NewPresignClient(client(url, root.AccessKeyID, root.SecretAccessKey)).PresignGetCallerIdentity(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "<Arn>arn:aws:iam::123456789012:root</Arn>") {
		t.Errorf("%s %s: %d %s %v", r.Method, r.URL, resp.StatusCode, body, err)
	}
}

func TestUnsigned(t *testing.T) {
	url, _ := start(t)
	resp, err := http.Get(url + "/?Action=GetCallerIdentity&Version=2011-06-15")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status is %d", resp.StatusCode)
	}
}
