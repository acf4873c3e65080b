package queue

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
)

// envelope is what a backlog keeps of a message.
type envelope struct {
	Message
	MD5Body string // hex
	// Of a message that was moved to a dead-letter queue: its id, when it was sent
	// first, and the ARN of the queue that it comes from.
	ID     string
	Sent   time.Time
	Source string
}

// The fields of an envelope on disk, each a tag, a length and as many bytes. Readers
// pass over tags that they do not know.
const (
	tagBody = iota + 1
	tagMD5Body
	tagAttribute // name, type and value in fields of their own, each once for each attribute
	tagTrace
	tagSender
	tagGroup
	tagDeduplication
	tagID
	tagSent // milliseconds since 1970, in decimal
	tagSource
)

// The fields of an attribute.
const (
	tagName = iota + 1
	tagType
	tagText
	tagBinary
)

// encode returns the envelope's bytes.
func (e *envelope) encode() []byte {
	b := make([]byte, 0, e.Size()+128)
	b = appendField(b, tagBody, e.Body)
	b = appendField(b, tagMD5Body, e.MD5Body)
	for _, name := range slices.Sorted(maps.Keys(e.Attributes)) {
		a := e.Attributes[name]
		var in []byte
		in = appendField(in, tagName, name)
		in = appendField(in, tagType, a.Type)
		in = appendField(in, tagText, a.Text)
		in = appendField(in, tagBinary, a.Binary)
		b = appendField(b, tagAttribute, in)
	}
	b = appendField(b, tagTrace, e.Trace)
	b = appendField(b, tagSender, e.Sender)
	b = appendField(b, tagGroup, e.Group)
	b = appendField(b, tagDeduplication, e.Deduplication)
	b = appendField(b, tagID, e.ID)
	if !e.Sent.IsZero() {
		b = appendField(b, tagSent, strconv.FormatInt(e.Sent.UnixMilli(), 10))
	}
	return appendField(b, tagSource, e.Source)
}

// appendField appends a field, unless it is empty.
func appendField[T string | []byte](b []byte, tag byte, value T) []byte {
	if len(value) == 0 {
		return b
	}
	b = binary.AppendUvarint(append(b, tag), uint64(len(value)))
	return append(b, value...)
}

var errEnvelope = errors.New("a message in the log cannot be read")

// decode is the way back from encode. The envelope shares no memory with b.
func decode(b []byte) (e envelope, err error) {
	err = fields(b, func(tag byte, value []byte) error {
		switch tag {
		case tagBody:
			e.Body = string(value)
		case tagMD5Body:
			e.MD5Body = string(value)
		case tagAttribute:
			return e.decodeAttribute(value)
		case tagTrace:
			e.Trace = string(value)
		case tagSender:
			e.Sender = string(value)
		case tagGroup:
			e.Group = string(value)
		case tagDeduplication:
			e.Deduplication = string(value)
		case tagID:
			e.ID = string(value)
		case tagSent:
			ms, err := strconv.ParseInt(string(value), 10, 64)
			if err != nil {
				return errEnvelope
			}
			e.Sent = time.UnixMilli(ms)
		case tagSource:
			e.Source = string(value)
		}
		return nil
	})
	return e, err
}

func (e *envelope) decodeAttribute(b []byte) error {
	var name string
	var a Attribute
	err := fields(b, func(tag byte, value []byte) error {
		switch tag {
		case tagName:
			name = string(value)
		case tagType:
			a.Type = string(value)
		case tagText:
			a.Text = string(value)
		case tagBinary:
			a.Binary = slices.Clone(value)
		}
		return nil
	})
	if e.Attributes == nil {
		e.Attributes = map[string]Attribute{}
	}
	e.Attributes[name] = a
	return err
}

// fields calls fn for each field.
func fields(b []byte, fn func(tag byte, value []byte) error) error {
	for len(b) > 0 {
		tag := b[0]
		size, n := binary.Uvarint(b[1:])
		if n <= 0 || size > uint64(len(b)-1-n) {
			return errEnvelope
		}
		b = b[1+n:]
		if err := fn(tag, b[:size]); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// messageID returns the id of a message by where it is. It need not be kept, and is
// known of a duplicate, too, as soon as the position is.
func messageID(queueID string, position uint64) string {
	h := sha256.Sum256(strconv.AppendUint(append([]byte(queueID), '/'), position, 10))
	h[6] = h[6]&0x0f | 0x80 // a UUID of version 8 (RFC 9562), which is for those who make their own
	h[8] = h[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[:8], h[:4])
	hex.Encode(text[9:13], h[4:6])
	hex.Encode(text[14:18], h[6:8])
	hex.Encode(text[19:23], h[8:10])
	hex.Encode(text[24:], h[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return string(text[:])
}

// firstSequence is added to positions, so that sequence numbers have 20 digits at
// once, and for as long as there are fewer than 8 * 10^18 messages.
const firstSequence = 10_000_000_000_000_000_000

func sequence(position uint64) string { return strconv.FormatUint(firstSequence+position, 10) }

// opened is a message of a backlog, and its envelope.
type opened struct {
	at backlog.Message
	envelope
}

func open(m backlog.Message) (o opened, err error) {
	o.at = m
	o.envelope, err = decode(m.Data)
	return o, err
}

// id is the message's id in a queue.
func (o *opened) id(queueID string) string {
	if o.ID != "" {
		return o.ID
	}
	return messageID(queueID, o.at.Position)
}

// sent is when the message was sent, before it was moved.
func (o *opened) sent() time.Time {
	if !o.Sent.IsZero() {
		return o.Sent
	}
	return o.at.Sent
}

// expired reports whether a message is older than its queue keeps messages.
func (o *opened) expired(q *pinfold.MessageQueue, now time.Time) bool {
	return now.Sub(o.sent()) >= q.Retention.Duration()
}
