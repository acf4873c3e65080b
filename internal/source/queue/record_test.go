package queue

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// TestRecords holds events to those that AWS shows. Source: "Using Lambda with Amazon
// SQS", example standard and FIFO queue message events, Lambda developer guide.
func TestRecords(t *testing.T) {
	const arn = "arn:aws:sqs:us-east-2:123456789012:my-queue"
	end := `,"eventSource":"aws:sqs","eventSourceARN":"` + arn + `","awsRegion":"us-east-2"}`
	for name, test := range map[string]struct {
		m    Message
		want string
	}{
		"standard": {
			Message{
				ID: "059f36b4-87a3-44ab-83d2-661975830a7d", Handle: "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...", Body: "Test message.", MD5Body: "e4e68fb7bd0e697a0ae8f1bb342846b3",
				System: map[string]string{
					"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183", "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": "1545082649185",
				},
				Attributes: map[string]Attribute{"myAttribute": {Type: "String", Text: "myValue"}}, MD5Attributes: "00484c68b6b2b0ab4bb5f3ef35c1ab24",
			},
			`{"messageId":"059f36b4-87a3-44ab-83d2-661975830a7d","receiptHandle":"AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...","body":"Test message.",` +
				`"attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1545082649183","SenderId":"AIDAIENQZJOLO23YVJ4VO","ApproximateFirstReceiveTimestamp":"1545082649185"},` +
				`"messageAttributes":{"myAttribute":{"stringValue":"myValue","stringListValues":[],"binaryListValues":[],"dataType":"String"}},` +
				`"md5OfMessageAttributes":"00484c68b6b2b0ab4bb5f3ef35c1ab24","md5OfBody":"e4e68fb7bd0e697a0ae8f1bb342846b3"`,
		},
		"FIFO": {
			Message{
				ID: "11d6ee51-4cc7-4302-9e22-7cd8afdaadf5", Handle: "AQEBBX8nesZEXmkhsmZeyIE8iQAMig7qw...", Body: "Test message.", MD5Body: "e4e68fb7bd0e697a0ae8f1bb342846b3",
				System: map[string]string{
					"ApproximateReceiveCount": "1", "SentTimestamp": "1573251510774", "SequenceNumber": "18849496460467696128", "MessageGroupId": "1",
					"SenderId": "AIDAIO23YVJENQZJOL4VO", "MessageDeduplicationId": "1", "ApproximateFirstReceiveTimestamp": "1573251510774",
				},
			},
			`{"messageId":"11d6ee51-4cc7-4302-9e22-7cd8afdaadf5","receiptHandle":"AQEBBX8nesZEXmkhsmZeyIE8iQAMig7qw...","body":"Test message.",` +
				`"attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1573251510774","SequenceNumber":"18849496460467696128","MessageGroupId":"1",` +
				`"SenderId":"AIDAIO23YVJENQZJOL4VO","MessageDeduplicationId":"1","ApproximateFirstReceiveTimestamp":"1573251510774"},"messageAttributes":{},"md5OfBody":"e4e68fb7bd0e697a0ae8f1bb342846b3"`,
		},
		"what needs care": {
			Message{
				ID: "i", Handle: "h", Body: "\"\\\n\x00é\xff<", MD5Body: "m", System: map[string]string{"AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793", "DeadLetterQueueSourceArn": arn},
				Attributes: map[string]Attribute{"b": {Type: "Binary.png", Binary: []byte{0, 1, 2}}, "a": {Type: "Number", Text: "1"}}, MD5Attributes: "n",
			},
			`{"messageId":"i","receiptHandle":"h","body":"\"\\\n\u0000é` + "\ufffd" + `<","attributes":{"AWSTraceHeader":"Root=1-5759e988-bd862e3fe1be46a994272793","DeadLetterQueueSourceArn":"` + arn + `"},` +
				`"messageAttributes":{"a":{"stringValue":"1","stringListValues":[],"binaryListValues":[],"dataType":"Number"},` +
				`"b":{"binaryValue":"AAEC","stringListValues":[],"binaryListValues":[],"dataType":"Binary.png"}},"md5OfMessageAttributes":"n","md5OfBody":"m"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := string(appendRecord(nil, &test.m, recordTail(arn, "us-east-2")))
			if want := test.want + end; got != want {
				t.Errorf("the record is\n%s\nwant\n%s", got, want)
			}
			if !json.Valid([]byte(got)) {
				t.Error("the record is no JSON")
			}
		})
	}
}

// TestReported goes through AWS's conditions of success and failure; the function's
// documentation names them.
func TestReported(t *testing.T) {
	known := func(id string) bool { return id == "a" || id == "b" }
	for answer, want := range map[string]string{
		// Success.
		``: "", `null`: "", `""`: "", `[]`: "", `{}`: "", ` {} `: "", `{"batchItemFailures":[]}`: "", `{"batchItemFailures":null}`: "", `{"statusCode":200,"body":"done"}`: "",
		`{"BatchItemFailures":[{"itemIdentifier":"a"}]}`: "",
		// Part of it.
		`{"batchItemFailures":[{"itemIdentifier":"a"}]}`:                                               "a",
		`{"batchItemFailures":[{"itemIdentifier":"a","why":{"x":[1]}}],"more":"é"}`:                    "a",
		`{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}`: "a b",
		"{\"batchItemFailures\":[{\"itemIdentifier\":\"a\"}],\"text\":\"\xff\"}":                       "a",
		`{"batchItemFailures":[{"itemIdentifier":"x","itemIdentifier":"a"}]}`:                          "a",
		// Failure of the batch.
		`{"batchItemFailures":[{"itemIdentifier":""}]}`: "all", `{"batchItemFailures":[{"itemIdentifier":null}]}`: "all", `{"batchItemFailures":[{"itemIdentifier":123}]}`: "all",
		`{"batchItemFailures":[{"foo":"a"}]}`: "all", `{"batchItemFailures":[{"foo":null}]}`: "all", `{"batchItemFailures":[{"ItemIdentifier":"a"}]}`: "all",
		`{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"c"}]}`: "all", `{"batchItemFailures":["a"]}`: "all", `{"batchItemFailures":"a"}`: "all",
		`{"batchItemFailures":[null]}`: "all", `{"batchItemFailures":{}}`: "all", `"done"`: "all", `true`: "all", `[1]`: "all", `{"batchItemFailures":[`: "all", `done`: "all", `{}x`: "all",
	} {
		failed, ok := reported([]byte(answer), known)
		got := ""
		for _, id := range []string{"a", "b"} {
			if failed[id] {
				got = strings.TrimSpace(got + " " + id)
			}
		}
		if !ok {
			got = "all"
		}
		if got != want {
			t.Errorf("%s: %q has failed, want %q", answer, got, want)
		}
	}
}

func FuzzReported(f *testing.F) {
	for _, seed := range []string{``, `{}`, `null`, `{"batchItemFailures":[{"itemIdentifier":"a"}]}`, `{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"é"}]}`, `{"batchItemFailures":[{"foo":[{}]}]}`, `[[[`, "\"\xff\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		failed, ok := reported(answer, func(id string) bool { return id == "a" })
		switch {
		case !ok && failed != nil:
			t.Errorf("%q: failed with %v", answer, failed)
		case ok && len(failed) > 0 && (len(failed) != 1 || !failed["a"]):
			t.Errorf("%q: %v is no message", answer, failed)
		case ok && len(failed) == 1 && !strings.Contains(string(answer), "batchItemFailures") && !strings.Contains(string(answer), `\u`):
			t.Errorf("%q: a failure that is not reported", answer)
		}
	})
}

// TestJudge: what becomes of the messages of a batch that could not be run, or
// failed.
func TestJudge(t *testing.T) {
	b := &batch{plan: &plan{}, ids: []string{"a", "b"}, handles: []string{"1", "2"}}
	failed := &pinfold.Result{FunctionError: "Unhandled"}
	code := func(code pinfold.Code) error { return pinfold.Errorf(code, "text") }
	for name, test := range map[string]struct {
		res        *pinfold.Result
		err        error
		left       bool
		kind       outcome
		done, back int
		result     string
	}{
		"done":             {res: &pinfold.Result{}, kind: good, done: 2, result: "OK"},
		"failed":           {res: failed, kind: bad, result: "PROBLEM: Function call failed"},
		"throttled":        {err: code(pinfold.Throttled), kind: crowded, back: 2, result: "PROBLEM: Function throttled"},
		"no function":      {err: code(pinfold.NotFound), kind: refused, back: 2, result: "PROBLEM: Function not found"},
		"stopping":         {err: code(pinfold.Unavailable), kind: refused, back: 2, result: "PROBLEM: text"},
		"out of time":      {err: code(pinfold.Timeout), kind: refused, back: 2, result: "PROBLEM: text"},
		"denied":           {err: code(pinfold.Denied), kind: refused, back: 2, result: "PROBLEM: text"},
		"runs on":          {err: code(pinfold.Unavailable), left: true, kind: bad, result: "PROBLEM: Function call failed"},
		"calls itself":     {err: code(pinfold.Invalid), kind: bad, result: "PROBLEM: Function call failed"},
		"too large":        {err: code(pinfold.TooLarge), kind: bad, result: "PROBLEM: Function call failed"},
		"ends the machine": {err: errors.New("text"), kind: bad, result: "PROBLEM: Function call failed"},
	} {
		v := judge(b, &pinfold.Invocation{Left: test.left}, test.res, test.err)
		if v.kind != test.kind || len(v.done) != test.done || len(v.back) != test.back || v.failed != 2-test.done-test.back || v.result != test.result {
			t.Errorf("%s: %+v", name, v)
		}
	}
}
