package platform

import (
	"context"
	"errors"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/queue"
	queuesource "pinfold.dev/pinfold/internal/source/queue"
)

// polled are queues as event source mappings take from them. It implements
// queuesource.Queues.
type polled struct{ *queue.Service }

func (q polled) Receive(ctx context.Context, arn string, most int, wait, more time.Duration) ([]queuesource.Message, error) {
	ref, ok := queue.ParseARN(arn)
	if !ok {
		return nil, pinfold.Errorf(pinfold.NotFound, "%q is not the ARN of a queue", arn)
	}
	record, err := q.Lookup(ctx, arn)
	if err != nil {
		return nil, err
	}
	visibility := record.VisibilityTimeout + seconds(more)
	waiting := seconds(wait)
	got, err := q.Service.Receive(ctx, ref, queue.ReceiveOptions{
		Max: min(most, queue.MaxReceive), Visibility: &visibility, Wait: &waiting, System: []string{queue.All}, Attributes: []string{queue.All},
	})
	messages := make([]queuesource.Message, len(got))
	for i := range got {
		m := &got[i]
		messages[i] = queuesource.Message{ID: m.ID, Handle: m.Handle, Body: m.Body, MD5Body: m.MD5Body, MD5Attributes: m.MD5Attributes, System: m.System}
		if len(m.Attributes) > 0 {
			messages[i].Attributes = make(map[string]queuesource.Attribute, len(m.Attributes))
			for name, a := range m.Attributes {
				messages[i].Attributes[name] = queuesource.Attribute(a)
			}
		}
	}
	return messages, err
}

// seconds are those of a duration, which begin with a part of one.
func seconds(d time.Duration) pinfold.Seconds {
	return pinfold.Seconds((d + time.Second - 1) / time.Second)
}

func (q polled) Delete(ctx context.Context, arn string, handles []string) error {
	ref, _ := queue.ParseARN(arn)
	errs, err := q.Remove(ctx, ref, handles...)
	for _, one := range errs {
		if pinfold.CodeOf(one) != pinfold.Invalid { // of a FIFO queue: received again since
			err = errors.Join(err, one)
		}
	}
	return err
}

func (q polled) Return(_ context.Context, arn string, handles []string) error {
	ref, _ := queue.ParseARN(arn)
	var errs []error
	for _, handle := range handles {
		errs = append(errs, q.Service.Return(ref, handle, 0))
	}
	return errors.Join(errs...)
}
