package lambda

import (
	"context"
	"io"
	"net/http"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// Async accepts asynchronous invocations; internal/async has one.
type Async interface {
	// Enqueue returns when the event is stored.
	Enqueue(ctx context.Context, inv *pinfold.Invocation) error
}

// needsAsync reports whether an operation is about asynchronous invocations.
func needsAsync(operation string) bool {
	return operation == "InvokeAsync" || strings.Contains(operation, "EventInvokeConfig")
}

func unservedAsync(what string) error { return unserved(what, "this server has no log of events.") }

// invokeEvent accepts an event. Its client context is not looked at, as on AWS:
// testdata/aws/lambda/event_invocation.json in radkawar/stackd.
func (a *adapter) invokeEvent(ctx context.Context, name string, qualifier *string, payload []byte) error {
	inv, err := a.invocation(ctx, name, qualifier, nil, payload)
	if err != nil {
		return err
	}
	inv.Trigger = pinfold.Trigger{Kind: "async"}
	return a.Async.Enqueue(ctx, inv)
}

func (a *adapter) InvokeAsync(ctx context.Context, in *InvokeAsyncRequest) (*InvokeAsyncResponse, error) {
	payload, err := io.ReadAll(in.InvokeArgs)
	if err != nil {
		return nil, err
	}
	return &InvokeAsyncResponse{Status: new(int64(http.StatusAccepted))}, a.invokeEvent(ctx, *in.FunctionName, nil, payload)
}

func (a *adapter) PutFunctionEventInvokeConfig(ctx context.Context, in *PutFunctionEventInvokeConfigRequest) (*FunctionEventInvokeConfig, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return eventInvoked(a.Registry.PutEventInvoke(ctx, ref, eventInvokeChange(in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig)))
}

func (a *adapter) UpdateFunctionEventInvokeConfig(ctx context.Context, in *UpdateFunctionEventInvokeConfigRequest) (*FunctionEventInvokeConfig, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return eventInvoked(a.Registry.UpdateEventInvoke(ctx, ref, eventInvokeChange(in.MaximumRetryAttempts, in.MaximumEventAgeInSeconds, in.DestinationConfig)))
}

func (a *adapter) GetFunctionEventInvokeConfig(ctx context.Context, in *GetFunctionEventInvokeConfigRequest) (*FunctionEventInvokeConfig, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return eventInvoked(a.Registry.GetEventInvoke(ctx, ref))
}

func (a *adapter) DeleteFunctionEventInvokeConfig(ctx context.Context, in *DeleteFunctionEventInvokeConfigRequest) (*protocol.Empty, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, value(in.Qualifier))
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Registry.DeleteEventInvoke(ctx, ref)
}

func (a *adapter) ListFunctionEventInvokeConfigs(ctx context.Context, in *ListFunctionEventInvokeConfigsRequest) (*ListFunctionEventInvokeConfigsResponse, error) {
	ref, err := a.Registry.Ref(*in.FunctionName, "")
	if err != nil {
		return nil, err
	}
	configs, next, err := a.Registry.ListEventInvokes(ctx, ref, page(in.Marker, in.MaxItems))
	if err != nil {
		return nil, err
	}
	return &ListFunctionEventInvokeConfigsResponse{FunctionEventInvokeConfigs: each(configs, eventInvoke), NextMarker: present(next)}, nil
}

// eventInvokeChange reads what a request says of how events are handled.
func eventInvokeChange(retries, age *int64, destinations *DestinationConfig) (c function.EventInvokeChange) {
	if retries != nil {
		c.MaximumRetryAttempts = new(int(*retries))
	}
	if age != nil {
		c.MaximumEventAge = new(pinfold.Seconds(*age))
	}
	if d := destinations; d != nil && d.OnSuccess != nil {
		c.OnSuccess = new(value(d.OnSuccess.Destination))
	}
	if d := destinations; d != nil && d.OnFailure != nil {
		c.OnFailure = new(value(d.OnFailure.Destination))
	}
	return c
}

func eventInvoked(c *pinfold.EventInvokeConfig, err error) (*FunctionEventInvokeConfig, error) {
	if err != nil {
		return nil, err
	}
	return new(eventInvoke(c)), nil
}

func eventInvoke(c *pinfold.EventInvokeConfig) FunctionEventInvokeConfig {
	out := FunctionEventInvokeConfig{
		FunctionArn: new(c.Ref.ARN()), LastModified: &c.Modified,
		DestinationConfig: &DestinationConfig{OnSuccess: &OnSuccess{present(c.OnSuccess)}, OnFailure: &OnFailure{present(c.OnFailure)}},
	}
	if c.MaximumRetryAttempts != nil {
		out.MaximumRetryAttempts = new(int64(*c.MaximumRetryAttempts))
	}
	if c.MaximumEventAge != nil {
		out.MaximumEventAgeInSeconds = new(int64(*c.MaximumEventAge))
	}
	return out
}
