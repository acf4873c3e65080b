package lambda_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/code"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/iam"
	"pinfold.dev/pinfold/internal/mapping"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/store/blob"
	"pinfold.dev/pinfold/internal/store/sql"
	"pinfold.dev/pinfold/internal/wire/lambda"
	"pinfold.dev/pinfold/internal/wire/mux"
	"pinfold.dev/pinfold/internal/wire/protocol"
	"pinfold.dev/pinfold/internal/wire/sigv4"
)

var scope = pinfold.Scope{Account: "123456789012", Region: "us-east-1"}

const role = "arn:aws:iam::123456789012:role/r"

// invoker stands for internal/invoke: it keeps what it was asked and gives what
// it is told to.
type invoker struct {
	registry *function.Registry
	got      *pinfold.Invocation
	result   *pinfold.Result
	err      error
}

func (i *invoker) Invoke(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	i.got = inv
	if _, err := i.registry.Resolve(ctx, inv.Function); err != nil {
		return nil, err
	}
	return i.result, i.err
}

func (i *invoker) DryRun(ctx context.Context, inv *pinfold.Invocation) (*pinfold.Version, error) {
	i.got = inv
	return i.registry.Resolve(ctx, inv.Function)
}

// line stands for internal/async: it keeps what it is given.
type line struct {
	got *pinfold.Invocation
	err error
}

func (l *line) Enqueue(_ context.Context, inv *pinfold.Invocation) error {
	l.got = inv
	return l.err
}

// platform is the adapter over the real registry, the real code packages, the
// real listener and real signatures.
type platform struct {
	*sdk.Client
	t        *testing.T
	url      string
	config   aws.Config
	invoker  *invoker
	async    line
	identity *iam.Service
	mappings *mapping.Registry // over any queue but "none"
	asked    []pinfold.Action  // what the authorize hook was asked
	// provisioning is how far provisioned instances are said to be.
	provisioning lambda.Provisioning
}

func (p *platform) Authorize(ctx context.Context, who pinfold.Principal, what pinfold.Action) error {
	p.asked = append(p.asked, what)
	return p.identity.Authorize(ctx, who, what)
}

func start(t *testing.T) *platform {
	t.Helper()
	dir := t.TempDir()
	db, err := sql.Open(t.Context(), filepath.Join(dir, "pinfold.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	folder, err := blob.NewFolder(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := code.New(code.Options{Store: folder, Dir: filepath.Join(dir, "code")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { packages.Close() })
	registry := function.New(function.Options{Store: db, Code: packages, Scope: scope, SupportedRuntime: func(id string) error {
		if strings.HasPrefix(id, "nodejs") || id == "provided.al2023" {
			return nil
		}
		return pinfold.Errorf(pinfold.Invalid, "runtime %s cannot run here", id)
	}})
	root := iam.Credentials{AccessKeyID: "AKIAROOT", SecretAccessKey: "root-secret"}
	p := &platform{t: t, invoker: &invoker{registry: registry, result: &pinfold.Result{}}, identity: iam.New(scope.Account, root)}
	endpoints := func() pinfold.Endpoints { return pinfold.Endpoints{API: p.url, HTTP: "http://127.0.0.1:8080"} }
	links := lambda.NewLinks(func(ctx context.Context, pkg pinfold.Package) (lambda.Zip, error) { return packages.Open(ctx, pkg) }, endpoints)
	p.mappings = mapping.New(mapping.Options{
		Store: db, Scope: scope,
		Function: func(ctx context.Context, tx store.Tx, ref pinfold.FunctionRef) (*pinfold.Version, error) {
			return registry.Within(tx).Resolve(ctx, ref)
		},
		Queue: func(_ context.Context, _ store.Tx, arn string) (*pinfold.MessageQueue, error) {
			if strings.HasSuffix(arn, ":none") {
				return nil, pinfold.Errorf(pinfold.NotFound, "no such queue")
			}
			return &pinfold.MessageQueue{VisibilityTimeout: 30}, nil
		},
	})
	server, err := lambda.New(lambda.Options{
		Registry: registry, Mappings: p.mappings, Invoker: p.invoker, Async: &p.async, Packages: packages, Authorizer: p,
		Provisioning: func(pinfold.FunctionRef) lambda.Provisioning { return p.provisioning },
		Endpoints:    endpoints, Links: links, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(mux.New(mux.Options{
		Authenticator: sigv4.NewAuthenticator(p.identity), Services: []*protocol.Server{server},
		Routes: []mux.Route{{Prefix: lambda.CodePath, Handler: links, Open: true}}, Log: slog.New(slog.DiscardHandler),
	}))
	t.Cleanup(listener.Close)
	p.url = listener.URL
	p.config = aws.Config{
		Region: scope.Region, BaseEndpoint: &p.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(root.AccessKeyID, root.SecretAccessKey, ""),
	}
	p.Client = sdk.NewFromConfig(p.config)
	return p
}

// zipOf returns a zip file with one file of that content.
func zipOf(t *testing.T, content string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("index.js")
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (p *platform) create(name string) *sdk.CreateFunctionOutput {
	p.t.Helper()
	out, err := p.CreateFunction(p.t.Context(), newFunction(p.t, name))
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func newFunction(t *testing.T, name string) *sdk.CreateFunctionInput {
	return &sdk.CreateFunctionInput{
		FunctionName: aws.String(name), Role: aws.String(role), Runtime: types.RuntimeNodejs22x, Handler: aws.String("index.handler"),
		Code: &types.FunctionCode{ZipFile: zipOf(t, name)},
	}
}

func must[T any](out T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// wantError checks what an SDK makes of an error.
func wantError(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message) {
		t.Errorf("error is %v\nwant %s: %s", err, code, message)
		return
	}
	var response interface{ HTTPStatusCode() int }
	if errors.As(err, &response) && response.HTTPStatusCode() != status {
		t.Errorf("status of %s is %d, want %d", code, response.HTTPStatusCode(), status)
	}
}

// ignore drops an operation's output.
func ignore[T any](_ T, err error) error { return err }

func get(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp, b.Bytes()
}

func asError[T error](err error) (T, bool) { return errors.AsType[T](err) }

// httpRequest returns a request signed with the root key.
func httpRequest(t *testing.T, p *platform, method, path string, body []byte) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, p.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	creds, err := p.config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, hex.EncodeToString(sum[:]), "lambda", scope.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}
