package protocol

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
)

// Error is an error as it goes over the wire.
type Error struct {
	Code    string // "ResourceNotFoundException"
	Status  int
	Message string
	Fault   bool // the server's fault, not the sender's
	// Members are further members of the error's shape, by name.
	Members map[string]string
	// message is what the shape calls its message: "message" or "Message".
	message string
	// query is the code in the query protocol, where the service once spoke that.
	query string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Errors that any service can answer with.
// Source: "Common Error Types" in the services' API references.
var commonErrors = map[string]int{
	"AccessDenied":                        http.StatusForbidden,
	"AccessDeniedException":               http.StatusForbidden,
	"AuthFailure":                         http.StatusForbidden,
	"ExpiredToken":                        http.StatusForbidden,
	"ExpiredTokenException":               http.StatusForbidden,
	"IncompleteBody":                      http.StatusBadRequest,
	"IncompleteSignature":                 http.StatusBadRequest,
	"IncompleteSignatureException":        http.StatusBadRequest,
	"InternalFailure":                     http.StatusInternalServerError,
	"InvalidAction":                       http.StatusBadRequest,
	"InvalidClientTokenId":                http.StatusForbidden,
	"InvalidSignatureException":           http.StatusForbidden,
	"MalformedInput":                      http.StatusBadRequest,
	"MalformedXML":                        http.StatusBadRequest,
	"MissingAuthenticationToken":          http.StatusForbidden,
	"MissingAuthenticationTokenException": http.StatusForbidden,
	"NotImplemented":                      http.StatusNotImplemented,
	"NotImplementedException":             http.StatusNotImplemented,
	"RequestEntityTooLarge":               http.StatusRequestEntityTooLarge,
	"RequestEntityTooLargeException":      http.StatusRequestEntityTooLarge,
	"RequestExpired":                      http.StatusBadRequest,
	"RequestTimeout":                      http.StatusRequestTimeout,
	"RequestTimeoutException":             http.StatusRequestTimeout,
	"SerializationException":              http.StatusBadRequest,
	"ServiceUnavailable":                  http.StatusServiceUnavailable,
	"SignatureDoesNotMatch":               http.StatusForbidden,
	"Throttling":                          http.StatusBadRequest,
	"ThrottlingException":                 http.StatusBadRequest,
	"UnknownOperationException":           http.StatusBadRequest,
	"UnknownService":                      http.StatusNotFound,
	"UnrecognizedClientException":         http.StatusForbidden,
	"ValidationError":                     http.StatusBadRequest,
	"ValidationException":                 http.StatusBadRequest,
}

// byDefault names the error for a code where the service does not: first as XML
// protocols call it, then as JSON protocols do.
var byDefault = map[pinfold.Code][2]string{
	pinfold.NotFound:    {"ResourceNotFound", "ResourceNotFoundException"},
	pinfold.Conflict:    {"Conflict", "ConflictException"},
	pinfold.Invalid:     {"ValidationError", "ValidationException"},
	pinfold.Denied:      {"AccessDenied", "AccessDeniedException"},
	pinfold.Throttled:   {"Throttling", "ThrottlingException"},
	pinfold.TooLarge:    {"RequestEntityTooLarge", "RequestEntityTooLargeException"},
	pinfold.Timeout:     {"RequestTimeout", "RequestTimeoutException"},
	pinfold.Unavailable: {"ServiceUnavailable", "ServiceUnavailable"},
	pinfold.Unserved:    {"NotImplemented", "NotImplementedException"},
	pinfold.Internal:    {"InternalFailure", "InternalFailure"},
}

var statusOf = map[pinfold.Code]int{
	pinfold.NotFound:    http.StatusNotFound,
	pinfold.Conflict:    http.StatusConflict,
	pinfold.Invalid:     http.StatusBadRequest,
	pinfold.Denied:      http.StatusForbidden,
	pinfold.Throttled:   http.StatusTooManyRequests,
	pinfold.TooLarge:    http.StatusRequestEntityTooLarge,
	pinfold.Timeout:     http.StatusRequestTimeout,
	pinfold.Unavailable: http.StatusServiceUnavailable,
	pinfold.Unserved:    http.StatusNotImplemented,
	pinfold.Internal:    http.StatusInternalServerError,
}

// maxErrorMessage is how many bytes of what was wrong an error has: many repeat a
// part of the request, which may be large.
const maxErrorMessage = 4096

// ToError turns any error into one for the wire of a service. A pinfold.Error's
// Reason, if it is the name of one of the service's errors or a common one, is
// the code; else names says which error stands for which pinfold.Code.
func (s *Service) ToError(err error, names map[pinfold.Code]string) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	code, reason, message := pinfold.CodeOf(err), pinfold.ReasonOf(err), err.Error()
	if e, ok := errors.AsType[*pinfold.Error](err); !ok && errors.Is(err, context.DeadlineExceeded) {
		code = pinfold.Timeout
	} else if ok && e.Message != "" {
		message = err.Error()
	}
	if len(message) > maxErrorMessage {
		message = strings.ToValidUTF8(message[:maxErrorMessage], "") + "..."
	}
	if e := s.named(reason, message); e != nil {
		return e
	}
	name := names[code]
	if name == "" {
		name = byDefault[code][0]
		if s.Protocol.json() {
			name = byDefault[code][1]
		}
	}
	e := s.named(name, message)
	if e == nil {
		e = &Error{Code: name, Status: statusOf[code], Message: message}
	}
	if e.Fault = e.Status >= 500; e.Members == nil && reason != "" {
		e.Members = map[string]string{}
	}
	if shape := s.errorShape(name); shape != nil && reason != "" && slices.Contains(shape.Members, "Reason") {
		e.Members["Reason"] = reason
	}
	return e
}

