package pool

import (
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

// Load counts invocations, not instances: those in one that takes several, those
// sent ahead of their turn, and those at a limit.
func TestLoad(t *testing.T) {
	for name, tc := range map[string]struct {
		fleet            *fleet
		settings         Settings
		calls            int
		running, waiting int
	}{
		"one each":         {fleet: &fleet{}, calls: 3, running: 3},
		"several in one":   {fleet: &fleet{places: 4}, calls: 3, running: 3},
		"at a limit":       {fleet: &fleet{}, settings: Settings{Reserved: new(2), Queue: &pinfold.Queue{Max: 5, Wait: 60}}, calls: 5, running: 2, waiting: 3},
		"for a launch":     {fleet: &fleet{boot: time.Hour}, calls: 3, waiting: 3},
		"only of settings": {fleet: &fleet{}, settings: Settings{Reserved: new(2)}},
	} {
		t.Run(name, func(t *testing.T) {
			inTime(t, tc.fleet, Config{}, func(t *testing.T, p *Pool) {
				v := version("a", "1")
				p.Configure(v.Ref, tc.settings)
				for range tc.calls {
					go func() { _, _ = p.Invoke(t.Context(), v, &pinfold.Invocation{ID: "x", Payload: []byte("5h")}) }()
				}
				time.Sleep(time.Second)
				synctest.Wait()
				want := []Load{{v.Ref.With(""), tc.running, tc.waiting}}
				if got := p.Load(); tc.calls == 0 && len(got) != 0 || tc.calls > 0 && (len(got) != 1 || got[0] != want[0]) {
					t.Errorf("%+v, want %+v", got, want)
				}
				if got := p.Waiting(v.Ref); got != tc.waiting || p.Waiting(version("b", "1").Ref) != 0 {
					t.Errorf("%d wait, want %d", got, tc.waiting)
				}
				time.Sleep(24 * time.Hour)
			})
		})
	}
}

// One that is sent ahead of its turn waits.
func TestLoadOfWhoIsSentAhead(t *testing.T) {
	f := &fleet{ahead: true, run: 200 * time.Microsecond}
	inTime(t, f, Config{Spare: func() bool { return false }}, func(t *testing.T, p *Pool) {
		v := version("a", "1")
		calls(t, p, v, 1, "")
		calls(t, p, v, 1, "")
		for range 3 {
			go func() { _, _ = p.Invoke(t.Context(), v, &pinfold.Invocation{ID: "x"}) }()
		}
		synctest.Wait()
		if got := p.Load(); len(got) != 1 || got[0].Running != 1 || got[0].Waiting != 2 {
			t.Errorf("%+v, want one that runs and two that wait", got)
		}
		time.Sleep(time.Second)
	})
}
