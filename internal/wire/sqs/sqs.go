// Package sqs is the adapter of Amazon SQS: its requests, answers and errors on the
// wire, over the service in internal/queue.
//
// It is a room of the wire layer, over shapes generated from AWS's description
// (api_gen.go). SQS is spoken in two protocols, JSON and, by older clients, query;
// what differs between them is in the generated tables. The adapter knows no rules
// of queues and messages. It does know the rules of requests: which parameters they
// must have, what a batch is, and the URLs by which queues go.
package sqs

import (
	"context"
	"encoding/base64"
	"log/slog"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/wire/protocol"
)

// Options is what the adapter needs of the platform.
type Options struct {
	Queues     *queue.Service
	Authorizer pinfold.Authorizer
	// Stopping is done when those who wait for messages have to be answered, because
	// the platform stops.
	Stopping context.Context
	Log      *slog.Logger
}

// New returns the server of the service.
func New(o Options) (*protocol.Server, error) {
	a := &adapter{Options: o}
	return protocol.NewServer(&Model, a, protocol.Options{
		Authorize: a.authorize,
		Check:     check,
		Errors:    names,
		MaxBody:   func(string) int64 { return maxBody },
		TooLarge: func(_ string, limit int64) error {
			return pinfold.Errorf(pinfold.TooLarge, "One or more parameters are invalid. Reason: Message must be shorter than %d bytes: the request has over %d.", queue.MaxMessage, limit)
		},
		Log: o.Log,
	})
}

// names are the errors for codes.
var names = map[pinfold.Code]string{
	pinfold.NotFound:    "QueueDoesNotExist",
	pinfold.Invalid:     "InvalidParameterValueException",
	pinfold.TooLarge:    "InvalidParameterValueException",
	pinfold.Denied:      "AccessDeniedException",
	pinfold.Throttled:   "RequestThrottled",
	pinfold.Unavailable: "ServiceUnavailable",
}

// maxBody is the most bytes that a request has: a message or a batch, of which JSON
// may make six bytes of one, and what is around it.
const maxBody = 6*queue.MaxMessage + 64<<10

// adapter implements API.
type adapter struct{ Options }

var _ API = (*adapter)(nil)

// queueURL returns where a request has the URL of its queue, or nil for one that is
// about none.
func queueURL(in any) **string {
	switch in := in.(type) {
	case *AddPermissionRequest:
		return &in.QueueUrl
	case *ChangeMessageVisibilityRequest:
		return &in.QueueUrl
	case *ChangeMessageVisibilityBatchRequest:
		return &in.QueueUrl
	case *DeleteMessageRequest:
		return &in.QueueUrl
	case *DeleteMessageBatchRequest:
		return &in.QueueUrl
	case *DeleteQueueRequest:
		return &in.QueueUrl
	case *GetQueueAttributesRequest:
		return &in.QueueUrl
	case *ListDeadLetterSourceQueuesRequest:
		return &in.QueueUrl
	case *ListQueueTagsRequest:
		return &in.QueueUrl
	case *PurgeQueueRequest:
		return &in.QueueUrl
	case *ReceiveMessageRequest:
		return &in.QueueUrl
	case *RemovePermissionRequest:
		return &in.QueueUrl
	case *SendMessageRequest:
		return &in.QueueUrl
	case *SendMessageBatchRequest:
		return &in.QueueUrl
	case *SetQueueAttributesRequest:
		return &in.QueueUrl
	case *TagQueueRequest:
		return &in.QueueUrl
	case *UntagQueueRequest:
		return &in.QueueUrl
	}
	return nil
}

// check sees to it that a request names its queue: by a parameter, or by the URL that
// it is sent to.
func check(ctx context.Context, in any) error {
	url := queueURL(in)
	if url == nil {
		return nil
	}
	if path := protocol.CallerFrom(ctx).Path; *url == nil && path != "/" && path != "" {
		*url = &path
	}
	return need(*url, "QueueUrl")
}

// need returns an error if a parameter is absent.
func need[T any](value *T, name string) error {
	if value == nil {
		return missing(name)
	}
	return nil
}

func missing(name string) error {
	return pinfold.Errorf(pinfold.Invalid, "The request must contain the parameter %s.", name).WithReason("MissingRequiredParameterException")
}

func invalid(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, format, args...).WithReason("InvalidParameterValueException")
}

