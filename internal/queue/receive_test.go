package queue_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/queue"
	"pinfold.dev/pinfold/internal/store/log"
)

func TestDelays(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q", "DelaySeconds", "5")
		h.send(q, queue.Message{Body: "by the queue"})
		h.send(q, queue.Message{Body: "by itself", Delay: seconds(0)})
		h.want(q, "by itself")
		if c, _ := h.Counts(q); c.Delayed != 1 || c.InFlight != 1 || c.Visible != 0 {
			t.Errorf("counts %+v", c)
		}
		after(5 * time.Second)
		h.want(q, "by the queue")
		fifo := h.create("q.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true", "DelaySeconds", "5")
		h.send(fifo, queue.Message{Body: "one", Group: "g"})
		h.want(fifo)
		after(5 * time.Second)
		h.want(fifo, "one")
	})
}

// TestLongPolls wake at once, and outlive a purge.
func TestLongPolls(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q", "ReceiveMessageWaitTimeSeconds", "20")
		poll := func() (got []queue.Received, took time.Duration) {
			start := time.Now()
			got = h.receive(q, queue.ReceiveOptions{})
			return got, time.Since(start)
		}
		if got, took := poll(); len(got) != 0 || took != 20*time.Second {
			t.Errorf("nothing to receive: %v after %v", got, took)
		}
		time.AfterFunc(2*time.Second, func() {
			if err := h.Purge(h.ctx(), q); err != nil {
				t.Error(err)
			}
		})
		time.AfterFunc(3*time.Second, func() { h.send(q, queue.Message{Body: "x"}) })
		if got, took := poll(); len(got) != 1 || took != 3*time.Second {
			t.Errorf("sent after 3 s: %v after %v", got, took)
		}
	})
}

// TestReceiverThatLeaves: what it would have got, the next one gets at once.
func TestReceiverThatLeaves(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q")
		h.send(q, queue.Message{Body: "x"})
		ctx, leave := context.WithCancel(h.ctx())
		leave()
		if got, err := h.Receive(ctx, q, queue.ReceiveOptions{Max: 1}); len(got) != 0 || err != nil {
			t.Errorf("received %v, %v", got, err)
		}
		if got := h.want(q, "x"); got[0].System["ApproximateReceiveCount"] != "1" {
			t.Errorf("system attributes %v", got[0].System)
		}
	})
}

func TestVisibility(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q", "VisibilityTimeout", "10")
		const gone = "Value %s for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change."
		first := h.wantSent(q, queue.Message{Body: "x"})[0]
		change := func(handle string, n pinfold.Seconds) error { return h.ChangeVisibility(q, handle, n) }
		if err := change(first.Handle, 30); err != nil {
			t.Error(err)
		}
		after(29 * time.Second)
		h.want(q)
		after(time.Second)
		if err := change(first.Handle, 30); err != nil { // visible: without an effect
			t.Error(err)
		}
		second := h.want(q, "x")[0]
		h.refused(change(first.Handle, 0), "InvalidParameterValueException", strings.ReplaceAll(gone, "%s", first.Handle))
		if err := change(second.Handle, 0); err != nil {
			t.Error(err)
		}
		third := h.want(q, "x")[0]
		if err := h.Return(q, third.Handle, time.Second); err != nil {
			t.Error(err)
		}
		h.want(q)
		after(time.Second)
		fourth := h.want(q, "x")[0]
		if n := fourth.System["ApproximateReceiveCount"]; n != "3" {
			t.Errorf("%s receives: one that was returned counts", n)
		}
		h.refused(change(fourth.Handle, 43_201), "InvalidParameterValueException", "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if provided.")
		after(5 * time.Second)
		h.refused(change(fourth.Handle, 43_199), "InvalidParameterValueException", "Value 43199 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]")
		h.remove(q, fourth)
		h.remove(q, fourth, first) // gone is as good
		h.refused(change(fourth.Handle, 1), "InvalidParameterValueException", strings.ReplaceAll(gone, "%s", fourth.Handle))
	})
}

func TestReceiptHandles(t *testing.T) {
	inHouse(t, func(h *house) {
		q, other := h.create("q"), h.create("other")
		handle := h.wantSent(q, queue.Message{Body: "x"})[0].Handle
		for _, bad := range []string{"", "x", "AQEB", handle + "A", handle[:len(handle)-4], "AQEC" + handle[4:], handle[:20] + "AAAA" + handle[24:], strings.Repeat("!", len(handle))} {
			errs, err := h.Remove(h.ctx(), q, bad)
			if err != nil {
				t.Fatal(err)
			}
			h.refused(errs[0], "ReceiptHandleIsInvalid", `The input receipt handle "`+bad+`" is not a valid receipt handle.`)
		}
		if errs, _ := h.Remove(h.ctx(), other, handle); errs[0] == nil {
			t.Error("a handle of another queue was taken")
		}
		h.restart()
		errs, err := h.Remove(h.ctx(), q, handle, "x", handle)
		if err != nil || errs[0] != nil || errs[1] == nil || errs[2] != nil {
			t.Error(errs, err)
		}
		h.want(q)
	})
}

