package queue

import (
	"context"
	"slices"
	"time"
)

// maxLook is how many messages a probe looks at to find fresh ones. Those of a long
// backlog that come back are all before what was sent later (maxReceivable of
// internal/backlog), so it is many.
const maxLook = 10_000

// picking is what a probe of a function that fails has found.
type picking struct {
	fresh *batch // of messages that were received for the first time
	tried *batch // of others, should there be none of those
	// groups are the message groups of tried: who takes a later message of one may not
	// give an earlier one back.
	groups map[string]bool
}

// add returns how many fresh messages there were.
func (k *picking) add(messages []Message) (n int) {
	for i := range messages {
		m := &messages[i]
		group := m.System["MessageGroupId"]
		if isFresh(m) && (group == "" || !k.groups[group]) {
			k.fresh.put(m)
			n++
			continue
		}
		k.groups[group] = true
		k.tried.put(m)
	}
	return n
}

// choose returns the batch to be delivered, or nil, and the handles of what is to be
// given back.
func (k *picking) choose(only bool) (b *batch, back []string) {
	b, other := k.fresh, k.tried
	if len(b.ids) == 0 {
		b, other = other, b
	}
	back = slices.Concat(other.handles, other.surplus, b.surplus)
	if len(b.ids) == 0 || only && b == k.tried {
		return nil, append(back, b.handles...)
	}
	b.surplus = nil
	return b, back
}

// pick is gather for a probe of a function that fails: it looks for fresh messages,
// behind others that have failed before, and takes no more time than that.
func (g *group) pick(ctx context.Context, p *plan, what probe) (*batch, error) {
	k := picking{newBatch(p, what), newBatch(p, what), map[string]bool{}}
	var wait time.Duration
	if !what.only {
		wait = idleWait
	}
	ask := g.ask(k.fresh)
	var err error
	for seen := 0; err == nil && ctx.Err() == nil && !k.fresh.full && seen < maxLook; wait = 0 {
		var messages []Message
		messages, err = g.s.o.Queues.Receive(ctx, p.Source, ask, wait, p.window)
		fresh := k.add(messages)
		for _, b := range []*batch{k.fresh, k.tried} {
			b.full = b.full || !g.s.hold(b) && len(b.ids) > 0
			g.drop(b)
		}
		if seen += len(messages); len(messages) == 0 {
			break
		}
		if ask = firstAsk; fresh > 0 {
			ask = g.ask(k.fresh)
		}
	}
	// All at once, at last: what was given back in between would only come again.
	b, back := k.choose(what.only)
	if b != nil && (err != nil || ctx.Err() != nil) {
		b, back = nil, append(back, b.handles...)
	}
	g.giveBack(p, back)
	for _, other := range []*batch{k.fresh, k.tried} {
		if other != b {
			g.s.release(other)
		}
	}
	if ctx.Err() != nil {
		err = nil // nobody wants more
	}
	return b, err
}
