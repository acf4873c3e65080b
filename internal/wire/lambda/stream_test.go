package lambda_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/wire/lambda"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// streamer is an invoker whose function streams.
type streamer func(*pinfold.Invocation) (*pinfold.Result, error)

func (s streamer) Invoke(_ context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
	inv.Version = "7"
	return s(inv)
}

func (s streamer) DryRun(_ context.Context, inv *pinfold.Invocation) (*pinfold.Version, error) {
	return &pinfold.Version{Ref: inv.Function.With("7")}, nil
}

func (s streamer) Authorize(context.Context, pinfold.Principal, pinfold.Action) error { return nil }

// startStream returns a client of an adapter alone, and its address.
func startStream(t *testing.T, f streamer) (*sdk.Client, string) {
	server, err := lambda.New(lambda.Options{
		Registry: function.New(function.Options{Scope: scope}), Invoker: f, Authorizer: f, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		server.Serve(w, r.WithContext(protocol.WithCaller(r.Context(), &protocol.Caller{RequestID: "the-id"})), body)
	}))
	t.Cleanup(listener.Close)
	return sdk.NewFromConfig(aws.Config{
		Region: scope.Region, BaseEndpoint: &listener.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""),
	}), listener.URL
}

// read prints a stream's events, each when it has come.
func read(out *sdk.InvokeWithResponseStreamOutput, each func(string)) error {
	defer out.GetStream().Close()
	for e := range out.GetStream().Events() {
		switch e := e.(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			each(string(e.Value.Payload))
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			v := e.Value
			log, _ := base64.StdEncoding.DecodeString(aws.ToString(v.LogResult))
			each("end" + aws.ToString(v.ErrorCode) + "|" + aws.ToString(v.ErrorDetails) + "|" + string(log))
		}
	}
	return out.GetStream().Err()
}

func TestInvokeWithResponseStream(t *testing.T) {
	const failure = `{"errorMessage":"no","errorType":"Sandbox.Timedout"}`
	stream := func(contentType string, chunks ...string) func(*pinfold.Invocation) {
		return func(inv *pinfold.Invocation) {
			inv.Stream.Begin(contentType)
			for _, c := range chunks {
				_, _ = io.WriteString(inv.Stream, c)
			}
		}
	}
	nothing := func(*pinfold.Invocation) {}
	for _, test := range []struct {
		name        string
		does        func(*pinfold.Invocation)
		result      *pinfold.Result
		contentType string
		want        []string
	}{
		{"stream", stream("text/plain", "a", "b\x00\xff"), &pinfold.Result{Streamed: true}, "text/plain", []string{"a", "b\x00\xff", "end||"}},
		{"stream of no type", stream("", "a"), &pinfold.Result{Streamed: true}, "application/octet-stream", []string{"a", "end||"}},
		{"metadata are not looked at", stream(pinfold.HTTPIntegration, "{}\x00"), &pinfold.Result{Streamed: true}, pinfold.HTTPIntegration, []string{"{}\x00", "end||"}},
		{"empty stream", stream("text/plain"), &pinfold.Result{Streamed: true}, "text/plain", []string{"end||"}},
		{"broken stream", stream("text/plain", "a"), &pinfold.Result{Streamed: true, FunctionError: "Unhandled", Payload: []byte(failure)}, "text/plain",
			[]string{"a", "endSandbox.Timedout|" + failure + "|"}},
		{"no stream", nothing, &pinfold.Result{Payload: []byte(`{"a":1}`)}, "application/json", []string{`{"a":1}`, "end||"}},
		{"no stream, failed", nothing, &pinfold.Result{FunctionError: "Unhandled", Payload: []byte(failure)}, "application/json",
			[]string{failure, "endSandbox.Timedout|" + failure + "|"}},
		{"error without a type", nothing, &pinfold.Result{FunctionError: "Unhandled", Payload: []byte("x")}, "application/json", []string{"x", "endUnhandled|x|"}},
		{"log", nothing, &pinfold.Result{Payload: []byte("1"), LogTail: []byte("START\n")}, "application/json", []string{"1", "end||START\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			client, url := startStream(t, func(inv *pinfold.Invocation) (*pinfold.Result, error) {
				test.does(inv)
				return test.result, nil
			})
			in := &sdk.InvokeWithResponseStreamInput{FunctionName: aws.String("hello"), Payload: []byte("{}")}
			if test.result.LogTail != nil {
				in.LogType = types.LogTypeTail
			}
			out := must(client.InvokeWithResponseStream(t.Context(), in))(t)
			var got []string
			if err := read(out, func(e string) { got = append(got, e) }); err != nil {
				t.Fatal(err)
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") || aws.ToString(out.ExecutedVersion) != "7" || out.StatusCode != 200 ||
				aws.ToString(out.ResponseStreamContentType) != "application/vnd.amazon.eventstream" {
				t.Errorf("answer %+v with %q, want %q", out, got, test.want)
			}
			resp, err := http.Post(url+"/2021-11-15/functions/hello/response-streaming-invocations", "", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.Header.Get("X-Amzn-Remapped-Content-Type"); got != test.contentType {
				t.Errorf("the function's content type is %q, want %q", got, test.contentType)
			}
		})
	}
}

