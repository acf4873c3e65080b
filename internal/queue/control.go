package queue

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/queue/policy"
	"pinfold.dev/pinfold/internal/store"
)

const (
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	maxTags = 50
)

// checkQueueName holds a name against the rules of its kind.
func checkQueueName(name string, fifo bool) error {
	base, suffixed := strings.CutSuffix(name, fifoSuffix)
	valid := len(name) <= 80 && base != "" && strings.Trim(base, letters) == ""
	switch {
	case fifo && (!valid || !suffixed):
		return invalid("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	case !fifo && (!valid || suffixed):
		return invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}

// fresh is a new queue with attributes and tags.
func (s *Service) fresh(name string, attributes, tags map[string]string) (q pinfold.MessageQueue, err error) {
	q = defaults(s.Ref(name))
	if value, ok := attributes["FifoQueue"]; ok {
		if err := setBool(&q.FIFO, "FifoQueue", value); err != nil {
			return q, err
		}
		if !q.FIFO {
			return q, unknownAttribute("FifoQueue")
		}
		q.DeduplicationScope, q.FifoThroughputLimit = scopeQueue, limitQueue
	}
	if err := checkQueueName(name, q.FIFO); err != nil {
		return q, err
	}
	if err := setAttributes(&q, attributes); err != nil {
		return q, err
	}
	q.Tags = tags
	return q, checkTags(tags)
}

// Check returns what is wrong with a queue that is to be created or set, as far as
// that does not depend on others.
func (s *Service) Check(name string, attributes, tags map[string]string) error {
	_, err := s.fresh(name, attributes, tags)
	return err
}

// Create creates a queue with attributes, as CreateQueue of SQS has them. One that
// exists with the same values is left as it is.
func (s *Service) Create(ctx context.Context, name string, attributes, tags map[string]string) error {
	ref := s.Ref(name)
	q, err := s.fresh(name, attributes, tags)
	if err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx store.Tx) error {
		there, err := tx.Queues().Get(ref.key())
		if err == nil {
			return same(&there, &q, attributes)
		}
		if pinfold.CodeOf(err) != pinfold.NotFound {
			return err
		}
		if err := checkRedrive(tx, &q); err != nil {
			return err
		}
		now := time.Now().UTC().Truncate(time.Second)
		q.ID, q.Born, q.Created, q.Modified = uuid.NewString(), uuid.NewString(), now, now
		tx.AfterCommit(func() { s.reload(ref) })
		return tx.Queues().Put(ref.key(), q)
	})
}

// same returns an error if a queue is not as a request to create it says.
func same(there, wanted *pinfold.MessageQueue, asked map[string]string) error {
	has, wants := attributes(there, nil), attributes(wanted, nil)
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		if has[name] != wants[name] {
			return pinfold.Errorf(pinfold.Conflict, "A queue already exists with the same name and a different value for attribute %s", name).WithReason("QueueNameExists")
		}
	}
	return nil
}

// checkRedrive holds a queue's redrive policy against the dead-letter queue.
func checkRedrive(tx store.Tx, q *pinfold.MessageQueue) error {
	if q.Redrive == nil {
		return nil
	}
	ref, ok := ParseARN(q.Redrive.DeadLetter)
	if !ok {
		return invalidValue(redriveText(q.Redrive), "RedrivePolicy", "Invalid value for deadLetterTargetArn.")
	}
	to, err := tx.Queues().Get(ref.key())
	switch {
	case pinfold.CodeOf(err) == pinfold.NotFound:
		return invalidValue(redriveText(q.Redrive), "RedrivePolicy", "Dead letter target does not exist.")
	case err != nil:
		return err
	}
	return CheckRedrive(q, &to)
}

// CheckRedrive returns an error if a queue does not allow another one to have it as
// its dead-letter queue.
func CheckRedrive(q, to *pinfold.MessageQueue) error {
	if allows(to, q.ARN()) {
		return nil
	}
	return invalidValue(redriveText(q.Redrive), "RedrivePolicy", "The redrive allow policy of the dead-letter queue does not permit this source queue.")
}

// change changes a queue's record.
func (s *Service) change(ctx context.Context, ref Ref, fn func(store.Tx, *pinfold.MessageQueue) error) error {
	return s.store.Update(ctx, func(tx store.Tx) error {
		q, err := get(tx, ref)
		if err != nil {
			return err
		}
		if err := fn(tx, &q); err != nil {
			return err
		}
		q.Modified = time.Now().UTC().Truncate(time.Second)
		tx.AfterCommit(func() { s.reload(ref) })
		return tx.Queues().Put(ref.key(), q)
	})
}

// SetAttributes changes attributes of a queue; the others stay.
func (s *Service) SetAttributes(ctx context.Context, ref Ref, attributes map[string]string) error {
	return s.change(ctx, ref, func(tx store.Tx, q *pinfold.MessageQueue) error {
		if err := setAttributes(q, attributes); err != nil {
			return err
		}
		if attributes["RedrivePolicy"] == "" { // another queue's change may have made the old one invalid
			return nil
		}
		return checkRedrive(tx, q)
	})
}

