package queue_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/source/queue"
)

// sizes returns how many messages each invocation had.
func sizes(calls []call) []int {
	var all []int
	for _, c := range calls {
		all = append(all, len(c.bodies))
	}
	return all
}

// TestBatches: a batch ends when it is full, when its window is over, and before it
// is too large.
func TestBatches(t *testing.T) {
	large := strings.Repeat("x", 1<<20-100)
	for name, test := range map[string]struct {
		batch  int
		window pinfold.Seconds
		send   func(b *bench)
		want   []int
		last   time.Duration // when the last one came
	}{
		"at once":            {10, 0, func(b *bench) { b.line.send("", numbers(0, 3)...) }, []int{3}, 0},
		"full":               {2, 0, func(b *bench) { b.line.send("", numbers(0, 5)...) }, []int{2, 2, 1}, 0},
		"window ends":        {100, 5, func(b *bench) { b.line.send("", "a"); time.Sleep(2 * time.Second); b.line.send("", "b") }, []int{2}, 5 * time.Second},
		"window, then full":  {3, 300, func(b *bench) { b.line.send("", "a"); time.Sleep(2 * time.Second); b.line.send("", "b", "c") }, []int{3}, 2 * time.Second},
		"several receives":   {10_000, 1, func(b *bench) { b.line.send("", numbers(0, 12_345)...) }, []int{10_000, 2345}, time.Second},
		"6 MB":               {10, 1, func(b *bench) { b.line.send("", slices.Repeat([]string{large}, 7)...) }, []int{5, 2}, time.Second},
		"6 MB of escapes":    {10, 0, func(b *bench) { b.line.send("", slices.Repeat([]string{strings.ReplaceAll(large, "x", "\n")}, 3)...) }, []int{2, 1}, 0},
		"window from first":  {10, 2, func(b *bench) { time.Sleep(3 * time.Second); b.line.send("", "a") }, []int{1}, 5 * time.Second},
		"one after a window": {10, 2, func(b *bench) { b.line.send("", "a"); time.Sleep(3 * time.Second); b.line.send("", "b") }, []int{1, 1}, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) { b.mapping.BatchSize, b.mapping.Window = test.batch, test.window }, func(b *bench) {
				synctest.Wait()
				test.send(b)
				time.Sleep(10 * time.Second)
				calls := b.came()
				got := sizes(calls)
				slices.SortFunc(got, func(x, y int) int { return y - x })
				if !slices.Equal(got, test.want) {
					t.Fatalf("batches of %v, want %v", got, test.want)
				}
				for _, c := range calls {
					if n := len(c.inv.Payload); n > pinfold.MaxPayload {
						t.Errorf("an event of %d bytes", n)
					}
				}
				if at := calls[len(calls)-1].at; at != test.last {
					t.Errorf("the last one came after %v, want %v", at, test.last)
				}
				if left := b.line.left(); len(left) > 0 {
					t.Errorf("%d messages are left", len(left))
				}
			})
		})
	}
}

// TestReceivesAreBounded: what is asked for at a time follows what messages are like,
// so that large ones are not all in memory at once.
func TestReceivesAreBounded(t *testing.T) {
	in(t, func(b *bench) { b.mapping.BatchSize, b.mapping.Window = 10_000, 1 }, func(b *bench) {
		b.line.send("", slices.Repeat([]string{strings.Repeat("x", 1<<19)}, 30)...)
		time.Sleep(5 * time.Second)
		b.came()
		if most := slices.Max(b.line.wanted()[:3]); most > 10 {
			t.Errorf("asked for %d large messages", most)
		}
		b.line.send("", numbers(0, 5000)...)
		time.Sleep(5 * time.Second)
		b.came()
		if most := slices.Max(b.line.wanted()); most < 500 || most > 1000 {
			t.Errorf("asked for %d small messages at most", most)
		}
	})
}

// TestInvocation: who invokes what with which event.
func TestInvocation(t *testing.T) {
	in(t, func(b *bench) { b.mapping.Function = work.With("live") }, func(b *bench) {
		b.line.send("", "a")
		inv := b.came()[0].inv
		if inv.Function != work.With("live") || inv.Trigger != (pinfold.Trigger{Kind: "queue", Source: source}) ||
			inv.Principal != (pinfold.Principal{Kind: pinfold.Service, Account: "123456789012", ARN: "sqs.amazonaws.com"}) {
			t.Errorf("invoked %+v", inv)
		}
		want := `{"Records":[{"messageId":"m1","receiptHandle":"m1/1","body":"a","attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1545082649183","SenderId":"AIDAIENQZJOLO23YVJ4VO"},` +
			`"messageAttributes":{},"md5OfBody":"md5","eventSource":"aws:sqs","eventSourceARN":"` + source + `","awsRegion":"eu-central-1"}]}`
		if string(inv.Payload) != want {
			t.Errorf("the event is\n%s\nwant\n%s", inv.Payload, want)
		}
	})
}

