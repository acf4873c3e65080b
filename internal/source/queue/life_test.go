package queue_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/source/queue"
)

// slow takes ten seconds, or until its context ends.
func slow(ctx context.Context, c call) (*pinfold.Result, error) {
	select {
	case <-time.After(10 * time.Second):
		return &pinfold.Result{}, nil
	case <-ctx.Done():
		c.inv.Left = true
		return nil, pinfold.Errorf(pinfold.Unavailable, "the caller went away")
	}
}

// TestStop: batches that are out are waited for, what is being gathered goes back.
func TestStop(t *testing.T) {
	in(t, func(b *bench) { b.mapping.BatchSize, b.mapping.Window, b.function = 2, 60, slow }, func(b *bench) {
		b.line.send("", "a", "b", "c")
		synctest.Wait()
		if st := b.status(); st.InFlight != 1 {
			t.Fatalf("%+v", st)
		}
		at := time.Now()
		b.stop()
		if took := time.Since(at); took != 10*time.Second {
			t.Errorf("stopped after %v", took)
		}
		if left := b.line.left(); len(left) != 1 || left["c"] != 0 {
			t.Errorf("left %v", left)
		}
		if len(b.registry.told().gone) > 0 {
			t.Errorf("gone: %v", b.registry.told().gone)
		}
	})
}

// TestStopWhoWillNotWait: after Drain nobody waits for batches any more. What they
// were about comes back.
func TestStopWhoWillNotWait(t *testing.T) {
	in(t, func(b *bench) { b.options.Drain, b.function = 3*time.Second, slow }, func(b *bench) {
		b.line.send("", "a")
		synctest.Wait()
		at := time.Now()
		b.stop()
		if took := time.Since(at); took != 3*time.Second {
			t.Errorf("stopped after %v", took)
		}
		if left := b.line.left(); left["a"] != 1 {
			t.Errorf("left %v", left)
		}
	})
}

// TestChange: a mapping that changes while a batch is gathered and another is out
// loses neither, and what comes next is by the new settings.
func TestChange(t *testing.T) {
	in(t, func(b *bench) { b.mapping.BatchSize, b.mapping.Window, b.function = 3, 60, slow }, func(b *bench) {
		b.line.send("", "a", "b", "c", "d")
		synctest.Wait()
		m := b.mapping
		m.BatchSize, m.Window, m.Function = 1, 0, work.With("2")
		b.registry.set("id", &m)
		synctest.Wait()
		if got := b.registry.told().settled["id"]; got.BatchSize != 1 {
			t.Errorf("settled as %+v", got)
		}
		calls := b.came()
		if len(calls) != 2 || !slices.Equal(calls[1].bodies, []string{"d"}) || calls[1].inv.Function.Qualifier != "2" || calls[0].inv.Function.Qualifier != "" {
			t.Errorf("invoked %+v", calls)
		}
		time.Sleep(11 * time.Second)
		if left := b.line.left(); len(b.came()) != 2 || len(left) != 0 {
			t.Errorf("%d invocations, left %v", len(b.calls), left)
		}
		m.Tags = map[string]string{"only": "tags"}
		b.registry.set("id", &m)
		b.line.send("", "e")
		if n := len(b.came()); n != 3 {
			t.Errorf("%d invocations", n)
		}
	})
}

// TestDisable: a mapping is disabled when its last batch is over, and polls again
// when it is enabled.
func TestDisable(t *testing.T) {
	in(t, func(b *bench) { b.function = slow }, func(b *bench) {
		b.line.send("", "a")
		synctest.Wait()
		m := b.mapping
		m.Enabled = false
		b.registry.set("id", &m)
		synctest.Wait()
		b.line.send("", "b")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := b.registry.told().settled["id"]; !got.Enabled || len(b.came()) != 1 {
			t.Errorf("settled as %+v with a batch out, %d invocations", got, len(b.calls))
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if got := b.registry.told().settled["id"]; got.Enabled || b.status().State != queue.Disabled || b.line.left()["b"] != 0 {
			t.Errorf("settled as %+v, %+v", got, b.status())
		}
		m.Enabled = true
		b.registry.set("id", &m)
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := b.registry.told().settled["id"]; !got.Enabled || len(b.line.left()) != 0 {
			t.Errorf("settled as %+v, left %v", got, b.line.left())
		}
	})
}

// TestDelete: a deleted mapping is gone when its last batch is over.
func TestDelete(t *testing.T) {
	in(t, func(b *bench) { b.function = slow }, func(b *bench) {
		off := pinfold.EventSourceMapping{UUID: "off", Source: source, Function: work, BatchSize: 1}
		b.registry.set("off", &off)
		b.line.send("", "a")
		synctest.Wait()
		if got, ok := b.registry.told().settled["off"]; !ok || got.Enabled {
			t.Errorf("settled as %+v", got)
		}
		b.registry.set("off", nil)
		b.registry.set("id", nil)
		synctest.Wait()
		b.line.send("", "b")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if want := []string{"off"}; !slices.Equal(b.registry.told().gone, want) {
			t.Errorf("gone: %v, want %v", b.registry.told().gone, want)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if want := []string{"off", "id"}; !slices.Equal(b.registry.told().gone, want) || len(b.Statuses()) != 0 {
			t.Errorf("gone: %v, want %v", b.registry.told().gone, want)
		}
		if left := b.line.left(); len(left) != 1 || left["b"] != 0 {
			t.Errorf("left %v", left)
		}
	})
}

// TestDeletedAndMadeAgain: a mapping that is made again under the UUID of one that
// has a batch out is polled when that is over.
func TestDeletedAndMadeAgain(t *testing.T) {
	in(t, func(b *bench) { b.function = slow }, func(b *bench) {
		b.line.send("", "a")
		synctest.Wait()
		b.registry.set("id", nil)
		synctest.Wait()
		again := b.mapping
		b.registry.set("id", &again)
		b.line.send("", "b")
		time.Sleep(21 * time.Second)
		if left := b.line.left(); len(left) != 0 || len(b.registry.told().gone) != 0 || len(b.Statuses()) != 1 {
			t.Errorf("left %v, gone %v, %+v", left, b.registry.told().gone, b.Statuses())
		}
	})
}

// TestManyMappings of one queue share its messages.
func TestManyMappings(t *testing.T) {
	in(t, func(b *bench) {}, func(b *bench) {
		second := b.mapping
		second.UUID, second.Function.Name = "id2", "other"
		b.registry.set("id2", &second)
		synctest.Wait()
		if n := len(b.Statuses()); n != 2 {
			t.Errorf("%d statuses", n)
		}
		b.line.send("", numbers(0, 100)...)
		time.Sleep(time.Second)
		n := 0
		for _, c := range b.came() {
			n += len(c.bodies)
		}
		if n != 100 || len(b.line.left()) != 0 {
			t.Errorf("%d messages were handled", n)
		}
	})
}