func TestFIFOOrder(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true", "VisibilityTimeout", "10")
		for _, m := range []string{"a1", "b1", "a2", "b2"} {
			h.send(q, queue.Message{Body: m, Group: m[:1]})
		}
		a := h.receive(q, queue.ReceiveOptions{Max: 1})[0]
		if a.Body != "a1" || a.System["MessageGroupId"] != "a" || len(a.System["MessageDeduplicationId"]) != 64 || len(a.System["SequenceNumber"]) != 20 {
			t.Errorf("received %+v", a)
		}
		b := h.want(q, "b1", "b2")
		h.want(q)
		h.remove(q, a)
		late := h.want(q, "a2")[0]
		after(10 * time.Second)
		errs, _ := h.Remove(h.ctx(), q, late.Handle, b[0].Handle)
		for i, r := range []queue.Received{late, b[0]} {
			h.refused(errs[i], "InvalidParameterValueException", "Value "+r.Handle+" for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.")
		}
		h.refused(h.ChangeVisibility(q, late.Handle, 1), "InvalidParameterValueException", "Value "+late.Handle+" for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.")
	})
}

// TestDeduplicationScope: by the queue or by the message group.
func TestDeduplicationScope(t *testing.T) {
	inHouse(t, func(h *house) {
		byQueue := h.create("q.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true")
		byGroup := h.create("g.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true", "DeduplicationScope", "messageGroup", "FifoThroughputLimit", "perMessageGroupId")
		for _, q := range []queue.Ref{byQueue, byGroup} {
			for _, group := range []string{"a", "b", "a"} {
				h.send(q, queue.Message{Body: "x", Group: group})
			}
		}
		h.want(byQueue, "x")
		h.want(byGroup, "x", "x")
	})
}

// TestAttempts: who asks again for what they did not get gets the same, and the
// messages stay out of sight.
func TestAttempts(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true", "VisibilityTimeout", "10")
		for _, m := range []string{"1", "2", "3"} {
			h.send(q, queue.Message{Body: m, Group: "g"})
		}
		attempt := func(id string, max int) (bodies []string, got []queue.Received) {
			got = h.receive(q, queue.ReceiveOptions{Max: max, Attempt: id})
			for _, r := range got {
				bodies = append(bodies, r.Body)
			}
			return bodies, got
		}
		first, _ := attempt("a", 2)
		after(8 * time.Second)
		again, got := attempt("a", 2)
		if !slices.Equal(first, []string{"1", "2"}) || !slices.Equal(again, first) || got[0].System["ApproximateReceiveCount"] != "1" {
			t.Errorf("received %v, then %v", first, got)
		}
		after(8 * time.Second)
		if other, _ := attempt("b", 2); other != nil {
			t.Errorf("another attempt received %v", other)
		}
		h.remove(q, got...)
		if rest, _ := attempt("a", 2); !slices.Equal(rest, []string{"3"}) {
			t.Errorf("after the messages were removed: %v", rest)
		}
		after(10 * time.Second)
		if back, got := attempt("a", 2); !slices.Equal(back, []string{"3"}) || got[0].System["ApproximateReceiveCount"] != "2" {
			t.Errorf("after the timeout: %v", got)
		}
	})
}

func TestReceivesRefused(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q")
		for _, c := range []struct {
			o    queue.ReceiveOptions
			text string
		}{
			{queue.ReceiveOptions{Max: 11}, "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."},
			{queue.ReceiveOptions{Visibility: seconds(43_201)}, "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if provided."},
			{queue.ReceiveOptions{Wait: seconds(21)}, "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided."},
		} {
			_, err := h.Receive(h.ctx(), q, c.o)
			h.refused(err, "InvalidParameterValueException", c.text)
		}
		_, err := h.Receive(h.ctx(), h.Ref("none"), queue.ReceiveOptions{})
		h.refused(err, "QueueDoesNotExist", "The specified queue does not exist.")
	})
}

// TestPeek shows messages without receiving them.
func TestPeek(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q")
		for _, m := range []string{"1", "2", "3"} {
			h.send(q, queue.Message{Body: m})
		}
		h.receive(q, queue.ReceiveOptions{Max: 1})
		got, err := h.Peek(h.ctx(), q, 2)
		if err != nil || len(got) != 2 || got[0].Body != "1" || got[1].Body != "2" || got[0].Handle != "" || got[1].System["ApproximateReceiveCount"] != "0" {
			t.Errorf("%+v, %v", got, err)
		}
		h.want(q, "2", "3")
	})
}

// TestMessageThatCannotBeRead holds no other one up.
func TestMessageThatCannotBeRead(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("q")
		record, err := h.Record(h.ctx(), q)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := h.disk.Open().Stream(h.ctx(), "messages", log.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if stored := stream.Append(h.ctx(), log.Entry{Subject: "sqs." + record.ID, Data: []byte{1, 9}}); stored[0].Err != nil {
			t.Fatal(stored[0].Err)
		}
		synctest.Wait()
		start := time.Now()
		if got := h.receive(q, queue.ReceiveOptions{Visibility: seconds(0), Wait: seconds(20)}); len(got) != 0 || time.Since(start) > 20*time.Second {
			t.Errorf("received %v after %v", got, time.Since(start))
		}
		h.send(q, queue.Message{Body: "x"})
		h.want(q, "x")
	})
}
