package queue_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/queue"
)

func redrive(to queue.Ref, count int) string {
	return fmt.Sprintf(`{"deadLetterTargetArn":"%s","maxReceiveCount":%d}`, to.ARN(), count)
}

// TestDeadLetters: on the receive that is one too many, a message is in the
// dead-letter queue, the same that it was.
func TestDeadLetters(t *testing.T) {
	for _, fifo := range []bool{false, true} {
		inHouse(t, func(h *house) {
			name, attributes := "%s", []string{}
			m := queue.Message{Body: "x", Sender: "AIDA", Trace: "Root=1", Attributes: map[string]queue.Attribute{"n": {Type: "Number", Text: "1"}}}
			if fifo {
				name, attributes = "%s.fifo", []string{"FifoQueue", "true", "ContentBasedDeduplication", "true"}
				m.Group = "g"
			}
			dead := h.create(fmt.Sprintf(name, "dead"), attributes...)
			q := h.create(fmt.Sprintf(name, "q"), append(attributes, "VisibilityTimeout", "1", "RedrivePolicy", redrive(dead, 2))...)
			sent := h.send(q, m)
			for range 2 {
				h.want(q, "x")
				h.want(dead)
				after(time.Second)
				h.restart() // receive counts survive
			}
			h.want(q)
			if c, _ := h.Counts(q); c.Visible+c.InFlight != 0 {
				t.Errorf("counts %+v", c)
			}
			got := h.want(dead, "x")[0]
			if got.ID != sent.ID || got.MD5Attributes != sent.MD5Attributes || got.System["SenderId"] != "AIDA" || got.System["AWSTraceHeader"] != "Root=1" ||
				got.System["DeadLetterQueueSourceArn"] != q.ARN() || got.System["MessageGroupId"] != m.Group || got.System["ApproximateReceiveCount"] != "1" {
				t.Errorf("in the dead-letter queue: %+v", got)
			}
			if original := got.System["SentTimestamp"] == "946684800000"; original == fifo {
				t.Errorf("sent at %s; FIFO: %t", got.System["SentTimestamp"], fifo)
			}
		})
	}
}

// TestDeadLetterQueueGone: nothing is lost when there is nowhere to go to.
func TestDeadLetterQueueGone(t *testing.T) {
	inHouse(t, func(h *house) {
		dead := h.create("dead")
		q := h.create("q", "VisibilityTimeout", "0", "RedrivePolicy", redrive(dead, 1))
		if err := h.Delete(h.ctx(), dead); err != nil {
			t.Fatal(err)
		}
		h.send(q, queue.Message{Body: "x"})
		for range 3 {
			h.want(q, "x")
		}
	})
}

// TestRetention: messages go when they are too old, whoever has them; in a
// dead-letter queue, too, since they were sent first.
func TestRetention(t *testing.T) {
	inHouse(t, func(h *house) {
		dead := h.create("dead", "MessageRetentionPeriod", "120")
		q := h.create("q", "MessageRetentionPeriod", "100", "VisibilityTimeout", "0", "RedrivePolicy", redrive(dead, 1))
		h.send(q, queue.Message{Body: "old"})
		after(90 * time.Second)
		h.send(q, queue.Message{Body: "new"})
		h.want(q, "old", "new")
		h.want(q)
		h.want(dead, "old", "new") // until 120 and 210
		after(35 * time.Second)
		h.want(dead, "new")
		after(60 * time.Second)
		if c, _ := h.Counts(dead); c.Visible+c.InFlight != 1 {
			t.Errorf("one message was to be swept away: %+v", c)
		}
		h.send(q, queue.Message{Body: "another"})
		after(3 * time.Minute)
		for _, ref := range []queue.Ref{q, dead} {
			if c, _ := h.Counts(ref); c.Visible+c.InFlight != 0 {
				t.Errorf("%s: %+v", ref.Name, c)
			}
		}
	})
}

