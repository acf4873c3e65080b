package metrics

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

// happening is events of all kinds.
func happening() Events {
	const jobs = "arn:aws:sqs:us-east-1:000000000000:jobs"
	pause := &pinfold.EventPause{Since: time.Now(), Error: "Rate Exceeded."}
	return Events{
		Queues: func() []pinfold.QueueStatus {
			return []pinfold.QueueStatus{
				{Name: "empty"},
				{Name: "jobs", Visible: 1, InFlight: 2, Delayed: 3, Oldest: time.Now().Add(-90 * time.Second)},
				{Name: "more", Visible: 10, Oldest: time.Now().Add(-20 * time.Second)},
				{Name: "most", Visible: 20, Oldest: time.Now().Add(-30 * time.Second)},
				{Name: "next"},
			}
		},
		Async: func() []pinfold.AsyncStatus {
			return []pinfold.AsyncStatus{
				{Function: "a", Waiting: 1, Running: 2, Delayed: 3, Sending: 4, Failed: 5, Oldest: time.Now().Add(-time.Minute), Paused: pause, Ended: pinfold.AsyncEnded{Succeeded: 30, GivenUp: 20, Undelivered: 10}},
				{Function: "b", Waiting: 9},
			}
		},
		Mappings: func() []pinfold.MappingStatus {
			return []pinfold.MappingStatus{
				{Source: jobs, Function: "a", InFlight: 1, Batches: 2, Messages: 3, Failures: 4, Filtered: 5, Returned: 6},
				{Source: jobs, Function: "a:live", InFlight: 1, Batches: 1, Messages: 1, Paused: pause},
				{Source: jobs + "2", Function: "b", Batches: 7},
			}
		},
		Schedules: func() Schedules { return Schedules{Kept: 8, Sent: 4, Retried: 3, Buried: 2, Lost: 1} },
		Streams:   func() []Stream { return []Stream{{"messages", 11, 12}} },
	}
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // ages
		m := New(Config{Platform: Platform{Events: happening()}})
		m.EventAppend.Observe(0.001)
		got := gather(t, m)
		for name, want := range map[string]float64{
			`queue_messages{queue="jobs",state="visible"}`:                         1,
			`queue_messages{queue="jobs",state="in_flight"}`:                       2,
			`queue_messages{queue="jobs",state="delayed"}`:                         3,
			`queue_oldest_seconds{queue="jobs"}`:                                   90,
			`queue_messages{queue="empty",state="visible"}`:                        0,
			`queue_oldest_seconds{queue="empty"}`:                                  0,
			`async_events{function="a",state="waiting"}`:                           1,
			`async_events{function="a",state="running"}`:                           2,
			`async_events{function="a",state="delayed"}`:                           3,
			`async_events{function="a",state="sending"}`:                           4,
			`async_ended_total{function="a",result="succeeded"}`:                   30,
			`async_ended_total{function="a",result="given_up"}`:                    20,
			`async_ended_total{function="a",result="undelivered"}`:                 10,
			`async_events{function="a",state="failed"}`:                            5,
			`async_oldest_seconds{function="a"}`:                                   60,
			`async_paused{function="a"}`:                                           1,
			`async_paused{function="b"}`:                                           0,
			`mapping_paused{function="a",source="jobs"}`:                           1,
			`mapping_paused{function="b",source="jobs2"}`:                          0,
			`mapping_in_flight{function="a",source="jobs"}`:                        2,
			`mapping_batches_total{function="a",source="jobs"}`:                    3,
			`mapping_batches_total{function="b",source="jobs2"}`:                   7,
			`mapping_messages_total{function="a",result="handled",source="jobs"}`:  4,
			`mapping_messages_total{function="a",result="failed",source="jobs"}`:   4,
			`mapping_messages_total{function="a",result="filtered",source="jobs"}`: 5,
			`mapping_messages_total{function="a",result="returned",source="jobs"}`: 6,
			`schedules{}`:                             8,
			`schedule_events_total{result="sent"}`:    4,
			`schedule_events_total{result="retried"}`: 3,
			`schedule_events_total{result="buried"}`:  2,
			`schedule_events_total{result="lost"}`:    1,
			`event_log_entries{stream="messages"}`:    11,
			`event_log_bytes{stream="messages"}`:      12,
			`event_log_append_seconds{}`:              1,
		} {
			if n := value(got["pinfold_"+name]); n != want {
				t.Errorf("%s is %v, want %v", name, n, want)
			}
		}
	})
}

// TestEventBounds has more queues and mappings than may have series of their own.
func TestEventBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := gather(t, New(Config{Functions: 2, Platform: Platform{Events: happening()}}))
		for name, want := range map[string]float64{
			`queue_messages{queue="jobs",state="visible"}`:  1,
			`queue_messages{queue="more",state="visible"}`:  -1,
			`queue_messages{queue="other",state="visible"}`: 30,
			`queue_oldest_seconds{queue="other"}`:           30,
		} {
			if n := value(got["pinfold_"+name]); n != want {
				t.Errorf("%s is %v, want %v", name, n, want)
			}
		}
		got = gather(t, New(Config{Functions: 1, Platform: Platform{Events: happening()}}))
		for name, want := range map[string]float64{
			`async_events{function="other",state="waiting"}`:         9,
			`mapping_batches_total{function="a",source="jobs"}`:      3,
			`mapping_batches_total{function="other",source="other"}`: 7,
		} {
			if n := value(got["pinfold_"+name]); n != want {
				t.Errorf("%s is %v, want %v", name, n, want)
			}
		}
	})
}

// TestNoEvents: what cannot be asked about has no metrics.
func TestNoEvents(t *testing.T) {
	for name := range gather(t, New(Config{})) {
		for _, kind := range []string{"queue_m", "async", "mapping", "schedule", "event_log_entries"} {
			if strings.HasPrefix(name, fmt.Sprint("pinfold_", kind)) {
				t.Errorf("there is %s", name)
			}
		}
	}
}
