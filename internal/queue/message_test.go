package queue_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/queue"
)

func text(s string) queue.Attribute { return queue.Attribute{Type: "String", Text: s} }

// TestAttributeDigests holds MD5s of attributes, and which of them are asked for by
// what, against what AWS was recorded to answer.
func TestAttributeDigests(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q", "VisibilityTimeout", "0")
		sent := h.send(q, queue.Message{Body: "msg", Attributes: map[string]queue.Attribute{"Hello": text("There"), "General": text("Kenobi"), "Help.Me": text("Me")}})
		if sent.MD5Attributes != "4c360f3fdafd970e05fae2f149d997f5" || sent.MD5Body != "6e2baaf3b97dbeef01c0043275f9a0e7" {
			t.Errorf("sent %+v", sent)
		}
		for _, c := range []struct{ asked, want, md5 string }{
			{"", "", ""},
			{"All", "General Hello Help.Me", "4c360f3fdafd970e05fae2f149d997f5"},
			{".*", "General Hello Help.Me", "4c360f3fdafd970e05fae2f149d997f5"},
			{"Foo Bar", "", ""},
			{"Hello General", "General Hello", "fca026605781cb4126a1e9044df24232"},
			{"Hello Foo", "Hello", "a311262e065454b75da111d535b8dacd"},
			{"Hel.*", "Hello Help.Me", "83fee93c1bcd8b9a5a923ffacdc636c7"},
		} {
			got, err := h.Receive(h.ctx(), q, queue.ReceiveOptions{Attributes: strings.Fields(c.asked)})
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			if names := strings.Join(slices.Sorted(maps.Keys(got[0].Attributes)), " "); names != c.want || got[0].MD5Attributes != c.md5 || got[0].System != nil {
				t.Errorf("asked for %q: %q, %s", c.asked, names, got[0].MD5Attributes)
			}
		}
	})
	inHouse(t, func(h *house) {
		q := h.create("q")
		for _, c := range []struct {
			name string
			queue.Attribute
			md5 string
		}{
			{"attr1", queue.Attribute{Type: "Binary", Binary: []byte("traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01")}, "8cbe4db156db8a94db8b801b7addb984"},
			{"UserId", queue.Attribute{Type: "Number.bigint", Text: "1234567890123456789012"}, "797ab158d73dcb5242dedc4412c8e855"},
		} {
			sent := h.send(q, queue.Message{Body: "test", Trace: "some-trace-id", Attributes: map[string]queue.Attribute{c.name: c.Attribute}})
			if sent.MD5Attributes != c.md5 || sent.MD5System != "fdce4f2818803f2f73becc09a54792c0" {
				t.Errorf("%s: %+v", c.name, sent)
			}
			got := h.want(q, "test")[0]
			if a := got.Attributes[c.name]; a.Type != c.Type || a.Text != c.Text || string(a.Binary) != string(c.Binary) || got.System["AWSTraceHeader"] != "some-trace-id" {
				t.Errorf("received %+v", got)
			}
		}
	})
}

