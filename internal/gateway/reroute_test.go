package gateway

import (
	"context"
	"testing"

	"pinfold.dev/pinfold"
)

// A route may move to another function while a request is on its way, and the
// function that it led to may go.
func TestRouteMoves(t *testing.T) {
	ref := func(name string) pinfold.FunctionRef {
		return pinfold.FunctionRef{Account: "123456789012", Region: "us-east-1", Name: name}
	}
	api := func(function string, change ...func(*pinfold.API)) pinfold.API {
		a := pinfold.API{
			ID: "abc", Kind: pinfold.HTTPAPI, Account: "123456789012", Region: "us-east-1", App: "a/dev",
			Routes: []pinfold.Route{{Method: "POST", Path: "/x/{id}", Target: ref(function)}},
		}
		for _, c := range change {
			c(&a)
		}
		return a
	}
	for _, tc := range []struct {
		name   string
		after  []pinfold.API
		status int
		calls  int
	}{
		{"to a new function", []pinfold.API{api("new")}, 200, 2},
		{"nowhere", nil, 500, 1},
		{"to the same function", []pinfold.API{api("old")}, 500, 1},
		{"behind a key", []pinfold.API{api("new", func(a *pinfold.API) { a.Routes[0].APIKeyRequired = true })}, 500, 1},
		{"to another path", []pinfold.API{api("new", func(a *pinfold.API) { a.Routes[0].Path = "/y" })}, 500, 1},
		{"to a function that is gone too", []pinfold.API{api("gone")}, 500, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := open(t, Options{})
			h.g.Update([]pinfold.API{api("old")}, nil)
			h.answer = func(_ context.Context, inv *pinfold.Invocation) (*pinfold.Result, error) {
				if inv.Function.Name == "new" {
					return &pinfold.Result{Payload: []byte(`{"statusCode":200,"body":"new"}`)}, nil
				}
				h.g.Update(tc.after, nil)
				return nil, pinfold.Errorf(pinfold.NotFound, "Function not found")
			}
			response, body := h.do(ask{host: "abc.execute-api.localhost", method: "POST", path: "/x/7?q=1", body: "sent", headers: []string{"X-Y: z"}})
			if response.StatusCode != tc.status || h.invoked() != tc.calls {
				t.Fatalf("%d %s after %d calls, want %d after %d", response.StatusCode, body, h.invoked(), tc.status, tc.calls)
			}
			if tc.status != 200 {
				return
			}
			first, second := h.seen[0], h.seen[1]
			if string(first.Payload) != string(second.Payload) || first.ID != second.ID {
				t.Errorf("the functions are told different things:\n%s\n%s", first.Payload, second.Payload)
			}
			if a := h.access(); a.Function != "new" || a.Error != "" {
				t.Errorf("the access log has %+v", a)
			}
		})
	}
}
