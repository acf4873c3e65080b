package protocol

import (
	"errors"
	"net/http"
	"reflect"

	"github.com/aws/smithy-go/eventstream"
)

// Events takes the answer of an operation whose output is an event stream: the
// output, then events. If the method returns an error before Begin, that is the
// answer; after it, the error is the last message of the stream.
//
// The form on the wire: https://smithy.io/2.0/aws/amazon-eventstream.html.
type Events[O, E any] struct{ to *eventWriter }

// Begin answers with the output. One with the status 204 has no events. It is
// on the wire with the first event at the latest.
func (e *Events[O, E]) Begin(out *O) { e.to.begin(reflect.ValueOf(out).Elem()) }

// Send sends an event, of which one member is set. When it returns, the event is
// on its way. An error means that there is no client any more.
func (e *Events[O, E]) Send(event *E) error { return e.to.send(reflect.ValueOf(event).Elem()) }

// eventWriter writes one event stream.
type eventWriter struct {
	server  *Server
	op      *operation
	w       http.ResponseWriter
	r       *http.Request
	encoder *eventstream.Encoder
	begun   bool
	err     error // why nothing more can be sent
}

const eventStreamType = "application/vnd.amazon.eventstream"

var errNoEvents = errors.New("the answer has no events")

func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, op *operation, in any) *Error {
	to := &eventWriter{server: s, op: op, w: w, r: r, encoder: eventstream.NewEncoder()}
	err := op.stream(r.Context(), s.impl, in, to)
	switch {
	case err != nil && !to.begun:
		return s.Fail(w, r, err)
	case err != nil:
		return to.fail(err)
	case !to.begun:
		to.begin(reflect.ValueOf(op.newOutput()).Elem())
	}
	return nil
}

// begin writes status and headers. A content type among them is that of what
// the stream carries, which AWS shows under another name (recorded in
// radkawar/stackd, testdata/aws/lambda/streaming.json, and in Kong's
// spec/fixtures for its plugin aws-lambda). Protocols without headers of their
// own have an event for the output.
func (e *eventWriter) begin(v reflect.Value) {
	e.begun = true
	h, status := e.w.Header(), e.op.Status
	e.server.model.writeID(h, CallerFrom(e.r.Context()).RequestID)
	rest := e.server.model.Protocol.rest()
	if rest {
		if code := encodeBindings(e.op.out, v, h); code != 0 {
			status = code
		}
	}
	if status == http.StatusNoContent {
		h.Del("Content-Type")
		e.err = errNoEvents
		e.w.WriteHeader(status)
		return
	}
	if t := h.Get("Content-Type"); t != "" {
		h.Set("X-Amzn-Remapped-Content-Type", t)
	}
	h.Set("Content-Type", eventStreamType)
	e.w.WriteHeader(status)
	if !rest {
		_ = e.write(message("event", "event-type", "initial-response", "application/json", appendJSON(nil, e.op.out, v))) // the next event meets the same error
	}
}

func (e *eventWriter) send(v reflect.Value) error {
	for _, f := range e.op.event.fields {
		if value, ok := f.get(v); ok {
			payload, contentType := e.server.model.eventPayload(f, value)
			return e.write(message("event", "event-type", f.name, contentType, payload))
		}
	}
	return nil
}

// fail ends a stream with an error: an exception if the service knows it, else
// an error without a shape.
func (e *eventWriter) fail(err error) *Error {
	s := e.server
	if e.err != nil { // nobody reads it
		return s.model.ToError(err, s.options.Errors)
	}
	wire := s.toError(e.r, err)
	if s.model.errorShape(wire.Code) == nil {
		m := message("error", "error-code", wire.Code, "", nil)
		m.Headers.Set(":error-message", eventstream.StringValue(wire.Message))
		_ = e.write(m)
		return wire
	}
	var body []byte
	if s.model.Protocol.json() {
		body = s.model.errorJSON(wire)
	} else {
		body = s.model.errorXML(wire, e.r, CallerFrom(e.r.Context()).RequestID)
	}
	_ = e.write(message("exception", "exception-type", wire.Code, s.model.contentType(), body))
	return wire
}

// write sends a message and sees it off.
func (e *eventWriter) write(m eventstream.Message) error {
	if e.err != nil {
		return e.err
	}
	if e.err = e.encoder.Encode(e.w, m); e.err != nil {
		return e.err
	}
	if err := http.NewResponseController(e.w).Flush(); !errors.Is(err, http.ErrNotSupported) {
		e.err = err
	}
	return e.err
}

// message returns a message; kind tells what value is the name of.
func message(messageType, kind, value, contentType string, payload []byte) eventstream.Message {
	headers := eventstream.Headers{{Name: ":" + kind, Value: eventstream.StringValue(value)}}
	if contentType != "" {
		headers = append(headers, eventstream.Header{Name: ":content-type", Value: eventstream.StringValue(contentType)})
	}
	headers = append(headers, eventstream.Header{Name: ":message-type", Value: eventstream.StringValue(messageType)})
	return eventstream.Message{Headers: headers, Payload: payload}
}

// eventPayload encodes an event: the member that is its payload, or else a
// document of all of them.
func (s *Service) eventPayload(event *field, v reflect.Value) (payload []byte, contentType string) {
	n := event.node
	if f := n.payload; f != nil {
		value, ok := f.get(v)
		switch {
		case !ok:
			return nil, ""
		case f.node.kind == kindBlob:
			return value.Bytes(), "application/octet-stream"
		case f.node.kind == kindString:
			return []byte(value.String()), "text/plain"
		}
		n, v = f.node, value
	}
	switch {
	case len(n.fields) == 0:
		return nil, ""
	case s.Protocol.json():
		return appendJSON(nil, n, v), "application/json"
	}
	var w xmlWriter
	w.WriteString(xmlHeader)
	w.value(n, v, event.name, "")
	return w.Bytes(), "text/xml"
}
