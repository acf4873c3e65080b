package async

import (
	"bytes"
	"encoding/json"
	"time"

	"pinfold.dev/pinfold"
)

// item is what lines hold: an event, what its destination has not taken yet, or
// either of them after it was given up.
type item struct {
	ID         string // of the request
	Qualifier  string `json:",omitzero"`
	Principal  pinfold.Principal
	Trigger    pinfold.Trigger
	TraceID    string    `json:",omitzero"`
	TraceState string    `json:",omitzero"`
	Delivery   *delivery `json:",omitempty"`
	Failure    *failure  `json:",omitempty"`
	Accepted   time.Time `json:",omitzero"` // of a delivery or failure: when the event was
	payload    []byte    // of the event, or what is delivered
}

// delivery is what makes an item one for a destination.
type delivery struct {
	To         string            // ARN
	ID         string            // as in EventMessage
	Attributes map[string]string `json:",omitempty"`
	Numbers    map[string]string `json:",omitempty"`
}

// failure is why something was given up.
type failure struct {
	Condition string
	Error     string `json:",omitzero"`
	Attempts  int
}

// encode writes an item: a line of JSON, and the payload as it is.
func (it item) encode() []byte {
	header, _ := json.Marshal(it) // strings and numbers always encode
	data := make([]byte, 0, len(header)+1+len(it.payload))
	return append(append(append(data, header...), '\n'), it.payload...)
}

// decode reads an item. Its payload is a part of data.
func decode(data []byte) (it item, err error) {
	header, payload, _ := bytes.Cut(data, []byte("\n"))
	if err := json.Unmarshal(header, &it); err != nil {
		return it, pinfold.Errorf(pinfold.Internal, "reading what was stored of an event: %w", err)
	}
	it.payload = payload
	return it, nil
}

// invocation is the event as an attempt has it.
func (it *item) invocation(function pinfold.FunctionRef) *pinfold.Invocation {
	return &pinfold.Invocation{
		ID: it.ID, Principal: it.Principal, Function: function.With(it.Qualifier), Trigger: it.Trigger,
		TraceID: it.TraceID, TraceState: it.TraceState, Payload: it.payload,
	}
}