func TestMessagesRefused(t *testing.T) {
	inHouse(t, func(h *house) {
		q, fifo := h.create("q", "MaximumMessageSize", "1024"), h.create("q.fifo", "FifoQueue", "true")
		attribute := func(name string, a queue.Attribute) queue.Message {
			return queue.Message{Body: "x", Attributes: map[string]queue.Attribute{name: a}}
		}
		many := queue.Message{Body: "x", Attributes: map[string]queue.Attribute{}}
		for c := 'a'; c < 'a'+11; c++ {
			many.Attributes[string(c)] = text("x")
		}
		const value, missing = "InvalidParameterValueException", "MissingRequiredParameterException"
		for _, c := range []struct {
			to           queue.Ref
			m            queue.Message
			reason, text string
		}{
			{h.Ref("none"), queue.Message{Body: "x"}, "QueueDoesNotExist", "The specified queue does not exist."},
			{q, queue.Message{}, missing, "The request must contain the parameter MessageBody."},
			{q, queue.Message{Body: "a\x00"}, "InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"},
			{q, queue.Message{Body: "x", Trace: "a\x00"}, "InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"},
			{q, queue.Message{Body: "\xff"}, "InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"},
			{q, queue.Message{Body: "\uffff"}, "InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"},
			{q, queue.Message{Body: strings.Repeat("x", 1025)}, value, "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."},
			{q, attribute("name", text(strings.Repeat("x", 1024-1-4-6+1))), value, "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."},
			{q, queue.Message{Body: "x", Delay: seconds(901)}, value, "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900."},
			{q, queue.Message{Body: "x", Deduplication: "d"}, value, "The request include parameter MessageDeduplicationId which is not valid for this queue type"},
			{q, many, value, "Number of message attributes [11] exceeds the allowed maximum [10]."},
			{q, attribute("", text("x")), value, "The request must contain non-empty message (user) attribute names."},
			{q, attribute("AWS.x", text("x")), value, "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use."},
			{q, attribute("amazon.x", text("x")), value, "You can't use message attribute names beginning with 'AWS.' or 'Amazon'. These strings are reserved for internal use."},
			{q, attribute(".x", text("x")), value, "Message (user) attribute name must not begin with character '.'."},
			{q, attribute("x.", text("x")), value, "Message (user) attribute name must not end with character '.'."},
			{q, attribute("x..y", text("x")), value, "Message (user) attribute name must not have successive '.' characters."},
			{q, attribute("x y", text("x")), value, "Invalid non-alphanumeric character '#x20' was found in the message (user) attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots."},
			{q, attribute(strings.Repeat("x", 257), text("x")), value, "Message (user) attribute name must be shorter than 256 bytes."},
			{q, attribute("x", queue.Attribute{}), value, "The message (user) attribute 'x' must contain a non-empty message attribute value."},
			{q, attribute("x", queue.Attribute{Text: "x"}), value, "The message (user) attribute 'x' must contain a non-empty message attribute type."},
			{q, attribute("x", queue.Attribute{Type: "Text", Text: "x"}), value, "The type of message (user) attribute 'x' is invalid. You must use only the following supported type prefixes: Binary, Number, String."},
			{q, attribute("x", queue.Attribute{Type: "String." + strings.Repeat("x", 250), Text: "x"}), value, "Message (user) attribute type must be shorter than 256 bytes."},
			{q, attribute("x", queue.Attribute{Type: "String"}), value, "Message (user) attribute 'x' must contain a non-empty value of type 'String'."},
			{q, attribute("x", queue.Attribute{Type: "String", Text: "x", Binary: []byte("x")}), value, "Message (user) attribute 'x' must have a single value."},
			{q, attribute("x", queue.Attribute{Type: "String", Binary: []byte("x")}), value, "Message (user) attribute 'x' with type 'String' must use field 'String'."},
			{q, attribute("x", queue.Attribute{Type: "Binary", Text: "x"}), value, "Message (user) attribute 'x' with type 'Binary' must use field 'Binary'."},
			{q, attribute("x", queue.Attribute{Type: "Number", Text: "one"}), value, "Can't cast the value of message (user) attribute 'x' to a number."},
			{fifo, queue.Message{Body: "x", Deduplication: "d"}, missing, "The request must contain the parameter MessageGroupId."},
			{fifo, queue.Message{Body: "x", Group: "g"}, value, "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"},
			{fifo, queue.Message{Body: "x", Group: "g", Deduplication: "d", Delay: seconds(2)}, value, "Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type."},
			{fifo, queue.Message{Body: "x", Group: "g h", Deduplication: "d"}, value, "Value g h for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."},
			{fifo, queue.Message{Body: "x", Group: "g", Deduplication: strings.Repeat("d", 129)}, value, "Value " + strings.Repeat("d", 129) + " for parameter MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can only include alphanumeric and punctuation characters. 1 to 128 in length."},
		} {
			_, err := h.Send(h.ctx(), c.to, &c.m)
			if err == nil {
				t.Errorf("sent: %.100v, want %s", c.m, c.text)
				continue
			}
			h.refused(err, c.reason, c.text)
		}
		h.want(q)
		for _, number := range []string{"1", "-1.5", "+2e10", ".5"} {
			m := attribute("n", queue.Attribute{Type: "Number", Text: number})
			h.remove(q, h.wantSent(q, m)...)
		}
		h.wantSent(q, attribute("name", text(strings.Repeat("x", 1024-1-4-6))))
	})
}

// TestPartsOfBatches: entries fail by themselves, but for what decides on order.
func TestPartsOfBatches(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q")
		results, err := h.SendBatch(h.ctx(), q, []*queue.Message{{Body: "one"}, {}, {Body: "two"}})
		if err != nil || results[0].Err != nil || results[1].Err == nil || results[2].Err != nil || results[0].ID == results[2].ID {
			t.Fatal(results, err)
		}
		h.want(q, "one", "two")
		fifo := h.create("q.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true")
		if _, err := h.SendBatch(h.ctx(), fifo, []*queue.Message{{Body: "one", Group: "g"}, {Body: "two"}}); err == nil {
			t.Error("a batch without a group was sent")
		}
		h.want(fifo)
		results, err = h.SendBatch(h.ctx(), fifo, []*queue.Message{{Body: "one", Group: "g"}, {Body: "two", Group: "g"}, {Body: "one", Group: "g"}})
		if err != nil || results[0] != results[2] || results[0].Sequence >= results[1].Sequence {
			t.Errorf("%+v, %v", results, err)
		}
		h.want(fifo, "one", "two")
	})
}
