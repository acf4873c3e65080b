package logs

import (
	"context"
	"fmt"
	"time"

	service "pinfold.dev/pinfold/internal/logs"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

func (a *adapter) CreateLogStream(_ context.Context, in *CreateLogStreamRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, a.Store.CreateStream(a.ref(*in.LogGroupName), *in.LogStreamName)
}

func (a *adapter) DeleteLogStream(_ context.Context, in *DeleteLogStreamRequest) (*protocol.Empty, error) {
	return &protocol.Empty{}, a.Store.DeleteStream(a.ref(*in.LogGroupName), *in.LogStreamName)
}

func (a *adapter) DescribeLogStreams(_ context.Context, in *DescribeLogStreamsRequest) (*DescribeLogStreamsResponse, error) {
	ref, err := a.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	after, err := untoken(in.NextToken)
	if err != nil {
		return nil, err
	}
	streams, after, err := a.Store.Streams(service.StreamQuery{
		Group: ref, Prefix: value(in.LogStreamNamePrefix), ByTime: value(in.OrderBy) == "LastEventTime",
		Descending: value(in.Descending), After: after, Limit: int(value(in.Limit)),
	})
	if err != nil {
		return nil, err
	}
	return &DescribeLogStreamsResponse{NextToken: token(after), LogStreams: each(streams, func(s service.Stream) LogStream {
		return LogStream{
			Arn: new(ref.ARN() + ":log-stream:" + s.Name), LogStreamName: &s.Name, CreationTime: millis(s.Created),
			FirstEventTimestamp: millis(s.First), LastEventTimestamp: millis(s.Last), LastIngestionTime: millis(s.Ingestion),
			StoredBytes: new(int64), // "this parameter is deprecated ... always returned as zero", LogStream in the API reference
		}
	})}, nil
}

func (a *adapter) PutLogEvents(_ context.Context, in *PutLogEventsRequest) (*PutLogEventsResponse, error) {
	rejected, err := a.Store.PutEvents(a.ref(*in.LogGroupName), *in.LogStreamName, each(in.LogEvents, func(e InputLogEvent) service.InputEvent {
		return service.InputEvent{Time: time.UnixMilli(*e.Timestamp), Message: *e.Message}
	}))
	if err != nil {
		return nil, err
	}
	// Nothing depends on sequence tokens any more, but older clients want one.
	out := &PutLogEventsResponse{NextSequenceToken: new(fmt.Sprintf("%056d", time.Now().UnixNano()))}
	if rejected.Any() {
		out.RejectedLogEventsInfo = &RejectedLogEventsInfo{
			TooNewLogEventStartIndex: index(rejected.TooNew), TooOldLogEventEndIndex: index(rejected.TooOld), ExpiredLogEventEndIndex: index(rejected.Expired),
		}
	}
	if in.Entity != nil { // it is not kept
		out.RejectedEntityInfo = &RejectedEntityInfo{ErrorType: new("UnsupportedLogGroupType")}
	}
	return out, nil
}

func index(i int) *int64 {
	if i < 0 {
		return nil
	}
	return new(int64(i))
}

func (a *adapter) GetLogEvents(ctx context.Context, in *GetLogEventsRequest) (*GetLogEventsResponse, error) {
	ref, err := a.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	page, err := a.Store.Events(ctx, service.EventQuery{
		Group: ref, Stream: *in.LogStreamName, From: moment(in.StartTime), To: moment(in.EndTime),
		FromHead: value(in.StartFromHead), Limit: int(value(in.Limit)), Token: value(in.NextToken),
	})
	if err != nil {
		return nil, err
	}
	return &GetLogEventsResponse{NextForwardToken: &page.Forward, NextBackwardToken: &page.Backward, Events: each(page.Events, func(e service.Event) OutputLogEvent {
		return OutputLogEvent{Timestamp: millis(e.Time), IngestionTime: millis(e.Ingested), Message: &e.Message}
	})}, nil
}

// FilterLogEvents always interleaves streams, as AWS does whatever the request
// says, and has nothing to unmask.
func (a *adapter) FilterLogEvents(ctx context.Context, in *FilterLogEventsRequest) (*FilterLogEventsResponse, error) {
	if in.StartFromHead != nil && !*in.StartFromHead {
		return nil, unserved("StartFromHead false", "leave it out; the earliest events come first.")
	}
	ref, err := a.group(in.LogGroupName, in.LogGroupIdentifier)
	if err != nil {
		return nil, err
	}
	events, next, err := a.Store.Filter(ctx, service.FilterQuery{
		Group: ref, Streams: in.LogStreamNames, Prefix: value(in.LogStreamNamePrefix), From: moment(in.StartTime), To: moment(in.EndTime),
		Pattern: value(in.FilterPattern), Limit: int(value(in.Limit)), Token: value(in.NextToken),
	})
	if err != nil {
		return nil, err
	}
	out := &FilterLogEventsResponse{SearchedLogStreams: []SearchedLogStream{}, Events: each(events, func(e service.Event) FilteredLogEvent {
		return FilteredLogEvent{EventId: &e.ID, LogStreamName: &e.Stream, Timestamp: millis(e.Time), IngestionTime: millis(e.Ingested), Message: &e.Message}
	})}
	if next != "" {
		out.NextToken = &next
	}
	return out, nil
}
