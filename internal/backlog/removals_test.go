package backlog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store/log"
	"pinfold.dev/pinfold/internal/store/log/logtest"
	"pinfold.dev/pinfold/internal/store/log/mem"
)

// stored is what of messages is in a log, and how many records of removals.
func stored(t *testing.T, l log.Log) (messages, records int) {
	t.Helper()
	var n [2]int
	for i, name := range []string{"messages", "removals"} {
		s, err := l.Stream(t.Context(), name, log.Limits{Dedup: 5 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		info, err := s.Info(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		n[i] = int(info.Entries)
	}
	return n[0], n[1]
}

func wantStored(t *testing.T, when string, l log.Log, messages, records int) {
	t.Helper()
	if m, r := stored(t, l); m != messages || r != records {
		t.Errorf("%s: %d messages and %d records are in the log, want %d and %d", when, m, r, messages, records)
	}
}

// withFaulty runs a test in virtual time with a hub over a log that fails as it is told.
func withFaulty(t *testing.T, test func(*testing.T, *logtest.Faulty, *backlog.Hub)) {
	synctest.Test(t, func(t *testing.T) {
		l := logtest.NewFaulty(mem.New())
		defer l.Close()
		test(t, l, openHub(t, l))
	})
}

// numbered sends messages 0, 1, …
func numbered(t *testing.T, b *backlog.Backlog, n int) {
	t.Helper()
	for i := range n {
		send(t, b, backlog.Item{Data: fmt.Append(nil, i)})
	}
	b.Counts() // all has been followed
}

func remove(t *testing.T, b *backlog.Backlog, ms ...backlog.Message) {
	t.Helper()
	var receipts []backlog.Receipt
	for _, m := range ms {
		receipts = append(receipts, m.Receipt)
	}
	for _, err := range b.Remove(t.Context(), receipts...) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestBury: what was removed leaves the log soon, and what is behind an older message
// when that has gone.
func TestBury(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		numbered(t, b, 40)
		ms := receive(t, b, 40, time.Hour, 0)
		remove(t, b, ms[:10]...)
		wantStored(t, "removed", l, 40, 1)
		if err := b.Remove(t.Context(), ms[0].Receipt)[0]; err != nil {
			t.Errorf("removing it again: %v", err)
		}
		wantStored(t, "removed again", l, 40, 1)
		time.Sleep(2 * time.Second)
		wantStored(t, "a second later", l, 30, 0)
		remove(t, b, ms[11:]...)
		time.Sleep(time.Hour)
		wantStored(t, "behind an older one", l, 30, 1)
		visible(t, "after an hour", b, 1)
		remove(t, b, ms[10])
		time.Sleep(2 * time.Second)
		wantStored(t, "that was removed, too", l, 0, 0)
	})
}

// TestBuryMany: many do not wait for a second, nor for an older message.
func TestBuryMany(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		h.Hurry(10, 20, 1000)
		b := h.Backlog("q", backlog.Config{})
		numbered(t, b, 40)
		ms := receive(t, b, 40, time.Hour, 0)
		remove(t, b, ms[:9]...)
		synctest.Wait()
		wantStored(t, "few", l, 40, 1)
		remove(t, b, ms[9])
		synctest.Wait()
		wantStored(t, "enough", l, 30, 0)
		remove(t, b, ms[11:30]...)
		synctest.Wait()
		wantStored(t, "behind an older one", l, 30, 1)
		remove(t, b, ms[30:]...)
		synctest.Wait()
		wantStored(t, "too many behind an older one", l, 1, 0)
	})
}

// TestBuryLarge: bytes count, too.
func TestBuryLarge(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		for range 70 {
			send(t, b, backlog.Item{Data: make([]byte, 1<<20)})
		}
		b.Counts() // all has been followed
		ms := receive(t, b, 70, time.Hour, 0)
		remove(t, b, ms[:8]...)
		synctest.Wait()
		wantStored(t, "8 MB removed", l, 62, 0)
		remove(t, b, ms[9:69]...)
		synctest.Wait()
		wantStored(t, "60 MB behind an older message", l, 62, 1)
		for range 8 {
			send(t, b, backlog.Item{Data: make([]byte, 1<<20)})
		}
		b.Counts()
		remove(t, b, receive(t, b, 8, time.Hour, 0)...)
		synctest.Wait()
		wantStored(t, "68 MB of it", l, 2, 0)
	})
}

