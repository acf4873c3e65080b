package pinfold

import (
	"errors"
	"fmt"
)

// Code classifies an error for whoever has to act on it. Only the edge of the
// platform (internal/wire, internal/gateway, cli) turns a Code into a
// protocol's own name and status.
type Code string

// The codes. An error without one is Internal.
const (
	NotFound    Code = "NotFound"    // the named thing does not exist
	Conflict    Code = "Conflict"    // it exists already, or has changed meanwhile
	Invalid     Code = "Invalid"     // the request cannot be served as it is
	Denied      Code = "Denied"      // the principal may not do this
	Throttled   Code = "Throttled"   // try again later, less often
	TooLarge    Code = "TooLarge"    // over a size limit
	Timeout     Code = "Timeout"     // not finished in the time it had
	Unavailable Code = "Unavailable" // not now: shutting down, disk full, not ready
	Unserved    Code = "Unserved"    // an operation or feature that Pinfold does not serve
	Internal    Code = "Internal"    // our fault
)

// Error is an error for people: a message that says what was wrong, where, and
// what to do, under a Code that programs can switch on.
type Error struct {
	Code Code
	// Reason is an optional finer name, in AWS's words where AWS has one: an
	// exception name ("InvalidZipFileException") or a throttling reason
	// ("ReservedFunctionConcurrentInvocationLimitExceeded").
	Reason  string
	Message string
	Err     error // the cause; Message has its text already
}

func (e *Error) Error() string {
	if e.Message == "" && e.Err != nil {
		return e.Err.Error()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error with a formatted message. A %w verb keeps the cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithReason returns the error under a finer name; see [Error.Reason].
func (e *Error) WithReason(reason string) *Error {
	e.Reason = reason
	return e
}

// CodeOf returns the code of the outermost Error in err's chain, Internal for
// an error without one, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return Internal
}

// ReasonOf returns the Reason of the outermost Error in err's chain, or "".
func ReasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}
