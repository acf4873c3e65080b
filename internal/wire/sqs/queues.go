package sqs

import (
	"context"
	"maps"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/queue/policy"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

func (a *adapter) CreateQueue(ctx context.Context, in *CreateQueueRequest) (*CreateQueueResult, error) {
	err := a.Queues.Create(ctx, *in.QueueName, in.Attributes, in.Tags)
	return &CreateQueueResult{QueueUrl: url(ctx, a.Queues.Ref(*in.QueueName))}, err
}

func (a *adapter) DeleteQueue(ctx context.Context, in *DeleteQueueRequest) (*protocol.Empty, error) {
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Queues.Delete(ctx, ref)
}

func (a *adapter) GetQueueUrl(ctx context.Context, in *GetQueueUrlRequest) (*GetQueueUrlResult, error) {
	ref := a.Queues.Ref(*in.QueueName)
	if owner := value(in.QueueOwnerAWSAccountId); owner != "" {
		ref.Account = owner
	}
	_, err := a.Queues.Record(ctx, ref)
	return &GetQueueUrlResult{QueueUrl: url(ctx, ref)}, err
}

// maxPage is the most queues that one answer lists. Source: "MaxResults" of
// ListQueues, SQS API reference.
const maxPage = 1000

// paging returns where a page begins and how much it has.
func paging(max *int64, next *string) (after string, limit int, err error) {
	limit = maxPage
	if max != nil {
		if *max < 1 || *max > maxPage {
			return "", 0, invalid("Value %d for parameter MaxResults is invalid. Reason: MaxResults must be an integer between 1 and 1000.", *max)
		}
		limit = int(*max)
	} else if next != nil {
		return "", 0, invalid("MaxResults is a mandatory parameter when you provide a value for NextToken.")
	}
	after, err = untoken(next)
	return after, limit, err
}

// pageOf returns the URLs of a page and the token of the next one, which there is
// only for those who ask for pages.
func (a *adapter) pageOf(ctx context.Context, names []string, more bool, max *int64) (urls []string, next *string) {
	if more && max != nil {
		next = token(names[len(names)-1])
	}
	for _, name := range names {
		urls = append(urls, *url(ctx, a.Queues.Ref(name)))
	}
	return urls, next
}

func (a *adapter) ListQueues(ctx context.Context, in *ListQueuesRequest) (*ListQueuesResult, error) {
	after, limit, err := paging(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	names, more := a.Queues.List(value(in.QueueNamePrefix), after, limit)
	var out ListQueuesResult
	out.QueueUrls, out.NextToken = a.pageOf(ctx, names, more, in.MaxResults)
	return &out, nil
}

func (a *adapter) ListDeadLetterSourceQueues(ctx context.Context, in *ListDeadLetterSourceQueuesRequest) (*ListDeadLetterSourceQueuesResult, error) {
	after, limit, err := paging(in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	names, more, err := a.Queues.DeadLetterSources(ref, after, limit)
	if err != nil {
		return nil, err
	}
	var out ListDeadLetterSourceQueuesResult
	if out.QueueUrls, out.NextToken = a.pageOf(ctx, names, more, in.MaxResults); out.QueueUrls == nil {
		out.QueueUrls = []string{}
	}
	return &out, nil
}

func (a *adapter) GetQueueAttributes(_ context.Context, in *GetQueueAttributesRequest) (*GetQueueAttributesResult, error) {
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	all, err := a.Queues.Attributes(ref, in.AttributeNames)
	if len(in.AttributeNames) == 0 {
		all = nil
	}
	return &GetQueueAttributesResult{Attributes: all}, err
}

func (a *adapter) SetQueueAttributes(ctx context.Context, in *SetQueueAttributesRequest) (*protocol.Empty, error) {
	if in.Attributes == nil {
		return nil, missing("Attributes")
	}
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Queues.SetAttributes(ctx, ref, in.Attributes)
}

func (a *adapter) PurgeQueue(ctx context.Context, in *PurgeQueueRequest) (*protocol.Empty, error) {
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Queues.Purge(ctx, ref)
}

func (a *adapter) AddPermission(ctx context.Context, in *AddPermissionRequest) (*protocol.Empty, error) {
	if err := need(in.Label, "Label"); err != nil {
		return nil, err
	}
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Queues.AddPermission(ctx, ref, policy.Permission{Label: *in.Label, Accounts: in.AWSAccountIds, Actions: in.Actions})
}

func (a *adapter) RemovePermission(ctx context.Context, in *RemovePermissionRequest) (*protocol.Empty, error) {
	if err := need(in.Label, "Label"); err != nil {
		return nil, err
	}
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Queues.RemovePermission(ctx, ref, *in.Label)
}

func (a *adapter) TagQueue(ctx context.Context, in *TagQueueRequest) (*protocol.Empty, error) {
	if in.Tags == nil {
		return nil, missing("Tags")
	}
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Queues.Tag(ctx, ref, in.Tags)
}

func (a *adapter) UntagQueue(ctx context.Context, in *UntagQueueRequest) (*protocol.Empty, error) {
	if in.TagKeys == nil {
		return nil, missing("TagKeys")
	}
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return &protocol.Empty{}, a.Queues.Untag(ctx, ref, in.TagKeys)
}

func (a *adapter) ListQueueTags(ctx context.Context, in *ListQueueTagsRequest) (*ListQueueTagsResult, error) {
	ref, err := a.ref(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	q, err := a.Queues.Record(ctx, ref)
	tags := map[string]string{} // AWS answers with an empty map
	maps.Copy(tags, q.Tags)
	return &ListQueueTagsResult{Tags: tags}, err
}

func (a *adapter) StartMessageMoveTask(ctx context.Context, in *StartMessageMoveTaskRequest) (*StartMessageMoveTaskResult, error) {
	if rate := in.MaxNumberOfMessagesPerSecond; rate != nil && *rate == 0 {
		*rate = -1 // which the service refuses, as AWS does; its 0 is to have none
	}
	handle, err := a.Queues.StartMove(ctx, *in.SourceArn, value(in.DestinationArn), int(value(in.MaxNumberOfMessagesPerSecond)))
	return &StartMessageMoveTaskResult{TaskHandle: &handle}, err
}

func (a *adapter) CancelMessageMoveTask(ctx context.Context, in *CancelMessageMoveTaskRequest) (*CancelMessageMoveTaskResult, error) {
	moved, err := a.Queues.CancelMove(ctx, *in.TaskHandle)
	return &CancelMessageMoveTaskResult{ApproximateNumberOfMessagesMoved: &moved}, err
}

func (a *adapter) ListMessageMoveTasks(ctx context.Context, in *ListMessageMoveTasksRequest) (*ListMessageMoveTasksResult, error) {
	max := 1
	if in.MaxResults != nil {
		if max = int(*in.MaxResults); max == 0 {
			max = -1
		}
	}
	tasks, err := a.Queues.Moves(ctx, *in.SourceArn, max)
	return &ListMessageMoveTasksResult{Results: each(tasks, describe)}, err
}

func describe(t pinfold.MoveTask) ListMessageMoveTasksResultEntry {
	out := ListMessageMoveTasksResultEntry{
		ApproximateNumberOfMessagesMoved: &t.Moved, ApproximateNumberOfMessagesToMove: &t.ToMove, SourceArn: &t.Source, Status: &t.Status,
		DestinationArn: optional(t.Destination), FailureReason: optional(t.Failure), StartedTimestamp: new(t.Started.UnixMilli()),
		MaxNumberOfMessagesPerSecond: optional(int64(t.MaxPerSecond)),
	}
	if t.Status == "RUNNING" { // "only populated if the status of the message movement task is RUNNING", API reference
		out.TaskHandle = &t.Handle
	}
	return out
}
