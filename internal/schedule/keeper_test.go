package schedule_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/schedule"
)

func TestSendsWhatIsDue(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create(
			pinfold.Schedule{Name: "rate", Expression: "rate(20 minutes)"},
			pinfold.Schedule{Name: "cron", Expression: "cron(15,45 0 * * ? *)"},
			pinfold.Schedule{Name: "once", Expression: "at(2000-01-01T00:10:30)"},
			pinfold.Schedule{Name: "zone", Expression: "at(2000-01-01T01:30:00)", Zone: "Europe/Berlin"},
			pinfold.Schedule{Name: "gone", Expression: "at(1999-12-31T00:00:00)"},
			pinfold.Schedule{Name: "from", Expression: "rate(30 minutes)", Start: time.Now().Add(5 * time.Minute), End: time.Now().Add(36 * time.Minute)},
			pinfold.Schedule{Name: "off", Expression: "rate(1 minute)", Disabled: true},
		)
		h.rule("rule", "rate(25 minutes)", pinfold.ScheduleTarget{ID: "1", ARN: fn}, pinfold.ScheduleTarget{ID: "2", ARN: line})
		h.rule("idle", "rate(1 minute)")
		h.pass(time.Hour)
		h.came("rate 00:00:00", "rate 00:20:00", "rate 00:40:00", "rate 01:00:00", "cron 00:15:00", "cron 00:45:00", "once 00:10:30", "zone 00:30:00",
			"from 00:05:00", "from 00:35:00", "rule 00:25:00", "rule 00:25:00", "rule 00:50:00", "rule 00:50:00")
	})
}

// A schedule follows the clocks of its zone: what they skip is not due, what they show
// twice once.
func TestDaylightSaving(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create(pinfold.Schedule{Name: "s", Expression: "cron(30 2,6 * * ? *)", Zone: "Europe/Berlin", Start: time.Date(2000, 3, 25, 12, 0, 0, 0, time.UTC), End: time.Date(2000, 3, 27, 12, 0, 0, 0, time.UTC)},
			pinfold.Schedule{Name: "w", Expression: "cron(30 2,6 * * ? *)", Zone: "Europe/Berlin", Start: time.Date(2000, 10, 28, 12, 0, 0, 0, time.UTC), End: time.Date(2000, 10, 30, 12, 0, 0, 0, time.UTC)})
		for _, day := range []time.Time{time.Date(2000, 3, 25, 12, 0, 0, 0, time.UTC), time.Date(2000, 10, 28, 12, 0, 0, 0, time.UTC)} {
			h.away(time.Until(day))
			h.pass(49 * time.Hour)
		}
		h.came("s 2000-03-26 04:30:00", "s 2000-03-27 00:30:00", "s 2000-03-27 04:30:00",
			"w 2000-10-29 00:30:00", "w 2000-10-29 05:30:00", "w 2000-10-30 01:30:00", "w 2000-10-30 05:30:00")
	})
}

// What was missed while nobody was there is sent once or not at all. Within a minute
// it is only late.
func TestMissed(t *testing.T) {
	for name, c := range map[string]struct {
		expression string
		window     time.Duration
		back       time.Duration // when somebody is there again; since ten past midnight nobody was
		once, skip []string      // what is due that is sent then
	}{
		"nothing":         {"rate(1 hour)", 0, 50 * time.Minute, nil, nil},
		"late":            {"rate(1 hour)", 0, time.Hour + 10*time.Second, []string{"01:00:00"}, []string{"01:00:00"}},
		"one":             {"rate(1 hour)", 0, time.Hour + 30*time.Minute, []string{"01:00:00"}, nil},
		"many":            {"rate(1 hour)", 0, 100*time.Hour + 30*time.Minute, []string{"2000-01-05 04:00:00"}, nil},
		"many, one late":  {"rate(1 hour)", 0, 5*time.Hour + 10*time.Second, []string{"05:00:00"}, []string{"05:00:00"}},
		"past its window": {"cron(0 1 * * ? *)", time.Hour, 3 * time.Hour, []string{"01:00:00"}, nil},
		"at":              {"at(2000-01-01T02:00:00)", 0, 9 * time.Hour, []string{"02:00:00"}, nil},
		"sparse":          {"cron(0 0 29 2 ? *)", 0, 100 * 24 * time.Hour, []string{"2000-02-29 00:00:00"}, nil},
	} {
		for policy, want := range map[pinfold.MissedPolicy][]string{pinfold.MissedOnce: c.once, pinfold.MissedSkip: c.skip} {
			t.Run(name+"/"+string(policy), func(t *testing.T) {
				inHouse(t, func(h *house) {
					began := time.Now()
					h.create(pinfold.Schedule{Name: "n", Expression: c.expression, Missed: policy, Window: c.window})
					h.pass(10 * time.Minute)
					h.post.take()
					h.away(c.back - time.Since(began))
					if have := h.due(); !slices.Equal(have, want) {
						t.Errorf("sent %q, want %q", have, want)
					}
					h.stop()
					h.start()
					if have := h.due(); have != nil {
						t.Errorf("sent again: %q", have)
					}
				})
			})
		}
	}
}

