package queue

import (
	"testing"
	"time"
)

// TestBreaker goes through what a breaker is told and what it makes of it.
func TestBreaker(t *testing.T) {
	start := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	type step struct {
		do    string
		state breakerState
	}
	bad := step{"bad", closed}
	for name, steps := range map[string][]step{
		"one success in between":      {bad, bad, bad, bad, {"good", closed}, bad, bad, bad, bad, {"bad", paused}},
		"messages that failed before": {{"bad again", closed}, {"bad again", closed}, {"bad again", closed}, {"bad again", closed}, {"bad again", closed}, {"bad again", closed}},
		"throttled":                   {{"refuse", paused}, {"pass", paused}, {"take", probing}, {"good", closed}},
		"probe fails":                 {{"refuse", paused}, {"pass", paused}, {"take", probing}, {"probe bad again", paused}, {"take", probing}},
		"probe is refused":            {{"refuse", paused}, {"take", probing}, {"probe refuse", paused}},
		"batches of before":           {{"refuse", paused}, {"bad", paused}, {"take", probing}, {"refuse", probing}, {"bad", probing}, {"good", closed}},
		"nothing to probe with":       {{"refuse", paused}, {"take", probing}, {"untake", probing}, {"take", probing}, {"good", closed}},
		"a probe that runs":           {{"refuse", paused}, {"take", probing}, {"lasts", closed}},
		"a probe that failed before":  {bad, bad, bad, bad, {"bad", paused}, {"take", probing}, {"lasts", probing}},
		"no probe":                    {{"refuse", paused}, {"lasts", paused}},
		"hurry":                       {{"refuse", paused}, {"hurry", paused}, {"take", probing}},
	} {
		t.Run(name, func(t *testing.T) {
			var b breaker
			now := start
			for i, s := range steps {
				switch s.do {
				case "good":
					b.good()
				case "bad", "bad again":
					b.bad(now, false, s.do == "bad", "why")
				case "probe bad again":
					b.bad(now, true, false, "why")
				case "refuse", "probe refuse":
					b.refuse(now, s.do == "probe refuse", "why")
				case "take":
					b.take()
				case "untake":
					b.untake(true)
				case "lasts":
					b.lasts()
				case "hurry":
					b.hurry(now)
					if b.wait(now) != 0 {
						t.Errorf("step %d: waits %v", i, b.wait(now))
					}
				case "pass":
					if wait := b.wait(now); wait > minPause || wait < minPause*4/5 {
						t.Errorf("step %d: waits %v", i, wait)
					}
					now = now.Add(minPause)
				}
				if b.state != s.state {
					t.Fatalf("step %d: after %q the state is %d, want %d", i, s.do, b.state, s.state)
				}
			}
		})
	}
}

// TestScale: places are doubled while that gets more done.
func TestScale(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	s := newScale()
	// second goes by with n batches done and more to do all the time.
	second := func(n, most, want int) {
		t.Helper()
		s.full(now, most)
		for range n {
			s.over()
		}
		now = now.Add(time.Second)
		if s.full(now, most); s.places != want {
			t.Errorf("%d places, want %d", s.places, want)
		}
	}
	second(50, 1000, 10)
	second(100, 1000, 20)
	second(9, 1000, 20)   // not each place has been used once
	second(191, 1000, 10) // 100 a second: twenty did no more than ten
	second(100, 1000, 10) // and are not tried again for a while
	now = now.Add(content)
	s.calm()
	second(100, 1000, 20)
	s.throttled(now, 3)
	second(2, 1000, 3)
	s.idle()
	second(4, 1000, firstPlaces)
	s.idle()
	second(50, 7, 7) // no more than may run
	second(70, 7, 7)
}
