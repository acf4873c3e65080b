package provision_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/provision"
)

func TestCount(t *testing.T) {
	day := []pinfold.ScheduledCount{{Cron: "0 8 * * 1-5", Timezone: "Europe/Berlin", Count: 10}, {Cron: "0 20 * * *", Timezone: "Europe/Berlin", Count: 2}}
	for name, c := range map[string]struct {
		schedule []pinfold.ScheduledCount
		now      string
		count    int
		next     string // "" is never
	}{
		"no schedule":                {nil, "2026-03-04T05:06:07Z", 5, ""},
		"by day":                     {day, "2026-03-04T12:00:00Z", 10, "2026-03-04T19:00:00Z"},
		"the moment it is due":       {day, "2026-03-04T19:00:00Z", 2, "2026-03-05T07:00:00Z"},
		"a moment before":            {day, "2026-03-04T18:59:59.999Z", 10, "2026-03-04T19:00:00Z"},
		"a weekend":                  {day, "2026-03-08T12:00:00Z", 2, "2026-03-08T19:00:00Z"},
		"after a weekend":            {day, "2026-03-09T07:00:00Z", 10, "2026-03-09T19:00:00Z"},
		"in summer":                  {day, "2026-07-01T06:00:00Z", 10, "2026-07-01T18:00:00Z"},
		"one entry alone":            {day[1:], "2026-03-04T05:06:07Z", 2, "2026-03-04T19:00:00Z"},
		"the later of two at a time": {[]pinfold.ScheduledCount{{Cron: "0 * * * *", Count: 1}, {Cron: "0 0 * * *", Count: 9}}, "2026-03-04T00:30:00Z", 9, "2026-03-04T01:00:00Z"},
		"and the other way round":    {[]pinfold.ScheduledCount{{Cron: "0 0 * * *", Count: 9}, {Cron: "0 * * * *", Count: 1}}, "2026-03-04T00:30:00Z", 1, "2026-03-04T01:00:00Z"},
		"one that cannot be read":    {[]pinfold.ScheduledCount{{Cron: "nonsense", Count: 1}}, "2026-03-04T00:30:00Z", 5, ""},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		count, next := provision.Count(pinfold.Provisioned{Count: 5, Schedule: c.schedule}, now)
		text := ""
		if !next.IsZero() {
			text = next.UTC().Format(time.RFC3339)
		}
		if count != c.count || text != c.next {
			t.Errorf("%s: %d until %q, want %d until %q", name, count, text, c.count, c.next)
		}
	}
}

func ref(name string) pinfold.FunctionRef { return pinfold.FunctionRef{Name: name} }

func TestTimetable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var called []string
		var table *provision.Timetable
		table = provision.NewTimetable(func(_ context.Context, f pinfold.FunctionRef) {
			mu.Lock()
			defer mu.Unlock()
			called = append(called, f.Name+" at "+time.Since(start).String())
			if f.Name == "again" {
				table.Set(f, time.Now().Add(time.Hour))
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); table.Run(ctx) }()
		want := func(after time.Duration, names ...string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(called)
			if !slices.Equal(called, names) {
				t.Fatalf("after %s: called %q, want %q", time.Since(start), called, names)
			}
			called = nil
		}
		want(24 * time.Hour)
		start = time.Now()
		table.Set(ref("late"), start.Add(3*time.Hour))
		table.Set(ref("moved"), start.Add(time.Hour))
		table.Set(ref("forgotten"), start.Add(time.Hour))
		synctest.Wait()
		table.Set(ref("moved"), start.Add(2*time.Hour+time.Second))
		table.Set(ref("forgotten"), time.Time{})
		table.Set(ref("unknown"), time.Time{})
		table.Set(ref("past"), start.Add(-time.Hour))
		want(0, "past at 0s")
		want(2 * time.Hour)
		want(time.Second, "moved at 2h0m1s")
		table.Set(ref("also late"), start.Add(3*time.Hour))
		want(time.Hour, "also late at 3h0m0s", "late at 3h0m0s")
		table.Set(ref("again"), start.Add(4*time.Hour))
		want(2*time.Hour, "again at 4h0m0s", "again at 5h0m0s")
		cancel()
		<-done
	})
}
