package clients

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	wire "pinfold.dev/pinfold/internal/wire/logs"
	"pinfold.dev/pinfold/platformtest"
	"pinfold.dev/pinfold/test/gosdk"
)

// TestCloudWatchLogs has the clients of CloudWatch Logs on one platform.
func TestCloudWatchLogs(t *testing.T) {
	t.Parallel()
	p := platformtest.Start(t)
	l := newLogs(p)
	t.Run("parts", func(t *testing.T) {
		for name, part := range map[string]func(*testing.T, *logsSDK){
			"groups": logGroups, "pages": logPages, "live tail": liveTail, "functions": functionLogs, "own group": functionGroup, "refusals": logRefusals,
			"command": logsByCommand, "command's live tail": liveTailByCommand, "tail": tailByCommand,
			"boto3": func(t *testing.T, l *logsSDK) {
				program(t, p, "testdata/boto3", "python3", "-m", "unittest", "-v", "test_logs")
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				part(t, l)
			})
		}
	})
	if t.Failed() || filtered() {
		return
	}
	for _, op := range wire.Model.Operations {
		if !l.done[op.Name] {
			t.Errorf("%s is served, but no test here calls it with success", op.Name)
		}
	}
}

// logsSDK is the Go SDK's client. It notes what succeeds.
type logsSDK struct {
	*logs.Client
	p    *platformtest.Platform
	mu   sync.Mutex
	done map[string]bool
}

func newLogs(p *platformtest.Platform) *logsSDK {
	l := &logsSDK{p: p, done: map[string]bool{}}
	l.Client = logs.NewFromConfig(gosdk.Config(p), func(o *logs.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("record", func(
				ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
			) (middleware.InitializeOutput, middleware.Metadata, error) {
				// StartLiveTail goes to another host by itself: stream-127.0.0.1.
				out, metadata, err := next.HandleInitialize(smithyhttp.DisableEndpointHostPrefix(ctx, true), in)
				if err == nil {
					l.mu.Lock()
					defer l.mu.Unlock()
					l.done[awsmiddleware.GetOperationName(ctx)] = true
				}
				return out, metadata, err
			}), middleware.After)
		})
	})
	return l
}

// create makes a group with streams.
func (l *logsSDK) create(t *testing.T, group string, streams ...string) {
	t.Helper()
	_, err := l.CreateLogGroup(t.Context(), &logs.CreateLogGroupInput{LogGroupName: &group})
	for _, stream := range streams {
		_, failed := l.CreateLogStream(t.Context(), &logs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
		err = errors.Join(err, failed)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// put puts messages into a stream, a millisecond apart, the last one now.
func (l *logsSDK) put(t *testing.T, group, stream string, messages ...string) {
	t.Helper()
	now := time.Now().UnixMilli()
	var events []types.InputLogEvent
	for i, m := range messages {
		events = append(events, types.InputLogEvent{Timestamp: aws.Int64(now - int64(len(messages)-1-i)), Message: &m})
	}
	out, err := l.PutLogEvents(t.Context(), &logs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream, LogEvents: events})
	if err != nil || out.RejectedLogEventsInfo != nil {
		t.Fatalf("%+v, %v", out, err)
	}
}

// filter returns all messages of a group that match a pattern.
func (l *logsSDK) filter(t *testing.T, group, pattern string) (messages []string) {
	t.Helper()
	pages := logs.NewFilterLogEventsPaginator(l, &logs.FilterLogEventsInput{LogGroupName: &group, FilterPattern: &pattern})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			messages = append(messages, *e.Message)
		}
	}
	return messages
}

