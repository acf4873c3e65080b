package logs_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/wire/logs"
)

// FuzzRequests has any bytes asked of any operation: the answer is JSON, and no
// fault of the server's.
func FuzzRequests(f *testing.F) {
	for _, in := range []string{
		`{"logGroupName":"g","tags":{"a":"b"}}`, `{"logGroupNamePrefix":"g","nextToken":"Zw"}`, `{"logGroupIdentifiers":["arn:aws:logs:eu-west-1:123456789012:log-group:g"]}`,
		`{"logGroupName":"g","logStreamName":"s"}`, `{"logGroupIdentifier":"arn:aws:logs:eu-west-1:123456789012:log-group:g","orderBy":"LastEventTime","nextToken":"cw"}`,
		`{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1795302038347,"message":"m"}],"entity":{"keyAttributes":{"Type":"x","Name":"y"}}}`,
		`{"logGroupName":"g","logStreamName":"s","nextToken":"f/1795302038347000000/1","startTime":0,"endTime":9223372036854775807,"limit":3}`,
		`{"logGroupName":"g","filterPattern":"{ $.a = %x%  && $.b[0] != \"*\" }","nextToken":"n/-1/18446744073709551615","logStreamNamePrefix":"s"}`,
		`{"resourceArn":"arn:aws:logs:eu-west-1:123456789012:log-group:g","tags":{"k":"v"},"tagKeys":["k"]}`, `{"logGroupName":"g","retentionInDays":-1}`, `[`,
	} {
		for n := range logs.Model.Operations {
			f.Add(uint(n), in)
		}
	}
	w := start(f)
	w.stop() // live tails would last
	f.Fuzz(func(t *testing.T, n uint, in string) {
		w.as(t.Context(), root, "CreateLogGroup", `{"logGroupName":"g"}`) // unless it is there
		w.as(t.Context(), root, "CreateLogStream", `{"logGroupName":"g","logStreamName":"s"}`)
		operation := logs.Model.Operations[n%uint(len(logs.Model.Operations))].Name
		answer := w.as(t.Context(), root, operation, in)
		if answer.Code >= 500 {
			t.Errorf("%s %s: %d %s", operation, in, answer.Code, answer.Body)
		}
		if strings.Contains(answer.Header().Get("Content-Type"), "json") && !json.Valid(answer.Body.Bytes()) {
			t.Errorf("%s %s: %s", operation, in, answer.Body)
		}
	})
}
