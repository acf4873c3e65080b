package queue

import (
	"log/slog"
	"slices"
	"strconv"
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
	open := []step{bad, bad, bad, bad, {"bad", paused}}
	after := func(steps ...step) []step { return append(slices.Clone(open), steps...) }
	for name, steps := range map[string][]step{
		"one success in between":      {bad, bad, bad, bad, {"good", closed}, bad, bad, bad, bad, {"bad", paused}},
		"messages that failed before": {{"bad again", closed}, {"bad again", closed}, {"bad again", closed}, {"bad again", closed}, {"bad again", closed}, {"bad again", closed}},
		"throttled":                   {{"refuse", paused}, {"pass", paused}, {"take", probing}, {"good", closed}},
		"probe fails":                 {{"refuse", paused}, {"pass", paused}, {"take", probing}, {"probe bad again", paused}, {"take", probing}},
		"probe is refused":            {{"refuse", paused}, {"take", probing}, {"probe refuse", paused}},
		"batches of before":           {{"refuse", paused}, {"bad", paused}, {"take", probing}, {"refuse", probing}, {"bad", probing}, {"good", closed}},
		"nothing to probe with":       {{"refuse", paused}, {"take", probing}, {"untake", probing}, {"take", probing}, {"good", closed}},
		"a probe that runs":           {{"refuse", paused}, {"take", probing}, {"lasts", closed}},
		"a probe that failed before":  after(step{"take", probing}, step{"lasts", probing}),
		"no probe":                    {{"refuse", paused}, {"lasts", paused}},
		"hurry":                       {{"refuse", paused}, {"hurry", paused}, {"take", probing}},
		"a wide probe": after(step{"take", probing}, step{"probe bad", paused},
			step{"take 4", probing}, step{"probe bad", probing}, step{"probe bad", probing}, step{"probe bad", probing}, step{"probe bad", paused},
			step{"take 16", probing}, step{"probe bad", probing}, step{"good", closed}, step{"probe bad", closed}),
		"nothing fresh left": after(step{"take", probing}, step{"probe bad", paused},
			step{"take", probing}, step{"take", probing}, step{"untake", probing}, step{"wait", probing}, step{"probe bad", paused}, step{"take 1", probing}),
		"nothing fresh at all": after(step{"take", probing}, step{"probe bad", paused}, step{"take", probing}, step{"probe bad again", paused}, step{"take 1", probing}),
		"a wide probe that is refused": after(step{"take", probing}, step{"probe bad", paused},
			step{"take", probing}, step{"take", probing}, step{"probe refuse", probing}, step{"wait", probing}, step{"probe refuse", paused},
			step{"take 1", probing}, step{"probe bad", paused}, step{"take 16", probing}),
	} {
		t.Run(name, func(t *testing.T) {
			var b breaker
			var p probe // the latest
			now := start
			for i, s := range steps {
				switch s.do {
				case "good":
					b.good()
				case "bad", "bad again":
					b.bad(now, probe{}, s.do == "bad", "why")
				case "probe bad", "probe bad again":
					b.bad(now, p, s.do == "probe bad", "why")
				case "refuse":
					b.refuse(now, probe{}, "why")
				case "probe refuse":
					b.refuse(now, p, "why")
				case "take":
					p = b.take()
				case "take 1", "take 4", "take 16":
					n := 0
					for first := true; n == 0 || b.wait(now, 1000) == 0; first = false {
						if p = b.take(); p.picky && p.only == first {
							t.Errorf("step %d: batch %d is %+v", i, n, p)
						}
						n++
					}
					if s.do != "take "+strconv.Itoa(n) {
						t.Fatalf("step %d: %d batches are taken, want to %s", i, n, s.do)
					}
				case "untake":
					b.untake(now, p)
				case "wait":
					if b.wait(now, 1000) >= 0 {
						t.Errorf("step %d: waits %v", i, b.wait(now, 1000))
					}
				case "lasts":
					b.lasts(p)
				case "hurry":
					b.hurry(now)
					if b.wait(now, 1) != 0 {
						t.Errorf("step %d: waits %v", i, b.wait(now, 1))
					}
				case "pass":
					if wait := b.wait(now, 1); wait > minPause || wait < minPause*4/5 {
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

// TestCrowdedAfterProbe: a batch of a probe that is over and done with is one like
// others. That it is throttled while those run is no reason for a pause.
func TestCrowdedAfterProbe(t *testing.T) {
	g := &group{s: &Source{o: Options{Log: slog.New(slog.DiscardHandler)}}, plan: &plan{}, wake: make(chan struct{}, 1), scale: newScale(), inFlight: 3}
	g.breaker = breaker{state: probing, turn: 1, size: 4, left: 1, out: 3, broken: true}
	b := &batch{probe: probe{turn: 1, picky: true}}
	g.over(b, verdict{kind: good})
	g.over(b, verdict{kind: crowded})
	if g.breaker.state != closed || g.scale.places != 1 {
		t.Errorf("%+v, %d places", g.breaker, g.scale.places)
	}
}