// TestCrashWhileBuried: a crash costs nothing wherever it comes.
func TestCrashWhileBuried(t *testing.T) {
	broken := errors.New("broken")
	for name, fault := range map[string]logtest.Fault{
		"before the messages go": logtest.Fail(broken, "Remove", "Purge"),
		"between them": func(_ context.Context, op logtest.Op) error {
			if op.Name == "Remove" {
				return broken
			}
			return nil
		},
		"before the records go": func(_ context.Context, op logtest.Op) error {
			if op.Stream == "removals" && op.Name == "Purge" {
				return broken
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
				a, b := h.Backlog("a", backlog.Config{}), h.Backlog("b", backlog.Config{FIFO: true})
				numbered(t, a, 20)
				numbered(t, b, 20)
				remove(t, a, receive(t, a, 19, time.Hour, 0)...)
				remove(t, b, receive(t, b, 3, time.Hour, 0)...)
				l.Before(fault)
				time.Sleep(3 * time.Second)
				h.Crash()
				if _, records := stored(t, l); records != 2 {
					t.Errorf("%d records at the crash", records)
				}
				l.Before(nil)
				h = openHub(t, l)
				defer h.Close()
				wantStored(t, "after the start", l, 18, 0)
				if ids := h.IDs(""); ids["a"] != 1 || ids["b"] != 17 {
					t.Errorf("IDs: %v", ids)
				}
				a, b = h.Backlog("a", backlog.Config{}), h.Backlog("b", backlog.Config{FIFO: true})
				want(t, "the first", receive(t, a, 10, time.Hour, 0), "19")
				want(t, "the second", receive(t, b, 2, time.Hour, 0), "3", "4")
			})
		})
	}
}

// TestStopBuries: a clean stop leaves nothing behind that was removed.
func TestStopBuries(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		b := h.Backlog("q", backlog.Config{})
		numbered(t, b, 20)
		ms := receive(t, b, 20, time.Hour, 0)
		remove(t, b, ms[1:]...)
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
		wantStored(t, "after the stop", l, 1, 0)
		remove(t, b, ms[0])
		wantStored(t, "removed after the stop", l, 0, 0)
	})
}

// TestRemoveOnFullDisk: who makes room needs none first.
func TestRemoveOnFullDisk(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		numbered(t, b, 20)
		ms := receive(t, b, 20, time.Hour, 0)
		l.Before(logtest.Full())
		remove(t, b, ms[1:]...)
		wantStored(t, "removed", l, 1, 0)
		visible(t, "removed", b, 0)
		if c := b.Counts(); c.InFlight != 1 {
			t.Errorf("Counts: %+v", c)
		}
	})
}

// TestRemoveWithoutLog: what cannot be removed is still there, and goes when it can.
func TestRemoveWithoutLog(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		numbered(t, b, 2)
		ms := receive(t, b, 2, time.Minute, 0)
		broken := errors.New("broken")
		l.Before(logtest.Fail(broken, "Append", "Remove"))
		if err := b.Remove(t.Context(), ms[0].Receipt)[0]; !errors.Is(err, broken) {
			t.Errorf("Remove: %v", err)
		}
		if n, err := b.Expire(t.Context(), time.Now().Add(time.Second)); n != 0 || !errors.Is(err, broken) {
			t.Errorf("Expire: %d, %v", n, err)
		}
		time.Sleep(2 * time.Minute)
		l.Before(nil)
		ms = receive(t, b, 2, time.Minute, 0)
		want(t, "they are back", ms, "0", "1")
		l.Before(logtest.Fail(broken, "Purge", "Info", "Remove"))
		remove(t, b, ms...)
		time.Sleep(time.Minute)
		visible(t, "removed, and the log still has them", b, 0)
		l.Before(nil)
		time.Sleep(2 * time.Second)
		wantStored(t, "when it works again", l, 0, 0)
	})
}

// TestRemoveGivenUp: a removal that its caller did not wait for is one all the same.
func TestRemoveGivenUp(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		numbered(t, b, 2)
		ms := receive(t, b, 2, time.Minute, 0)
		l.Before(logtest.Slow(10*time.Second, "Append"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Remove(ctx, ms[0].Receipt)[0]; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Remove: %v", err)
		}
		time.Sleep(2 * time.Minute)
		want(t, "the other one", receive(t, b, 2, time.Minute, 0), "1")
		wantStored(t, "in the end", l, 1, 0)
	})
}

