package lambda

import (
	"context"
	"encoding/base64"
	"net/http"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// Invoke is the hot path: the payload goes through as the bytes it came in, and
// so does the answer.
func (a *adapter) Invoke(ctx context.Context, in *InvocationRequest) (*InvocationResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	if in.TenantId != nil || in.DurableExecutionName != nil {
		if err := refuse(in); err != nil {
			return nil, err
		}
	}
	caller := protocol.CallerFrom(ctx)
	inv := &pinfold.Invocation{
		ID: caller.RequestID, Principal: caller.Principal, Function: ref, Trigger: pinfold.Trigger{Kind: "api"},
		Payload: in.Payload, TraceID: caller.TraceID, WantLogTail: value(in.LogType) == "Tail",
	}
	if in.ClientContext != nil {
		decoded, err := base64.StdEncoding.DecodeString(*in.ClientContext)
		if err != nil {
			return nil, pinfold.Errorf(pinfold.Invalid, "Client context must be a valid Base64-encoded JSON object.").
				WithReason("InvalidRequestContentException")
		}
		inv.ClientContext = string(decoded)
	}
	switch value(in.InvocationType) {
	case "Event":
		return nil, unserved("InvocationType Event", "asynchronous invocations come with a later release; use RequestResponse.")
	case "DryRun":
		v, err := a.Invoker.DryRun(ctx, inv)
		if err != nil {
			return nil, err
		}
		return &InvocationResponse{StatusCode: new(int64(http.StatusNoContent)), ExecutedVersion: &v.Ref.Qualifier}, nil
	}
	result, err := a.Invoker.Invoke(ctx, inv)
	if err != nil {
		return nil, err
	}
	out := &InvocationResponse{
		Payload: result.Payload, ExecutedVersion: present(result.ExecutedVersion), FunctionError: present(result.FunctionError),
	}
	if inv.WantLogTail {
		out.LogResult = new(base64.StdEncoding.EncodeToString(result.LogTail))
	}
	return out, nil
}
