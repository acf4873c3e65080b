package queue_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/queue/policy"
	"pinfold.dev/pinfold/internal/store"
)

func TestAttributesOfQueues(t *testing.T) {
	inHouse(t, func(h *house) {
		dead := h.create("dead.fifo", "FifoQueue", "true")
		h.create("q", "KmsMasterKeyId", "alias/aws/sqs")
		q := h.create("q.fifo", "FifoQueue", "true", "VisibilityTimeout", "20", "RedrivePolicy", redrive(dead, 5))
		after(time.Minute)
		if err := h.SetAttributes(h.ctx(), q, map[string]string{"DelaySeconds": "3", "ContentBasedDeduplication": "TRUE"}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			want := map[string]string{
				"ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0", "ApproximateNumberOfMessagesNotVisible": "0",
				"CreatedTimestamp": "946684800", "LastModifiedTimestamp": "946684860", "QueueArn": q.ARN(), "FifoQueue": "true", "ContentBasedDeduplication": "true",
				"DeduplicationScope": "queue", "FifoThroughputLimit": "perQueue", "VisibilityTimeout": "20", "DelaySeconds": "3", "ReceiveMessageWaitTimeSeconds": "0",
				"MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600", "SqsManagedSseEnabled": "false", "RedrivePolicy": redrive(dead, 5),
			}
			if got, err := h.Attributes(q, []string{"All"}); err != nil || !maps.Equal(got, want) {
				t.Errorf("got %v, %v\nwant %v", got, err, want)
			}
			got, err := h.Attributes(h.Ref("q"), []string{"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled", "FifoQueue"})
			if err != nil || !maps.Equal(got, map[string]string{"KmsMasterKeyId": "alias/aws/sqs", "KmsDataKeyReusePeriodSeconds": "300", "SqsManagedSseEnabled": "false"}) {
				t.Errorf("encryption: %v, %v", got, err)
			}
			h.restart()
		}
		for _, policy := range []string{"RedrivePolicy", "Policy"} { // "" takes it away
			if err := h.SetAttributes(h.ctx(), q, map[string]string{policy: ""}); err != nil {
				t.Error(err)
			}
			if got, err := h.Attributes(q, []string{policy}); err != nil || len(got) != 0 {
				t.Errorf("%v, %v", got, err)
			}
		}
		if _, err := h.Attributes(q, []string{"Colour"}); err == nil {
			t.Error("an attribute was given that there is not")
		}
	})
}