// deadHouse has two queues, each with messages that are in a dead-letter queue.
func deadHouse(h *house, n int) (a, b, dead queue.Ref) {
	dead = h.create("dead", "VisibilityTimeout", "0")
	a = h.create("a", "VisibilityTimeout", "0", "RedrivePolicy", redrive(dead, 1))
	b = h.create("b", "VisibilityTimeout", "0", "RedrivePolicy", redrive(dead, 1))
	for i := range n {
		for _, q := range []queue.Ref{a, b} {
			h.send(q, queue.Message{Body: fmt.Sprint(q.Name, i)})
			h.want(q, fmt.Sprint(q.Name, i))
			h.want(q)
		}
	}
	return a, b, dead
}

func (h *house) startMove(from queue.Ref, to string, rate int) string {
	h.t.Helper()
	handle, err := h.StartMove(h.ctx(), from.ARN(), to, rate)
	if err != nil {
		h.t.Fatal(err)
	}
	return handle
}

func (h *house) move(from queue.Ref) pinfold.MoveTask {
	h.t.Helper()
	tasks, err := h.Moves(h.ctx(), from.ARN(), 10)
	if err != nil || len(tasks) == 0 {
		h.t.Fatal(tasks, err)
	}
	return tasks[0]
}

func TestMoveToSources(t *testing.T) {
	inHouse(t, func(h *house) {
		a, b, dead := deadHouse(h, 2)
		before, err := h.Peek(h.ctx(), dead, 1)
		if err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		h.startMove(dead, "", 0)
		synctest.Wait()
		after(time.Second)
		if task := h.move(dead); task.Status != "COMPLETED" || task.Moved != 4 || task.ToMove != 4 {
			t.Errorf("task %+v", task)
		}
		got := h.want(a, "a0", "a1")
		h.want(b, "b0", "b1")
		h.want(dead)
		if got[0].ID == before[0].ID || got[0].System["SentTimestamp"] == before[0].System["SentTimestamp"] || got[0].System["DeadLetterQueueSourceArn"] != "" {
			t.Errorf("not a new message: %+v, it was %+v", got[0], before[0])
		}
	})
}

// TestMoveOverRestarts: a task goes on, and is cancelled.
func TestMoveOverRestarts(t *testing.T) {
	inHouse(t, func(h *house) {
		_, _, dead := deadHouse(h, 20)
		elsewhere := h.create("elsewhere")
		handle := h.startMove(dead, elsewhere.ARN(), 2)
		_, err := h.StartMove(h.ctx(), dead.ARN(), "", 0)
		h.refused(err, "InvalidParameterValueException", "There is already a task running. Only one active task is allowed for a source queue arn at a given time.")
		for range 4 {
			after(time.Second)
			h.restart()
		}
		after(time.Second)
		if task := h.move(dead); task.Status != "RUNNING" || task.Moved < 5 || task.Moved > 15 {
			t.Errorf("task %+v", task)
		}
		if _, err := h.CancelMove(h.ctx(), handle); err != nil {
			t.Fatal(err)
		}
		after(time.Second)
		task := h.move(dead)
		there, _ := h.Counts(elsewhere)
		left, _ := h.Counts(dead)
		if task.Status != "CANCELLED" || int(task.Moved) != there.Visible || there.Visible+left.Visible != 40 {
			t.Errorf("task %+v, moved %+v, left %+v", task, there, left)
		}
		_, err = h.CancelMove(h.ctx(), handle)
		h.refused(err, "InvalidParameterValueException", "Only active tasks can be cancelled.")
	})
}