// due tells of which moments messages have come since they were taken last.
func (h *house) due() (all []string) {
	h.t.Helper()
	for _, g := range h.post.take() {
		var e struct{ Time time.Time }
		if err := json.Unmarshal(g.Body, &e); err != nil {
			h.t.Fatal(err)
		}
		all = append(all, strings.TrimPrefix(e.Time.Format("2006-01-02 15:04:05"), someDay+" "))
	}
	slices.Sort(all)
	return all
}

// The configuration says what holds for schedules and rules that say nothing.
func TestMissedByDefault(t *testing.T) {
	inHouse(t, func(h *house) {
		h.stop()
		h.options.Missed = pinfold.MissedSkip
		h.start()
		h.create(pinfold.Schedule{Name: "s", Expression: "at(2000-01-01T01:00:00)"}, pinfold.Schedule{Name: "o", Expression: "at(2000-01-01T01:00:00)", Missed: pinfold.MissedOnce})
		h.rule("r", "rate(1 hour)", pinfold.ScheduleTarget{ID: "1", ARN: fn})
		h.away(90 * time.Minute)
		h.came("o 01:30:00")
		h.pass(time.Hour)
		h.came("r 02:00:00")
	})
}

// After a crash what was sent and not noted is sent again, with the same ID.
func TestKilled(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create(pinfold.Schedule{Name: "n", Expression: "rate(1 hour)"}, pinfold.Schedule{Name: "once", Expression: "at(2000-01-01T01:00:00)", DeleteAfter: true})
		h.rule("r", "rate(1 hour)", pinfold.ScheduleTarget{ID: "1", ARN: ordered, MessageGroup: "a"}, pinfold.ScheduleTarget{ID: "2", ARN: ordered, MessageGroup: "b"})
		h.pass(30 * time.Minute)
		h.post.take()
		h.broken.Store(true)
		h.pass(30 * time.Minute)
		first := ids(h.post.take())
		h.kill()
		h.start()
		again := ids(h.post.take())
		if len(first) != 4 || !slices.Equal(first, again) {
			t.Errorf("sent %q, and after the crash %q", first, again)
		}
		if len(slices.Compact(slices.Clone(first))) != 4 {
			t.Errorf("not all of %q are different", first)
		}
		h.pass(time.Minute)
		h.kill()
		h.start()
		h.came()
		if _, err := h.Schedule(h.t.Context(), "", "once"); pinfold.CodeOf(err) != pinfold.NotFound {
			t.Errorf("the schedule that deletes itself: %v", err)
		}
	})
}

// A change is stored a moment before the keeper of time hears of it. Where the server
// is killed in between, the mark must not say of it what it says of the others.
func TestKilledBeforeItWasHeardOf(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create(pinfold.Schedule{Name: "minutely", Expression: "rate(1 minute)"})
		h.came("minutely 00:00:00")
		other := schedule.New(schedule.Options{Store: h, Sender: h.post, Scope: scope}) // tells nobody
		if _, err := other.CreateSchedule(h.t.Context(), pinfold.Schedule{
			Name: "once", Expression: "at(2000-01-01T00:00:01)", DeleteAfter: true, Target: pinfold.ScheduleTarget{ARN: fn},
		}); err != nil {
			t.Fatal(err)
		}
		h.pass(70 * time.Second)
		h.came("minutely 00:01:00")
		h.kill()
		h.start()
		h.came("once 00:01:10")
		h.pass(time.Minute)
		h.came("minutely 00:02:00")
		h.kill()
		h.start()
		h.came()
	})
}

func ids(all []got) (ids []string) {
	for _, g := range all {
		ids = append(ids, g.ID)
	}
	slices.Sort(ids)
	return ids
}

