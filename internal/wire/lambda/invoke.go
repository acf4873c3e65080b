package lambda

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// Invoke is the hot path: the payload goes through as the bytes it came in, and
// so does the answer.
func (a *adapter) Invoke(ctx context.Context, in *InvocationRequest) (*InvocationResponse, error) {
	if in.TenantId != nil || in.DurableExecutionName != nil {
		if err := refuse(in); err != nil {
			return nil, err
		}
	}
	if value(in.InvocationType) == "Event" {
		if a.Async == nil {
			return nil, unservedAsync("InvocationType Event")
		}
		return &InvocationResponse{StatusCode: new(int64(http.StatusAccepted))}, a.invokeEvent(ctx, *in.FunctionName, in.Qualifier, in.Payload)
	}
	inv, err := a.invocation(ctx, *in.FunctionName, in.Qualifier, in.ClientContext, in.Payload)
	if err != nil {
		return nil, err
	}
	inv.WantLogTail = value(in.LogType) == "Tail"
	if value(in.InvocationType) == "DryRun" {
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
	return &InvocationResponse{
		Payload: result.Payload, ExecutedVersion: present(result.ExecutedVersion), FunctionError: present(result.FunctionError),
		LogResult: logResult(inv, result),
	}, nil
}

// invocation returns what a request asks for.
func (a *adapter) invocation(ctx context.Context, name string, qualifier, clientContext *string, payload []byte) (*pinfold.Invocation, error) {
	ref, err := a.Registry.Ref(name, value(qualifier))
	if err != nil {
		return nil, err
	}
	caller := protocol.CallerFrom(ctx)
	inv := &pinfold.Invocation{
		ID: caller.RequestID, Principal: caller.Principal, Function: ref, Trigger: pinfold.Trigger{Kind: "api"},
		Payload: payload, TraceID: caller.TraceID, TraceState: caller.TraceState,
	}
	if clientContext != nil {
		decoded, err := base64.StdEncoding.DecodeString(*clientContext)
		if err != nil {
			return nil, pinfold.Errorf(pinfold.Invalid, "Client context must be a valid Base64-encoded JSON object.").
				WithReason("InvalidRequestContentException")
		}
		inv.ClientContext = string(decoded)
	}
	return inv, nil
}

// logResult is the end of an invocation's log for who asked for it.
func logResult(inv *pinfold.Invocation, result *pinfold.Result) *string {
	if !inv.WantLogTail {
		return nil
	}
	return new(base64.StdEncoding.EncodeToString(result.LogTail))
}

// InvokeWithResponseStream passes an answer on while the function writes it.
//
// As recorded on AWS (radkawar/stackd, testdata/aws/lambda/streaming.json), what
// a function says that does not stream is a chunk, and so is its error. AWS
// leaves ErrorCode and ErrorDetails empty then, even where a stream broke off;
// here they say what the documentation of InvokeComplete promises. AWS also runs
// the function for a DryRun; here it does what the documentation says.
func (a *adapter) InvokeWithResponseStream(ctx context.Context, in *InvokeWithResponseStreamRequest, events *responseEvents) error {
	if in.TenantId != nil {
		if err := refuse(in); err != nil {
			return err
		}
	}
	inv, err := a.invocation(ctx, *in.FunctionName, in.Qualifier, in.ClientContext, in.Payload)
	if err != nil {
		return err
	}
	inv.WantLogTail = value(in.LogType) == "Tail"
	if value(in.InvocationType) == "DryRun" {
		v, err := a.Invoker.DryRun(ctx, inv)
		if err == nil {
			events.Begin(&InvokeWithResponseStreamResponse{StatusCode: new(int64(http.StatusNoContent)), ExecutedVersion: &v.Ref.Qualifier})
		}
		return err
	}
	stream := &responseStream{events: events, inv: inv}
	inv.Stream = stream
	result, err := a.Invoker.Invoke(ctx, inv)
	if err != nil {
		return err
	}
	if !result.Streamed {
		stream.Begin("application/json")
		_, _ = stream.Write(result.Payload) // who is gone misses the rest, too
	}
	stream.begin() // also for a stream in which nothing was written
	end := &InvokeWithResponseStreamCompleteEvent{LogResult: logResult(inv, result)}
	if result.FunctionError != "" {
		end.ErrorCode, end.ErrorDetails = new(errorType(result)), present(string(result.Payload))
	}
	_ = events.Send(&InvokeWithResponseStreamResponseEvent{InvokeComplete: end})
	return nil
}

type responseEvents = protocol.Events[InvokeWithResponseStreamResponse, InvokeWithResponseStreamResponseEvent]

// responseStream is a function's stream to a client of InvokeWithResponseStream.
// Nothing is sent before the first chunk: until then an error has a status.
type responseStream struct {
	events      *responseEvents
	inv         *pinfold.Invocation
	contentType string
	begun       bool
	chunk       InvokeResponseStreamUpdate
}

func (s *responseStream) Begin(contentType string) {
	if s.contentType = contentType; contentType == "" {
		s.contentType = "application/octet-stream"
	}
}

func (s *responseStream) Write(p []byte) (int, error) {
	s.begin()
	s.chunk.Payload = p
	if err := s.events.Send(&InvokeWithResponseStreamResponseEvent{PayloadChunk: &s.chunk}); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *responseStream) begin() {
	if !s.begun {
		s.begun = true
		s.events.Begin(&InvokeWithResponseStreamResponse{ExecutedVersion: present(s.inv.Version), ResponseStreamContentType: &s.contentType})
	}
}

// errorType returns what a function's error calls itself.
func errorType(result *pinfold.Result) string {
	var envelope struct {
		Type string `json:"errorType"`
	}
	if json.Unmarshal(result.Payload, &envelope) != nil || envelope.Type == "" {
		return result.FunctionError
	}
	return envelope.Type
}