// authorize asks whether the caller may have an operation done. Who may do something
// to one message may do it to a batch. Source: "Actions, resources, and condition
// keys for Amazon SQS", service authorization reference; of move tasks, "Configuring
// queue permissions for dead-letter queue redrive", SQS developer guide.
func (a *adapter) authorize(ctx context.Context, operation string, in any) error {
	arn, err := a.resource(in)
	if err != nil {
		return err
	}
	who := protocol.CallerFrom(ctx).Principal
	may := func(action, arn string) error {
		return a.Authorizer.Authorize(ctx, who, pinfold.Action{Name: "sqs:" + action, Resource: arn})
	}
	if err := may(strings.TrimSuffix(operation, "Batch"), arn); err != nil || !strings.HasSuffix(operation, "MessageMoveTask") && operation != "ListMessageMoveTasks" {
		return err
	}
	for _, action := range []string{"ReceiveMessage", "DeleteMessage", "GetQueueAttributes"} {
		if err := may(action, arn); err != nil {
			return err
		}
	}
	if start, ok := in.(*StartMessageMoveTaskRequest); ok {
		for _, to := range a.destinations(start) {
			if err := may("SendMessage", to); err != nil {
				return err
			}
		}
	}
	return nil
}

// destinations returns the ARNs of the queues that a move task may send to: of all
// whose dead-letter queue it is about, if it names none.
func (a *adapter) destinations(in *StartMessageMoveTaskRequest) (arns []string) {
	if to := value(in.DestinationArn); to != "" {
		return []string{to}
	}
	ref, _ := queue.ParseARN(*in.SourceArn)
	names, _, _ := a.Queues.DeadLetterSources(ref, "", 0) // of one that is not there: the operation says so
	return each(names, func(name string) string { return a.Queues.Ref(name).ARN() })
}

// resource returns the ARN of what a request is about.
func (a *adapter) resource(in any) (string, error) {
	switch in := in.(type) {
	case *CreateQueueRequest:
		return a.Queues.Ref(value(in.QueueName)).ARN(), need(in.QueueName, "QueueName")
	case *GetQueueUrlRequest:
		return a.Queues.Ref(value(in.QueueName)).ARN(), need(in.QueueName, "QueueName")
	case *StartMessageMoveTaskRequest:
		return value(in.SourceArn), need(in.SourceArn, "SourceArn")
	case *ListMessageMoveTasksRequest:
		return value(in.SourceArn), need(in.SourceArn, "SourceArn")
	case *CancelMessageMoveTaskRequest:
		if in.TaskHandle == nil {
			return "", missing("TaskHandle")
		}
		return queue.MoveSource(*in.TaskHandle)
	}
	url := queueURL(in)
	if url == nil {
		return a.Queues.Ref("*").ARN(), nil
	}
	ref, err := a.ref(*url)
	return ref.ARN(), err
}

// ref returns the queue of a URL, whatever host that names: clients reach the
// platform by many. The path is ACCOUNT/NAME, with /queue/REGION before it or not; a
// name alone will do, too. Source: "Amazon SQS queue and message identifiers", SQS
// developer guide.
func (a *adapter) ref(url *string) (queue.Ref, error) {
	path := *url
	if _, rest, ok := strings.Cut(path, "://"); ok {
		_, path, _ = strings.Cut(rest, "/")
	}
	path = strings.Trim(path, "/")
	account, name, ok := cutLast(path)
	if !ok && path == *url {
		return a.Queues.Ref(path), nil
	}
	if _, last, ok := cutLast(account); ok {
		account = last
	}
	if !ok || len(account) != 12 || strings.Trim(account, "0123456789") != "" {
		return queue.Ref{}, pinfold.Errorf(pinfold.Invalid, "The address %s is not valid for this endpoint.", *url).WithReason("InvalidAddress")
	}
	ref := a.Queues.Ref(name)
	ref.Account = account
	return ref, nil
}

func cutLast(path string) (before, last string, ok bool) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// url returns the URL of a queue at the address by which the client came: it can use
// that again, wherever it is.
func url(ctx context.Context, ref queue.Ref) *string {
	return new(protocol.CallerFrom(ctx).Endpoint + "/" + ref.Account + "/" + ref.Name)
}

// token is what a page's last name looks like to clients, which shall not read it.
func token(name string) *string {
	return new(base64.RawURLEncoding.EncodeToString([]byte(name)))
}

// untoken is the way back from token.
func untoken(token *string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(value(token))
	if err != nil {
		return "", invalid("Invalid or expired next token.")
	}
	return string(name), nil
}

// value returns what p points to, or a zero.
func value[T any](p *T) T {
	if p == nil {
		return *new(T)
	}
	return *p
}

// optional returns nil for a zero.
func optional[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

// each converts the items of a list.
func each[T, U any](items []T, convert func(T) U) []U {
	all := make([]U, len(items))
	for i, item := range items {
		all[i] = convert(item)
	}
	return all
}