// Nothing is written but after something was sent.
func TestWritesLittle(t *testing.T) {
	inHouse(t, func(h *house) {
		h.pass(48 * time.Hour)
		if h.mark() != 0 {
			t.Error("written without a schedule")
		}
		h.create(pinfold.Schedule{Name: "n", Expression: "rate(10 days)", Start: time.Now().Add(time.Hour)})
		h.pass(59 * time.Minute)
		if h.mark() != 0 {
			t.Error("written though nothing was due")
		}
		h.pass(time.Minute)
		was := h.mark()
		if want := time.Now().UnixNano(); was != want {
			t.Errorf("written %d, want %d", was, want)
		}
		h.pass(9 * 24 * time.Hour)
		if h.mark() != was {
			t.Error("written again though nothing was due")
		}
	})
}

// In a window a schedule is due once, at the same time whoever keeps it, also where one
// window begins before the last is over.
func TestWindow(t *testing.T) {
	t.Parallel()
	const n = 20
	var first []got
	for _, restarted := range []bool{false, true} {
		inVirtualTime(t, func(h *house) {
			for i := range n {
				h.create(pinfold.Schedule{Name: fmt.Sprint("n", i), Expression: "cron(0 1-2 * * ? *)", Window: 2 * time.Hour})
			}
			for range 5 * 12 {
				h.pass(5 * time.Minute)
				if restarted {
					h.stop()
					h.start()
				}
			}
			all := h.post.take()
			if first == nil {
				first = all
			}
			times := map[string]bool{}
			for _, g := range all {
				if g.at.Hour() < 1 || g.at.Hour() > 3 {
					t.Errorf("%s was sent at %s", g.Trigger.Source, g.at)
				}
				times[g.at.Format(time.TimeOnly)] = true
				if !slices.ContainsFunc(first, func(o got) bool { return o.ID == g.ID && o.at.Equal(g.at) }) {
					t.Errorf("%s of %s is not sent when it was", g.Trigger.Source, g.at)
				}
			}
			if len(all) != 2*n || len(times) < n {
				t.Errorf("%d were sent at %d times", len(all), len(times))
			}
		})
	}
}

// What waits in its window for its time does not hold when the schedule is another.
func TestChangedInItsWindow(t *testing.T) {
	inHouse(t, func(h *house) {
		n := pinfold.Schedule{Name: "n", Expression: "cron(0 1 * * ? *)", Window: 24 * time.Hour, Target: pinfold.ScheduleTarget{ARN: fn}}
		h.create(n)
		h.pass(time.Hour + time.Second)
		n.Expression, n.Window = "at(2000-01-01T02:00:00)", 0
		_, err := h.UpdateSchedule(h.t.Context(), n)
		h.do(err)
		h.pass(48 * time.Hour)
		h.came("n 02:00:00")
	})
}

// Changes hold at once.
func TestChanges(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create(pinfold.Schedule{Name: "n", Expression: "rate(1 hour)"})
		h.pass(30 * time.Minute)
		h.came("n 00:00:00")
		update := func(change func(*pinfold.Schedule)) {
			n, err := h.Schedule(h.t.Context(), "", "n")
			h.do(err)
			change(&n)
			_, err = h.UpdateSchedule(h.t.Context(), n)
			h.do(err)
		}
		update(func(n *pinfold.Schedule) { n.Description = "other" }) // which does not move it
		h.pass(time.Hour)
		h.came("n 01:00:00")
		update(func(n *pinfold.Schedule) { n.Expression = "rate(10 minutes)" }) // which counts from here, 01:30
		h.pass(15 * time.Minute)
		h.came("n 01:40:00")
		update(func(n *pinfold.Schedule) { n.Disabled = true })
		h.away(2 * time.Hour)
		h.pass(time.Hour)
		h.came()
		update(func(n *pinfold.Schedule) { n.Disabled = false }) // 04:45
		h.away(4 * time.Minute)                                  // in which nothing is missed
		h.pass(10 * time.Minute)
		h.came("n 04:55:00")
		h.do(h.DeleteSchedule(h.t.Context(), "", "n"))
		h.pass(time.Hour)
		h.came()
		h.create(pinfold.Schedule{Name: "n", Expression: "rate(1 day)"})
		h.came("n 05:59:00")

		h.rule("r", "rate(1 hour)", pinfold.ScheduleTarget{ID: "1", ARN: fn})
		h.do(h.EnableRule(h.t.Context(), "", "r", false))
		h.pass(2 * time.Hour)
		h.came()
		h.do(h.EnableRule(h.t.Context(), "", "r", true))
		h.pass(time.Hour)
		h.came("r 08:59:00")
		_, err := h.RemoveTargets(h.t.Context(), "", "r", []string{"1"})
		h.do(err)
		h.pass(time.Hour)
		h.came()

		_, err = h.CreateGroup(h.t.Context(), pinfold.ScheduleGroup{Name: "g"})
		h.do(err)
		h.create(pinfold.Schedule{Group: "g", Name: "m", Expression: "cron(0 * * * ? *)"})
		h.pass(time.Hour)
		h.came("m 10:00:00")
		h.do(h.DeleteGroup(h.t.Context(), "g"))
		h.pass(time.Hour)
		h.came()
	})
}