func logGroups(t *testing.T, l *logsSDK) {
	ctx, name := t.Context(), aws.String("groups/one")
	arn := aws.String("arn:aws:logs:us-east-1:000000000000:log-group:groups/one")
	_, err := l.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: name, Tags: map[string]string{"a": "1"}, LogGroupClass: types.LogGroupClassInfrequentAccess})
	do := func(_ any, failed error) { err = errors.Join(err, failed) }
	do(l.PutRetentionPolicy(ctx, &logs.PutRetentionPolicyInput{LogGroupName: name, RetentionInDays: aws.Int32(14)}))
	do(l.TagResource(ctx, &logs.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"b": "2"}}))
	//lint:ignore SA1019 the old operations are served, too
	do(l.TagLogGroup(ctx, &logs.TagLogGroupInput{LogGroupName: name, Tags: map[string]string{"c": "3", "d": "4"}}))
	do(l.UntagResource(ctx, &logs.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}}))
	//lint:ignore SA1019 likewise
	do(l.UntagLogGroup(ctx, &logs.UntagLogGroupInput{LogGroupName: name, Tags: []string{"b"}}))
	byARN, failed := l.ListTagsForResource(ctx, &logs.ListTagsForResourceInput{ResourceArn: arn})
	do(nil, failed)
	//lint:ignore SA1019 likewise
	byName, failed := l.ListTagsLogGroup(ctx, &logs.ListTagsLogGroupInput{LogGroupName: name})
	if do(nil, failed); err != nil {
		t.Fatal(err)
	}
	if len(byARN.Tags) != 2 || byARN.Tags["c"] != "3" || len(byName.Tags) != 2 {
		t.Errorf("tags %v, %v", byARN.Tags, byName.Tags)
	}
	describe := func() types.LogGroup {
		out, err := l.DescribeLogGroups(ctx, &logs.DescribeLogGroupsInput{LogGroupNamePrefix: name})
		if err != nil || len(out.LogGroups) != 1 {
			t.Fatalf("%+v, %v", out, err)
		}
		return out.LogGroups[0]
	}
	g := describe()
	if *g.LogGroupName != *name || *g.Arn != *arn+":*" || *g.LogGroupArn != *arn || aws.ToInt32(g.RetentionInDays) != 14 ||
		g.LogGroupClass != types.LogGroupClassInfrequentAccess || time.Since(time.UnixMilli(*g.CreationTime)).Abs() > time.Hour {
		t.Errorf("%+v", g)
	}
	if do(l.DeleteRetentionPolicy(ctx, &logs.DeleteRetentionPolicyInput{LogGroupName: name})); err != nil || describe().RetentionInDays != nil {
		t.Errorf("retention is still there: %v", err)
	}
	do(l.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: name, LogStreamName: aws.String("s")}))
	do(l.DeleteLogStream(ctx, &logs.DeleteLogStreamInput{LogGroupName: name, LogStreamName: aws.String("s")}))
	if do(l.DeleteLogGroup(ctx, &logs.DeleteLogGroupInput{LogGroupName: name})); err != nil {
		t.Error(err)
	}
	_, err = l.DescribeLogStreams(ctx, &logs.DescribeLogStreamsInput{LogGroupName: name})
	typed[*types.ResourceNotFoundException](t, err, "The specified log group does not exist.")
}

// logPages reads by pages what is more than one.
func logPages(t *testing.T, l *logsSDK) {
	ctx, group := t.Context(), aws.String("pages")
	l.create(t, *group)
	var want []string
	for i := range 60 {
		stream := fmt.Sprintf("stream %02d", i)
		if _, err := l.CreateLogStream(ctx, &logs.CreateLogStreamInput{LogGroupName: group, LogStreamName: &stream}); err != nil {
			t.Fatal(err)
		}
		want = append(want, stream)
	}
	var got []string
	for pages := logs.NewDescribeLogStreamsPaginator(l, &logs.DescribeLogStreamsInput{LogGroupIdentifier: group}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.LogStreams {
			got = append(got, *s.LogStreamName)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("streams %q", got)
	}
	want = want[:0]
	for i := range 100 {
		want = append(want, fmt.Sprintf("message %02d", i))
	}
	l.put(t, *group, "stream 07", want...)

	// walk goes through the stream until a token comes back as it was given.
	walk := func(head bool, next func(*logs.GetLogEventsOutput) *string) (got []string) {
		in := &logs.GetLogEventsInput{LogGroupName: group, LogStreamName: aws.String("stream 07"), StartFromHead: &head, Limit: aws.Int32(7)}
		for {
			out, err := l.GetLogEvents(ctx, in)
			if err != nil {
				t.Fatal(err)
			}
			var page []string
			for _, e := range out.Events {
				page = append(page, *e.Message)
			}
			if head {
				got = append(got, page...)
			} else {
				got = append(page, got...)
			}
			token := next(out)
			if in.NextToken != nil && *token == *in.NextToken {
				return got
			}
			in.NextToken = token
		}
	}
	if got := walk(true, func(out *logs.GetLogEventsOutput) *string { return out.NextForwardToken }); !slices.Equal(got, want) {
		t.Errorf("forwards: %q", got)
	}
	if got := walk(false, func(out *logs.GetLogEventsOutput) *string { return out.NextBackwardToken }); !slices.Equal(got, want) {
		t.Errorf("backwards: %q", got)
	}
	got = nil
	ids := map[string]bool{}
	for pages := logs.NewFilterLogEventsPaginator(l, &logs.FilterLogEventsInput{LogGroupName: group, FilterPattern: aws.String("message"), Limit: aws.Int32(9)}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			got, ids[*e.EventId] = append(got, *e.Message), true
		}
	}
	if !slices.Equal(got, want) || len(ids) != len(want) {
		t.Errorf("filtered: %q, %d ids", got, len(ids))
	}

	// A page has a megabyte of events, so ten of them come by some pages.
	for range 10 {
		l.put(t, *group, "stream 08", strings.Repeat("x", 600_000))
	}
	if big := l.filter(t, *group, "-message"); len(big) != 10 || len(big[9]) != 600_000 {
		t.Errorf("%d large events", len(big))
	}
}