// TestFilters: what no filter lets pass is deleted, and no function sees it.
func TestFilters(t *testing.T) {
	in(t, func(b *bench) {
		b.mapping.Filters = []string{`{"body":{"kind":["a"]}}`, `{"body":{"n":[{"numeric":[">",5]}]}}`}
	}, func(b *bench) {
		b.line.send("", `{"kind":"a"}`, `{"kind":"b"}`, `{"n":6}`, `{"n":5}`, `text`)
		b.line.send("", slices.Repeat([]string{`{}`}, 100)...)
		b.line.send("", `{"kind":"a","n":1}`)
		time.Sleep(time.Second)
		var got []string
		for _, c := range b.came() {
			got = append(got, c.bodies...)
		}
		slices.Sort(got)
		if want := []string{`{"kind":"a","n":1}`, `{"kind":"a"}`, `{"n":6}`}; !slices.Equal(got, want) {
			t.Errorf("passed %q, want %q", got, want)
		}
		if st := b.status(); len(b.line.left()) != 0 || st.Filtered != 103 || st.Messages != 3 {
			t.Errorf("left %v, %+v", b.line.left(), st)
		}
	})
}

// TestPartialFailures: what a function does not report is deleted, and what it does
// comes back when its visibility timeout is over.
func TestPartialFailures(t *testing.T) {
	for name, test := range map[string]struct {
		report bool
		answer string
		again  []string // those that come back
	}{
		"done":                        {true, `{"batchItemFailures":[]}`, nil},
		"one":                         {true, `{"batchItemFailures":[{"itemIdentifier":"m2"}]}`, []string{"1"}},
		"all":                         {true, `{"batchItemFailures":[{"itemIdentifier":"m2"},{"itemIdentifier":"m1"},{"itemIdentifier":"m3"}]}`, []string{"0", "1", "2"}},
		"unknown":                     {true, `{"batchItemFailures":[{"itemIdentifier":"m2"},{"itemIdentifier":"m9"}]}`, []string{"0", "1", "2"}},
		"not asked for a report":      {false, `{"batchItemFailures":[{"itemIdentifier":"m2"}]}`, nil},
		"an answer of another kind":   {true, `{"statusCode":200}`, nil},
		"an answer that is no object": {true, `"done"`, []string{"0", "1", "2"}},
	} {
		t.Run(name, func(t *testing.T) {
			in(t, func(b *bench) {
				b.mapping.ReportItemFailures = test.report
				b.function = func(_ context.Context, c call) (*pinfold.Result, error) {
					if c.at > 0 {
						return &pinfold.Result{Payload: []byte("null")}, nil
					}
					return &pinfold.Result{Payload: []byte(test.answer)}, nil
				}
			}, func(b *bench) {
				b.line.send("", numbers(0, 3)...)
				time.Sleep(visibility - time.Millisecond)
				if n := len(b.came()); n != 1 || len(b.line.left()) != len(test.again) {
					t.Errorf("%d invocations, left %v", n, b.line.left())
				}
				time.Sleep(time.Millisecond)
				var again []string
				for _, c := range b.came()[1:] {
					again = append(again, c.bodies...)
				}
				if !slices.Equal(again, test.again) || len(b.line.left()) > 0 {
					t.Errorf("came back: %v, want %v; left %v", again, test.again, b.line.left())
				}
			})
		})
	}
}

// TestFIFO: messages of a group come in order, one batch at a time, also when some
// fail; groups do not wait for each other.
func TestFIFO(t *testing.T) {
	in(t, func(b *bench) {
		b.mapping.BatchSize = 3
		failed := false
		b.function = func(ctx context.Context, c call) (*pinfold.Result, error) {
			time.Sleep(time.Second)
			if slices.Contains(c.bodies, "b4") && !failed {
				failed = true
				return fails(ctx, c)
			}
			return &pinfold.Result{}, nil
		}
	}, func(b *bench) {
		for _, group := range []string{"a", "b", "c"} {
			for i := range 9 {
				b.line.send(group, fmt.Sprint(group, i))
			}
		}
		time.Sleep(2 * time.Minute)
		order := map[string][]string{}
		failed := false
		for _, c := range b.came() {
			if slices.Contains(c.bodies, "b4") && !failed {
				failed = true
				continue
			}
			for _, body := range c.bodies {
				order[body[:1]] = append(order[body[:1]], body)
			}
		}
		for group, got := range order {
			if len(got) != 9 || !slices.IsSorted(got) {
				t.Errorf("group %s came as %v", group, got)
			}
		}
		if len(b.line.left()) > 0 || b.peak != 3 {
			t.Errorf("left %v; %d batches at a time", b.line.left(), b.peak)
		}
	})
}

// TestPoison: a message that always fails goes to the dead-letter queue, and others
// do not wait for it.
func TestPoison(t *testing.T) {
	in(t, func(b *bench) {
		b.mapping.BatchSize, b.line.maxReceive = 1, 3
		b.function = func(ctx context.Context, c call) (*pinfold.Result, error) {
			if strings.HasPrefix(c.bodies[0], "poison") {
				return fails(ctx, c)
			}
			return &pinfold.Result{}, nil
		}
	}, func(b *bench) {
		b.line.send("", "poison 1", "good", "poison 2", "poison 3", "poison 4")
		for range 20 { // they come back again and again meanwhile
			time.Sleep(5 * time.Second)
			before := len(b.came())
			b.line.send("", "good")
			if calls := b.came(); len(calls) != before+1 {
				t.Fatalf("a good message waits behind poison: %+v", b.status())
			}
		}
		if left := b.line.left(); len(left) > 0 || len(b.line.dead) != 4 {
			t.Errorf("left %v, dead %v", left, b.line.dead)
		}
		if st := b.status(); st.State != queue.Polling || st.Failures != 12 || st.Messages != 21 {
			t.Errorf("%+v", st)
		}
	})
}