// Set gives a queue these attributes and tags, and no others: what is not named is
// as in a new queue. One that there is not is created.
func (s *Service) Set(ctx context.Context, name string, attributes, tags map[string]string) error {
	ref := s.Ref(name)
	if _, err := s.Record(ctx, ref); err != nil {
		if pinfold.CodeOf(err) == pinfold.NotFound {
			return s.Create(ctx, name, attributes, tags)
		}
		return err
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	return s.change(ctx, ref, func(tx store.Tx, q *pinfold.MessageQueue) error {
		fresh := defaults(ref)
		fresh.ID, fresh.Born, fresh.FIFO, fresh.Created, fresh.Tags = q.ID, q.Born, q.FIFO, q.Created, tags
		if q.FIFO {
			fresh.DeduplicationScope, fresh.FifoThroughputLimit = scopeQueue, limitQueue
		}
		if err := setAttributes(&fresh, attributes); err != nil {
			return err
		}
		*q = fresh
		return checkRedrive(tx, q)
	})
}

// Attributes returns those attributes of a queue that are asked for by name, or All.
func (s *Service) Attributes(ref Ref, names []string) (map[string]string, error) {
	l, err := s.line(ref)
	if err != nil {
		return nil, err
	}
	some := map[string]string{}
	if len(names) == 0 {
		return some, nil
	}
	counts := l.backlog.Counts()
	all := attributes(l.record.Load(), &counts)
	for _, name := range names {
		if name == All {
			return all, nil
		}
		if !slices.Contains(attributeNames, name) {
			return nil, unknownAttribute(name)
		}
		if value, ok := all[name]; ok {
			some[name] = value
		}
	}
	return some, nil
}

// Delete deletes a queue with its messages.
func (s *Service) Delete(ctx context.Context, ref Ref) error {
	return s.store.Update(ctx, func(tx store.Tx) error {
		if _, err := get(tx, ref); err != nil {
			return err
		}
		tx.AfterCommit(func() { s.reload(ref) })
		if err := tx.MoveTasks().Delete(ref.key()); err != nil {
			return err
		}
		return tx.Queues().Delete(ref.key())
	})
}

const purgeEvery = 60 * time.Second

// Purge removes all messages of a queue, those in flight, too. What is sent to it
// afterwards stays.
func (s *Service) Purge(ctx context.Context, ref Ref) error {
	return s.store.Update(ctx, func(tx store.Tx) error {
		q, err := get(tx, ref)
		if err != nil {
			return err
		}
		l, err := s.line(ref)
		if err != nil {
			return err
		}
		if time.Since(l.purged) < purgeEvery {
			return pinfold.Errorf(pinfold.Throttled, "Only one PurgeQueue operation on %s is allowed every 60 seconds.", ref.Name).WithReason("PurgeQueueInProgress")
		}
		q.ID = uuid.NewString()
		tx.AfterCommit(func() { s.reload(ref) })
		return tx.Queues().Put(ref.key(), q)
	})
}

// List returns the names of queues that begin with a prefix and come after another
// one, at most limit; 0 is no limit. more says that there are more.
func (s *Service) List(prefix, after string, limit int) (names []string, more bool) {
	return page(s.all(), after, limit, func(l *line) bool { return strings.HasPrefix(l.ref.Name, prefix) })
}

// DeadLetterSources is List of the queues whose dead-letter queue is ref.
func (s *Service) DeadLetterSources(ref Ref, after string, limit int) (names []string, more bool, err error) {
	l, err := s.line(ref)
	if err != nil {
		return nil, false, err
	}
	names, more = page(s.all(), after, limit, func(source *line) bool { return source.buriesIn(l.arn) })
	return names, more, nil
}

func (l *line) buriesIn(arn string) bool {
	r := l.record.Load().Redrive
	return r != nil && r.DeadLetter == arn
}

func page(all []*line, after string, limit int, want func(*line) bool) (names []string, more bool) {
	for _, l := range all {
		if l.ref.Name <= after || !want(l) {
			continue
		}
		if limit > 0 && len(names) == limit {
			return names, true
		}
		names = append(names, l.ref.Name)
	}
	return names, false
}

// AddPermission adds a statement to a queue's policy.
func (s *Service) AddPermission(ctx context.Context, ref Ref, p policy.Permission) error {
	return s.change(ctx, ref, func(_ store.Tx, q *pinfold.MessageQueue) (err error) {
		q.Policy, err = policy.Add(q.Policy, q.ARN(), p)
		return err
	})
}

// RemovePermission removes the statement of a label from a queue's policy.
func (s *Service) RemovePermission(ctx context.Context, ref Ref, label string) error {
	return s.change(ctx, ref, func(_ store.Tx, q *pinfold.MessageQueue) (err error) {
		q.Policy, err = policy.Remove(q.Policy, label)
		return err
	})
}

// checkTags holds tags against their limits. Source: TagQueue, SQS API reference, and
// "Tagging restrictions", SQS developer guide.
func checkTags(tags map[string]string) error {
	for key, value := range tags {
		switch {
		case key == "" || len([]rune(key)) > 128:
			return invalid("Tag keys must be between 1 and 128 characters in length.")
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("Tag keys cannot start with 'aws:': that prefix is reserved for AWS use.")
		case len([]rune(value)) > 256:
			return invalid("Tag values must be between 0 and 256 characters in length.")
		}
	}
	if len(tags) > maxTags {
		return invalid("Too many tags added for queue: at most %d are allowed.", maxTags)
	}
	return nil
}

// Tag adds tags to a queue, replacing those of the same keys.
func (s *Service) Tag(ctx context.Context, ref Ref, tags map[string]string) error {
	return s.retag(ctx, ref, func(all map[string]string) { maps.Copy(all, tags) })
}

// Untag removes tags of a queue by their keys.
func (s *Service) Untag(ctx context.Context, ref Ref, keys []string) error {
	return s.retag(ctx, ref, func(all map[string]string) {
		maps.DeleteFunc(all, func(key, _ string) bool { return slices.Contains(keys, key) })
	})
}

func (s *Service) retag(ctx context.Context, ref Ref, fn func(map[string]string)) error {
	return s.change(ctx, ref, func(_ store.Tx, q *pinfold.MessageQueue) error {
		tags := map[string]string{}
		maps.Copy(tags, q.Tags)
		fn(tags)
		q.Tags = tags
		return checkTags(tags)
	})
}