// TestStreamOnTheWire holds an answer to one that was recorded on AWS: the test
// server of Kong's plugin aws-lambda, "plainStreaming" in
// spec/fixtures/aws-lambda.lua.
func TestStreamOnTheWire(t *testing.T) {
	const recorded = "000000760000005a980e72ec0b3a6576656e742d7479706507000c5061796c6f61644368756e6b0d3a636f6e74656e742d747970650700186170706c69636174696f6e2f6f637465742d73747265616d0d3a6d6573736167652d747970650700056576656e7448656c6c6f20776f726c642033971fd8" +
		"000000760000005a980e72ec0b3a6576656e742d7479706507000c5061796c6f61644368756e6b0d3a636f6e74656e742d747970650700186170706c69636174696f6e2f6f637465742d73747265616d0d3a6d6573736167652d747970650700056576656e7466726f6d204c616d62646121fe88eff4" +
		"00000066000000541f56c8690b3a6576656e742d7479706507000e496e766f6b65436f6d706c6574650d3a636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b7d7006d467"
	_, url := startStream(t, func(inv *pinfold.Invocation) (*pinfold.Result, error) {
		inv.Stream.Begin("")
		_, _ = io.WriteString(inv.Stream, "Hello world ")
		_, _ = io.WriteString(inv.Stream, "from Lambda!")
		return &pinfold.Result{Streamed: true}, nil
	})
	resp, err := http.Post(url+"/2021-11-15/functions/hello/response-streaming-invocations", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if got := hex.EncodeToString(body); err != nil || got != recorded {
		t.Errorf("%v, body\n%s\nwant\n%s", err, got, recorded)
	}
}

// TestStreamArrivesAsItIsWritten has the function wait for the client at each chunk.
func TestStreamArrivesAsItIsWritten(t *testing.T) {
	seen := make(chan struct{})
	client, _ := startStream(t, func(inv *pinfold.Invocation) (*pinfold.Result, error) {
		inv.Stream.Begin("text/plain")
		for _, part := range []string{"one", "two"} {
			_, _ = io.WriteString(inv.Stream, part)
			<-seen
		}
		return &pinfold.Result{Streamed: true}, nil
	})
	out := must(client.InvokeWithResponseStream(t.Context(), &sdk.InvokeWithResponseStreamInput{FunctionName: aws.String("hello")}))(t)
	if err := read(out, func(e string) {
		if e != "end||" {
			seen <- struct{}{}
		}
	}); err != nil {
		t.Error(err)
	}
}

func TestStreamErrors(t *testing.T) {
	var fails error
	writes := false
	client, _ := startStream(t, func(inv *pinfold.Invocation) (*pinfold.Result, error) {
		inv.Stream.Begin("text/plain")
		if writes {
			_, _ = io.WriteString(inv.Stream, "a")
		}
		return nil, fails
	})
	invoke := func(change func(*sdk.InvokeWithResponseStreamInput)) error {
		in := &sdk.InvokeWithResponseStreamInput{FunctionName: aws.String("hello")}
		change(in)
		out, err := client.InvokeWithResponseStream(t.Context(), in)
		if err != nil {
			return err
		}
		return read(out, func(string) {})
	}
	same := func(*sdk.InvokeWithResponseStreamInput) {}
	fails = pinfold.Errorf(pinfold.Throttled, "Rate Exceeded.").WithReason("ConcurrentInvocationLimitExceeded")
	wantError(t, invoke(same), 429, "TooManyRequestsException", "Rate Exceeded.")
	wantError(t, invoke(func(in *sdk.InvokeWithResponseStreamInput) { in.InvocationType = "Event" }), 400, "ValidationException", "[RequestResponse, DryRun]")
	wantError(t, invoke(func(in *sdk.InvokeWithResponseStreamInput) { in.TenantId = aws.String("t") }), 400, "InvalidParameterValueException", "TenantId is not served")
	wantError(t, invoke(func(in *sdk.InvokeWithResponseStreamInput) { in.ClientContext = aws.String("*") }), 400, "InvalidRequestContentException", "Client context")

	fails, writes = errors.New("the instance is gone"), true
	if err := invoke(same); err == nil || !strings.Contains(err.Error(), "ServiceException") || !strings.Contains(err.Error(), "the instance is gone") {
		t.Errorf("an error in the stream: %v", err)
	}
	dry := must(client.InvokeWithResponseStream(t.Context(), &sdk.InvokeWithResponseStreamInput{FunctionName: aws.String("hello"), InvocationType: types.ResponseStreamingInvocationTypeDryRun}))(t)
	if dry.StatusCode != 204 || *dry.ExecutedVersion != "7" {
		t.Errorf("dry run: %+v", dry)
	}
}

// BenchmarkStream is what a chunk of 64 KB costs the wire.
func BenchmarkStream(b *testing.B) {
	chunk := make([]byte, 64<<10)
	f := streamer(func(inv *pinfold.Invocation) (*pinfold.Result, error) {
		inv.Stream.Begin("")
		b.ReportAllocs()
		b.SetBytes(int64(len(chunk)))
		for b.Loop() {
			_, _ = inv.Stream.Write(chunk)
		}
		return &pinfold.Result{Streamed: true}, nil
	})
	server, err := lambda.New(lambda.Options{Registry: function.New(function.Options{Scope: scope}), Invoker: f, Authorizer: f, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/2021-11-15/functions/hello/response-streaming-invocations", nil)
	server.Serve(&discard{header: http.Header{}}, r, nil)
}