func TestAttributesRefused(t *testing.T) {
	inHouse(t, func(h *house) {
		dead := h.create("dead", "RedriveAllowPolicy", `{"redrivePermission":"byQueue","sourceQueueArns":["`+h.Ref("friend").ARN()+`"]}`)
		h.create("none", "RedriveAllowPolicy", `{"redrivePermission":"denyAll"}`)
		h.create("friend", "RedrivePolicy", redrive(dead, 1))
		h.create("there", "DelaySeconds", "1")
		const name, value, parameter = "InvalidAttributeName", "InvalidAttributeValue", "InvalidParameterValueException"
		const cannot = " for parameter RedriveAllowPolicy is invalid. Reason: Amazon SQS can't create the redrive allow policy. "
		const unsupported = "Invalid value for the parameter RedriveAllowPolicy. Reason: Amazon SQS can't create the redrive allow policy, as it’s in an unsupported format."
		wrong := func(policy, reason string) [3]string {
			return [3]string{"RedrivePolicy", policy, "Value " + policy + " for parameter RedrivePolicy is invalid. Reason: " + reason}
		}
		for _, c := range []struct {
			queue  string
			pair   [3]string // name, value, text
			reason string
		}{
			{"a b", [3]string{"", "", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"}, parameter},
			{strings.Repeat("x", 81), [3]string{"", "", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"}, parameter},
			{"x.fifo", [3]string{"", "", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"}, parameter},
			{"x", [3]string{"FifoQueue", "true", "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length."}, parameter},
			{"x", [3]string{"FifoQueue", "false", "Unknown Attribute FifoQueue."}, name},
			{"x", [3]string{"ContentBasedDeduplication", "true", "Unknown Attribute ContentBasedDeduplication."}, name},
			{"x", [3]string{"DeduplicationScope", "queue", "You can specify the DeduplicationScope only when FifoQueue is set to true."}, name},
			{"x", [3]string{"QueueArn", "x", "Unknown Attribute QueueArn."}, name},
			{"x", [3]string{"VisibilityTimeout", "43201", "Invalid value for the parameter VisibilityTimeout."}, value},
			{"x", [3]string{"VisibilityTimeout", " 2", "Invalid value for the parameter VisibilityTimeout."}, value},
			{"x", [3]string{"DelaySeconds", "901", "Invalid value for the parameter DelaySeconds."}, value},
			{"x", [3]string{"MessageRetentionPeriod", "59", "Invalid value for the parameter MessageRetentionPeriod."}, value},
			{"x", [3]string{"MaximumMessageSize", "1048577", "Invalid value for the parameter MaximumMessageSize."}, value},
			{"x", [3]string{"ReceiveMessageWaitTimeSeconds", "", "Invalid value for the parameter ReceiveMessageWaitTimeSeconds."}, value},
			{"x", [3]string{"SqsManagedSseEnabled", "maybe", "Invalid value for the parameter SqsManagedSseEnabled."}, value},
			{"x", [3]string{"KmsDataKeyReusePeriodSeconds", "59", "Invalid value for the parameter KmsDataKeyReusePeriodSeconds."}, value},
			{"x", [3]string{"Policy", "x", "Invalid value for the parameter Policy."}, value},
			{"x", [3]string{"Policy", `{"Version":"2012-10-17","Statement":[]}`, "Invalid value for the parameter Policy."}, value},
			{"x", [3]string{"Policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Maybe","Action":"*"}]}`, "Invalid value for the parameter Policy."}, value},
			{"x", [3]string{"Policy", `{"Version":"2012-10-17","Colour":1,"Statement":[{"Effect":"Allow","Action":"*"}]}`, "Invalid value for the parameter Policy."}, value},
			{"x", [3]string{"RedrivePolicy", "[]", "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."}, value},
			{"x", [3]string{"RedrivePolicy", "null", "Invalid value for the parameter RedrivePolicy. Reason: Redrive policy is not a valid JSON map."}, value},
			{"x", wrong("{}", "Redrive policy does not contain mandatory attribute: maxReceiveCount."), parameter},
			{"x", wrong(`{"maxReceiveCount":5}`, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn."), parameter},
			{"x", wrong(`{"deadLetterTargetArn": "dummy", "maxReceiveCount": 42}`, "Invalid value for deadLetterTargetArn."), parameter},
			{"x", wrong(redrive(dead, 1001), "Invalid value for maxReceiveCount: 1001, valid values are from 1 to 1000 both inclusive."), parameter},
			{"x", wrong(redrive(dead, 0), "Invalid value for maxReceiveCount: 0, valid values are from 1 to 1000 both inclusive."), parameter},
			{"x", wrong(redrive(h.Ref("none2"), 1), "Dead letter target does not exist."), parameter},
			{"x", wrong(redrive(h.Ref("x.fifo"), 1), "Dead-letter queue must be same type of queue as the source.."), parameter},
			{"x", wrong(`{"deadLetterTargetArn":"arn:aws:sns:us-east-1:000000000000:t","maxReceiveCount":1}`, "Only SQS queues are valid resources for deadLetterTargetArn."), parameter},
			{"x", wrong(`{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:111111111111:q","maxReceiveCount":1}`, "Dead-letter target owner should be same as the source."), parameter},
			{"x", wrong(`{"deadLetterTargetArn":"`+dead.ARN()+`","maxReceiveCount":1,"more":1}`, "Only following attributes are supported: [maxReceiveCount, deadLetterTargetArn]."), parameter},
			{"x", wrong(redrive(dead, 1), "The redrive allow policy of the dead-letter queue does not permit this source queue."), parameter},
			{"x", wrong(redrive(h.Ref("none"), 1), "The redrive allow policy of the dead-letter queue does not permit this source queue."), parameter},
			{"x", [3]string{"RedriveAllowPolicy", "x", unsupported}, value},
			{"x", [3]string{"RedriveAllowPolicy", `{"redrivePermission":"allowAll","more":1}`, unsupported}, value},
			{"x", [3]string{"RedriveAllowPolicy", `{"redrivePermission":"byQueue"}`, `Value {"redrivePermission":"byQueue"}` + cannot + "When you specify the byQueue permission type, you must also specify one or more sourceQueueArns values."}, parameter},
			{"x", [3]string{"RedriveAllowPolicy", `{"redrivePermission":"allowAll","sourceQueueArns":["a"]}`, `Value {"redrivePermission":"allowAll","sourceQueueArns":["a"]}` + cannot + "To specify one or more source queue ARNs, you must set redrivePermission to byQueue."}, parameter},
			{"there", [3]string{"DelaySeconds", "2", "A queue already exists with the same name and a different value for attribute DelaySeconds"}, "QueueNameExists"},
		} {
			attributes := map[string]string{}
			if c.pair[0] != "" {
				attributes[c.pair[0]] = c.pair[1]
			}
			err := h.Create(h.ctx(), c.queue, attributes, nil)
			if err == nil {
				t.Errorf("created: %s %q", c.queue, c.pair)
				continue
			}
			h.refused(err, c.reason, c.pair[2])
		}
		h.create("there", "DelaySeconds", "1")
		h.create("there")
		err := h.Create(h.ctx(), "x", map[string]string{"SqsManagedSseEnabled": "true", "KmsMasterKeyId": "k"}, nil)
		h.refused(err, name, "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.")
		err = h.Create(h.ctx(), "x.fifo", map[string]string{"FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId"}, nil)
		h.refused(err, name, "The perMessageGroupId value is allowed only when the value for DeduplicationScope is messageGroup.")
		fifo := h.create("y.fifo", "FifoQueue", "true")
		h.refused(h.SetAttributes(h.ctx(), fifo, map[string]string{"FifoQueue": "false"}), value, "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.")
		h.refused(h.SetAttributes(h.ctx(), h.Ref("there"), map[string]string{"FifoQueue": "true"}), name, "Unknown Attribute FifoQueue.")
		h.refused(h.SetAttributes(h.ctx(), h.Ref("x"), nil), "QueueDoesNotExist", "The specified queue does not exist.")
	})
}

func TestPermissions(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q")
		permission := policy.Permission{Label: "l", Accounts: []string{"111111111111", "222222222222"}, Actions: []string{"ReceiveMessage"}}
		if err := h.AddPermission(h.ctx(), q, permission); err != nil {
			t.Fatal(err)
		}
		want := `{"Version":"2008-10-17","Id":"` + q.ARN() + `/SQSDefaultPolicy","Statement":[{"Sid":"l","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111111111111:root","arn:aws:iam::222222222222:root"]},"Action":"SQS:ReceiveMessage","Resource":"` + q.ARN() + `"}]}`
		if got, _ := h.Attributes(q, []string{"Policy"}); got["Policy"] != want {
			t.Errorf("got  %s\nwant %s", got["Policy"], want)
		}
		const parameter = "InvalidParameterValueException"
		h.refused(h.AddPermission(h.ctx(), q, permission), parameter, "Value l for parameter Label is invalid. Reason: Already exists.")
		permission.Label, permission.Actions = "m", []string{"SendMessage", "DeleteMessage"}
		if err := h.AddPermission(h.ctx(), q, permission); err != nil {
			t.Fatal(err)
		}
		for _, label := range []string{"l", "m"} {
			if err := h.RemovePermission(h.ctx(), q, label); err != nil {
				t.Error(err)
			}
		}
		if got, _ := h.Attributes(q, []string{"Policy"}); len(got) != 0 {
			t.Errorf("a policy is left: %v", got)
		}
		h.refused(h.RemovePermission(h.ctx(), q, "l"), parameter, "Value l for parameter Label is invalid. Reason: can't find label.")
		h.refused(h.AddPermission(h.ctx(), q, policy.Permission{Label: "l", Accounts: permission.Accounts, Actions: []string{"Fly"}}), parameter,
			"Value SQS:Fly for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid actions.")
		h.refused(h.AddPermission(h.ctx(), q, policy.Permission{Label: "l", Accounts: []string{"me"}, Actions: permission.Actions}), parameter,
			"Value [me] for parameter PrincipalId is invalid. Reason: Unable to verify.")
		// One statement without a list is a policy, too, and is added to.
		single := `{"Version":"2012-10-17","Statement":{"Sid":"mine","Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}}`
		if err := h.SetAttributes(h.ctx(), q, map[string]string{"Policy": single}); err != nil {
			t.Fatal(err)
		}
		if got, _ := h.Attributes(q, []string{"Policy"}); got["Policy"] != single {
			t.Errorf("got %s", got["Policy"])
		}
		if err := h.AddPermission(h.ctx(), q, permission); err != nil {
			t.Error(err)
		}
		if got, _ := h.Attributes(q, []string{"Policy"}); !strings.Contains(got["Policy"], `"Sid":"mine"`) || !strings.Contains(got["Policy"], `"aws:SecureTransport"`) || !strings.Contains(got["Policy"], `"Sid":"m"`) {
			t.Errorf("got %s", got["Policy"])
		}
	})
}

func TestTags(t *testing.T) {
	inHouse(t, func(h *house) {
		if err := h.Create(h.ctx(), "q", nil, map[string]string{"a": "1", "b": "2"}); err != nil {
			t.Fatal(err)
		}
		q := h.Ref("q")
		if err := errors.Join(h.Tag(h.ctx(), q, map[string]string{"b": "", "c": "3"}), h.Untag(h.ctx(), q, []string{"a", "x"})); err != nil {
			t.Fatal(err)
		}
		if r, _ := h.Record(h.ctx(), q); !maps.Equal(r.Tags, map[string]string{"b": "", "c": "3"}) {
			t.Errorf("tags %v", r.Tags)
		}
		for _, key := range []string{"", "aws:x", strings.Repeat("k", 129)} {
			if err := h.Tag(h.ctx(), q, map[string]string{key: "v"}); pinfold.CodeOf(err) != pinfold.Invalid {
				t.Errorf("the tag %q was taken: %v", key, err)
			}
		}
	})
}

func TestLists(t *testing.T) {
	inHouse(t, func(h *house) {
		dead := h.create("dead")
		for _, name := range []string{"c", "a1", "b", "a2"} {
			h.create(name, "RedrivePolicy", redrive(dead, 1))
		}
		first, more := h.List("a", "", 1)
		second, end := h.List("a", first[0], 1)
		if !slices.Equal(first, []string{"a1"}) || !more || !slices.Equal(second, []string{"a2"}) || end {
			t.Errorf("%v %t, %v %t", first, more, second, end)
		}
		sources, more, err := h.DeadLetterSources(dead, "a2", 10)
		if !slices.Equal(sources, []string{"b", "c"}) || more || err != nil {
			t.Errorf("%v %t %v", sources, more, err)
		}
	})
}

// TestPurge is quick and whole, and what is sent afterwards stays.
func TestPurge(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q")
		for range 3 {
			h.send(q, queue.Message{Body: "x"})
		}
		h.send(q, queue.Message{Body: "x", Delay: seconds(1)})
		old := h.receive(q, queue.ReceiveOptions{Max: 1})[0]
		if err := h.Purge(h.ctx(), q); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		h.want(q)
		h.remove(q, old) // as if it were gone
		h.refused(h.ChangeVisibility(q, old.Handle, 0), "InvalidParameterValueException", "Value "+old.Handle+" for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.")
		h.send(q, queue.Message{Body: "new"})
		if err := h.Purge(h.ctx(), q); err != nil {
			t.Fatal(err)
		}
		h.refused(h.Purge(h.ctx(), q), "PurgeQueueInProgress", "Only one PurgeQueue operation on q is allowed every 60 seconds.")
		h.restart()
		h.want(q)
		h.send(q, queue.Message{Body: "newer"})
		h.restart()
		h.want(q, "newer")
	})
}

// TestPurgeWhileSending: a message that was acknowledged after a purge had returned is
// there.
func TestPurgeWhileSending(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q")
		var mu sync.Mutex
		purged := 0
		after := map[string]int{} // purges that were over when a message's sending began
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				for range 50 {
					mu.Lock()
					began := purged
					mu.Unlock()
					sent := h.send(q, queue.Message{Body: "x"})
					mu.Lock()
					after[sent.ID] = began
					mu.Unlock()
					time.Sleep(time.Second)
				}
			})
		}
		for range 2 {
			time.Sleep(61 * time.Second / 3)
			if err := h.Purge(h.ctx(), q); err != nil && pinfold.ReasonOf(err) != "PurgeQueueInProgress" {
				t.Error(err)
			} else if err == nil {
				mu.Lock()
				purged++
				mu.Unlock()
			}
		}
		all.Wait()
		there := map[string]bool{}
		for {
			got := h.receive(q, queue.ReceiveOptions{})
			if len(got) == 0 {
				break
			}
			for _, r := range got {
				there[r.ID] = true
			}
		}
		for id, n := range after {
			if n == purged && !there[id] {
				t.Errorf("message %s, sent after the last purge, is not there", id)
			}
		}
		if len(there) == 0 || len(there) == len(after) {
			t.Errorf("%d of %d messages are there", len(there), len(after))
		}
	})
}

