package async

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"slices"
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

// plain is how an item begins that is an event and no more, which most are: its
// texts follow, each after its length, and the payload as it is. What else there is
// begins with JSON, and a line feed before the payload.
const plain = 1

// texts are what a plain item has.
func (it *item) texts() [11]*string {
	p := &it.Principal
	return [...]*string{&it.ID, &it.Qualifier, (*string)(&p.Kind), &p.Account, &p.ARN, &p.UserID, &p.AccessKeyID, &it.Trigger.Kind, &it.Trigger.Source, &it.TraceID, &it.TraceState}
}

// encode writes an item.
func (it item) encode() []byte {
	if it.Delivery != nil || it.Failure != nil || !it.Accepted.IsZero() {
		header, _ := json.Marshal(it) // strings and numbers always encode
		return slices.Concat(header, []byte("\n"), it.payload)
	}
	texts, size := it.texts(), 1
	for _, s := range texts {
		size += binary.MaxVarintLen32 + len(*s)
	}
	data := append(make([]byte, 0, size+len(it.payload)), plain)
	for _, s := range texts {
		data = append(binary.AppendUvarint(data, uint64(len(*s))), *s...)
	}
	return append(data, it.payload...)
}

// decode reads an item. Its payload is a part of data.
func decode(data []byte) (it item, err error) {
	if len(data) > 0 && data[0] == plain {
		return it, it.decodePlain(data[1:])
	}
	header, payload, _ := bytes.Cut(data, []byte("\n"))
	if err := json.Unmarshal(header, &it); err != nil {
		return it, unreadable(err)
	}
	it.payload = payload
	return it, nil
}

func (it *item) decodePlain(data []byte) error {
	for _, s := range it.texts() {
		n, size := binary.Uvarint(data)
		if size <= 0 || n > uint64(len(data)-size) {
			return unreadable(io.ErrUnexpectedEOF)
		}
		*s, data = string(data[size:size+int(n)]), data[size+int(n):]
	}
	it.payload = data
	return nil
}

func unreadable(err error) error {
	return pinfold.Errorf(pinfold.Internal, "reading what was stored of an event: %w", err)
}

// invocation is the event as an attempt has it.
func (it *item) invocation(function pinfold.FunctionRef) *pinfold.Invocation {
	return &pinfold.Invocation{
		ID: it.ID, Principal: it.Principal, Function: function.With(it.Qualifier), Trigger: it.Trigger,
		TraceID: it.TraceID, TraceState: it.TraceState, Payload: it.payload,
	}
}
