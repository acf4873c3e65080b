package logtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

var consuming = []test{
	{"hands out each entry once", handsOut},
	{"begins where it is told to", begins},
	{"hands out again what is not acknowledged", redelivers},
	{"hands out again what is delayed", delays},
	{"has a bound of what is out", bounds},
	{"goes on after reopening", goesOn},
	{"is shared by several", shares},
	{"is deleted", deletesConsumer},
}

func (b *bench) consumer(s log.Stream, cfg log.ConsumerConfig) log.Consumer {
	b.Helper()
	c, err := s.Consumer(b.Context(), "c", cfg)
	b.must(err)
	return c
}

// fetch fetches so many, however they come.
func (b *bench) fetch(c log.Consumer, n int) (all []log.Delivery) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	for len(all) < n {
		some, err := c.Fetch(ctx, n-len(all))
		if err != nil {
			b.Fatalf("%d of %d were delivered, then: %v", len(all), n, err)
		}
		if len(some) == 0 || len(some) > n-len(all) {
			b.Fatalf("Fetch returned %d deliveries; asked for 1 to %d", len(some), n-len(all))
		}
		all = append(all, some...)
	}
	return all
}

func (b *bench) ack(all ...log.Delivery) {
	b.Helper()
	for _, d := range all {
		b.must(d.Ack(b.Context()))
	}
}

func (b *bench) nothing(c log.Consumer) {
	b.Helper()
	if all, err := c.Fetch(b.soon(), 10); !errors.Is(err, context.DeadlineExceeded) {
		b.Errorf("delivered %v, %v; want nothing until the context ends", delivered(all), err)
	}
}

func delivered(all []log.Delivery) (subjects []string) {
	for _, d := range all {
		subjects = append(subjects, d.Entry().Subject)
	}
	return subjects
}

func handsOut(b *bench) {
	s := b.stream(log.Limits{})
	c := b.consumer(s, log.ConsumerConfig{Subjects: "a.*"})
	entry := log.Entry{Subject: "a.1", ID: "id", Meta: "meta", Data: []byte("data")}
	at := b.append(s, entry, log.Entry{Subject: "b"}, log.Entry{Subject: "a.2"})
	all := b.fetch(c, 2)
	want(b, "delivered", delivered(all), "a.1", "a.2")
	if e := all[0].Entry(); e.Position != at[0] || e.ID != "id" || e.Meta != "meta" || string(e.Data) != "data" || e.Time.IsZero() || all[0].Attempt() != 1 {
		b.Errorf("delivered %+v, attempt %d", e, all[0].Attempt())
	}
	b.must(all[0].InProgress())
	b.ack(all...)
	b.ack(all...) // once more is no error
	got := make(chan []log.Delivery)
	go func() { got <- b.fetch(c, 1) }()
	b.fill(s, "c", "a.3")
	all = <-got
	want(b, "what came", delivered(all), "a.3")
	b.ack(all...)
	b.nothing(c)
}

func begins(b *bench) {
	s := b.stream(log.Limits{})
	b.fill(s, "old")
	c, err := s.Consumer(b.Context(), "new", log.ConsumerConfig{New: true})
	b.must(err)
	b.fill(s, "young")
	want(b, "new", delivered(b.fetch(c, 1)), "young")
	want(b, "all", delivered(b.fetch(b.consumer(s, log.ConsumerConfig{}), 2)), "old", "young")
	// Opened again, it goes on, and New makes no difference.
	c, err = s.Consumer(b.Context(), "new", log.ConsumerConfig{})
	b.must(err)
	b.fill(s, "younger")
	want(b, "again", delivered(b.fetch(c, 1)), "younger")
}

func redelivers(b *bench) {
	s := b.stream(log.Limits{})
	c := b.consumer(s, log.ConsumerConfig{AckWait: 200 * time.Millisecond})
	b.fill(s, "a", "b")
	all := b.fetch(c, 2)
	b.ack(all[1])
	for attempt := 2; attempt <= 3; attempt++ {
		again := b.fetch(c, 1)[0]
		if again.Entry().Subject != "a" || again.Attempt() != attempt {
			b.Errorf("delivered %s, attempt %d; want a, attempt %d", again.Entry().Subject, again.Attempt(), attempt)
		}
	}
	b.must(s.Purge(b.Context(), "", 0))
	b.fill(s, "c")
	want(b, "after what is removed", delivered(b.fetch(c, 1)), "c")
}

func delays(b *bench) {
	s := b.stream(log.Limits{})
	c := b.consumer(s, log.ConsumerConfig{AckWait: time.Hour})
	b.fill(s, "a", "b", "c")
	all := b.fetch(c, 3)
	b.must(all[0].Delay(200 * time.Millisecond))
	b.must(all[1].Delay(0))
	want(b, "at once", delivered(b.fetch(c, 1)), "b")
	again := b.fetch(c, 1)
	want(b, "delayed", delivered(again), "a")
	if again[0].Attempt() != 2 {
		b.Errorf("attempt %d; want 2", again[0].Attempt())
	}
	b.must(again[0].Delay(time.Hour))
	b.nothing(c)
}

func bounds(b *bench) {
	s := b.stream(log.Limits{})
	c := b.consumer(s, log.ConsumerConfig{MaxPending: 3})
	b.fill(s, "a", "b", "c", "d", "e")
	all := b.fetch(c, 3)
	b.nothing(c)
	b.ack(all[1])
	want(b, "after one is acknowledged", delivered(b.fetch(c, 1)), "d")
	b.nothing(c)
}

func goesOn(b *bench) {
	s := b.stream(log.Limits{})
	cfg := log.ConsumerConfig{AckWait: time.Second}
	c := b.consumer(s, cfg)
	b.fill(s, "a", "b", "c", "d")
	all := b.fetch(c, 3)
	b.ack(all[0], all[2])
	b.reopen()
	s = b.stream(log.Limits{})
	left := delivered(b.fetch(b.consumer(s, cfg), 2))
	slices.Sort(left)
	want(b, "what is left", left, "b", "d")
}

func shares(b *bench) {
	const n = 500
	s := b.stream(log.Limits{})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var all sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]int{}
	for range 4 {
		c := b.consumer(s, log.ConsumerConfig{AckWait: time.Hour})
		all.Go(func() {
			for {
				some, err := c.Fetch(ctx, 7)
				if err != nil {
					if !errors.Is(err, context.Canceled) {
						b.Error(err)
					}
					return
				}
				for _, d := range some {
					if err := d.Ack(b.Context()); err != nil {
						b.Error(err)
					}
					mu.Lock()
					if seen[d.Entry().Subject]++; len(seen) == n {
						cancel()
					}
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		b.fill(s, fmt.Sprint("n", i))
	}
	all.Wait()
	for subject, times := range seen {
		if times != 1 {
			b.Errorf("%s was delivered %d times", subject, times)
		}
	}
}

func deletesConsumer(b *bench) {
	s := b.stream(log.Limits{})
	c := b.consumer(s, log.ConsumerConfig{})
	b.fill(s, "a")
	b.ack(b.fetch(c, 1)...)
	ended := make(chan error)
	go func() {
		_, err := c.Fetch(b.Context(), 1)
		ended <- err
	}()
	b.must(s.DeleteConsumer(b.Context(), "c"))
	b.must(s.DeleteConsumer(b.Context(), "c"))
	b.wantCode("Fetch of a consumer that is deleted", <-ended, pinfold.NotFound)
	want(b, "made anew", delivered(b.fetch(b.consumer(s, log.ConsumerConfig{}), 1)), "a")
}