// TestDeletedQueue takes its messages with it, and another one of its name is empty.
func TestDeletedQueue(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q")
		h.send(q, queue.Message{Body: "x"})
		if err := h.Delete(h.ctx(), q); err != nil {
			t.Fatal(err)
		}
		_, err := h.Send(h.ctx(), q, &queue.Message{Body: "x"})
		h.refused(err, "QueueDoesNotExist", "The specified queue does not exist.")
		h.refused(h.Delete(h.ctx(), q), "QueueDoesNotExist", "The specified queue does not exist.")
		h.create("q")
		h.want(q)
		h.restart()
		h.want(q)
	})
}

// TestWithin: what a transaction does to queues is done when it is committed, and
// not at all when it is rolled back.
func TestWithin(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create("old", "DelaySeconds", "5", "VisibilityTimeout", "7")
		failed := errors.New("no")
		for _, outcome := range []error{failed, nil} {
			err := h.store.Update(h.ctx(), func(tx store.Tx) error {
				in := h.Within(tx)
				for _, err := range []error{
					in.Set(h.ctx(), "dead", nil, map[string]string{"a": "b"}),
					in.Set(h.ctx(), "old", map[string]string{"VisibilityTimeout": "8", "RedrivePolicy": redrive(h.Ref("dead"), 3)}, nil),
				} {
					if err != nil {
						return err
					}
				}
				if q, err := in.Record(h.ctx(), h.Ref("dead")); err != nil || q.Tags["a"] != "b" {
					t.Errorf("the transaction does not see what it did: %+v, %v", q, err)
				}
				if h.Exists(h.Ref("dead")) == nil {
					t.Error("others see what is not committed")
				}
				return outcome
			})
			if !errors.Is(err, outcome) {
				t.Fatal(err)
			}
			if h.Exists(h.Ref("dead")) == nil != (outcome == nil) {
				t.Errorf("outcome %v", outcome)
			}
		}
		old, _ := h.Record(h.ctx(), h.Ref("old"))
		if old.Delay != 0 || old.VisibilityTimeout != 8 || old.Redrive == nil {
			t.Errorf("%+v", old)
		}
	})
}

