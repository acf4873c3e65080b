package queue

import (
	"context"
	"math"
	"time"

	"pinfold.dev/pinfold"
	sqs "pinfold.dev/pinfold/internal/queue"
)

// maxVisibility is for how long messages can be out of sight. Source: "Amazon SQS
// visibility timeout", SQS developer guide: twelve hours.
const maxVisibility = 12 * 60 * 60

// Of returns the queues of a service.
func Of(s *sqs.Service) Queues { return queues{s} }

type queues struct{ service *sqs.Service }

func (q queues) Receive(ctx context.Context, queue string, max int, wait, more time.Duration) ([]Message, error) {
	record, err := q.service.Lookup(ctx, queue)
	if err != nil {
		return nil, err
	}
	seconds := pinfold.Seconds(math.Ceil(wait.Seconds()))
	if seconds.Duration() != wait { // the service waits for whole seconds
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	visibility := min(record.VisibilityTimeout+pinfold.Seconds(more/time.Second), maxVisibility)
	all := []string{sqs.All}
	return q.service.Receive(ctx, sqs.Ref{Account: record.Account, Region: record.Region, Name: record.Name}, sqs.ReceiveOptions{
		Max: min(max, sqs.MaxReceive), Visibility: &visibility, Wait: &seconds, System: all, Attributes: all,
	})
}

func (q queues) Delete(ctx context.Context, queue string, handles []string) error {
	ref, _ := sqs.ParseARN(queue)
	errs, err := q.service.Remove(ctx, ref, handles...)
	return failure(append(errs, err))
}

func (q queues) Return(_ context.Context, queue string, handles []string) error {
	ref, _ := sqs.ParseARN(queue)
	errs := make([]error, len(handles))
	for i, handle := range handles {
		errs[i] = q.service.Return(ref, handle, 0)
	}
	return failure(errs)
}

// failure returns the first error that is not about a message which is gone or was
// received again, or a queue that is gone.
func failure(errs []error) error {
	for _, err := range errs {
		if code := pinfold.CodeOf(err); code != "" && code != pinfold.Invalid && code != pinfold.NotFound {
			return err
		}
	}
	return nil
}
