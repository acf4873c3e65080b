package logs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go/eventstream"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/iam"
	service "pinfold.dev/pinfold/internal/logs"
	"pinfold.dev/pinfold/internal/wire/logs"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

var scope = pinfold.Scope{Account: "123456789012", Region: "eu-west-1"}

// wire is the adapter over a real store, asked without a listener.
type wire struct {
	t      testing.TB
	store  *service.Store
	server *protocol.Server
	iam    *iam.Service
	stop   context.CancelFunc
	mu     sync.Mutex
	asked  []pinfold.Action // what the authorize hook was asked
}

func (w *wire) Authorize(ctx context.Context, who pinfold.Principal, what pinfold.Action) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, what)
	return w.iam.Authorize(ctx, who, what)
}

func start(t testing.TB) *wire {
	t.Helper()
	store, err := service.Open(service.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, store: store, iam: iam.New(scope.Account, iam.Credentials{AccessKeyID: "A", SecretAccessKey: "S"})}
	stopping, stop := context.WithCancel(t.Context())
	w.stop = stop
	t.Cleanup(func() {
		stop()
		store.Close()
	})
	if w.server, err = logs.New(logs.Options{Store: store, Scope: scope, Authorizer: w, Stopping: stopping, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	return w
}

var root = pinfold.Principal{Kind: pinfold.Root, Account: scope.Account, ARN: "arn:aws:iam::123456789012:root"}

// as asks for an operation in somebody's name.
func (w *wire) as(ctx context.Context, who pinfold.Principal, operation, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(protocol.WithCaller(ctx, &protocol.Caller{Principal: who, RequestID: "request-1"}), http.MethodPost, "/", nil)
	r.Header.Set("X-Amz-Target", "Logs_20140328."+operation)
	answer := httptest.NewRecorder()
	w.server.Serve(answer, r, []byte(body))
	return answer
}

// ask asks for an operation and returns the status and the body of the answer.
func (w *wire) ask(operation, body string) string {
	answer := w.as(w.t.Context(), root, operation, body)
	return fmt.Sprint(answer.Code, " ", answer.Body)
}

func (w *wire) does(operation, body string) (out map[string]any) {
	w.t.Helper()
	answer := w.ask(operation, body)
	text, ok := strings.CutPrefix(answer, "200 ")
	if !ok {
		w.t.Fatalf("%s %s: %s", operation, body, answer)
	}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			w.t.Fatalf("%v: %s", err, text)
		}
	}
	return out
}

var times = regexp.MustCompile(`("(?:creationTime|ingestionTime|lastIngestionTime)":)\d+|("eventId":)"\d{56}"|("nextSequenceToken":)"\d{56}"|("storedBytes":)[1-9]\d*`)

