package queue

import (
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"pinfold.dev/pinfold"
)

// Limits of messages. Source: "Amazon SQS message quotas", SQS developer guide.
const (
	MaxMessage    = 1 << 20 // bytes of a message with its attributes, and of a batch
	MaxBatch      = 10      // entries
	maxAttributes = 10
	maxName       = 256 // bytes of an attribute's name and type
	maxID         = 128 // characters of a message group's id and a deduplication id
)

// Message is what is sent.
type Message struct {
	Body       string
	Attributes map[string]Attribute // by name
	Trace      string               // the system attribute AWSTraceHeader
	Delay      *pinfold.Seconds     // nil: the queue's
	Group      string               // MessageGroupId
	// Deduplication is the MessageDeduplicationId. "": the body's hash, where the queue
	// has it so.
	Deduplication string
	Sender        string // SenderId: the user id of whoever sends
	// once has a standard queue drop a second message with the same one, for five minutes
	// or until the platform starts again: AWS has no such thing, for parts of the platform.
	once string
}

// Attribute is a message attribute: text or bytes, as its type says.
type Attribute struct {
	Type   string // String, Number or Binary, and what the sender adds to it: Number.float
	Text   string
	Binary []byte
}

// binary reports whether the attribute is bytes.
func (a *Attribute) binary() bool { return strings.HasPrefix(a.Type, "Binary") }

// Sent is what is said of a message that is stored. MD5s are lower-case hex; those
// of attributes are "" where there are none.
type Sent struct {
	ID            string
	MD5Body       string
	MD5Attributes string
	MD5System     string // of system attributes
	Sequence      string // of a FIFO queue: 20 digits
}

// Received is a message as it is handed out, with all that Lambda's event has of it.
type Received struct {
	ID            string
	Handle        string // receipt handle
	Body          string
	MD5Body       string
	MD5Attributes string               // of those in Attributes; "" for none
	System        map[string]string    // its attributes of the system, in AWS's names
	Attributes    map[string]Attribute // the sender's
}

func invalid(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, format, args...).WithReason("InvalidParameterValueException")
}

// invalidValue is the error for a parameter whose value is wrong.
func invalidValue(value any, parameter, reason string) error {
	return invalid("Value %v for parameter %s is invalid. Reason: %s", value, parameter, reason)
}

func required(parameter string) error {
	return pinfold.Errorf(pinfold.Invalid, "The request must contain the parameter %s.", parameter).WithReason("MissingRequiredParameterException")
}

// Size is how many bytes of a message count: body, and names, types and values of
// attributes.
func (m *Message) Size() int {
	n := len(m.Body)
	for name, a := range m.Attributes {
		n += len(name) + len(a.Type) + len(a.Text) + len(a.Binary)
	}
	return n
}

// check returns what is wrong with a message for a queue, but for what makes it fit
// for FIFO.
func (m *Message) check(q *pinfold.MessageQueue) error {
	if m.Body == "" {
		return required("MessageBody")
	}
	for _, text := range []string{m.Body, m.Trace} {
		if err := checkText(text); err != nil {
			return err
		}
	}
	if d := m.Delay; d != nil {
		switch {
		case *d < 0 || *d > 900:
			return invalidValue(*d, "DelaySeconds", "DelaySeconds must be >= 0 and <= 900.")
		case q.FIFO && *d != 0:
			return invalidValue(*d, "DelaySeconds", "The request include parameter that is not valid for this queue type.")
		}
	}
	if err := checkAttributes(m.Attributes); err != nil {
		return err
	}
	if m.Size() > q.MaximumMessageSize {
		return pinfold.Errorf(pinfold.TooLarge, "One or more parameters are invalid. Reason: Message must be shorter than %d bytes.", q.MaximumMessageSize).WithReason("InvalidParameterValueException")
	}
	return nil
}

