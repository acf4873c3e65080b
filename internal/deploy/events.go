package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/mapping"
	"pinfold.dev/pinfold/internal/queue"
)

// compareQueues makes the queues before what sends to them, and removes those that
// are no longer wanted after everything else.
func (s *session) compareQueues(ctx context.Context, seen func(any)) (err error) {
	if s.queues == nil {
		leaveOut(s, "queue", s.want.Queues)
		return nil
	}
	s.lastly, err = compareResources(ctx, s, s.queueService(), deadLettersFirst(s.want.Queues), s.have.Queues, seen)
	return err
}

// leaveOut tells of resources whose service the server has not.
func leaveOut[T any](s *session, noun string, want []app.Resource[T]) {
	for _, w := range want {
		s.unserved = append(s.unserved, app.Unserved{What: noun + " " + w.Key, At: w.At})
	}
}

func (s *session) queueService() service[pinfold.MessageQueue] {
	name := func(q pinfold.MessageQueue) string { return q.Name }
	return service[pinfold.MessageQueue]{
		noun: "queue", id: name, title: name,
		words: func(q pinfold.MessageQueue) map[string]string {
			words := attributes(q)
			addTags(words, q.Tags)
			return words
		},
		get: func(ctx context.Context, q pinfold.MessageQueue) (*pinfold.MessageQueue, error) {
			have, err := s.queues.Record(ctx, queueRef(q))
			return &have, err
		},
		put: func(ctx context.Context, want pinfold.MessageQueue, _ *pinfold.MessageQueue) error {
			return s.queues.Set(ctx, want.Name, attributes(want), maps.Clone(want.Tags))
		},
		remove: s.removeQueue,
		check: func(ctx context.Context, q pinfold.MessageQueue) error {
			if err := s.queues.Check(q.Name, attributes(q), q.Tags); err != nil || q.Redrive == nil {
				return err
			}
			to, err := s.findQueue(ctx, q.Redrive.DeadLetter)
			if err != nil {
				return err
			}
			return queue.CheckRedrive(&q, &to)
		},
		holds: s.messages,
	}
}

// messages says how many messages a queue has, "" for none.
func (s *session) messages(_ context.Context, q pinfold.MessageQueue) (string, error) {
	n, err := s.d.Queues.Counts(queueRef(q))
	total := n.Visible + n.InFlight + n.Delayed
	if err != nil || total == 0 {
		return "", err
	}
	return several(total, "message"), nil
}