// TestMoveAndAnotherQueueOfThatName: a task does not go on with a queue that took the
// place of the one that it was about.
func TestMoveAndAnotherQueueOfThatName(t *testing.T) {
	inHouse(t, func(h *house) {
		_, _, dead := deadHouse(h, 10)
		elsewhere := h.create("elsewhere")
		h.startMove(dead, elsewhere.ARN(), 2)
		after(2 * time.Second)
		if err := h.Delete(h.ctx(), elsewhere); err != nil {
			t.Fatal(err)
		}
		h.create("elsewhere")
		after(2 * time.Second)
		if task := h.move(dead); task.Status != "FAILED" || task.Failure != "AWS.SimpleQueueService.NonExistentQueue" {
			t.Errorf("task %+v", task)
		}
		h.want(elsewhere)

		handle := h.startMove(dead, elsewhere.ARN(), 2)
		after(2 * time.Second)
		if err := h.Delete(h.ctx(), dead); err != nil {
			t.Fatal(err)
		}
		before, _ := h.Counts(elsewhere)
		h.create("dead")
		h.send(dead, queue.Message{Body: "new"})
		after(5 * time.Second)
		if now, _ := h.Counts(elsewhere); now != before || before.Visible == 0 {
			t.Errorf("moved on: %+v, before %+v", now, before)
		}
		h.want(dead, "new")
		_, err := h.CancelMove(h.ctx(), handle) // it went with its queue
		h.refused(err, "ResourceNotFoundException", "Task does not exist.")
		if tasks, err := h.Moves(h.ctx(), dead.ARN(), 10); len(tasks) != 0 || err != nil {
			t.Errorf("%+v %v", tasks, err)
		}
		h.startMove(dead, elsewhere.ARN(), 0)
		after(time.Second)
		h.want(dead)
	})
}

func TestMovesThatFail(t *testing.T) {
	inHouse(t, func(h *house) {
		a, _, dead := deadHouse(h, 1)
		h.send(dead, queue.Message{Body: "sent there"})
		h.startMove(dead, "", 0)
		after(time.Second)
		if task := h.move(dead); task.Status != "FAILED" || task.Failure != "CouldNotDetermineMessageSource" || task.Moved != 2 {
			t.Errorf("task %+v", task)
		}
		h.want(dead, "sent there")
		elsewhere := h.create("elsewhere")
		h.startMove(dead, elsewhere.ARN(), 1)
		if err := h.Delete(h.ctx(), elsewhere); err != nil {
			t.Fatal(err)
		}
		h.send(dead, queue.Message{Body: "another"})
		after(5 * time.Second)
		if task := h.move(dead); task.Status != "FAILED" || task.Failure != "AWS.SimpleQueueService.NonExistentQueue" {
			t.Errorf("task %+v", task)
		}
		const value, missing = "InvalidParameterValueException", "ResourceNotFoundException"
		for _, c := range []struct {
			from, to     string
			rate         int
			reason, text string
		}{
			{"x", "", 0, value, "Value x for parameter SourceArn is invalid. Reason: It must be the ARN of a queue."},
			{h.Ref("none").ARN(), "", 0, missing, "The resource that you specified for the SourceArn parameter doesn't exist."},
			{dead.ARN(), h.Ref("none").ARN(), 0, missing, "The resource that you specified for the DestinationArn parameter doesn't exist."},
			{dead.ARN(), dead.ARN(), 0, value, "Source queue arn and destination queue arn cannot be the same."},
			{dead.ARN(), "", 501, value, "Value 501 for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be between 1 and 500, if provided."},
			{a.ARN(), "", 0, value, "Source queue must be configured as a Dead Letter Queue."},
		} {
			_, err := h.StartMove(h.ctx(), c.from, c.to, c.rate)
			h.refused(err, c.reason, c.text)
		}
		for handle, want := range map[string][2]string{
			"x": {value, "Value for parameter TaskHandle is invalid."},
			"eyJ0YXNrSWQiOiJ4Iiwic291cmNlQXJuIjoiYXJuOmF3czpzcXM6dXMtZWFzdC0xOjAwMDAwMDAwMDAwMDpkZWFkIn0=": {missing, "Task does not exist."},
			"eyJ0YXNrSWQiOiJ4Iiwic291cmNlQXJuIjoiYXJuOmF3czpzcXM6dXMtZWFzdC0xOjAwMDAwMDAwMDAwMDpub25lIn0=": {missing, "The resource that you specified for the SourceArn parameter doesn't exist."},
		} {
			_, err := h.CancelMove(h.ctx(), handle)
			h.refused(err, want[0], want[1])
		}
	})
}