// TestRemoveTogether: what is removed while a record is written goes into the next one.
func TestRemoveTogether(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		a, b := h.Backlog("a", backlog.Config{}), h.Backlog("b", backlog.Config{})
		numbered(t, a, 50)
		numbered(t, b, 50)
		all := map[*backlog.Backlog][]backlog.Message{a: receive(t, a, 50, time.Hour, 0), b: receive(t, b, 50, time.Hour, 0)}
		l.Before(logtest.Slow(100*time.Millisecond, "Append"))
		var done sync.WaitGroup
		done.Go(func() { remove(t, a, all[a][0]) })
		synctest.Wait()
		for line, ms := range all {
			for _, m := range ms {
				done.Go(func() { remove(t, line, m) })
			}
		}
		done.Wait()
		wantStored(t, "a hundred at once", l, 100, 2)
		l.Before(nil)
		time.Sleep(2 * time.Second)
		wantStored(t, "a second later", l, 0, 0)
	})
}

// TestDropWithDead: what was removed of a backlog is not removed of the next one with
// its id.
func TestDropWithDead(t *testing.T) {
	withFaulty(t, func(t *testing.T, l *logtest.Faulty, h *backlog.Hub) {
		defer h.Close()
		b := h.Backlog("q", backlog.Config{})
		numbered(t, b, 20)
		ms := receive(t, b, 20, time.Hour, 0)
		remove(t, b, ms[5:]...)
		broken := errors.New("broken")
		l.Before(logtest.Fail(broken, "Purge"))
		if err := h.Drop(t.Context(), "q"); !errors.Is(err, broken) {
			t.Errorf("Drop: %v", err)
		}
		time.Sleep(5 * time.Second)
		l.Before(nil)
		if err := h.Drop(t.Context(), "q"); err != nil {
			t.Fatal(err)
		}
		again := h.Backlog("q", backlog.Config{})
		numbered(t, again, 20)
		remove(t, b, ms[0]) // of the dropped one
		time.Sleep(5 * time.Second)
		wantStored(t, "after the drop", l, 20, 0)
		if got := receive(t, again, 20, time.Hour, 0); len(got) != 20 {
			t.Errorf("received %v", texts(got))
		}
	})
}

// TestPositionsGivenAgain: a log that has lost its end gives positions a second time.
// What was removed there is not what is there now.
func TestPositionsGivenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mem.New()
		defer l.Close()
		records, err := l.Stream(t.Context(), "removals", log.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		messages, err := l.Stream(t.Context(), "messages", log.Limits{Dedup: 5 * time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		messages.Append(t.Context(), log.Entry{Subject: "q", Data: []byte("1")}, log.Entry{Subject: "q", Data: []byte("2")}, log.Entry{Subject: "other", Data: []byte("3")})
		records.Append(t.Context(), log.Entry{Subject: "removed", Data: backlog.AppendRecord(nil, "q", 1, 3, 4, 5)})
		time.Sleep(time.Second)
		messages.Append(t.Context(), log.Entry{Subject: "q", Data: []byte("4")})
		h := openHub(t, l)
		defer h.Close()
		want(t, "what was not meant", receive(t, h.Backlog("q", backlog.Config{}), 10, time.Hour, 0), "2", "4")
		want(t, "another's", receive(t, h.Backlog("other", backlog.Config{}), 10, time.Hour, 0), "3")
	})
}