// checkOrder returns what is wrong with a message's group and deduplication id. For
// a batch it decides on the whole of it.
func (m *Message) checkOrder(q *pinfold.MessageQueue) error {
	switch {
	case m.Group == "" && q.FIFO:
		return required("MessageGroupId")
	case m.Group != "" && !plain(m.Group):
		return invalidValue(m.Group, "MessageGroupId", "MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	case m.Deduplication != "" && !q.FIFO:
		return invalid("The request include parameter MessageDeduplicationId which is not valid for this queue type")
	case m.Deduplication != "" && !plain(m.Deduplication):
		return invalidValue(m.Deduplication, "MessageDeduplicationId", "MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	case m.Deduplication == "" && q.FIFO && !q.ContentBasedDeduplication:
		return invalid("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	}
	return nil
}

// plain reports whether an id is of alphanumeric and punctuation characters.
func plain(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return len(id) <= maxID
}

// checkText holds a text against the characters that SQS takes: those of XML 1.0.
func checkText(s string) error {
	for i, r := range s {
		if r >= 0x20 && r < 0x7f { // most of them
			continue
		}
		valid := r == 0x9 || r == 0xA || r == 0xD || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
		if r == utf8.RuneError {
			_, size := utf8.DecodeRuneInString(s[i:])
			valid = size > 1
		}
		if !valid {
			return pinfold.Errorf(pinfold.Invalid, "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF").WithReason("InvalidMessageContents")
		}
	}
	return nil
}

// checkAttributes holds message attributes against their rules. Source: "Amazon SQS
// message metadata", SQS developer guide.
func checkAttributes(all map[string]Attribute) error {
	if len(all) > maxAttributes {
		return invalid("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(all), maxAttributes)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if err := checkName(name); err != nil {
			return err
		}
		a := all[name]
		if err := a.check(name); err != nil {
			return err
		}
	}
	return nil
}

func checkName(name string) error {
	lower := strings.ToLower(name)
	switch {
	case name == "":
		return invalid("The request must contain non-empty message (user) attribute names.")
	case len(name) > maxName:
		return invalid("Message (user) attribute name must be shorter than %d bytes.", maxName)
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return invalid("You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use.")
	case name[0] == '.':
		return invalid("Message (user) attribute name must not begin with character '.'.")
	case name[len(name)-1] == '.':
		return invalid("Message (user) attribute name must not end with character '.'.")
	case strings.Contains(name, ".."):
		return invalid("Message (user) attribute name must not have successive '.' characters.")
	}
	for _, r := range name {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' || r == '.') {
			return invalid("Invalid non-alphanumeric character '#x%X' was found in the message (user) attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots.", r)
		}
	}
	return nil
}

func (a *Attribute) check(name string) error {
	base, _, _ := strings.Cut(a.Type, ".")
	switch {
	case a.Type == "" && a.Text == "" && len(a.Binary) == 0:
		return invalid("The message (user) attribute '%s' must contain a non-empty message attribute value.", name)
	case a.Type == "":
		return invalid("The message (user) attribute '%s' must contain a non-empty message attribute type.", name)
	case base != "String" && base != "Number" && base != "Binary":
		return invalid("The type of message (user) attribute '%s' is invalid. You must use only the following supported type prefixes: Binary, Number, String.", name)
	case len(a.Type) > maxName:
		return invalid("Message (user) attribute type must be shorter than %d bytes.", maxName)
	case a.Text == "" && len(a.Binary) == 0:
		return invalid("Message (user) attribute '%s' must contain a non-empty value of type '%s'.", name, a.Type)
	case a.Text != "" && len(a.Binary) != 0:
		return invalid("Message (user) attribute '%s' must have a single value.", name)
	case base == "Binary" && a.Text != "":
		return invalid("Message (user) attribute '%s' with type '%s' must use field 'Binary'.", name, a.Type)
	case base != "Binary" && a.Text == "":
		return invalid("Message (user) attribute '%s' with type '%s' must use field 'String'.", name, a.Type)
	case base == "Number" && !number(a.Text):
		return invalid("Can't cast the value of message (user) attribute '%s' to a number.", name)
	}
	return checkText(a.Text)
}

// number reports whether a text is a number. Source: "Message attribute data types",
// SQS developer guide: positive or negative, integers or floating-point numbers.
func number(s string) bool {
	if len(s) > maxName || strings.Trim(s, "0123456789+-.eE") != "" {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// digest is the MD5 of a text in hex.
func digest(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// digestAttributes is the MD5 of attributes, by which SDKs check that they came over
// whole; "" for none. Source: "Calculating the MD5 message digest for message
// attributes", SQS developer guide.
func digestAttributes(all map[string]Attribute) string {
	if len(all) == 0 {
		return ""
	}
	h := md5.New()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a := all[name]
		digestField(h, name)
		digestField(h, a.Type)
		if a.binary() {
			_, _ = h.Write([]byte{2})
			digestField(h, string(a.Binary))
		} else {
			_, _ = h.Write([]byte{1})
			digestField(h, a.Text)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func digestField(h hash.Hash, s string) {
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(s)))
	_, _ = h.Write(size[:])
	_, _ = h.Write([]byte(s))
}

// traceAttribute is the one system attribute that senders may set.
const traceAttribute = "AWSTraceHeader"

func digestTrace(trace string) string {
	if trace == "" {
		return ""
	}
	return digestAttributes(map[string]Attribute{traceAttribute: {Type: "String", Text: trace}})
}
