package logs

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"pinfold.dev/pinfold"
	service "pinfold.dev/pinfold/internal/logs"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// Limits on live tails. Sources: StartLiveTail in the CloudWatch Logs API
// reference; "CloudWatch Logs quotas", user guide.
const (
	sessionLife = 3 * time.Hour
	maxSessions = 15
)

// StartLiveTail sends what comes until the client has seen enough.
func (a *adapter) StartLiveTail(ctx context.Context, in *StartLiveTailRequest, events *protocol.Events[StartLiveTailResponse, StartLiveTailResponseStream]) error {
	q := service.TailQuery{Streams: in.LogStreamNames, Prefixes: in.LogStreamNamePrefixes, Pattern: value(in.LogEventFilterPattern)}
	for _, id := range in.LogGroupIdentifiers {
		ref, err := a.group(nil, &id)
		if err != nil {
			return err
		}
		q.Groups = append(q.Groups, ref)
	}
	defer a.sessions.Add(-1)
	if a.sessions.Add(1) > maxSessions {
		return pinfold.Errorf(pinfold.Throttled, "There are %d live tails already, and may be no more: end one of them.", maxSessions).WithReason("LimitExceededException")
	}
	ctx, cancel := context.WithTimeout(ctx, sessionLife)
	defer cancel()
	defer context.AfterFunc(a.Stopping, cancel)()
	updates, err := a.Store.LiveTail(ctx, q)
	if err != nil {
		return err
	}
	begun := false
	for update := range updates {
		event := &StartLiveTailResponseStream{SessionUpdate: sessionUpdate(update)}
		if !begun { // the first update says that nothing is missed from here on
			events.Begin(&StartLiveTailResponse{})
			event = &StartLiveTailResponseStream{SessionStart: sessionStart(ctx, in)}
			begun = true
		}
		if events.Send(event) != nil {
			return nil // nobody is there any more
		}
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return pinfold.Errorf(pinfold.Timeout, "The live tail has been open for %v, which is as long as it may be: start another one.", sessionLife).WithReason("SessionTimeoutException")
	}
	return nil
}

func sessionStart(ctx context.Context, in *StartLiveTailRequest) *LiveTailSessionStart {
	return &LiveTailSessionStart{
		RequestId: new(protocol.CallerFrom(ctx).RequestID), SessionId: new(uuid.NewString()), LogGroupIdentifiers: in.LogGroupIdentifiers,
		LogStreamNames: in.LogStreamNames, LogStreamNamePrefixes: in.LogStreamNamePrefixes, LogEventFilterPattern: in.LogEventFilterPattern,
	}
}

func sessionUpdate(u service.TailUpdate) *LiveTailSessionUpdate {
	return &LiveTailSessionUpdate{
		SessionMetadata: &LiveTailSessionMetadata{Sampled: &u.Sampled},
		SessionResults: each(u.Events, func(e service.TailEvent) LiveTailSessionLogEvent {
			return LiveTailSessionLogEvent{
				LogGroupIdentifier: new(e.Group.Account + ":" + e.Group.Name), LogStreamName: &e.Stream,
				Timestamp: millis(e.Time), IngestionTime: millis(e.Ingested), Message: &e.Message,
			}
		}),
	}
}