func liveTail(t *testing.T, l *logsSDK) {
	l.create(t, "live", "a", "b")
	out, err := l.StartLiveTail(t.Context(), &logs.StartLiveTailInput{
		LogGroupIdentifiers: []string{"arn:aws:logs:us-east-1:000000000000:log-group:live"}, LogStreamNames: []string{"a"}, LogEventFilterPattern: aws.String("%wanted [0-9]%"),
	})
	if err != nil {
		t.Fatal(err)
	}
	stream := out.GetStream()
	defer stream.Close()
	var got []types.LiveTailSessionLogEvent
	for event := range stream.Events() {
		switch e := event.(type) {
		case *types.StartLiveTailResponseStreamMemberSessionStart:
			if aws.ToString(e.Value.SessionId) == "" || e.Value.LogStreamNames[0] != "a" {
				t.Errorf("%+v", e.Value)
			}
			l.put(t, "live", "a", "wanted 1", "other", "wanted 2")
			l.put(t, "live", "b", "wanted 3")
		case *types.StartLiveTailResponseStreamMemberSessionUpdate:
			got = append(got, e.Value.SessionResults...)
		}
		if len(got) >= 2 {
			break
		}
	}
	if len(got) != 2 || *got[0].Message != "wanted 1" || *got[1].Message != "wanted 2" || *got[0].LogStreamName != "a" || *got[0].LogGroupIdentifier != "000000000000:live" {
		t.Errorf("%+v, %v", got, stream.Err())
	}
}

// functionLogs looks for what a function writes where the function is told it
// would be.
func functionLogs(t *testing.T, l *logsSDK) {
	s := newSDK(l.p)
	s.create(t, "logging", nil)
	complete := func(in *lambda.InvokeInput) { in.LogType = lambdatypes.LogTypeTail } // the answer has the log, so it is written
	var env map[string]string
	decode(t, s.invoke(t, "logging", `{"do":"env"}`).Payload, &env)
	s.invoke(t, "logging", `{"do":"log","bytes":300000}`, complete)
	const group = "/aws/lambda/logging"
	if env["AWS_LAMBDA_LOG_GROUP_NAME"] != group {
		t.Errorf("it is told %q", env["AWS_LAMBDA_LOG_GROUP_NAME"])
	}
	out, err := l.GetLogEvents(t.Context(), &logs.GetLogEventsInput{LogGroupName: aws.String(group), LogStreamName: aws.String(env["AWS_LAMBDA_LOG_STREAM_NAME"]), StartFromHead: aws.Bool(true)})
	if err != nil {
		t.Fatal(err)
	}
	var system []string
	for _, e := range out.Events {
		if first, _, _ := strings.Cut(*e.Message, " "); strings.ToUpper(first) == first && !strings.HasPrefix(first, "2") {
			system = append(system, first)
		}
	}
	if got := strings.Join(system, " "); got != "INIT_START START END REPORT START END REPORT" {
		t.Errorf("of the platform's lines the stream has %.300s", got)
	}
	if found := l.filter(t, group, `"first line"`); len(found) != 1 {
		t.Errorf("found %q", found)
	}
	if _, err := l.DeleteLogGroup(t.Context(), &logs.DeleteLogGroupInput{LogGroupName: aws.String(group)}); err != nil {
		t.Fatal(err)
	}
	_, err = l.FilterLogEvents(t.Context(), &logs.FilterLogEventsInput{LogGroupName: aws.String(group)})
	typed[*types.ResourceNotFoundException](t, err, "The specified log group does not exist.")
	s.invoke(t, "logging", `{"do":"log"}`, complete)
	if found := l.filter(t, group, "line"); len(found) != 2 {
		t.Errorf("after its group was deleted: %q", found)
	}
	if _, err := s.DeleteFunction(t.Context(), &lambda.DeleteFunctionInput{FunctionName: aws.String("logging")}); err != nil {
		t.Fatal(err)
	}
	if found := l.filter(t, group, "line"); len(found) != 2 {
		t.Errorf("after the function was deleted: %q", found)
	}
}