// A schedule that wants to be deleted is, when all that it had to send is sent.
func TestDeletesItself(t *testing.T) {
	inHouse(t, func(h *house) {
		there := func(want ...string) {
			t.Helper()
			all, _, err := h.Schedules(h.t.Context(), schedule.ScheduleQuery{})
			h.do(err)
			var have []string
			for _, n := range all {
				have = append(have, n.Name)
			}
			if !slices.Equal(have, want) {
				t.Errorf("there is %q, want %q", have, want)
			}
		}
		at := "at(2000-01-01T00:30:00)"
		h.create(
			pinfold.Schedule{Name: "a-once", Expression: at, DeleteAfter: true},
			pinfold.Schedule{Name: "b-kept", Expression: at},
			pinfold.Schedule{Name: "c-off", Expression: at, DeleteAfter: true, Disabled: true},
			pinfold.Schedule{Name: "d-ends", Expression: "rate(20 minutes)", DeleteAfter: true, End: time.Now().Add(50 * time.Minute)},
			pinfold.Schedule{Name: "e-fails", Expression: at, DeleteAfter: true, Target: pinfold.ScheduleTarget{ARN: line}},
			pinfold.Schedule{Name: "f-past", Expression: "at(1999-01-01T00:00:00)", DeleteAfter: true},
			pinfold.Schedule{Name: "g-missed", Expression: "at(2000-01-01T01:30:00)", DeleteAfter: true, Missed: pinfold.MissedSkip},
		)
		h.answer(func(_ context.Context, to string, _ pinfold.EventMessage) error {
			if to == line {
				return pinfold.Errorf(pinfold.Unavailable, "not now")
			}
			return nil
		})
		h.pass(31 * time.Minute)
		there("b-kept", "c-off", "d-ends", "e-fails", "f-past", "g-missed")
		h.pass(time.Minute * 30)
		there("b-kept", "c-off", "e-fails", "f-past", "g-missed")
		h.stop()
		h.answer(nil)
		h.pass(time.Hour)
		h.start()
		h.pass(time.Minute)
		there("b-kept", "c-off", "f-past")
	})
}

