package lambda_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/wire/lambda"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

type instant struct{ result *pinfold.Result }

func (i instant) Invoke(context.Context, *pinfold.Invocation) (*pinfold.Result, error) {
	return i.result, nil
}

func (i instant) DryRun(context.Context, *pinfold.Invocation) (*pinfold.Version, error) {
	return nil, nil
}

func (instant) Authorize(context.Context, pinfold.Principal, pinfold.Action) error { return nil }

// BenchmarkInvoke is what the wire itself costs an invocation: routing,
// decoding, validation and encoding, without listener, signature and function.
func BenchmarkInvoke(b *testing.B) {
	i := instant{&pinfold.Result{Payload: make([]byte, 1024), ExecutedVersion: "$LATEST"}}
	server, err := lambda.New(lambda.Options{
		Registry: function.New(function.Options{Scope: scope}), Invoker: i, Authorizer: i, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/2015-03-31/functions/hello/invocations", nil)
	r = r.WithContext(protocol.WithCaller(b.Context(), &protocol.Caller{RequestID: "id"}))
	body := make([]byte, 1024)
	b.ReportAllocs()
	for b.Loop() {
		server.Serve(&discard{header: http.Header{}}, r, body)
	}
}

type discard struct {
	io.Writer
	header http.Header
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
