package mem_test

import (
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
	"pinfold.dev/pinfold/internal/store/log/logtest"
	"pinfold.dev/pinfold/internal/store/log/mem"
)

// Time passes as synctest has it pass: to the nanosecond.
func TestVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mem.New()
		s, err := l.Stream(t.Context(), "s", log.Limits{Age: 3 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		s.Append(t.Context(),
			log.Entry{Subject: "late", At: start.Add(2 * time.Hour)},
			log.Entry{Subject: "soon", At: start.Add(time.Hour)})
		r, err := s.Read(t.Context(), log.From{Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		for i, subject := range []string{"soon", "late"} {
			entries, err := r.Next(t.Context(), 10)
			if err != nil || len(entries) != 1 || entries[0].Subject != subject {
				t.Fatalf("read %+v, %v; want one of %s", entries, err, subject)
			}
			want := start.Add(time.Duration(i+1) * time.Hour)
			if now := time.Now(); !now.Equal(want) || !entries[0].Time.Equal(want) || !entries[0].At.IsZero() {
				t.Errorf("%s came at %v as of %v, At %v; want %v", subject, now, entries[0].Time, entries[0].At, want)
			}
		}
		c, err := s.Consumer(t.Context(), "c", log.ConsumerConfig{AckWait: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		first, _ := c.Fetch(t.Context(), 1)
		if err := first[0].Delay(30 * time.Minute); err != nil {
			t.Fatal(err)
		}
		if again, err := c.Fetch(t.Context(), 1); err != nil || again[0].Entry().Subject != "late" {
			t.Fatal(again, err)
		} else if err := again[0].Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		again, err := c.Fetch(t.Context(), 10)
		if err != nil || len(again) != 1 || again[0].Attempt() != 2 || time.Since(start) != 150*time.Minute {
			t.Errorf("fetched %v, %v after %v; want the first again after 2h30m", again, err, time.Since(start))
		}
		time.Sleep(90 * time.Minute) // the first has 3 hours then
		if info, err := s.Info(t.Context(), ""); err != nil || info.Entries != 1 {
			t.Errorf("%d entries, %v; want the later one", info.Entries, err)
		}
		waits := make(chan error)
		go func() {
			_, err := r.Next(t.Context(), 1)
			waits <- err
		}()
		synctest.Wait()
		l.Close()
		if err := <-waits; pinfold.CodeOf(err) != pinfold.Unavailable {
			t.Errorf("Next of a closed log: %v", err)
		}
	})
}

func TestMem(t *testing.T) {
	logtest.Run(t, func(*testing.T) logtest.Place {
		disk := mem.NewDisk()
		return logtest.Place{Open: func() (log.Log, error) { return disk.Open(), nil }, Shared: true}
	})
}
