package lambda_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"

	"pinfold.dev/pinfold"
)

func TestInvoke(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	p.create("hello")
	payload := []byte("\x00 not JSON: the adapter does not look \xff")
	p.invoker.result = &pinfold.Result{Payload: []byte(`{"answer" : 42}`), ExecutedVersion: "$LATEST", LogTail: []byte("START\nEND\n")}
	clientContext := base64.StdEncoding.EncodeToString([]byte(`{"custom":{"a":1}}`))
	out := must(p.Invoke(ctx, &sdk.InvokeInput{
		FunctionName: aws.String("123456789012:function:hello"), Qualifier: aws.String("$LATEST"), Payload: payload,
		LogType: types.LogTypeTail, ClientContext: &clientContext,
	}))(t)
	if out.StatusCode != 200 || string(out.Payload) != `{"answer" : 42}` || *out.ExecutedVersion != "$LATEST" || out.FunctionError != nil ||
		*out.LogResult != base64.StdEncoding.EncodeToString([]byte("START\nEND\n")) {
		t.Errorf("answer is %+v %s", out, out.Payload)
	}
	got := p.invoker.got
	if got.ID == "" || got.Principal.Kind != pinfold.Root {
		t.Errorf("invoked as %+v with id %q", got.Principal, got.ID)
	}
	want := &pinfold.Invocation{
		ID: got.ID, Principal: got.Principal, Payload: payload, ClientContext: `{"custom":{"a":1}}`, WantLogTail: true,
		Function: pinfold.FunctionRef{Account: scope.Account, Region: scope.Region, Name: "hello", Qualifier: "$LATEST"},
		Trigger:  pinfold.Trigger{Kind: "api"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("invocation (-want +got):\n%s", diff)
	}

	p.invoker.result = &pinfold.Result{Payload: []byte(`{"errorMessage":"no","errorType":"Error","trace":[]}`), FunctionError: "Unhandled", ExecutedVersion: "7"}
	out = must(p.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("hello")}))(t)
	if out.StatusCode != 200 || aws.ToString(out.FunctionError) != "Unhandled" || out.LogResult != nil || !strings.Contains(string(out.Payload), "errorMessage") {
		t.Errorf("a function's error: %+v %s", out, out.Payload)
	}
	dry := must(p.Invoke(ctx, &sdk.InvokeInput{FunctionName: aws.String("hello"), InvocationType: types.InvocationTypeDryRun}))(t)
	if dry.StatusCode != 204 || len(dry.Payload) != 0 {
		t.Errorf("dry run: %+v %s", dry, dry.Payload)
	}
}

func TestInvokeErrors(t *testing.T) {
	p := start(t)
	ctx := t.Context()
	p.create("hello")
	invoke := func(change func(*sdk.InvokeInput)) error {
		in := &sdk.InvokeInput{FunctionName: aws.String("hello")}
		change(in)
		return ignore(p.Invoke(ctx, in))
	}
	wantError(t, invoke(func(in *sdk.InvokeInput) { in.FunctionName = aws.String("nobody") }), 404, "ResourceNotFoundException", "Function not found: "+arn+"nobody")
	wantError(t, invoke(func(in *sdk.InvokeInput) { in.Qualifier = aws.String("live") }), 404, "ResourceNotFoundException", "Function not found: "+arn+"hello:live")
	wantError(t, invoke(func(in *sdk.InvokeInput) { in.InvocationType = "Sometimes" }), 400, "ValidationException", "Member must satisfy enum value set: [Event, RequestResponse, DryRun]")
	wantError(t, invoke(func(in *sdk.InvokeInput) { in.TenantId = aws.String("t") }), 400, "InvalidParameterValueException", "TenantId is not served")
	wantError(t, invoke(func(in *sdk.InvokeInput) { in.ClientContext = aws.String("*") }), 400, "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.")
	wantError(t, invoke(func(in *sdk.InvokeInput) { in.Payload = make([]byte, 7<<20) }), 413, "RequestTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation")

	p.invoker.err = pinfold.Errorf(pinfold.Throttled, "Rate Exceeded.").WithReason("ReservedFunctionConcurrentInvocationLimitExceeded")
	err := invoke(func(*sdk.InvokeInput) {})
	wantError(t, err, 429, "TooManyRequestsException", "Rate Exceeded.")
	if throttled, ok := asError[*types.TooManyRequestsException](err); !ok || throttled.Reason != types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded {
		t.Errorf("reason is %+v", throttled)
	}
	p.invoker.err = pinfold.Errorf(pinfold.Unavailable, "the server is shutting down")
	wantError(t, invoke(func(*sdk.InvokeInput) {}), 503, "ServiceUnavailable", "the server is shutting down")
}

// TestInvokeOnTheWire looks at the answer as it is, without an SDK.
func TestInvokeOnTheWire(t *testing.T) {
	p := start(t)
	p.create("hello")
	p.invoker.result = &pinfold.Result{Payload: []byte("[1]"), ExecutedVersion: "3", FunctionError: "Unhandled"}
	r := httpRequest(t, p, "POST", "/2015-03-31/functions/hello/invocations", []byte(`{}`))
	r.Header.Set("X-Amzn-Trace-Id", "Root=1-2-3")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json", "Content-Length": "3", "X-Amz-Executed-Version": "3", "X-Amz-Function-Error": "Unhandled",
		"X-Amzn-Requestid": p.invoker.got.ID, "X-Amz-Log-Result": "",
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if body.String() != "[1]" || p.invoker.got.TraceID != "Root=1-2-3" {
		t.Errorf("body %q, trace %q", body.String(), p.invoker.got.TraceID)
	}
}
