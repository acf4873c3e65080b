package invoke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"pinfold.dev/pinfold"
)

var hello = pinfold.FunctionRef{Account: "000000000000", Region: "us-east-1", Name: "hello"}

// parts are an invoker's surroundings; they note the order in which they are asked.
type parts struct {
	asked  []string
	deny   error
	result *pinfold.Result
	err    error
	ran    *pinfold.Invocation
}

func (p *parts) Authorize(_ context.Context, who pinfold.Principal, what pinfold.Action) error {
	p.asked = append(p.asked, string(who.Kind)+" "+what.Name+" "+what.Resource)
	return p.deny
}

func (p *parts) Resolve(_ context.Context, ref pinfold.FunctionRef) (*pinfold.Version, error) {
	p.asked = append(p.asked, "resolve "+ref.Name+":"+ref.Qualifier)
	if ref.Name != "hello" {
		return nil, pinfold.Errorf(pinfold.NotFound, "Function not found: %s", ref.ARN())
	}
	return &pinfold.Version{Ref: ref.With("7"), Config: pinfold.Config{Timeout: 3}}, nil
}

func (p *parts) Invoke(_ context.Context, v *pinfold.Version, inv *pinfold.Invocation) (*pinfold.Result, error) {
	p.asked = append(p.asked, "run "+v.Ref.Qualifier)
	p.ran = inv
	if p.result == nil && p.err == nil {
		return &pinfold.Result{Payload: inv.Payload}, nil
	}
	return p.result, p.err
}

func TestTheWayOfOneInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &parts{}
		inv := &pinfold.Invocation{Principal: pinfold.Principal{Kind: pinfold.Root}, Function: hello.With("live")}
		res, err := New(p, p, p).Invoke(t.Context(), inv)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.asked, ", "); got != "root lambda:InvokeFunction arn:aws:lambda:us-east-1:000000000000:function:hello:live, resolve hello:live, run 7" {
			t.Errorf("the way was: %s", got)
		}
		if string(res.Payload) != "{}" || res.ExecutedVersion != "7" {
			t.Errorf("result: %+v", res)
		}
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(p.ran.ID) {
			t.Errorf("request id %q", p.ran.ID)
		}
		// synctest's clock begins at 2000-01-01.
		if !regexp.MustCompile(`^Root=1-386d4380-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0$`).MatchString(p.ran.TraceID) {
			t.Errorf("trace header %q", p.ran.TraceID)
		}
	})
}

func TestWhatTheCallerSaidIsKept(t *testing.T) {
	p := &parts{result: &pinfold.Result{FunctionError: "Unhandled", ExecutedVersion: "8"}}
	deadline := time.Now().Add(time.Hour)
	inv := &pinfold.Invocation{
		ID: "id", Function: hello, Deadline: deadline, Payload: []byte(` [1] `),
		TraceID: "Self=1-x;Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1",
	}
	res, err := New(p, p, p).Invoke(t.Context(), inv)
	if err != nil || res.FunctionError != "Unhandled" || res.ExecutedVersion != "8" {
		t.Errorf("a function's error is a result: %+v, %v", res, err)
	}
	if p.ran.ID != "id" || !p.ran.Deadline.Equal(deadline) || string(p.ran.Payload) != " [1] " ||
		!strings.HasPrefix(p.ran.TraceID, "Root=1-67891233-abcdef012345678912345678;Parent=463ac35c9f6413ad;Sampled=1;Lineage=1:") || p.ran.Version != "7" {
		t.Errorf("changed to %+v", p.ran)
	}
}

