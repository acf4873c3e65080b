package mux

import (
	"context"
	"net/http/httptest"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// seer answers with the trace header that it was called with, or fails.
type seer struct{}

func (seer) Invoke(ctx context.Context, in *echoInput) (*echoOutput, error) {
	if *in.Name == "fail" {
		return nil, pinfold.Errorf(pinfold.NotFound, "there is none").WithReason("ResourceNotFoundException")
	}
	return &echoOutput{Who: new(protocol.CallerFrom(ctx).TraceID), Body: in.Body}, nil
}

// TestTraced: of every call with a trace header it is told who makes it and how it
// went, and what the call causes has the header that is returned.
func TestTraced(t *testing.T) {
	const path = "POST /2015-03-31/functions/"
	for name, tt := range map[string]struct {
		request string
		status  int
		told    string // "" if it is not told
		seen    string // by the service
	}{
		"ok":               {path + "f/invocations HTTP/1.1\nHost: x\nSign: AKROOT/lambda\nX-Amzn-Trace-Id: theirs\n\n{}", 200, "arn:root theirs lambda: Invoke ", "ours"},
		"anonymous":        {path + "f/invocations HTTP/1.1\nHost: x\nX-Amzn-Trace-Id: theirs\n\n{}", 200, "anonymous theirs lambda: Invoke ", "ours"},
		"no header":        {path + "f/invocations HTTP/1.1\nHost: x\nSign: AKROOT/lambda\n\n{}", 200, "", ""},
		"it fails":         {path + "fail/invocations HTTP/1.1\nHost: x\nSign: AKROOT/lambda\nX-Amzn-Trace-Id: theirs\n\n{}", 404, "arn:root theirs lambda: Invoke ResourceNotFoundException", ""},
		"unserved":         {"POST /2014-11-13/functions/f/invoke-async HTTP/1.1\nHost: x\nSign: AKROOT/lambda\nX-Amzn-Trace-Id: theirs\n\n", 501, "arn:root theirs lambda:  NotImplementedException", ""},
		"unknown key":      {path + "f/invocations HTTP/1.1\nHost: x\nSign: AKNONE/lambda\nX-Amzn-Trace-Id: theirs\n\n{}", 403, "", ""},
		"the control API":  {"GET /_pinfold/x HTTP/1.1\nHost: x\nSign: AKROOT/pinfold\nX-Amzn-Trace-Id: theirs\n\n", 200, "", ""},
		"of other service": {"POST / HTTP/1.1\nHost: sts\nSign: AKROOT/sts\nX-Amzn-Trace-Id: theirs\nContent-Type: application/x-www-form-urlencoded\n\nAction=GetCallerIdentity&Version=2011-06-15", 200, "arn:root theirs sts: GetCallerIdentity ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := testMux(t)
			m.served["lambda"] = server(t, m.served["lambda"].Model(), seer{})
			told, times := "", 0
			m.options.Traced = func(by protocol.Caller, service string) (string, func(operation string, failed *protocol.Error)) {
				if by.RequestID == "" {
					t.Error("a call without an id")
				}
				told = by.Principal.ARN + " " + by.TraceID + " " + service + ": "
				return "ours", func(operation string, failed *protocol.Error) {
					code := ""
					if failed != nil {
						code = failed.Code
					}
					told += operation + " " + code
					times++
				}
			}
			w := httptest.NewRecorder()
			m.ServeHTTP(w, request(t, tt.request))
			if w.Code != tt.status || told != tt.told || times > 1 || w.Header().Get("X-Who") != tt.seen && name != "the control API" {
				t.Errorf("status %d, told %q %d times, the service saw %q: %s", w.Code, told, times, w.Header().Get("X-Who"), w.Body)
			}
		})
	}
}

// Who does not want to be told how it went need not.
func TestTracedWithoutDone(t *testing.T) {
	m := testMux(t)
	m.options.Traced = func(by protocol.Caller, _ string) (string, func(operation string, failed *protocol.Error)) {
		return by.TraceID, nil
	}
	w := httptest.NewRecorder()
	m.ServeHTTP(w, request(t, "POST /2015-03-31/functions/f/invocations HTTP/1.1\nHost: x\nX-Amzn-Trace-Id: theirs\n\n{}"))
	if w.Code != 200 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
