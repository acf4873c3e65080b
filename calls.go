package pinfold

import "time"

// CallEdge is how one of the platform's parts called another, all its calls
// together.
type CallEdge struct {
	From CallNode `json:"from"`
	To   CallNode `json:"to"`
	// Via is how: "lambda.Invoke", a Trigger.Kind, or "" if To says it.
	Via       string `json:"via,omitempty"`
	Calls     uint64 `json:"calls"`
	Errors    uint64 `json:"errors"`     // whose Status is not "ok"
	Throttles uint64 `json:"throttles"`  // of them, those that were refused at a limit
	Cold      uint64 `json:"coldStarts"` // that had to wait for one
	// Half of the calls took no longer than P50, and 99% no longer than P99, which
	// are right to 3%. It is the time that the caller waited.
	P50       time.Duration `json:"p50Ns"`
	P99       time.Duration `json:"p99Ns"`
	PerMinute float64       `json:"perMinute"` // since the first record that was looked at
}

// ErrorShare is which part of the calls failed, 0 to 1.
func (e *CallEdge) ErrorShare() float64 {
	if e.Calls == 0 {
		return 0
	}
	return float64(e.Errors) / float64(e.Calls)
}

// CallNode is who calls, or is called.
type CallNode struct {
	Kind CallKind `json:"kind"`
	// Name is that of the function, also behind a function URL; "sts.GetCallerIdentity"
	// for a service; "a1b2c3d4e5 GET /orders" for a route of an API; "root" or
	// "user/NAME" for a client.
	Name string `json:"name"`
}

// CallKind is what sort of part a [CallNode] is.
type CallKind string

// The kinds of nodes. Triggers that have none here have their own name as kind.
const (
	CallFunction CallKind = "function"
	CallService  CallKind = "service" // an operation of one of the platform's
	CallHTTP     CallKind = "http"    // a route of an HTTP API
	CallREST     CallKind = "rest"    // a route of a REST API
	CallURL      CallKind = "url"     // a function URL
	CallClient   CallKind = "client"  // whoever has a key of the account
	CallOther    CallKind = "other"   // what there was no room to tell apart
)
