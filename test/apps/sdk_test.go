package apps_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pinfold.dev/pinfold/platformtest"
)

// TestSDKInside deploys a function that calls the platform back with the AWS
// SDK for JavaScript, told nothing but what its environment says.
func TestSDKInside(t *testing.T) {
	needsPackages(t, "sdk")
	p := platformtest.Start(t)
	d := p.Deploy(t, "sdk")
	orders := urlOf(t, d, "POST", "/orders")
	post(t, orders, "application/json", `{"item": "fences", "count": 2}`).is(201).
		json(`{"reserved": 2, "item": "fences", "by": "sdk-dev-stock", "version": "$LATEST", "other": "ResourceNotFoundException"}`)
	post(t, orders, "application/json", `{"item": "gates", "count": 11}`).is(409).
		json(`{"error": "no gates in stock", "type": "OutOfStock", "logged": true}`)
	post(t, orders, "application/json", `{"item": "posts", "count": 1, "by": "STOCK_ARN"}`).is(201).
		json(`{"reserved": 1, "item": "posts", "by": "sdk-dev-stock", "version": "$LATEST", "other": "ResourceNotFoundException"}`)

	// A function's credentials allow no more than to invoke.
	who := get(t, urlOf(t, d, "GET", "/whoami")).is(200)
	var got struct {
		Key, Region, Refused, Message string
		Token                         bool
	}
	if err := json.Unmarshal(who.body, &got); err != nil || got.Key != "ASIA" || !got.Token || got.Region != p.Region ||
		got.Refused != "AccessDeniedException" || !strings.Contains(got.Message, "not authorized to perform: lambda:GetFunctionConfiguration") {
		who.errorf("it is %+v", got)
	}
}

// TestLoopIsStopped has a function call itself: the SDK hands on the trace header
// by which it is counted.
func TestLoopIsStopped(t *testing.T) {
	needsPackages(t, "sdk")
	p := platformtest.Start(t)
	p.Deploy(t, "sdk")
	result, err := p.Client.Invoke(t.Context(), "sdk-dev-loop", []byte("{}"), false)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"runs":16,"stopped":"RecursiveInvocationException","status":400}`; string(result.Payload) != want {
		t.Errorf("answer %s, want %s", result.Payload, want)
	}
}