func TestDryRunRunsNothing(t *testing.T) {
	p := &parts{}
	v, err := New(p, p, p).DryRun(t.Context(), &pinfold.Invocation{Function: hello})
	if err != nil || v.Ref.Qualifier != "7" || p.ran != nil || len(p.asked) != 2 {
		t.Errorf("%+v, %v, asked %v", v, err, p.asked)
	}
	if _, err := New(p, p, p).DryRun(t.Context(), &pinfold.Invocation{Function: hello, Payload: []byte("{")}); pinfold.CodeOf(err) != pinfold.Invalid {
		t.Errorf("a dry run validates: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	big := append(bytes.Repeat([]byte("1"), pinfold.MaxPayload), '1')
	denied := pinfold.Errorf(pinfold.Denied, "no")
	down := errors.New("no runtime")
	for _, tc := range []struct {
		name   string
		parts  parts
		inv    pinfold.Invocation
		code   pinfold.Code
		reason string
		says   string
	}{
		{"denied", parts{deny: denied}, pinfold.Invocation{Function: hello, Payload: []byte("{")}, pinfold.Denied, "", "no"},
		{"too large", parts{}, pinfold.Invocation{Function: hello, Payload: big}, pinfold.TooLarge, "RequestTooLargeException", "Request must be smaller than 6291556 bytes for the InvokeFunction operation"},
		{"unknown function", parts{}, pinfold.Invocation{Function: pinfold.FunctionRef{Name: "other"}, Payload: []byte("{")}, pinfold.NotFound, "", "Function not found"},
		{"not JSON", parts{}, pinfold.Invocation{Function: hello, Payload: []byte("{\n \"a\": x}")}, pinfold.Invalid, "InvalidRequestContentException", "Could not parse request body into json: Could not parse payload into json: invalid character 'x' looking for beginning of value at line: 2, column: 7"},
		{"cut off", parts{}, pinfold.Invocation{Function: hello, Payload: []byte(`{"a":`)}, pinfold.Invalid, "InvalidRequestContentException", "unexpected end of JSON input"},
		{"two values", parts{}, pinfold.Invocation{Function: hello, Payload: []byte("0D")}, pinfold.Invalid, "InvalidRequestContentException", "line: 1, column: 2"},
		{"blank", parts{}, pinfold.Invocation{Function: hello, Payload: []byte(" ")}, pinfold.Invalid, "InvalidRequestContentException", "Could not parse"},
		{"not UTF-8", parts{}, pinfold.Invocation{Function: hello, Payload: []byte("\"a\x97\"")}, pinfold.Invalid, "InvalidRequestContentException", "invalid UTF-8 at line: 1, column: 3"},
		{"large client context", parts{}, pinfold.Invocation{Function: hello, ClientContext: `{"custom":"` + strings.Repeat("x", 2700) + `"}`}, pinfold.Invalid, "InvalidRequestContentException", "no more than 3583 bytes"},
		{"odd client context", parts{}, pinfold.Invocation{Function: hello, ClientContext: `"x"`}, pinfold.Invalid, "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object."},
		{"no instance", parts{err: down}, pinfold.Invocation{Function: hello}, pinfold.Internal, "", "no runtime"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res, err := New(&tc.parts, &tc.parts, &tc.parts).Invoke(t.Context(), &tc.inv)
			if res != nil || pinfold.CodeOf(err) != tc.code || pinfold.ReasonOf(err) != tc.reason || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s %s: %v", pinfold.CodeOf(err), pinfold.ReasonOf(err), err)
			}
			if tc.parts.err == nil && tc.parts.ran != nil {
				t.Error("it ran all the same")
			}
		})
	}
}

func TestExactlyTheLargestPayload(t *testing.T) {
	p := &parts{}
	inv := &pinfold.Invocation{Function: hello, Payload: bytes.Repeat([]byte("1"), pinfold.MaxPayload)}
	if _, err := New(p, p, p).Invoke(t.Context(), inv); err != nil {
		t.Error(err)
	}
}

func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{"", "{}", "{\n\"a\":\n x", "\"\xff\"", "1 2", "\"\\ud800\"", "nul", "[1,", "\n\n\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		err := checkJSON(p)
		if want := utf8.Valid(p) && json.Valid(p); (err == nil) != want {
			t.Errorf("%q: %v", p, err)
		}
	})
}

// free are surroundings that cost nothing.
type free struct {
	version *pinfold.Version
	result  *pinfold.Result
}

func (f *free) Authorize(context.Context, pinfold.Principal, pinfold.Action) error { return nil }
func (f *free) Resolve(context.Context, pinfold.FunctionRef) (*pinfold.Version, error) {
	return f.version, nil
}
func (f *free) Invoke(context.Context, *pinfold.Version, *pinfold.Invocation) (*pinfold.Result, error) {
	return f.result, nil
}

// BenchmarkInvoke is what an invocation costs here: one by a user with a
// kilobyte of JSON, and one by the gateway, whose events need no check.
func BenchmarkInvoke(b *testing.B) {
	f := &free{&pinfold.Version{Ref: hello.With("7")}, &pinfold.Result{ExecutedVersion: "7"}}
	i := New(f, f, f)
	payload := []byte(`{"list":[` + strings.Repeat(`{"id":12345,"ok":true},`, 42) + `0]}`)
	for _, kind := range []pinfold.PrincipalKind{pinfold.Root, pinfold.Service} {
		b.Run(string(kind), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				inv := pinfold.Invocation{
					ID: "f47ac10b-58cc-4372-a567-0e02b2c3d479", Function: hello, Payload: payload, Principal: pinfold.Principal{Kind: kind},
					TraceID: "Root=1-67891233-abcdef012345678912345678",
				}
				if _, err := i.Invoke(context.Background(), &inv); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
