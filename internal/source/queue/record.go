package queue

import (
	"encoding/base64"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// systemAttributes are the attributes of the system that records have, in the order
// in which Lambda writes them. Source: "Using Lambda with Amazon SQS", example
// messages, and what localstack recorded (test_lambda_integration_sqs.snapshot.json).
var systemAttributes = []string{
	"ApproximateReceiveCount", "AWSTraceHeader", "SentTimestamp", "SequenceNumber", "MessageGroupId", "SenderId", "MessageDeduplicationId",
	"ApproximateFirstReceiveTimestamp", "DeadLetterQueueSourceArn",
}

// An event is {"Records":[...]}.
const (
	eventHead = `{"Records":[`
	eventTail = `]}`
)

// recordTail is the end of every record of a queue.
func recordTail(queue, region string) []byte {
	b := []byte(`,"eventSource":"aws:sqs","eventSourceARN":`)
	b = quote(b, queue)
	b = append(b, `,"awsRegion":`...)
	return append(quote(b, region), '}')
}

// appendRecord appends a message as functions see it.
func appendRecord(b []byte, m *Message, tail []byte) []byte {
	b = quote(append(b, `{"messageId":`...), m.ID)
	b = quote(append(b, `,"receiptHandle":`...), m.Handle)
	b = quote(append(b, `,"body":`...), m.Body)
	b = append(b, `,"attributes":{`...)
	first := true
	for _, name := range systemAttributes {
		value, ok := m.System[name]
		if !ok {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(append(b, '"'), name...), `":`...)
		b = quote(b, value)
	}
	b = append(b, `},"messageAttributes":{`...)
	if len(m.Attributes) > 0 {
		b = appendAttributes(b, m.Attributes)
	}
	b = append(b, '}')
	if m.MD5Attributes != "" {
		b = quote(append(b, `,"md5OfMessageAttributes":`...), m.MD5Attributes)
	}
	b = quote(append(b, `,"md5OfBody":`...), m.MD5Body)
	return append(b, tail...)
}

func appendAttributes(b []byte, all map[string]Attribute) []byte {
	for i, name := range slices.Sorted(maps.Keys(all)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(quote(b, name), ':', '{')
		if a := all[name]; a.Binary != nil {
			b = append(b, `"binaryValue":"`...)
			b = append(base64.StdEncoding.AppendEncode(b, a.Binary), '"')
		} else {
			b = quote(append(b, `"stringValue":`...), a.Text)
		}
		b = append(b, `,"stringListValues":[],"binaryListValues":[],"dataType":`...)
		b = append(quote(b, all[name].Type), '}')
	}
	return b
}

// quote appends a text as a JSON string. What is no UTF-8 in it is replaced.
func quote(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // its error is only that something was replaced
	return b
}