// A target that is slow holds up nobody, and what is on its way is bounded.
func TestSlowTarget(t *testing.T) {
	inHouse(t, func(h *house) {
		h.answer(func(ctx context.Context, to string, _ pinfold.EventMessage) error {
			if to == line {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		for i := range 100 {
			h.create(pinfold.Schedule{Name: fmt.Sprint("slow", i), Expression: "cron(0 1 * * ? *)", Target: pinfold.ScheduleTarget{ARN: line}})
		}
		h.create(pinfold.Schedule{Name: "well", Expression: "cron(0 1 * * ? *)"})
		h.pass(time.Hour)
		h.came("well 01:00:00")
		if h.post.most > 9 {
			t.Errorf("%d were on their way", h.post.most)
		}
		if h.mark() == 0 {
			h.pass(6 * time.Second)
		}
		if h.mark() == 0 {
			t.Error("that one was sent is not noted")
		}
	})
}

// What could not be sent is tried again after a restart, as often as is left, and
// what was sent meanwhile is not sent again.
func TestUnsentIsKept(t *testing.T) {
	inHouse(t, func(h *house) {
		tried := 0
		h.answer(func(_ context.Context, to string, _ pinfold.EventMessage) error {
			if to == line {
				tried++
				return pinfold.Errorf(pinfold.Throttled, "not now")
			}
			return nil
		})
		retries := 5
		h.rule("r", "rate(1 hour)", pinfold.ScheduleTarget{ID: "1", ARN: line, MaximumRetries: &retries, DeadLetter: dead}, pinfold.ScheduleTarget{ID: "2", ARN: fn})
		h.create(pinfold.Schedule{Name: "n", Expression: "cron(0 1 * * ? *)"})
		h.pass(time.Hour + 2*time.Second)
		h.came("r 01:00:00", "n 01:00:00")
		was := tried
		h.kill()
		h.start()
		if was < 2 || was > 3 || tried != was+1 {
			t.Errorf("tried %d times, and %d after the crash", was, tried-was)
		}
		h.came()
		h.pass(10 * time.Minute)
		if tried < 6 || tried > 7 { // one more, if its count was not written
			t.Errorf("tried %d times", tried)
		}
		letters := h.post.take()
		if len(letters) != 1 || letters[0].to != dead || letters[0].Attributes["RETRY_ATTEMPTS"] != "5" {
			t.Errorf("dead letters: %+v", letters)
		}
		h.stop()
		h.start()
		h.pass(time.Minute)
		h.came()
		if r, _ := h.Rule(h.t.Context(), "", "r"); len(r.Unsent) != 0 {
			t.Errorf("unsent: %v", r.Unsent)
		}
	})
}

// A disk that is full costs no moment: that they were sent is noted later.
func TestStoreFails(t *testing.T) {
	inHouse(t, func(h *house) {
		h.create(pinfold.Schedule{Name: "n", Expression: "rate(1 hour)"})
		h.pass(time.Minute)
		h.came("n 00:00:00")
		h.broken.Store(true)
		h.pass(3 * time.Hour)
		h.came("n 01:00:00", "n 02:00:00", "n 03:00:00")
		h.broken.Store(false)
		h.pass(time.Minute)
		h.kill()
		h.start()
		h.came()
	})
}

func TestOnlyOneRuns(t *testing.T) {
	inHouse(t, func(h *house) {
		if err := h.Run(h.t.Context()); pinfold.CodeOf(err) != pinfold.Conflict {
			t.Error(err)
		}
	})
}

// clock is a clock that can be set.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *clock) set(ahead time.Duration) { c.ahead.Store(int64(ahead)) }

// TestClockJumps sets the clock, which is noticed within ten seconds.
func TestClockJumps(t *testing.T) {
	inHouse(t, func(h *house) {
		h.stop()
		c := new(clock)
		h.options.Now = c.Now
		h.start()
		at := func(d time.Duration, want ...string) { // lets time pass, and says what is due then
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if have := h.due(); !slices.Equal(have, want) {
				t.Errorf("by %s %q was sent, want %q", c.Now().UTC().Format(time.TimeOnly), have, want)
			}
		}
		h.create(pinfold.Schedule{Name: "n", Expression: "cron(0 * * * ? *)", Start: time.Now().Add(time.Minute)})
		at(90*time.Minute, "01:00:00")
		c.set(3 * time.Hour) // 01:30 is 04:30
		at(15*time.Second, "04:00:00")
		c.set(0) // 01:30 again
		at(3*time.Hour - time.Minute)
		h.stop()
		h.start()
		at(45*time.Minute, "05:00:00") // 05:14
		h.create(pinfold.Schedule{Name: "once", Expression: "at(2000-01-01T05:50:00)"})
		c.set(30 * 24 * time.Hour)
		at(15*time.Second, "05:50:00", "2000-01-31 05:00:00")
		c.set(0)
		at(time.Hour, "05:50:00", "06:00:00")
		h.stop()
		c.set(30 * 24 * time.Hour)
		h.start()
		at(0, "2000-01-31 06:00:00")
		h.stop()
		c.set(0)
		h.start()
		at(time.Hour, "07:00:00")
	})
}

// All that is due at one time is sent at that time.
func TestManyAtOnce(t *testing.T) {
	inHouse(t, func(h *house) {
		const n = 500
		h.fill(n)
		h.pass(time.Hour)
		all := h.post.take()
		if len(all) != n || len(slices.Compact(ids(all))) != n {
			t.Errorf("%d were sent", len(all))
		}
		if h.post.most > 64 {
			t.Errorf("%d were on their way at a time", h.post.most)
		}
		h.pass(time.Minute)
		h.kill()
		h.start()
		h.came()
	})
}
