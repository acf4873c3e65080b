package sqs

import (
	"context"
	"log/slog"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// message reads what SendMessage and an entry of its batch have in common.
func message(ctx context.Context, in *SendMessageRequest) (*queue.Message, error) {
	m := &queue.Message{
		Body: value(in.MessageBody), Delay: seconds(in.DelaySeconds), Group: value(in.MessageGroupId),
		Deduplication: value(in.MessageDeduplicationId), Sender: protocol.CallerFrom(ctx).Principal.UserID,
	}
	for name, v := range in.MessageAttributes {
		if v.StringListValues != nil || v.BinaryListValues != nil {
			return nil, invalid("Message attribute list values in SendMessage operation are not supported.")
		}
		if m.Attributes == nil {
			m.Attributes = make(map[string]queue.Attribute, len(in.MessageAttributes))
		}
		m.Attributes[name] = queue.Attribute{Type: value(v.DataType), Text: value(v.StringValue), Binary: v.BinaryValue}
	}
	for name, v := range in.MessageSystemAttributes {
		if name != "AWSTraceHeader" {
			return nil, invalid("Message system attribute name '%s' is invalid.", name)
		}
		if value(v.DataType) != "String" || value(v.StringValue) == "" {
			return nil, invalid("Message system attribute '%s' must contain a non-empty value of type 'String'.", name)
		}
		m.Trace = *v.StringValue
	}
	return m, nil
}

func seconds(n *int64) *pinfold.Seconds {
	if n == nil {
		return nil
	}
	return new(pinfold.Seconds(*n))
}

func (a *adapter) SendMessage(ctx context.Context, in *SendMessageRequest) (*SendMessageResult, error) {
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	m, err := message(ctx, in)
	if err != nil {
		return nil, err
	}
	sent, err := a.Queues.Send(ctx, ref, m)
	if err != nil {
		return nil, err
	}
	return &SendMessageResult{
		MessageId: &sent.ID, MD5OfMessageBody: &sent.MD5Body, MD5OfMessageAttributes: optional(sent.MD5Attributes),
		MD5OfMessageSystemAttributes: optional(sent.MD5System), SequenceNumber: optional(sent.Sequence),
	}, nil
}

func (a *adapter) SendMessageBatch(ctx context.Context, in *SendMessageBatchRequest) (*SendMessageBatchResult, error) {
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	b, err := newBatch("SendMessageBatchRequestEntry", in.Entries, func(e *SendMessageBatchRequestEntry) *string { return e.Id })
	if err != nil {
		return nil, err
	}
	var ms []*queue.Message
	var at []int
	size := 0
	for i, e := range in.Entries {
		m, err := message(ctx, &SendMessageRequest{
			MessageBody: e.MessageBody, DelaySeconds: e.DelaySeconds, MessageGroupId: e.MessageGroupId, MessageDeduplicationId: e.MessageDeduplicationId,
			MessageAttributes: e.MessageAttributes, MessageSystemAttributes: e.MessageSystemAttributes,
		})
		if err != nil {
			b.fail(i, err)
			continue
		}
		size += m.Size()
		ms, at = append(ms, m), append(at, i)
	}
	if size > queue.MaxMessage {
		return nil, pinfold.Errorf(pinfold.TooLarge, "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", queue.MaxMessage, size).WithReason("BatchRequestTooLong")
	}
	results, err := a.Queues.SendBatch(ctx, ref, ms)
	if err != nil {
		return nil, batchWide(err)
	}
	var out SendMessageBatchResult
	for n, r := range results {
		if r.Err != nil {
			b.fail(at[n], r.Err)
			continue
		}
		out.Successful = append(out.Successful, SendMessageBatchResultEntry{
			Id: in.Entries[at[n]].Id, MessageId: &r.ID, MD5OfMessageBody: &r.MD5Body, MD5OfMessageAttributes: optional(r.MD5Attributes),
			MD5OfMessageSystemAttributes: optional(r.MD5System), SequenceNumber: optional(r.Sequence),
		})
	}
	out.Failed = b.failed(ctx, a.Log)
	return &out, nil
}

// batchWide gives the error about an entry, for which a batch is refused as a whole,
// the name that it has then: recorded from AWS.
func batchWide(err error) error {
	if pinfold.ReasonOf(err) == "MissingRequiredParameterException" {
		return invalid("%s", err.Error())
	}
	return err
}

func (a *adapter) ReceiveMessage(ctx context.Context, in *ReceiveMessageRequest) (*ReceiveMessageResult, error) {
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	o := queue.ReceiveOptions{
		Max: 1, Visibility: seconds(in.VisibilityTimeout), Wait: seconds(in.WaitTimeSeconds), Attempt: value(in.ReceiveRequestAttemptId),
		System: in.MessageSystemAttributeNames, Attributes: in.MessageAttributeNames,
	}
	if in.AttributeNames != nil { // what it was called before
		o.System = slices.Concat(o.System, in.AttributeNames)
	}
	if in.MaxNumberOfMessages != nil {
		if o.Max = int(*in.MaxNumberOfMessages); o.Max == 0 {
			return nil, invalid("Value 0 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.")
		}
	}
	if in.WaitTimeSeconds == nil || *in.WaitTimeSeconds > 0 {
		waiting, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(a.Stopping, cancel)()
		ctx = waiting
	}
	got, err := a.Queues.Receive(ctx, ref, o)
	if err != nil || len(got) == 0 {
		return &ReceiveMessageResult{}, err
	}
	out := &ReceiveMessageResult{Messages: make([]Message, len(got))}
	for i := range got {
		r := &got[i]
		out.Messages[i] = Message{
			MessageId: &r.ID, ReceiptHandle: &r.Handle, Body: &r.Body, MD5OfBody: &r.MD5Body, MD5OfMessageAttributes: optional(r.MD5Attributes),
			Attributes: r.System, MessageAttributes: values(r.Attributes),
		}
	}
	return out, nil
}

func values(all map[string]queue.Attribute) map[string]MessageAttributeValue {
	if len(all) == 0 {
		return nil
	}
	out := make(map[string]MessageAttributeValue, len(all))
	for name, attribute := range all {
		out[name] = MessageAttributeValue{DataType: &attribute.Type, StringValue: optional(attribute.Text), BinaryValue: attribute.Binary}
	}
	return out
}

func (a *adapter) DeleteMessage(ctx context.Context, in *DeleteMessageRequest) (*protocol.Empty, error) {
	if err := need(in.ReceiptHandle, "ReceiptHandle"); err != nil {
		return nil, err
	}
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	errs, err := a.Queues.Remove(ctx, ref, *in.ReceiptHandle)
	if err == nil {
		err = errs[0]
	}
	return &protocol.Empty{}, err
}

func (a *adapter) DeleteMessageBatch(ctx context.Context, in *DeleteMessageBatchRequest) (*DeleteMessageBatchResult, error) {
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	b, err := newBatch("DeleteMessageBatchRequestEntry", in.Entries, func(e *DeleteMessageBatchRequestEntry) *string { return e.Id })
	if err != nil {
		return nil, err
	}
	errs, err := a.Queues.Remove(ctx, ref, each(in.Entries, func(e DeleteMessageBatchRequestEntry) string { return value(e.ReceiptHandle) })...)
	if err != nil {
		return nil, err
	}
	var out DeleteMessageBatchResult
	for i, err := range errs {
		if err != nil {
			b.fail(i, err)
			continue
		}
		out.Successful = append(out.Successful, DeleteMessageBatchResultEntry{Id: in.Entries[i].Id})
	}
	out.Failed = b.failed(ctx, a.Log)
	return &out, nil
}

func (a *adapter) ChangeMessageVisibility(_ context.Context, in *ChangeMessageVisibilityRequest) (*protocol.Empty, error) {
	if err := need(in.ReceiptHandle, "ReceiptHandle"); err != nil {
		return nil, err
	}
	if err := need(in.VisibilityTimeout, "VisibilityTimeout"); err != nil {
		return nil, err
	}
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Queues.ChangeVisibility(ref, *in.ReceiptHandle, pinfold.Seconds(*in.VisibilityTimeout))
}

func (a *adapter) ChangeMessageVisibilityBatch(ctx context.Context, in *ChangeMessageVisibilityBatchRequest) (*ChangeMessageVisibilityBatchResult, error) {
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	b, err := newBatch("ChangeMessageVisibilityBatchRequestEntry", in.Entries, func(e *ChangeMessageVisibilityBatchRequestEntry) *string { return e.Id })
	if err != nil {
		return nil, err
	}
	if err := a.Queues.Exists(ref); err != nil {
		return nil, err
	}
	var out ChangeMessageVisibilityBatchResult
	for i, e := range in.Entries {
		err := need(e.VisibilityTimeout, "VisibilityTimeout")
		if err == nil {
			err = a.Queues.ChangeVisibility(ref, value(e.ReceiptHandle), pinfold.Seconds(*e.VisibilityTimeout))
		}
		if err != nil {
			b.fail(i, err)
			continue
		}
		out.Successful = append(out.Successful, ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
	}
	out.Failed = b.failed(ctx, a.Log)
	return &out, nil
}

// batch is a request about several messages, of which some may fail.
type batch struct {
	ids     []*string
	failing []error // by position; nil did not fail
}

// newBatch holds the entries of a batch against its rules. Source: the batch
// operations of the SQS API reference.
func newBatch[E any](kind string, entries []E, id func(*E) *string) (*batch, error) {
	switch n := len(entries); {
	case n == 0:
		return nil, pinfold.Errorf(pinfold.Invalid, "There should be at least one %s in the request.", kind).WithReason("EmptyBatchRequest")
	case n > queue.MaxBatch:
		return nil, pinfold.Errorf(pinfold.Invalid, "Maximum number of entries per request are %d. You have sent %d.", queue.MaxBatch, n).WithReason("TooManyEntriesInBatchRequest")
	}
	b := &batch{failing: make([]error, len(entries))}
	for i := range entries {
		name := id(&entries[i])
		if name == nil {
			return nil, missing(kind + ".Id")
		}
		if *name == "" || len(*name) > 80 || strings.Trim(*name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return nil, pinfold.Errorf(pinfold.Invalid, "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.").WithReason("InvalidBatchEntryId")
		}
		if slices.ContainsFunc(b.ids, func(other *string) bool { return *other == *name }) {
			return nil, pinfold.Errorf(pinfold.Invalid, "Id %s repeated.", *name).WithReason("BatchEntryIdsNotDistinct")
		}
		b.ids = append(b.ids, name)
	}
	return b, nil
}

func (b *batch) fail(i int, err error) { b.failing[i] = err }

// failed returns the entries that failed, in their order, and logs what is our fault.
func (b *batch) failed(ctx context.Context, log *slog.Logger) (all []BatchResultErrorEntry) {
	for i, err := range b.failing {
		if err != nil {
			e := Model.ToError(err, names)
			if e.Fault && ctx.Err() == nil {
				log.ErrorContext(ctx, "entry of a batch failed", "service", "sqs", "request", protocol.CallerFrom(ctx).RequestID, "error", err)
			}
			all = append(all, BatchResultErrorEntry{Id: b.ids[i], Code: new(e.QueryCode()), Message: &e.Message, SenderFault: new(!e.Fault)})
		}
	}
	return all
}