func TestUnreadableRecord(t *testing.T) {
	l := mem.New()
	defer l.Close()
	records, err := l.Stream(t.Context(), "removals", log.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	records.Append(t.Context(), log.Entry{Subject: "removed", Data: []byte{200}})
	if _, err := backlog.Open(t.Context(), backlog.Options{Log: l, Logger: slog.New(slog.DiscardHandler)}); err == nil {
		t.Error("a record that cannot be read is taken")
	}
}

func FuzzRecord(f *testing.F) {
	f.Add(backlog.AppendRecord(nil, "q.1", 3, 5, 6, 1<<40))
	f.Add(backlog.AppendRecord(backlog.AppendRecord(nil, "a", 1), "b"))
	f.Add([]byte{200})
	f.Add([]byte{1, 'a', 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		ids, positions, err := backlog.ParseRecord(data)
		if err != nil {
			return
		}
		var again []byte
		for i, id := range ids {
			again = backlog.AppendRecord(again, id, positions[i]...)
		}
		ids2, positions2, err := backlog.ParseRecord(again)
		if err != nil || !slices.Equal(ids, ids2) || !slices.EqualFunc(positions, positions2, slices.Equal) {
			t.Errorf("%x was read as %v %v, and that as %v %v, %v", data, ids, positions, ids2, positions2, err)
		}
	})
}

// TestManyBacklogs: whatever is received, removed and dropped in whatever backlogs, and
// whenever that ends: what was not removed is there, and all else goes.
func TestManyBacklogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(timeless{t}, func(r *rapid.T) {
			l := logtest.NewFaulty(mem.New())
			defer l.Close()
			alive := map[string]map[string]bool{}
			id := func() string { return fmt.Sprint("q.", rapid.IntRange(0, 5).Draw(r, "backlog")) }
			n := 0
			var h *backlog.Hub
			open := func() {
				h = openHub(t, l)
				h.Hurry(rapid.IntRange(1, 20).Draw(r, "bury"), rapid.IntRange(1, 20).Draw(r, "dead"), rapid.IntRange(1, 10).Draw(r, "front"))
			}
			open()
			defer func() { h.Crash() }()
			line := func(id string) *backlog.Backlog { return h.Backlog(id, backlog.Config{}) }
			r.Repeat(map[string]func(*rapid.T){
				"send": func(r *rapid.T) {
					id := id()
					for range rapid.IntRange(1, 20).Draw(r, "n") {
						n++
						send(t, line(id), backlog.Item{Data: fmt.Append(nil, n)})
						if alive[id] == nil {
							alive[id] = map[string]bool{}
						}
						alive[id][fmt.Sprint(n)] = true
					}
				},
				"remove": func(r *rapid.T) {
					id := id()
					ms := receive(t, line(id), rapid.IntRange(1, 20).Draw(r, "n"), time.Minute, 0)
					for _, m := range ms {
						if !alive[id][string(m.Data)] {
							r.Fatalf("%s was received after it was removed", m.Data)
						}
					}
					if len(ms) > 0 {
						ms = ms[rapid.IntRange(0, len(ms)-1).Draw(r, "but"):]
					}
					remove(t, line(id), ms...)
					for _, m := range ms {
						delete(alive[id], string(m.Data))
					}
				},
				"drop": func(r *rapid.T) {
					id := id()
					if err := h.Drop(t.Context(), id); err != nil {
						r.Fatal(err)
					}
					delete(alive, id)
				},
				"wait": func(r *rapid.T) {
					time.Sleep(rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour}).Draw(r, "time"))
				},
				"crash": func(r *rapid.T) {
					if rapid.Bool().Draw(r, "while buried") {
						left := rapid.IntRange(0, 3).Draw(r, "steps")
						l.Before(func(_ context.Context, op logtest.Op) error {
							if op.Name == "Remove" || op.Name == "Purge" {
								if left--; left < 0 {
									return errors.New("broken")
								}
							}
							return nil
						})
						time.Sleep(2 * time.Second)
					}
					h.Crash()
					l.Before(nil)
					open()
				},
				"": func(r *rapid.T) {
					for id, want := range alive {
						if c := line(id).Counts(); c.Visible+c.Delayed+c.InFlight != len(want) {
							r.Fatalf("%s has %+v, want %d", id, c, len(want))
						}
					}
				},
			})
			if err := h.Close(); err != nil {
				r.Fatal(err)
			}
			want := 0
			for _, messages := range alive {
				want += len(messages)
			}
			if messages, records := stored(t, l); messages != want || records != 0 {
				r.Fatalf("%d messages and %d records are in the log at the end, want %d", messages, records, want)
			}
			open()
			for id, want := range alive {
				ms, err := line(id).Peek(t.Context(), len(want)+1)
				if err != nil || len(ms) != len(want) {
					r.Fatalf("%s has %v, want %v: %v", id, texts(ms), want, err)
				}
			}
		})
	})
}