// TestSendEvent: what parts of the platform send is a message like any other.
func TestSendEvent(t *testing.T) {
	inHouse(t, func(h *house) {
		q, fifo := h.create("q"), h.create("q.fifo", "FifoQueue", "true")
		by := pinfold.Principal{Kind: pinfold.Service, UserID: "lambda"}
		e := pinfold.EventMessage{Body: []byte(`{}`), Attributes: map[string]string{"ErrorCode": "200"}, Group: "g", ID: "1", TraceID: "Root=1"}
		for _, to := range []queue.Ref{q, q, fifo, fifo} { // the same one twice: it is there once
			if err := h.Service.SendEvent(h.ctx(), by, to.ARN(), e); err != nil {
				t.Fatal(err)
			}
		}
		for _, from := range []queue.Ref{q, fifo} {
			got := h.want(from, "{}")[0]
			if got.System["SenderId"] != "lambda" || got.System["AWSTraceHeader"] != "Root=1" || got.System["MessageGroupId"] != "g" || got.Attributes["ErrorCode"].Text != "200" {
				t.Errorf("%+v", got)
			}
		}
		for _, to := range []string{"arn:aws:sqs:us-east-1:000000000000:none", "arn:aws:sns:us-east-1:000000000000:q"} {
			if err := h.Service.SendEvent(h.ctx(), by, to, e); pinfold.CodeOf(err) != pinfold.NotFound {
				t.Errorf("%s: %v", to, err)
			}
		}
	})
}