func several(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// removeQueue deletes a queue, unless something has been sent to it since it was
// looked at: who sends to it from now on waits for the end of the transaction.
func (s *session) removeQueue(ctx context.Context, q pinfold.MessageQueue) error {
	if s.force {
		return s.queues.Delete(ctx, queueRef(q))
	}
	release, err := s.d.Queues.Hold(ctx, queueRef(q))
	if err != nil {
		return err
	}
	s.atEnd = append(s.atEnd, release)
	held, err := s.messages(ctx, q)
	if err != nil {
		return err
	}
	if held != "" {
		return losing(fmt.Sprintf("queue %s has %s", q.Name, held))
	}
	return s.queues.Delete(ctx, queueRef(q))
}

// attributes are those of a queue as SetQueueAttributes of SQS has them.
func attributes(q pinfold.MessageQueue) map[string]string {
	a := map[string]string{
		"VisibilityTimeout": number(q.VisibilityTimeout), "DelaySeconds": number(q.Delay), "ReceiveMessageWaitTimeSeconds": number(q.ReceiveWait),
		"MessageRetentionPeriod": number(q.Retention), "MaximumMessageSize": strconv.Itoa(q.MaximumMessageSize),
	}
	maps.Copy(a, q.Kept)
	if q.FIFO {
		a["FifoQueue"] = "true"
		a["ContentBasedDeduplication"] = strconv.FormatBool(q.ContentBasedDeduplication)
		a["DeduplicationScope"], a["FifoThroughputLimit"] = q.DeduplicationScope, q.FifoThroughputLimit
	}
	if q.Policy != "" {
		a["Policy"] = q.Policy
	}
	if r := q.Redrive; r != nil {
		a["RedrivePolicy"] = text(map[string]any{"deadLetterTargetArn": r.DeadLetter, "maxReceiveCount": r.MaxReceiveCount})
	}
	if r := q.RedriveAllow; r != nil {
		policy := map[string]any{"redrivePermission": r.Permission}
		if len(r.Sources) > 0 {
			policy["sourceQueueArns"] = r.Sources
		}
		a["RedriveAllowPolicy"] = text(policy)
	}
	return a
}

func number(n pinfold.Seconds) string { return strconv.Itoa(int(n)) }

// text returns JSON. What it is given can always be written so.
func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

func addTags(words, tags map[string]string) {
	for key, value := range tags {
		words["tag "+key] = value
	}
}

// deadLettersFirst orders queues so that each comes after its dead-letter queue.
func deadLettersFirst(queues []app.Resource[pinfold.MessageQueue]) []app.Resource[pinfold.MessageQueue] {
	var order []app.Resource[pinfold.MessageQueue]
	visited := map[string]bool{}
	var visit func(app.Resource[pinfold.MessageQueue])
	visit = func(q app.Resource[pinfold.MessageQueue]) {
		if visited[q.Want.Name] {
			return
		}
		visited[q.Want.Name] = true
		for _, other := range queues {
			if r := q.Want.Redrive; r != nil && r.DeadLetter == other.Want.ARN() {
				visit(other)
			}
		}
		order = append(order, q)
	}
	for _, q := range queues {
		visit(q)
	}
	return order
}

// checkQueue makes sure that a queue is there, or comes with the application.
func (s *session) checkQueue(ctx context.Context, arn string) error {
	_, err := s.findQueue(ctx, arn)
	return err
}

// findQueue returns a queue as it is, or as it comes with the application.
func (s *session) findQueue(ctx context.Context, arn string) (q pinfold.MessageQueue, err error) {
	for _, q := range s.want.Queues {
		if q.Want.ARN() == arn {
			return q.Want, nil
		}
	}
	ref, ok := queue.ParseARN(arn)
	if !ok {
		return q, pinfold.Errorf(pinfold.Invalid, "%q is not the ARN of a queue", arn)
	}
	if s.queues == nil {
		return q, pinfold.Errorf(pinfold.Unserved, "the server has no queues, and so not %s", arn)
	}
	if q, err = s.queues.Record(ctx, ref); pinfold.CodeOf(err) == pinfold.NotFound {
		err = pinfold.Errorf(pinfold.NotFound, "there is no queue %s, neither here nor in the application", arn)
	}
	return q, err
}

// checkFunction makes sure that a function is there, or comes with the application.
func (s *session) checkFunction(ctx context.Context, ref pinfold.FunctionRef) error {
	if slices.ContainsFunc(s.want.Functions, func(f app.Function) bool { return s.d.ref(f.Name) == ref.With("") }) {
		return nil
	}
	_, err := s.functions.Get(ctx, ref.With(""))
	if pinfold.CodeOf(err) == pinfold.NotFound {
		return pinfold.Errorf(pinfold.NotFound, "there is no function %s, neither here nor in the application", ref.Name)
	}
	return err
}

// compareEvents compares what leads to functions, once those are there. What is no
// longer wanted goes first, because something may come in its place, and before its
// functions do.
func (s *session) compareEvents(ctx context.Context, seen func(any)) error {
	start := len(s.steps)
	removals, err := compareResources(ctx, s, s.eventInvokeService(), s.want.EventInvokes, s.have.EventInvokes, seen)
	if err != nil {
		return err
	}
	mappings, err := s.compareMappings(ctx, seen)
	if err != nil {
		return err
	}
	schedules, err := s.compareSchedules(ctx, seen)
	s.steps = slices.Insert(s.steps, start, slices.Concat(removals, mappings, schedules)...)
	return err
}

func (s *session) compareMappings(ctx context.Context, seen func(any)) ([]func(context.Context) error, error) {
	if s.mappings == nil {
		leaveOut(s, "event source mapping", s.want.Mappings)
		return nil, nil
	}
	return compareResources(ctx, s, s.mappingService(), s.want.Mappings, s.have.Mappings, seen)
}

func (s *session) eventInvokeService() service[pinfold.EventInvokeConfig] {
	title := func(c pinfold.EventInvokeConfig) string {
		return strings.TrimSuffix(nameOf(c.Ref), ":"+pinfold.LatestVersion)
	}
	return service[pinfold.EventInvokeConfig]{
		noun: "async", id: func(c pinfold.EventInvokeConfig) string { return c.Ref.ARN() }, title: title, adopt: true,
		brief: func(c pinfold.EventInvokeConfig) (brief []string) {
			words := eventInvokeWords(c)
			for _, name := range slices.Sorted(maps.Keys(words)) {
				if words[name] != "" {
					brief = append(brief, name+" "+nameOfTarget(words[name]))
				}
			}
			return brief
		},
		words: eventInvokeWords,
		get: func(ctx context.Context, c pinfold.EventInvokeConfig) (*pinfold.EventInvokeConfig, error) {
			return s.functions.GetEventInvoke(ctx, c.Ref)
		},
		put: func(ctx context.Context, want pinfold.EventInvokeConfig, _ *pinfold.EventInvokeConfig) error {
			_, err := s.functions.PutEventInvoke(ctx, want.Ref, function.EventInvokeChange{
				MaximumRetryAttempts: want.MaximumRetryAttempts, MaximumEventAge: want.MaximumEventAge, OnSuccess: &want.OnSuccess, OnFailure: &want.OnFailure,
			})
			return err
		},
		remove: func(ctx context.Context, c pinfold.EventInvokeConfig) error {
			return s.functions.DeleteEventInvoke(ctx, c.Ref)
		},
		check: func(ctx context.Context, c pinfold.EventInvokeConfig) error { return s.checkFunction(ctx, c.Ref) },
	}
}

func eventInvokeWords(c pinfold.EventInvokeConfig) map[string]string {
	words := map[string]string{"on success": c.OnSuccess, "on failure": c.OnFailure}
	if n := c.MaximumRetryAttempts; n != nil {
		words["retries"] = strconv.Itoa(*n)
	}
	if n := c.MaximumEventAge; n != nil {
		words["maximum age"] = n.Duration().String()
	}
	return words
}

func (s *session) mappingService() service[pinfold.EventSourceMapping] {
	return service[pinfold.EventSourceMapping]{
		noun: "mapping", id: func(m pinfold.EventSourceMapping) string { return m.UUID }, title: mappingTitle,
		words: mappingWords,
		get: func(ctx context.Context, m pinfold.EventSourceMapping) (*pinfold.EventSourceMapping, error) {
			d, err := s.mappings.Get(ctx, m.UUID)
			if err != nil || d.State == mapping.Deleting {
				return nil, err
			}
			return &d.EventSourceMapping, nil
		},
		put: func(ctx context.Context, want pinfold.EventSourceMapping, have *pinfold.EventSourceMapping) error {
			if have == nil {
				_, err := s.mappings.Create(ctx, want)
				return err
			}
			_, err := s.mappings.Update(ctx, want.UUID, func(m *pinfold.EventSourceMapping) {
				tags := m.Tags
				*m = want
				m.Tags = tags
			})
			if err != nil || maps.Equal(have.Tags, want.Tags) {
				return err
			}
			return s.mappings.SetTags(ctx, want.UUID, want.Tags)
		},
		remove: func(ctx context.Context, m pinfold.EventSourceMapping) error {
			_, err := s.mappings.Delete(ctx, m.UUID)
			return err
		},
		check: func(ctx context.Context, m pinfold.EventSourceMapping) error {
			if err := mapping.Check(&m); err != nil {
				return err
			}
			if err := s.checkQueue(ctx, m.Source); err != nil {
				return err
			}
			return s.checkFunction(ctx, m.Function)
		},
	}
}

// mappingTitle is "QUEUE -> FUNCTION".
func mappingTitle(m pinfold.EventSourceMapping) string {
	return m.Source[strings.LastIndex(m.Source, ":")+1:] + " -> " + nameOf(m.Function)
}

func mappingWords(m pinfold.EventSourceMapping) map[string]string {
	words := map[string]string{
		"function": nameOf(m.Function), "enabled": strconv.FormatBool(m.Enabled), "batch size": strconv.Itoa(m.BatchSize), "window": m.Window.Duration().String(),
		"filters": strings.Join(m.Filters, " "), "item failures": strconv.FormatBool(m.ReportItemFailures), "maximum concurrency": count(m.MaximumConcurrency),
		"KMS key": m.KMSKey, "metrics": strings.Join(m.Metrics, " "),
	}
	for name, n := range map[string]*int{"minimum pollers": m.MinimumPollers, "maximum pollers": m.MaximumPollers} {
		if n != nil {
			words[name] = strconv.Itoa(*n)
		}
	}
	addTags(words, m.Tags)
	return words
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