// TestOnTheWire goes through a life, and holds every byte but times.
func TestOnTheWire(t *testing.T) {
	w := start(t)
	now := time.Now().UnixMilli()
	for _, c := range []struct{ operation, in, want string }{
		{"CreateLogGroup", `{"logGroupName":"app/a","tags":{"team":"blue"}}`, `200 {}`},
		{"CreateLogGroup", `{"logGroupName":"app/b","logGroupClass":"INFREQUENT_ACCESS"}`, `200 {}`},
		{"PutRetentionPolicy", `{"logGroupName":"app/a","retentionInDays":30}`, `200 {}`},
		{"DescribeLogGroups", `{"logGroupNamePrefix":"app/","limit":1}`, `200 {"logGroups":[{"arn":"arn:aws:logs:eu-west-1:123456789012:log-group:app/a:*","creationTime":T,"deletionProtectionEnabled":false,` +
			`"logGroupArn":"arn:aws:logs:eu-west-1:123456789012:log-group:app/a","logGroupClass":"STANDARD","logGroupName":"app/a","metricFilterCount":0,"retentionInDays":30,"storedBytes":0}],"nextToken":"YXBwL2E"}`},
		{"DescribeLogGroups", `{"logGroupNamePrefix":"app/","limit":1,"nextToken":"YXBwL2E"}`, `200 {"logGroups":[{"arn":"arn:aws:logs:eu-west-1:123456789012:log-group:app/b:*","creationTime":T,"deletionProtectionEnabled":false,` +
			`"logGroupArn":"arn:aws:logs:eu-west-1:123456789012:log-group:app/b","logGroupClass":"INFREQUENT_ACCESS","logGroupName":"app/b","metricFilterCount":0,"storedBytes":0}]}`},
		{"DescribeLogGroups", `{"logGroupNamePattern":"APP"}`, `200 {"logGroups":[]}`},
		{"DescribeLogGroups", `{"accountIdentifiers":["000000000001"],"includeLinkedAccounts":true}`, `200 {"logGroups":[]}`},
		{"DeleteRetentionPolicy", `{"logGroupName":"app/a"}`, `200 {}`},

		{"TagResource", `{"resourceArn":"arn:aws:logs:eu-west-1:123456789012:log-group:app/a","tags":{"cost":"7"}}`, `200 {}`},
		{"UntagLogGroup", `{"logGroupName":"app/a","tags":["team"]}`, `200 {}`},
		{"ListTagsForResource", `{"resourceArn":"arn:aws:logs:eu-west-1:123456789012:log-group:app/a"}`, `200 {"tags":{"cost":"7"}}`},
		{"TagLogGroup", `{"logGroupName":"app/b","tags":{"x":"y"}}`, `200 {}`},
		{"UntagResource", `{"resourceArn":"arn:aws:logs:eu-west-1:123456789012:log-group:app/b","tagKeys":["x"]}`, `200 {}`},
		{"ListTagsLogGroup", `{"logGroupName":"app/b"}`, `200 {"tags":{}}`},

		{"CreateLogStream", `{"logGroupName":"app/a","logStreamName":"one"}`, `200 {}`},
		{"CreateLogStream", `{"logGroupName":"app/a","logStreamName":"two"}`, `200 {}`},
		{"PutLogEvents", fmt.Sprintf(`{"logGroupName":"app/a","logStreamName":"one","sequenceToken":"any","logEvents":[{"timestamp":%d,"message":"first"},{"timestamp":%d,"message":"{\"n\":2}"}]}`, now-2, now), `200 {"nextSequenceToken":T}`},
		{"PutLogEvents", fmt.Sprintf(`{"logGroupName":"app/a","logStreamName":"two","logEvents":[{"timestamp":%d,"message":"ä\u0000b"},{"timestamp":%d,"message":"later"}]}`, now-1, now+10_000_000), `200 {"nextSequenceToken":T,"rejectedLogEventsInfo":{"tooNewLogEventStartIndex":1}}`},
		{"PutLogEvents", `{"logGroupName":"app/a","logStreamName":"two","logEvents":[{"timestamp":1,"message":"old"}],"entity":{}}`, `200 {"nextSequenceToken":T,"rejectedEntityInfo":{"errorType":"UnsupportedLogGroupType"},"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":1}}`},
		{"DescribeLogStreams", `{"logGroupIdentifier":"arn:aws:logs:eu-west-1:123456789012:log-group:app/a","orderBy":"LastEventTime","descending":true,"limit":1}`, fmt.Sprintf(`200 {"logStreams":[{"arn":"arn:aws:logs:eu-west-1:123456789012:log-group:app/a:log-stream:one",`+
			`"creationTime":T,"firstEventTimestamp":%d,"lastEventTimestamp":%d,"lastIngestionTime":T,"logStreamName":"one","storedBytes":0}],"nextToken":"b25l"}`, now-2, now)},
		{"GetLogEvents", `{"logGroupName":"app/a","logStreamName":"one","startFromHead":true,"limit":1}`, fmt.Sprintf(`200 {"events":[{"ingestionTime":T,"message":"first","timestamp":%d}],"nextBackwardToken":"b/%[2]d/0","nextForwardToken":"f/%[2]d/0"}`, now-2, (now-2)*1e6)},
		{"FilterLogEvents", `{"logGroupIdentifier":"app/a","filterPattern":"{ $.n = 2 }","interleaved":true,"startTime":0,"endTime":9000000000000000}`, fmt.Sprintf(`200 {"events":[{"eventId":T,"ingestionTime":T,"logStreamName":"one","message":"{\"n\":2}","timestamp":%d}],"searchedLogStreams":[]}`, now)},
		{"FilterLogEvents", `{"logGroupName":"app/a","logStreamNames":["two","none"],"limit":5}`, fmt.Sprintf(`200 {"events":[{"eventId":T,"ingestionTime":T,"logStreamName":"two","message":"ä\u0000b","timestamp":%d}],"searchedLogStreams":[]}`, now-1)},
		{"DeleteLogStream", `{"logGroupName":"app/a","logStreamName":"two"}`, `200 {}`},
		{"FilterLogEvents", `{"logGroupName":"app/a","logStreamNamePrefix":"t"}`, `200 {"events":[],"searchedLogStreams":[]}`},
		{"DeleteLogGroup", `{"logGroupName":"app/a"}`, `200 {}`},
		{"DescribeLogGroups", `{"logGroupIdentifiers":["app/b","app/a","app/b","arn:aws:logs:eu-west-1:123456789012:log-group:app/a"]}`, `200 {"logGroups":[{"arn":"arn:aws:logs:eu-west-1:123456789012:log-group:app/b:*","creationTime":T,"deletionProtectionEnabled":false,` +
			`"logGroupArn":"arn:aws:logs:eu-west-1:123456789012:log-group:app/b","logGroupClass":"INFREQUENT_ACCESS","logGroupName":"app/b","metricFilterCount":0,"storedBytes":0}]}`},
	} {
		if got := times.ReplaceAllString(w.ask(c.operation, c.in), "${1}${2}${3}${4}T"); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.operation, c.in, got, c.want)
		}
	}
}