// TestHoldOfDeadLetterQueue: who does not wait for what becomes of a dead-letter queue
// gets no message that belongs there.
func TestHoldOfDeadLetterQueue(t *testing.T) {
	inHouse(t, func(h *house) {
		dead := h.create("dead")
		q := h.create("q", "VisibilityTimeout", "1", "RedrivePolicy", redrive(dead, 1))
		h.send(q, queue.Message{Body: "x"})
		h.want(q, "x")
		after(time.Second)
		release, err := h.Hold(h.ctx(), dead)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(h.ctx(), time.Second)
		defer cancel()
		if got, err := h.Receive(ctx, q, queue.ReceiveOptions{}); len(got) > 0 {
			t.Errorf("received %+v, %v", got, err)
		}
		release()
		after(time.Second)
		h.want(q)
		h.want(dead, "x")
	})
}

// TestHold: who sends to a queue that is held waits for what becomes of it.
func TestHold(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q")
		sending := func() (sent chan error) {
			sent = make(chan error, 1)
			go func() {
				_, err := h.Send(h.ctx(), q, &queue.Message{Body: "x"})
				sent <- err
			}()
			synctest.Wait()
			if len(sent) != 0 {
				t.Error("it did not wait")
			}
			return sent
		}
		release, err := h.Hold(h.ctx(), q)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(h.ctx(), time.Second)
		defer cancel()
		if _, err := h.Send(ctx, q, &queue.Message{Body: "y"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("sent with %v", err)
		}
		sent := sending()
		release()
		if err := <-sent; err != nil {
			t.Error(err)
		}
		h.want(q, "x")

		if release, err = h.Hold(h.ctx(), q); err != nil {
			t.Fatal(err)
		}
		sent = sending()
		if err := h.Delete(h.ctx(), q); err != nil {
			t.Fatal(err)
		}
		release()
		h.refused(<-sent, "QueueDoesNotExist", "The specified queue does not exist.")
		_, err = h.Hold(h.ctx(), q)
		h.refused(err, "QueueDoesNotExist", "The specified queue does not exist.")
	})
}