// named returns an error that the service models or that is common to all, or nil.
func (s *Service) named(name, message string) *Error {
	if shape := s.errorShape(name); shape != nil {
		e := &Error{Code: shape.Name, Status: shape.Status, Message: message, Fault: shape.Fault}
		if e.query = shape.Code; e.query != "" && !s.Protocol.json() {
			e.Code = shape.Code
		}
		for _, member := range shape.Members {
			if strings.EqualFold(member, "message") {
				e.message = member
			}
			if member == "Type" {
				e.Members = map[string]string{"Type": "User"}
				if e.Fault {
					e.Members["Type"] = "Service"
				}
			}
		}
		return e
	}
	if status, ok := commonErrors[name]; ok {
		return &Error{Code: name, Status: status, Message: message, Fault: status >= 500}
	}
	return nil
}

func (s *Service) errorShape(name string) *ErrorShape {
	for i := range s.Errors {
		if shape := &s.Errors[i]; name != "" && (shape.Name == name || shape.Code == name) {
			return shape
		}
	}
	return nil
}

// WriteError answers a request with an error in the service's protocol.
func (s *Service) WriteError(w http.ResponseWriter, r *http.Request, e *Error) {
	var body []byte
	h := w.Header()
	id := CallerFrom(r.Context()).RequestID
	s.writeID(h, id)
	if after, ok := e.Members["retryAfterSeconds"]; ok {
		h.Set("Retry-After", after)
	}
	if s.Protocol.json() {
		h.Set("Content-Type", s.contentType())
		if s.Protocol == RESTJSON {
			h.Set("X-Amzn-ErrorType", e.Code)
		} else if s.QueryCompatible {
			h.Set("X-Amzn-Query-Error", e.QueryCode()+";"+e.side())
		}
		body = s.errorJSON(e)
	} else {
		h.Set("Content-Type", s.contentType())
		body = s.errorXML(e, r, id)
	}
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that has gone needs no answer
	}
}

// QueryCode returns the error's code in the query protocol.
func (e *Error) QueryCode() string {
	if e.query != "" {
		return e.query
	}
	return e.Code
}

func (e *Error) side() string {
	if e.Fault {
		return "Receiver"
	}
	return "Sender"
}

func (s *Service) errorJSON(e *Error) []byte {
	message := e.message
	if message == "" {
		message = "message"
	}
	b := []byte{'{'}
	member := func(name, value string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendString(append(appendString(b, name), ':'), value)
	}
	if s.Protocol != RESTJSON {
		member("__type", e.Code)
	}
	for _, name := range slices.Sorted(maps.Keys(e.Members)) {
		if name != "retryAfterSeconds" && (name != "Type" || s.Protocol == RESTJSON) {
			member(name, e.Members[name])
		}
	}
	member(message, e.Message)
	return append(b, '}')
}

func (s *Service) errorXML(e *Error, r *http.Request, id string) []byte {
	var w xmlWriter
	w.WriteString(xmlHeader)
	if !s.BareErrors {
		w.open("ErrorResponse", "xmlns", s.Namespace)
	}
	w.open("Error")
	if !s.BareErrors {
		w.leaf("Type", e.side())
	}
	w.leaf("Code", e.Code)
	w.leaf("Message", e.Message)
	for _, name := range slices.Sorted(maps.Keys(e.Members)) {
		if name != "Type" {
			w.leaf(name, e.Members[name])
		}
	}
	if s.BareErrors {
		w.leaf("Resource", r.URL.Path)
		w.leaf("RequestId", id)
	}
	w.close("Error")
	if !s.BareErrors {
		w.leaf("RequestId", id)
		w.close("ErrorResponse")
	}
	return w.Bytes()
}

func (s *Service) contentType() string {
	switch s.Protocol {
	case JSON10:
		return "application/x-amz-json-1.0"
	case JSON11:
		return "application/x-amz-json-1.1"
	case RESTJSON:
		return "application/json"
	case RESTXML:
		return "application/xml"
	}
	return "text/xml"
}

func (s *Service) writeID(h http.Header, id string) {
	h.Set("X-Amzn-Requestid", id)
	if s.BareErrors {
		h.Set("X-Amz-Request-Id", id)
	}
}