// TestRefusals holds codes and texts. Those marked AWS are recorded in
// localstack/localstack, tests/aws/services/logs, or quoted in public issues.
func TestRefusals(t *testing.T) {
	w := start(t)
	now := time.Now().UnixMilli()
	w.does("CreateLogGroup", `{"logGroupName":"g"}`)
	w.does("CreateLogStream", `{"logGroupName":"g","logStreamName":"s"}`)
	event := func(at int64, message string) string {
		return fmt.Sprintf(`{"timestamp":%d,"message":"%s"}`, at, message)
	}
	put := func(events ...string) string {
		return `{"logGroupName":"g","logStreamName":"s","logEvents":[` + strings.Join(events, ",") + `]}`
	}
	for _, c := range []struct{ operation, in, code, text string }{
		{"CreateLogGroup", `{"logGroupName":"g"}`, "ResourceAlreadyExistsException", "The specified log group already exists"}, // AWS
		{"CreateLogGroup", `{"logGroupName":"a b"}`, "InvalidParameterException", `1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+`},
		{"CreateLogGroup", `{"logGroupName":"k","kmsKeyId":"k"}`, "InvalidParameterException", "KmsKeyId is not served by Pinfold: leave it out; logs are not encrypted with keys of your own."},
		{"CreateLogGroup", `{"logGroupName":"k","deletionProtectionEnabled":true}`, "InvalidParameterException", "DeletionProtectionEnabled is not served by Pinfold: leave it out; a log group can always be deleted."},
		{"CreateLogGroup", `{"logGroupName":"k","logGroupClass":"DELIVERY"}`, "InvalidParameterException", "LogGroupClass DELIVERY is not served by Pinfold: use STANDARD or INFREQUENT_ACCESS, which are the same here."},
		{"CreateLogGroup", `{"logGroupName":7}`, "SerializationException", ""},
		{"DeleteLogGroup", `{"logGroupName":"none"}`, "ResourceNotFoundException", "The specified log group does not exist."},                                                                           // AWS
		{"DescribeLogGroups", `{"logGroupNamePrefix":"a","logGroupNamePattern":"b"}`, "InvalidParameterException", "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters."}, // AWS
		{"DescribeLogGroups", `{"logGroupIdentifiers":["a"],"logGroupNamePattern":"b"}`, "InvalidParameterException", "logGroupIdentifiers cannot be given together with another filter of log groups."},
		{"DescribeLogGroups", `{"nextToken":"?"}`, "InvalidParameterException", "The specified nextToken is invalid."},
		{"DescribeLogGroups", `{"limit":51}`, "InvalidParameterException", "1 validation error detected: Value '51' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50"},
		{"PutRetentionPolicy", `{"logGroupName":"g","retentionInDays":2}`, "InvalidParameterException", ""},
		{"PutRetentionPolicy", `{"logGroupName":"g","retentionInDays":0}`, "InvalidParameterException", ""},
		{"TagResource", `{"resourceArn":"arn:aws:logs:eu-west-1:123456789012:destination:d","tags":{"a":"b"}}`, "InvalidParameterException", ""},
		{"ListTagsForResource", `{"resourceArn":"g"}`, "InvalidParameterException", `"g" is not the ARN of a log group: it looks like arn:aws:logs:REGION:ACCOUNT:log-group:NAME`},
		{"CreateLogStream", `{"logGroupName":"g","logStreamName":"s"}`, "ResourceAlreadyExistsException", "The specified log stream already exists"},                        // AWS
		{"DescribeLogStreams", `{"logGroupName":"g","logGroupIdentifier":"g"}`, "ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters."}, // AWS
		{"DescribeLogStreams", `{}`, "ValidationException", "Either logGroupName or logGroupIdentifier must be given."},
		{"DescribeLogStreams", `{"logGroupName":"g","orderBy":"LastEventTime","logStreamNamePrefix":"s"}`, "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix."},
		{"DescribeLogStreams", `{"logGroupName":"g","nextToken":"bm9uZQ"}`, "InvalidParameterException", "The specified nextToken is invalid."},
		{"PutLogEvents", strings.Replace(put(event(now, "x")), `"s"`, `"none"`, 1), "ResourceNotFoundException", "The specified log stream does not exist."},                                           // AWS
		{"PutLogEvents", put(event(now, "x"), event(now-1, "y")), "InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order."},                          // AWS
		{"PutLogEvents", put(event(now-90_000_000, "x"), event(now, "y")), "InvalidParameterException", "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."},    // AWS
		{"PutLogEvents", put(event(now, strings.Repeat("x", 1<<20))), "InvalidParameterException", "Log event too large: 1048602 bytes exceeds limit of 1048576"},                                      // AWS, with the limit of its day
		{"PutLogEvents", put(event(now, strings.Repeat("x", 1<<19)), event(now, strings.Repeat("x", 1<<19))), "InvalidParameterException", "Upload too large: 1048628 bytes exceeds limit of 1048576"}, // AWS
		{"PutLogEvents", put(), "InvalidParameterException", "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"PutLogEvents", put(event(now, "")), "InvalidParameterException", "1 validation error detected: Value '' at 'logEvents.1.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"PutLogEvents", put(slices.Repeat([]string{event(now, "x")}, 11_000)...), "InvalidParameterException", ""},
		{"PutLogEvents", put(event(now, "broken \xff")), "SerializationException", ""},
		{"GetLogEvents", `{"logGroupName":"g","logStreamName":"none"}`, "ResourceNotFoundException", "The specified log stream does not exist."},                                                                                                          // AWS
		{"GetLogEvents", `{"logGroupName":"none","logStreamName":"s"}`, "ResourceNotFoundException", "The specified log group does not exist."},                                                                                                           // AWS
		{"GetLogEvents", `{"logGroupName":"g","logStreamName":"s","nextToken":"x"}`, "InvalidParameterException", "The specified nextToken is invalid."},                                                                                                  // AWS
		{"GetLogEvents", `{"logGroupName":"g","logStreamName":"s","limit":10001}`, "InvalidParameterException", "1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000"}, // AWS
		{"FilterLogEvents", `{"logGroupName":"g","nextToken":"f/1/1"}`, "InvalidParameterException", "The specified nextToken is invalid."},                                                                                                               // AWS
		{"FilterLogEvents", `{"logGroupName":"g","filterPattern":"{ $.a = "}`, "InvalidParameterException", "Invalid filter pattern: at character 9, where it ends: a value to compare with is missing"},
		{"FilterLogEvents", `{"logGroupName":"g","logStreamNames":["s"],"logStreamNamePrefix":"s"}`, "InvalidParameterException", ""},
		{"FilterLogEvents", `{"logGroupName":"g","startFromHead":false}`, "InvalidParameterException", "StartFromHead false is not served by Pinfold: leave it out; the earliest events come first."},
		{"StartLiveTail", `{"logGroupIdentifiers":["none"]}`, "ResourceNotFoundException", "The specified log group does not exist."},
		{"StartLiveTail", `{"logGroupIdentifiers":["g"],"logEventFilterPattern":"["}`, "InvalidParameterException", ""},
		{"StartLiveTail", `{"logGroupIdentifiers":["arn:aws:logs:eu-west-1:123456789012:log-group:g:*"]}`, "InvalidParameterException", ""},
		{"DescribeLogStreams", `{"logGroupIdentifier":"arn:aws:logs:eu-west-1:000000000001:log-group:g"}`, "AccessDeniedException", ""},
	} {
		var got struct {
			Type    string `json:"__type"`
			Message string
		}
		status, body, _ := strings.Cut(w.ask(c.operation, c.in), " ")
		if err := json.Unmarshal([]byte(body), &got); err != nil || status != "400" || got.Type != c.code || c.text != "" && got.Message != c.text {
			t.Errorf("%s %.200s:\n got %s %s\nwant %s %s", c.operation, c.in, status, body, c.code, c.text)
		}
	}
	if got := w.ask("StartQuery", `{}`); !strings.HasPrefix(got, "501 ") || !strings.Contains(got, "Pinfold does not serve StartQuery of Amazon CloudWatch Logs yet") {
		t.Error(got)
	}
}

// TestAuthorize holds which resource each operation is about.
func TestAuthorize(t *testing.T) {
	w := start(t)
	const group = "arn:aws:logs:eu-west-1:123456789012:log-group:"
	inputs := map[string]string{
		"TagResource": `{"resourceArn":"` + group + `g","tags":{"a":"b"}}`, "UntagResource": `{"resourceArn":"` + group + `g","tagKeys":["a"]}`,
		"ListTagsForResource": `{"resourceArn":"` + group + `g"}`, "StartLiveTail": `{"logGroupIdentifiers":["none","` + group + `g"]}`,
		"TagLogGroup": `{"logGroupName":"g","tags":{"a":"b"}}`, "UntagLogGroup": `{"logGroupName":"g","tags":["a"]}`,
		"PutLogEvents":       `{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1,"message":"x"}]}`,
		"PutRetentionPolicy": `{"logGroupName":"g","retentionInDays":1}`, "DescribeLogGroups": `{}`,
		"CreateLogStream": `{"logGroupName":"g","logStreamName":"s"}`, "DeleteLogStream": `{"logGroupName":"g","logStreamName":"s"}`, "GetLogEvents": `{"logGroupIdentifier":"g","logStreamName":"s"}`,
	}
	want := map[string][]string{
		"TagResource": {group + "g"}, "UntagResource": {group + "g"}, "ListTagsForResource": {group + "g"}, "DescribeLogGroups": {group + "*"},
		"StartLiveTail":   {group + "none:*", group + "g:*"},
		"CreateLogStream": {group + "g:log-stream:s"}, "DeleteLogStream": {group + "g:log-stream:s"}, "GetLogEvents": {group + "g:log-stream:s"}, "PutLogEvents": {group + "g:log-stream:s"},
	}
	for _, op := range logs.Model.Operations {
		w.asked = nil
		in := inputs[op.Name]
		if in == "" {
			in = `{"logGroupName":"g"}`
		}
		w.ask(op.Name, in)
		resources := want[op.Name]
		if resources == nil {
			resources = []string{group + "g:*"}
		}
		var actions []pinfold.Action
		for _, resource := range resources {
			actions = append(actions, pinfold.Action{Name: "logs:" + op.Name, Resource: resource})
		}
		if !slices.Equal(w.asked, actions) {
			t.Errorf("%s asks for %v, want %v", op.Name, w.asked, actions)
		}
	}
	function := pinfold.Principal{Kind: pinfold.Role, Account: scope.Account, ARN: "arn:aws:sts::123456789012:assumed-role/r/f"}
	for operation, allowed := range map[string]bool{"CreateLogGroup": true, "CreateLogStream": true, "PutLogEvents": true, "DeleteLogGroup": false, "GetLogEvents": false} {
		in := inputs[operation]
		if in == "" {
			in = `{"logGroupName":"other"}`
		}
		answer := w.as(t.Context(), function, operation, in)
		if denied := strings.Contains(answer.Body.String(), "AccessDeniedException"); denied == allowed {
			t.Errorf("a function asks for %s: %d %s", operation, answer.Code, answer.Body)
		}
	}
}

// TestSessionEnds holds a live tail to three hours, and to the platform's life.
func TestSessionEnds(t *testing.T) {
	for name, c := range map[string]struct {
		stop time.Duration
		last string
	}{"time is up": {4 * time.Hour, "SessionTimeoutException"}, "the platform stops": {time.Hour, "sessionUpdate"}} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t)
			w.does("CreateLogGroup", `{"logGroupName":"g"}`)
			began := time.Now()
			time.AfterFunc(c.stop, w.stop)
			const tail = `{"logGroupIdentifiers":["g"]}`
			var others sync.WaitGroup
			soon, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			for range 14 {
				others.Go(func() { w.as(soon, root, "StartLiveTail", tail) })
			}
			others.Go(func() {
				time.Sleep(time.Minute)
				if got := w.ask("StartLiveTail", tail); !strings.Contains(got, "LimitExceededException") {
					t.Errorf("a sixteenth live tail: %.200s", got)
				}
			})
			answer := w.as(t.Context(), root, "StartLiveTail", `{"logGroupIdentifiers":["g"],"logEventFilterPattern":"x"}`)
			var names []string
			for decoder := eventstream.NewDecoder(); answer.Body.Len() > 0; {
				message, err := decoder.Decode(answer.Body, nil)
				if err != nil {
					t.Fatal(err, len(names), names[:min(3, len(names))])
				}
				kind := message.Headers.Get(":event-type")
				if kind == nil {
					kind = message.Headers.Get(":exception-type")
				}
				names = append(names, kind.String())
				if kind.String() == "sessionStart" && !strings.Contains(string(message.Payload), `"logEventFilterPattern":"x","logGroupIdentifiers":["g"],"requestId":"request-1","sessionId":"`) ||
					kind.String() == "sessionUpdate" && string(message.Payload) != `{"sessionMetadata":{"sampled":false},"sessionResults":[]}` {
					t.Errorf("%s: %s", kind, message.Payload)
				}
			}
			others.Wait()
			took := time.Since(began).Round(time.Minute)
			if len(names) < 3000 || names[0] != "initial-response" || names[1] != "sessionStart" || names[len(names)-1] != c.last || took != min(c.stop, 3*time.Hour) {
				t.Errorf("%s: %d messages in %v, %v ... %s", name, len(names), took, names[:min(3, len(names))], names[len(names)-1])
			}
			w.stop()
			w.store.Close()
		})
	}
}
