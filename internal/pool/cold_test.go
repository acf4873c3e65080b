package pool

import (
	"context"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// Whoever waits for a launch is told why there was one.
func TestWhyAStartIsCold(t *testing.T) {
	f := &fleet{boot: time.Second, run: time.Second}
	inTime(t, f, Config{}, func(t *testing.T, p *Pool) {
		ask := func(v *pinfold.Version, payload string) (<-chan pinfold.Placement, func() pinfold.Placement) {
			placed := make(chan pinfold.Placement, 1)
			go func() {
				inv := &pinfold.Invocation{ID: "x", Payload: []byte(payload)}
				_, _ = p.Invoke(context.Background(), v, inv)
				placed <- inv.Placed
			}()
			return placed, func() pinfold.Placement { return <-placed }
		}
		want := func(what string, got pinfold.Placement, why pinfold.ColdReason) {
			t.Helper()
			if got.Cold != why {
				t.Errorf("%s: %q, want %q", what, got.Cold, why)
			}
		}
		v1, v2 := version("a", "1"), version("a", "2")
		_, first := ask(v1, "")
		want("the first of all", first(), pinfold.ColdFirst)
		_, warm := ask(v1, "")
		want("the second", warm(), pinfold.Warm)
		_, one := ask(v1, "3s")
		time.Sleep(time.Millisecond)
		_, other := ask(v1, "3s")
		want("beside another", other(), pinfold.ColdScaleOut)
		want("the other", one(), pinfold.Warm)
		_, deployed := ask(v2, "")
		want("of a new version", deployed(), pinfold.ColdDeploy)

		time.Sleep(24 * time.Hour) // nothing is left
		_, deployed = ask(version("a", "3"), "")
		want("of a new version, after a day", deployed(), pinfold.ColdDeploy)

		b := version("b", "1")
		_, first = ask(b, "timeout")
		want("of another function", first(), pinfold.ColdFirst)
		_, crashed := ask(b, "")
		want("after a crash", crashed(), pinfold.ColdFailed)
		time.Sleep(24 * time.Hour)
		_, evicted := ask(b, "")
		want("after a day", evicted(), pinfold.ColdEvicted)
	})
}
