package queue_test

import (
	"testing"
	"time"

	"pinfold.dev/pinfold/internal/queue"
)

func TestStandardQueue(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("orders", "VisibilityTimeout", "10")
		sent := h.send(q, queue.Message{Body: "one", Sender: "AIDA", Attributes: map[string]queue.Attribute{"n": {Type: "Number", Text: "1"}}})
		got := h.want(q, "one")
		r := got[0]
		if r.ID != sent.ID || r.MD5Body != sent.MD5Body || r.MD5Attributes != sent.MD5Attributes || sent.Sequence != "" {
			t.Errorf("sent %+v, received %+v", sent, r)
		}
		if r.System["SenderId"] != "AIDA" || r.System["ApproximateReceiveCount"] != "1" || r.System["SentTimestamp"] != "946684800000" {
			t.Errorf("system attributes %v", r.System)
		}
		h.want(q)
		after(10 * time.Second)
		if again := h.want(q, "one")[0]; again.System["ApproximateReceiveCount"] != "2" || again.ID != sent.ID {
			t.Errorf("received again: %+v", again)
		}
		h.remove(q, r) // by the old handle, too
		after(time.Minute)
		h.want(q)
	})
}

func TestDeduplicationHoldsForFiveMinutes(t *testing.T) {
	inHouse(t, func(h *house) {
		q := h.create("a.fifo", "FifoQueue", "true")
		m := queue.Message{Body: "one", Group: "g", Deduplication: "d"}
		first := h.send(q, m)
		h.remove(q, h.want(q, "one")...)
		for range 2 {
			after(2 * time.Minute)
			if again := h.send(q, m); again != first {
				t.Errorf("sent again: %+v, at first %+v", again, first)
			}
			h.want(q)
			h.restart()
		}
		after(time.Minute)
		if later := h.send(q, m); later.ID == first.ID || later.Sequence <= first.Sequence || len(later.Sequence) != 20 {
			t.Errorf("sent after five minutes: %+v, at first %+v", later, first)
		}
		h.want(q, "one")
	})
}
