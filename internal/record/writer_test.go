package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

// shelf is a store in memory that may be made to fail or to wait.
type shelf struct {
	mu      sync.Mutex
	records []pinfold.Record
	batches int
	err     error
	wait    chan struct{} // if there is one, Append waits for it, or for its context
}

func (s *shelf) Append(ctx context.Context, records []pinfold.Record) error {
	s.mu.Lock()
	wait := s.wait
	s.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.batches++
	s.records = append(s.records, records...)
	return nil
}

func (s *shelf) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *shelf) have() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.records)
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestLittleIsStoredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shelf
		w := NewWriter(&s, 0, quiet())
		for i := range 5 {
			began := time.Now()
			w.Put(&pinfold.Record{RequestID: fmt.Sprint(i)})
			synctest.Wait()
			if s.have() != i+1 || time.Since(began) != 0 {
				t.Errorf("%d records are stored after %v; want %d at once", s.have(), time.Since(began), i+1)
			}
			time.Sleep(time.Second)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestMuchIsStoredInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shelf
		w := NewWriter(&s, 0, quiet())
		const seconds, each = 3, 10_000
		for range seconds * 1000 {
			for range each / 1000 {
				w.Put(&pinfold.Record{Time: time.Now()})
			}
			time.Sleep(time.Millisecond)
			s.set(func() {
				if n := len(s.records); n > 0 && time.Since(s.records[n-1].Time) > time.Second {
					t.Fatal("nothing was stored for a second")
				}
			})
		}
		if err := w.Close(t.Context()); err != nil || w.Dropped() != 0 {
			t.Errorf("Close: %v; %d dropped", err, w.Dropped())
		}
		if s.have() != seconds*each || s.batches > seconds*100+2 {
			t.Errorf("%d records came in %d batches; want %d in 100 a second", s.have(), s.batches, seconds*each)
		}
	})
}

func TestTheNewestAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shelf{wait: make(chan struct{})}
		var told bytes.Buffer
		w := NewWriter(&s, 100, slog.New(slog.NewTextHandler(&told, nil)))
		put := func(n int) {
			for range n {
				w.Put(new(pinfold.Record))
			}
		}
		put(1)
		synctest.Wait() // it is on its way
		room := 0
		for w.Dropped() == 0 {
			put(1)
			room++
		}
		if room--; room < 100 || room > 100+2*runtime.GOMAXPROCS(0) {
			t.Errorf("%d records found room; want 100", room)
		}
		put(999)
		if w.Dropped() != 1000 {
			t.Errorf("%d dropped; want 1000", w.Dropped())
		}
		close(s.wait)
		time.Sleep(10 * time.Second)
		if s.have() != room+1 {
			t.Errorf("%d stored; want %d", s.have(), room+1)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
		put(1)
		if w.Dropped() != 1001 {
			t.Error("a record that came after the end is not counted")
		}
		if n := strings.Count(told.String(), "dropped=1000"); n != 1 {
			t.Errorf("the log was told %d times:\n%s", n, &told)
		}
	})
}

func TestTheLogIsToldOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s shelf
		var told bytes.Buffer
		w := NewWriter(&s, 10, slog.New(slog.NewTextHandler(&told, nil)))
		for range 5000 {
			for range 100 {
				w.Put(new(pinfold.Record))
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
		lines := strings.Count(told.String(), "\n")
		if lines < 2 || lines > 8 {
			t.Errorf("the log was told %d times in 7 seconds:\n%s", lines, &told)
		}
		if !strings.Contains(told.String(), fmt.Sprint("\"since start\"=", w.Dropped())) {
			t.Errorf("the log was not told of all %d:\n%s", w.Dropped(), &told)
		}
	})
}

func TestStoreFailsAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := shelf{err: errors.New("no space left")}
		var told bytes.Buffer
		w := NewWriter(&s, 1000, slog.New(slog.NewTextHandler(&told, nil)))
		for range 600 {
			w.Put(new(pinfold.Record))
			time.Sleep(100 * time.Millisecond)
		}
		if s.have() != 0 || strings.Count(told.String(), "no space left") != 1 {
			t.Errorf("%d stored; the log was told:\n%s", s.have(), &told)
		}
		s.set(func() { s.err = nil })
		time.Sleep(maxWait + time.Second)
		if s.have() != 600 || w.Dropped() != 0 || !strings.Contains(told.String(), "stored again") {
			t.Errorf("%d stored, %d dropped; the log was told:\n%s", s.have(), w.Dropped(), &told)
		}
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	for _, test := range []struct {
		name  string
		store *shelf
	}{
		{"a store that fails", &shelf{err: errors.New("no")}},
		{"a store that hangs", &shelf{wait: make(chan struct{})}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if test.store.wait != nil {
					test.store.wait = make(chan struct{})
				}
				w := NewWriter(test.store, 0, quiet())
				for range 10 {
					w.Put(new(pinfold.Record))
					time.Sleep(time.Millisecond)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				began := time.Now()
				err := w.Close(ctx)
				if pinfold.CodeOf(err) != pinfold.Unavailable || time.Since(began) != 3*time.Second {
					t.Errorf("Close: %v after %v", err, time.Since(began))
				}
				if w.Dropped() != 10 {
					t.Errorf("%d dropped; want 10", w.Dropped())
				}
			})
		})
	}
}

func TestCloseStoresWhatWaits(t *testing.T) {
	s := shelf{wait: make(chan struct{})}
	w := NewWriter(&s, 0, quiet())
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				w.Put(new(pinfold.Record))
			}
		})
	}
	all.Wait()
	close(s.wait)
	if err := w.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if s.have() != 4000 || w.Dropped() != 0 {
		t.Errorf("%d stored, %d dropped", s.have(), w.Dropped())
	}
}

func TestPutAllocatesNothing(t *testing.T) {
	w := NewWriter(new(shelf), 0, quiet())
	defer w.Close(t.Context())
	r := new(pinfold.Record)
	if n := testing.AllocsPerRun(1000, func() { w.Put(r) }); n > 0 {
		t.Errorf("Put allocates %v times", n)
	}
}