// functionGroup gives functions a group of their own, and another one.
func functionGroup(t *testing.T, l *logsSDK) {
	s := newSDK(l.p)
	complete := func(in *lambda.InvokeInput) { in.LogType = lambdatypes.LogTypeTail }
	for _, name := range []string{"shares", "shares-too"} {
		s.create(t, name, nil, func(in *lambda.CreateFunctionInput) {
			in.LoggingConfig = &lambdatypes.LoggingConfig{LogGroup: aws.String("shared/by-two")}
		})
		s.invoke(t, name, `{"do":"log"}`, complete)
	}
	if found := l.filter(t, "shared/by-two", "first"); len(found) != 2 {
		t.Errorf("in the shared group: %q", found)
	}
	if _, err := s.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: aws.String("shares"), LoggingConfig: &lambdatypes.LoggingConfig{LogGroup: aws.String("mine"), LogFormat: lambdatypes.LogFormatJson, SystemLogLevel: lambdatypes.SystemLogLevelDebug},
	}); err != nil {
		t.Fatal(err)
	}
	s.invoke(t, "shares", `{"do":"log"}`, complete)
	if found := l.filter(t, "mine", `{ $.message = "first line" }`); len(found) != 1 {
		t.Errorf("in its own group: %q", found)
	}
	if found := l.filter(t, "mine", `{ $.type = "platform.report" && $.record.status = "success" }`); len(found) != 1 {
		t.Errorf("system lines: %q", found)
	}
}

func logRefusals(t *testing.T, l *logsSDK) {
	ctx := t.Context()
	l.create(t, "refusing", "s")
	_, err := l.CreateLogGroup(ctx, &logs.CreateLogGroupInput{LogGroupName: aws.String("refusing")})
	typed[*types.ResourceAlreadyExistsException](t, err, "The specified log group already exists")
	_, err = l.FilterLogEvents(ctx, &logs.FilterLogEventsInput{LogGroupName: aws.String("refusing"), FilterPattern: aws.String(`{ $.a = `)})
	typed[*types.InvalidParameterException](t, err, "Invalid filter pattern")
	year := time.Now().AddDate(-5, 0, 0).UnixMilli()
	if out, err := l.FilterLogEvents(ctx, &logs.FilterLogEventsInput{LogGroupName: aws.String("refusing"), StartTime: &year, EndTime: aws.Int64(1 << 60)}); err != nil || len(out.Events) > 0 {
		t.Errorf("years: %+v, %v", out, err)
	}
	now := time.Now().UnixMilli()
	put := func(events ...types.InputLogEvent) error {
		_, err := l.PutLogEvents(ctx, &logs.PutLogEventsInput{LogGroupName: aws.String("refusing"), LogStreamName: aws.String("s"), LogEvents: events, SequenceToken: aws.String("wrong")})
		return err
	}
	event := func(at int64, message string) types.InputLogEvent {
		return types.InputLogEvent{Timestamp: &at, Message: &message}
	}
	typed[*types.InvalidParameterException](t, put(event(now, "a"), event(now-1, "b")), "must be in chronological order.")
	typed[*types.InvalidParameterException](t, put(event(now, strings.Repeat("x", 1<<20))), "Log event too large")
	typed[*types.InvalidParameterException](t, put(event(now, strings.Repeat("x", 16<<20))), "Upload too large")
	typed[*types.InvalidParameterException](t, put(slices.Repeat([]types.InputLogEvent{event(now, "x")}, 11_000)...), "Member must have length less than or equal to 10000")
	if err := put(event(now, "\x00\x01\x1b[31m \U0001F980"), event(now, strings.Repeat("\x01", 1<<20-100))); err != nil {
		t.Errorf("binary: %v", err) // six bytes on the wire for each
	}
	if found := l.filter(t, "refusing", ""); len(found) != 2 || found[0] != "\x00\x01\x1b[31m \U0001F980" || len(found[1]) != 1<<20-100 {
		t.Errorf("binary comes back as %.50q", found)
	}
	_, err = l.GetLogEvents(ctx, &logs.GetLogEventsInput{LogGroupName: aws.String("refusing"), LogStreamName: aws.String("s"), NextToken: aws.String("wrong")})
	typed[*types.InvalidParameterException](t, err, "The specified nextToken is invalid.")
	_, err = l.StartQuery(ctx, &logs.StartQueryInput{LogGroupName: aws.String("refusing"), StartTime: &year, EndTime: &now, QueryString: aws.String("fields @message")})
	apiError(t, err, "NotImplementedException", "Pinfold does not serve StartQuery of Amazon CloudWatch Logs yet")
}
