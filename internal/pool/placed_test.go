package pool

import (
	"cmp"
	"context"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// Each wait is told to be what the one who waited would call it: for somebody
// else, for a runtime to boot, or for the rest of a launch that had begun before.
func TestWhatIsWaitedFor(t *testing.T) {
	const ms = time.Millisecond
	first := pinfold.Placement{Cold: pinfold.ColdFirst}
	more := func(p pinfold.Placement, queue, boot, late time.Duration) pinfold.Placement {
		p.Queue, p.Boot, p.Late = queue, boot, late
		return p
	}
	for name, tc := range map[string]struct {
		fleet    *fleet
		config   Config
		settings Settings
		warm     time.Duration // before all, the platform is up for so long
		come     []time.Duration
		payload  string
		leaves   time.Duration // the first caller does, after so long; 0: it stays
		want     []pinfold.Placement
	}{
		"from nothing":      {come: []time.Duration{0}, want: []pinfold.Placement{first}},
		"a warm one":        {come: []time.Duration{0, 500 * ms}, want: []pinfold.Placement{first, {}}},
		"from a cell":       {fleet: &fleet{kind: ofNode}, warm: time.Second, come: []time.Duration{0}, want: []pinfold.Placement{first}},
		"a cell that boots": {fleet: &fleet{kind: ofNode}, warm: 70 * ms, come: []time.Duration{0}, want: []pinfold.Placement{more(first, 0, 30*ms, 0)}},
		"for the launch limit": {config: Config{MaxLaunches: 1}, come: []time.Duration{0, 40 * ms}, payload: "1s", want: []pinfold.Placement{
			first, more(pinfold.Placement{Cold: pinfold.ColdScaleOut}, 65*ms, 0, 0)}},
		"for a launch that another left": {come: []time.Duration{0, 40 * ms}, leaves: 10 * ms,
			want: []pinfold.Placement{more(pinfold.Placement{}, 10*ms, 0, 0), more(first, 0, 0, 40*ms)}},
		"for a cell and a launch that another left": {fleet: &fleet{kind: ofNode}, warm: 50 * ms, come: []time.Duration{0, 30 * ms}, leaves: 10 * ms,
			want: []pinfold.Placement{more(pinfold.Placement{}, 10*ms, 0, 0), more(first, 0, 20*ms, 0)}},
		"at a limit": {settings: Settings{Reserved: new(1), Queue: &pinfold.Queue{Max: 1, Wait: 60}}, come: []time.Duration{0, 50 * ms}, payload: "100ms",
			want: []pinfold.Placement{first, more(pinfold.Placement{}, 150*ms, 0, 0)}},
		"for what is provisioned": {settings: Settings{Provisioned: []Provision{{Version: version("a", "1"), Count: 1}}}, warm: 40 * ms, come: []time.Duration{0},
			want: []pinfold.Placement{more(pinfold.Placement{}, 60*ms, 0, 0)}},
		"for one that is thawed": {fleet: &fleet{freeze: 5 * ms}, come: []time.Duration{0, 500 * ms}, want: []pinfold.Placement{first, {}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := cmp.Or(tc.fleet, &fleet{})
			f.boot, f.assign, f.run = 100*ms, 20*ms, ms
			inTime(t, f, tc.config, func(t *testing.T, p *Pool) {
				if f.kind != nil {
					p.Want("node")
				}
				v := version("a", "1")
				p.Configure(v.Ref, tc.settings)
				time.Sleep(tc.warm)
				placed := make([]chan pinfold.Placement, len(tc.come))
				for i, at := range tc.come {
					placed[i] = make(chan pinfold.Placement, 1)
					go func() {
						time.Sleep(at)
						ctx, cancel := context.WithCancel(context.Background())
						defer cancel()
						if i == 0 && tc.leaves > 0 {
							time.AfterFunc(tc.leaves, cancel)
						}
						inv := &pinfold.Invocation{ID: "x", Payload: []byte(tc.payload)}
						_, _ = p.Invoke(ctx, v, inv)
						placed[i] <- inv.Placed
					}()
				}
				for i, want := range tc.want {
					if got := <-placed[i]; got != want {
						t.Errorf("number %d was placed %+v, want %+v", i, got, want)
					}
				}
			})
		})
	}
}
