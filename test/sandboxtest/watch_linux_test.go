package sandboxtest

import (
	"context"
	"fmt"
	"runtime/metrics"
	"slices"
	"time"
)

// pulse is how long the platform and the neighbour take to answer, and the most
// memory that was seen in use in this process, which is the platform's, in bytes.
type pulse struct {
	platform, neighbour time.Duration
	memory              uint64
}

// plenty is how much memory an attack may make the platform take, with what the
// test itself has of it.
const plenty = 256 << 20

func inUse() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// floor is what is never slow: below it, a machine's own noise is.
const floor = 250 * time.Millisecond

// beat calls both once.
func (h *house) beat(ctx context.Context) (p pulse, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	began := time.Now()
	if _, err := h.client.Info(ctx); err != nil {
		return p, fmt.Errorf("the platform does not answer: %w", err)
	}
	p.platform, began = time.Since(began), time.Now()
	if _, err := h.neighbour(ctx, 0); err != nil {
		return p, err
	}
	p.neighbour = time.Since(began)
	return p, nil
}

// during takes the pulse until over is closed, and at least three times.
func (h *house) during(ctx context.Context, over <-chan struct{}) (pulse, error) {
	var platform, neighbour []time.Duration
	var memory uint64
	rest := time.NewTicker(20 * time.Millisecond)
	defer rest.Stop()
	for ended := false; !ended || len(platform) < 3; {
		p, err := h.beat(ctx)
		if err != nil {
			return pulse{}, err
		}
		platform, neighbour = append(platform, p.platform), append(neighbour, p.neighbour)
		memory = max(memory, inUse())
		select {
		case <-over:
			ended = true
		case <-rest.C:
		}
	}
	return pulse{median(platform), median(neighbour), memory}, nil
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// slower says what took more than twice its usual time, or nothing.
func (p pulse) slower(usual pulse) error {
	for _, one := range []struct {
		who        string
		now, usual time.Duration
	}{{"the platform", p.platform, usual.platform}, {"the neighbour", p.neighbour, usual.neighbour}} {
		if one.now > max(2*one.usual, floor) {
			return fmt.Errorf("%s takes %v to answer, usually %v", one.who, one.now, one.usual)
		}
	}
	return nil
}
