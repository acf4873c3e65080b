package queue

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
)

// Limits of receiving. Source: ReceiveMessage, SQS API reference; "Amazon SQS
// message quotas", SQS developer guide.
const (
	MaxReceive    = 10
	maxVisibility = 43_200 // seconds
	maxWait       = 20     // seconds
	maxInFlight   = 120_000
)

// All is the name for all attributes, of the system's or the sender's.
const All = "All"

// ReceiveOptions is how messages are received.
type ReceiveOptions struct {
	Max        int              // at most; 0 is 1
	Visibility *pinfold.Seconds // nil: the queue's
	Wait       *pinfold.Seconds // for the first message; nil: the queue's
	Attempt    string           // ReceiveRequestAttemptId, of FIFO queues
	System     []string         // the system attributes to have; names of a queue's are none, and no error
	Attributes []string         // the message attributes to have: names, prefixes such as "bar.*", All
}

func (o *ReceiveOptions) check() error {
	for _, name := range o.System {
		if name != All && !slices.Contains(SystemAttributes, name) && !slices.Contains(attributeNames, name) {
			return unknownAttribute(name)
		}
	}
	switch {
	case o.Max < 1 || o.Max > MaxReceive:
		return invalidValue(o.Max, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
	case o.Visibility != nil && (*o.Visibility < 0 || *o.Visibility > maxVisibility):
		return invalidValue(*o.Visibility, "VisibilityTimeout", "Must be >= 0 and <= 43200, if provided.")
	case o.Wait != nil && (*o.Wait < 0 || *o.Wait > maxWait):
		return invalidValue(*o.Wait, "WaitTimeSeconds", "Must be >= 0 and <= 20, if provided.")
	case len(o.Attempt) > maxID || !plain(o.Attempt):
		return invalidValue(o.Attempt, "ReceiveRequestAttemptId", "ReceiveRequestAttemptId can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	return nil
}

// Receive takes messages out of sight and hands them out. Those that were received
// too often go to the dead-letter queue instead, and those that are too old away.
func (s *Service) Receive(ctx context.Context, ref Ref, o ReceiveOptions) ([]Received, error) {
	if o.Max == 0 {
		o.Max = 1
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	l, err := s.line(ref)
	if err != nil {
		return nil, err
	}
	q := l.record.Load()
	visibility, wait := q.VisibilityTimeout, q.ReceiveWait
	if o.Visibility != nil {
		visibility = *o.Visibility
	}
	if o.Wait != nil {
		wait = *o.Wait
	}
	if err := overLimit(q.FIFO, l.backlog.Counts().InFlight); err != nil {
		return nil, err
	}
	if o.Attempt != "" && q.FIFO {
		if again := l.retries.again(l, o.Attempt, visibility.Duration()); again != nil {
			return l.show(again, o.System, o.Attributes), nil
		}
	}
	got, l, err := s.receive(ctx, l, o.Max, visibility.Duration(), wait.Duration())
	if err != nil {
		return nil, err
	}
	if o.Attempt != "" && q.FIFO && len(got) > 0 {
		l.retries.keep(o.Attempt, got, visibility.Duration())
	}
	return l.show(got, o.System, o.Attributes), nil
}

// overLimit returns the error of standard queues for too many messages in flight;
// FIFO queues have none. Source: "In-flight messages per queue", SQS developer guide.
func overLimit(fifo bool, inFlight int) error {
	if fifo || inFlight < maxInFlight {
		return nil
	}
	return pinfold.Errorf(pinfold.Throttled, "Too many messages in flight.").WithReason("OverLimit")
}

// receive receives what may be handed out. The queue may be purged meanwhile: it
// returns the line that the messages are of.
func (s *shared) receive(ctx context.Context, l *line, max int, visibility, wait time.Duration) ([]opened, *line, error) {
	until := time.Now().Add(wait)
	for {
		ms, err := l.backlog.Receive(ctx, max, visibility, time.Until(until))
		if err != nil {
			return nil, l, err
		}
		if ctx.Err() != nil { // nobody is there to have them
			for _, m := range ms {
				_ = l.backlog.Return(m.Receipt, 0) // gone is as good
			}
			return nil, l, nil
		}
		got, moved := s.sift(ctx, l, ms)
		if len(got) > 0 {
			return got, l, nil
		}
		now, err := s.line(l.ref)
		if err != nil {
			return nil, l, err
		}
		over := len(ms) == 0 && now == l        // the time is up
		stuck := len(ms) > 0 && visibility <= 0 // the same ones would come at once
		if moved == 0 && (over || stuck) {
			return nil, l, nil
		}
		l = now
	}
}

// sift returns those of the messages received that are to be handed out, and how many
// have gone elsewhere. One with which something goes wrong stays out of sight for its
// time, and holds nobody up.
func (s *shared) sift(ctx context.Context, l *line, ms []backlog.Message) (got []opened, moved int) {
	q, now := l.record.Load(), time.Now()
	got = make([]opened, 0, len(ms))
	for _, m := range ms {
		o, err := open(m)
		handled := false
		switch {
		case err != nil:
		case o.expired(q, now):
			handled, err = true, l.remove(ctx, m.Receipt)
		case q.Redrive != nil && m.Receive > q.Redrive.MaxReceiveCount:
			handled, err = s.bury(ctx, l, &o, q.Redrive.DeadLetter)
		}
		switch {
		case err != nil:
			s.log.Error("a message could not be handed out, or moved to the dead-letter queue, or removed: it is tried again when it is visible again",
				"queue", l.ref.Name, "message", o.id(l.id), "error", err)
		case handled:
			moved++
		default:
			got = append(got, o)
		}
	}
	return got, moved
}

// bury moves a message to the dead-letter queue of an ARN. It reports false if there
// is no such queue: then the message stays where it is.
func (s *shared) bury(ctx context.Context, l *line, o *opened, arn string) (bool, error) {
	ref, _ := ParseARN(arn)
	to, done, err := s.sendingTo(ctx, ref)
	switch {
	case pinfold.CodeOf(err) == pinfold.NotFound:
		return false, nil
	case err != nil:
		return false, err
	}
	defer done()
	e := o.envelope
	e.ID, e.Source = o.id(l.id), l.arn
	if !to.record.Load().FIFO { // whose clock begins again: "Amazon SQS dead-letter queues", SQS developer guide
		e.Sent = o.sent()
	}
	if err := to.put(ctx, &e, l.id+"-"+strconv.FormatUint(o.at.Position, 10)); err != nil {
		return false, err
	}
	return true, l.remove(ctx, o.at.Receipt)
}

// put stores a message that was accepted before. A second one with the same
// deduplication id is dropped while the first one is there.
func (l *line) put(ctx context.Context, e *envelope, dedup string) error {
	item := backlog.Item{Data: e.encode(), ID: dedup}
	if l.record.Load().FIFO {
		item.Group = e.Group
	}
	return l.backlog.Send(ctx, item)[0].Err
}

func (l *line) remove(ctx context.Context, r backlog.Receipt) error {
	err := l.backlog.Remove(ctx, r)[0]
	if errors.Is(err, backlog.ErrStale) {
		return nil // somebody else has it now
	}
	return err
}

// show writes messages as they are handed out.
func (l *line) show(got []opened, system, attributes []string) []Received {
	now := time.Now()
	all := make([]Received, len(got))
	for i := range got {
		o, r := &got[i], &all[i]
		*r = Received{ID: o.id(l.id), Body: o.Body, MD5Body: o.MD5Body, Handle: receipt{l.stamp, o.at.Receipt, now}.handle()}
		if len(system) > 0 {
			r.System = l.system(o, system)
		}
		if len(attributes) > 0 && len(o.Attributes) > 0 {
			r.Attributes = wanted(o.Attributes, attributes)
			r.MD5Attributes = digestAttributes(r.Attributes)
		}
	}
	return all
}

// system returns those system attributes of a message that are asked for.
func (l *line) system(o *opened, names []string) map[string]string {
	all := map[string]string{}
	for _, name := range names {
		if name == All {
			for _, name := range SystemAttributes {
				if value := l.systemAttribute(o, name); value != "" {
					all[name] = value
				}
			}
			return all
		}
		if value := l.systemAttribute(o, name); value != "" {
			all[name] = value
		}
	}
	return all
}

// SystemAttributes are the names of the attributes that messages have of the system.
// Source: ReceiveMessage, SQS API reference.
var SystemAttributes = []string{
	"SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp", "SequenceNumber",
	"MessageDeduplicationId", "MessageGroupId", traceAttribute, "DeadLetterQueueSourceArn",
}

func (l *line) systemAttribute(o *opened, name string) string {
	switch name {
	case "SenderId":
		return o.Sender
	case "SentTimestamp":
		return strconv.FormatInt(o.sent().UnixMilli(), 10)
	case "ApproximateReceiveCount":
		return strconv.Itoa(o.at.Receive)
	case "ApproximateFirstReceiveTimestamp":
		if o.at.FirstReceived.IsZero() {
			return ""
		}
		return strconv.FormatInt(o.at.FirstReceived.UnixMilli(), 10)
	case "SequenceNumber":
		if l.record.Load().FIFO {
			return sequence(o.at.Position)
		}
	case "MessageDeduplicationId":
		return o.Deduplication
	case "MessageGroupId":
		return o.Group
	case traceAttribute:
		return o.Trace
	case "DeadLetterQueueSourceArn":
		return o.Source
	}
	return ""
}

// wanted returns those attributes that are asked for by name, by a prefix such as
// "bar.*", or as All. Source: MessageAttributeNames of ReceiveMessage, SQS API
// reference.
func wanted(all map[string]Attribute, names []string) map[string]Attribute {
	var some map[string]Attribute
	for name, a := range all {
		if slices.ContainsFunc(names, func(want string) bool {
			prefix, open := strings.CutSuffix(want, ".*")
			return want == All || want == name || open && strings.HasPrefix(name, prefix)
		}) {
			if some == nil {
				some = make(map[string]Attribute, len(all))
			}
			some[name] = a
		}
	}
	return some
}

// Peek returns the oldest messages of a queue as they are, without receiving them.
// Their handles are "".
func (s *Service) Peek(ctx context.Context, ref Ref, max int) ([]Received, error) {
	l, found, err := s.peek(ctx, ref, max)
	if err != nil {
		return nil, err
	}
	shown := l.show(found, []string{All}, []string{All})
	for i := range shown {
		shown[i].Handle = ""
	}
	return shown, nil
}

func (s *shared) peek(ctx context.Context, ref Ref, max int) (*line, []opened, error) {
	l, err := s.line(ref)
	if err != nil {
		return nil, nil, err
	}
	ms, err := l.backlog.Peek(ctx, max)
	if err != nil {
		return nil, nil, err
	}
	all := make([]opened, len(ms))
	for i, m := range ms {
		if all[i], err = open(m); err != nil {
			return nil, nil, pinfold.Errorf(pinfold.Internal, "message %s of queue %s: %w", messageID(l.id, m.Position), l.ref.Name, err)
		}
	}
	return l, all, nil
}

// Remove removes messages for good that were received; the result has an error for
// each, nil for those that were gone.
func (s *Service) Remove(ctx context.Context, ref Ref, handles ...string) ([]error, error) {
	l, err := s.line(ref)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(handles))
	receipts, at := make([]backlog.Receipt, 0, len(handles)), make([]int, 0, len(handles))
	for i, handle := range handles {
		r, ok := l.receiptOf(handle)
		switch {
		case !ok:
			errs[i] = handleInvalid(handle)
		case r.id == l.stamp.id: // else it has been purged
			receipts, at = append(receipts, r.Receipt), append(at, i)
		}
	}
	if len(receipts) == 0 {
		return errs, nil
	}
	for n, err := range l.backlog.Remove(ctx, receipts...) {
		if errors.Is(err, backlog.ErrStale) {
			err = handleExpired(handles[at[n]])
		}
		errs[at[n]] = err
	}
	return errs, nil
}

// ChangeVisibility has a message that was received be out of sight for another time
// from now; for 0 it is visible at once. Where it is visible already, nothing changes.
func (s *Service) ChangeVisibility(ref Ref, handle string, visibility pinfold.Seconds) error {
	if visibility < 0 || visibility > maxVisibility {
		return invalidValue(visibility, "VisibilityTimeout", "Must be >= 0 and <= 43200, if provided.")
	}
	l, err := s.line(ref)
	if err != nil {
		return err
	}
	r, ok := l.receiptOf(handle)
	if !ok {
		return handleInvalid(handle)
	}
	if time.Now().Add(visibility.Duration()).Sub(r.at) > (maxVisibility+1)*time.Second { // r.at is to the second
		return invalidValue(visibility, "VisibilityTimeout", "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
	}
	err = backlog.ErrGone
	if r.id == l.stamp.id {
		err = l.backlog.Extend(r.Receipt, visibility.Duration())
	}
	return l.notInFlight(handle, err)
}

// Return gives a message back as if it had not been received: it is visible after a
// delay, and its receive count is as before.
func (s *Service) Return(ref Ref, handle string, delay time.Duration) error {
	l, err := s.line(ref)
	if err != nil {
		return err
	}
	r, ok := l.receiptOf(handle)
	if !ok {
		return handleInvalid(handle)
	}
	err = backlog.ErrGone
	if r.id == l.stamp.id {
		err = l.backlog.Return(r.Receipt, delay)
	}
	return l.notInFlight(handle, err)
}

// notInFlight puts an error of the backlog about a handle into AWS's words.
func (l *line) notInFlight(handle string, err error) error {
	fifo := l.record.Load().FIFO
	switch {
	case err == nil, errors.Is(err, backlog.ErrVisible) && !fifo:
		return nil
	case fifo && (errors.Is(err, backlog.ErrVisible) || errors.Is(err, backlog.ErrStale)):
		return handleExpired(handle)
	case errors.Is(err, backlog.ErrGone), errors.Is(err, backlog.ErrStale):
		return invalidValue(handle, "ReceiptHandle", "Message does not exist or is not available for visibility timeout change.")
	}
	return err
}
