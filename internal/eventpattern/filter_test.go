package eventpattern_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/eventpattern"
)

func TestFilters(t *testing.T) {
	const order = `{"RecordNumber": 1234, "TimeStamp": "yyyy-mm-ddThh:mm:ss", "RequestCode": "BBBB", "items": [{"n": 1}]}`
	for _, c := range []struct {
		page    string // of the Lambda developer guide
		from    eventpattern.Source
		filters []string
		payload string
		want    bool
	}{
		{"Control which events: no filters", eventpattern.SQS, nil, order, true},
		{"Control which events: one of several", eventpattern.SQS, []string{`{"body": {"RequestCode": ["AAAA"]}}`, `{"body": {"RecordNumber": [{"numeric": [">", 1000]}]}}`}, order, true},
		{"Control which events: none of several", eventpattern.SQS, []string{`{"body": {"RequestCode": ["AAAA"]}}`, `{"body": {"RequestCode": ["CCCC"]}}`}, order, false},

		{"SQS: JSON, JSON wanted", eventpattern.SQS, []string{`{"body": {"RequestCode": ["BBBB"]}}`}, order, true},
		{"SQS: JSON, JSON wanted", eventpattern.SQS, []string{`{"body": {"items": {"n": [1]}}}`}, order, true},
		{"SQS: JSON, text wanted", eventpattern.SQS, []string{`{"body": [{"prefix": "{"}]}`}, order, false},
		{"SQS: JSON, text wanted", eventpattern.SQS, []string{`{"body": [{"exists": true}]}`}, order, false},
		{"SQS: JSON, text not wanted", eventpattern.SQS, []string{`{"body": [{"exists": false}]}`}, order, false},
		{"SQS: text, text wanted", eventpattern.SQS, []string{`{"body": [{"prefix": "Result: "}]}`}, "Result: FAIL", true},
		{"SQS: text, text wanted", eventpattern.SQS, []string{`{"body": ["123"]}`}, "123", true},
		{"SQS: text, JSON wanted", eventpattern.SQS, []string{`{"body": {"RequestCode": ["BBBB"]}}`}, "BBBB", false},
		{"SQS: text, JSON without something wanted", eventpattern.SQS, []string{`{"body": {"RequestCode": [{"exists": false}]}}`}, "BBBB", false},
		{"SQS: what is not JSON after all", eventpattern.SQS, []string{`{"body": {"a": [1]}}`}, `{"a": 1} and more`, false},
		{"SQS: only other properties wanted", eventpattern.SQS, []string{`{"messageAttributes": {"kind": {"stringValue": ["k"]}}}`}, "any", true},
		{"SQS: JSON in JSON is text", eventpattern.SQS, []string{`{"body": {"body": {"a": [1]}}}`}, `{"body": "{\"a\": 1}"}`, false},

		{"Kinesis: JSON", eventpattern.Kinesis, []string{`{"data": {"RequestCode": ["BBBB"]}}`}, order, true},
		{"Kinesis: JSON", eventpattern.Kinesis, []string{`{"data": {"RequestCode": ["AAAA"]}, "partitionKey": ["1"]}`}, order, false},
		{"Kinesis: text", eventpattern.Kinesis, []string{`{"data": ["plain"], "eventSource": ["aws:kinesis"]}`}, "plain", true},
		{"Kinesis: text", eventpattern.Kinesis, []string{`{"data": {"a": [1]}}`}, "plain", false},
		{"Kinesis: other properties", eventpattern.Kinesis, []string{`{"partitionKey": ["1"], "$or": [{"eventName": ["x"]}, {"eventName": ["aws:kinesis:record"]}]}`}, "\xff\xfe", true},
	} {
		f, err := eventpattern.CompileFilters(c.from, c.filters)
		if err != nil {
			t.Errorf("%s: %q: %v", c.page, c.filters, err)
			continue
		}
		if got, err := f.Match(record(t, c.from, c.payload)); got != c.want || err != nil {
			t.Errorf("%s: got %t, %v for %q and %q", c.page, got, err, c.filters, c.payload)
		}
	}
}

func record(t *testing.T, from eventpattern.Source, payload string) []byte {
	t.Helper()
	r := map[string]any{
		"messageId": "059f36b4", "body": payload, "eventSource": "aws:sqs",
		"messageAttributes": map[string]any{"kind": map[string]any{"stringValue": "k", "dataType": "String"}},
	}
	if from == eventpattern.Kinesis {
		r = map[string]any{
			"eventSource": "aws:kinesis", "eventName": "aws:kinesis:record",
			"kinesis": map[string]any{"partitionKey": "1", "data": base64.StdEncoding.EncodeToString([]byte(payload))},
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFiltersThatAreNone(t *testing.T) {
	for want, c := range map[string]struct {
		from    eventpattern.Source
		filters []string
	}{
		`Filter 2: "body" must be an object or an array`:          {eventpattern.SQS, []string{`{"body": ["x"]}`, `{"body": "x"}`}},
		`Filter 1: records have no field "RequestCode"; they`:     {eventpattern.SQS, []string{`{"RequestCode": ["BBBB"]}`}},
		`Filter 1: records have no field "data"; they`:            {eventpattern.SQS, []string{`{"$or": [{"body": ["x"]}, {"data": ["x"]}]}`}},
		`Filter 1: records have no field "body"; they have data,`: {eventpattern.Kinesis, []string{`{"body": ["x"]}`}},
		"There are 11 filters, and may be 10.":                    {eventpattern.SQS, strings.Split(strings.Repeat(`{"body":["x"]}|`, 10)+`{"body":["x"]}`, "|")},
	} {
		_, err := eventpattern.CompileFilters(c.from, c.filters)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", c.filters, err, want)
			continue
		}
		if pinfold.CodeOf(err) != pinfold.Invalid || pinfold.ReasonOf(err) != "InvalidParameterValueException" {
			t.Errorf("%q: got code %s, reason %s", c.filters, pinfold.CodeOf(err), pinfold.ReasonOf(err))
		}
	}
}

func FuzzFilters(f *testing.F) {
	for _, payload := range []string{"plain", `{"a": 1}`, `[{"a": 1}]`, ` {"a": `, "123", "\xff"} {
		f.Add(`{"body": {"a": [1]}}`, payload)
		f.Add(`{"body": [{"anything-but": "x"}]}`, payload)
	}
	f.Fuzz(func(t *testing.T, filter, payload string) {
		filters, err := eventpattern.CompileFilters(eventpattern.SQS, []string{filter})
		if err != nil {
			return
		}
		if _, err := filters.Match(record(t, eventpattern.SQS, payload)); err != nil && !strings.Contains(err.Error(), "nested") {
			t.Errorf("%q: %v", payload, err)
		}
	})
}
