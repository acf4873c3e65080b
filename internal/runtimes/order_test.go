package runtimes

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// TestAnyOrder has processes end anywhere under callers who come and go: each
// call is over once, and none that has begun may run again.
func TestAnyOrder(t *testing.T) {
	for range 200 {
		p := newPuppet(t, func(c *pinfold.Config) { c.MaxConcurrency = 1 + 3*rand.IntN(2) })
		var begun sync.Map
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			p.acts(rand.IntN(40), func(event string) { begun.Store(event, true) })
		}()
		var callers sync.WaitGroup
		for i := range 8 {
			callers.Go(func() {
				for j := 0; p.Reusable(); j++ {
					event := strconv.Itoa(i) + "." + strconv.Itoa(j)
					inv := &pinfold.Invocation{ID: event, Payload: []byte(event), WantLogTail: rand.IntN(2) == 0}
					if rand.IntN(3) == 0 {
						inv.Stream = &sink{fails: rand.IntN(4) == 0}
					}
					ctx, leave := context.WithCancel(t.Context())
					if rand.IntN(4) == 0 {
						leave()
					}
					u := p.invokeFor(ctx, inv)
					<-u.done
					<-u.over // not over twice, or it would be closed twice
					leave()
					if _, ran := begun.Load(event); ran && pinfold.ReasonOf(u.err) == "InstanceGone" {
						t.Errorf("%s has begun, and another instance would run it", event)
					}
				}
			})
		}
		callers.Wait()
		<-ended
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// acts is a process that ends after so many frames of its own.
func (p *puppet) acts(frames int, begins func(event string)) {
	defer p.quit(sandbox.Exit{Code: 1})
	says := func(kind frameType, id uint32, payload string) bool {
		frames--
		_, err := p.to.Write(encode(kind, id, payload))
		return err == nil && frames > 0
	}
	for {
		f, err := p.from.next()
		if err != nil {
			return
		}
		if f.kind != frameInvoke {
			continue
		}
		begins(event(f))
		goesOn := says(frameLog, f.id, "log")
		switch {
		case !goesOn:
			return
		case rand.IntN(3) > 0:
			goesOn = says(frameResponse, f.id, "answer")
		case rand.IntN(20) == 0:
			says(frameFatal, f.id, `{"errorType":"E"}`)
			return
		default:
			goesOn = says(frameStream, f.id, "") && says(frameChunk, f.id, strings.Repeat("x", rand.IntN(large)+1)) && says(frameEnd, f.id, "")
		}
		if !goesOn {
			return
		}
	}
}
