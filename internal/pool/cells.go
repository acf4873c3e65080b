package pool

import (
	"context"
	"slices"
	"time"

	"pinfold.dev/pinfold"
)

// cell is a runtime that boots, or has booted, ahead. Its fields are guarded by
// Pool.mu, but cell, which is set before up is closed.
type cell struct {
	kind    *kind
	cell    Cell // nil if it did not come up
	state   State
	claimed bool // an instance waits for it to come up
	taken   bool // it is an instance's; set before quit is closed
	began   time.Duration
	sizeMB  int           // of the budget that it takes
	up      chan struct{} // closed when it has booted, or failed to
	quit    chan struct{} // closed when it is taken or retired
}

// bootCell boots a cell of k. One goroutine leads it until it is taken or Gone.
func (p *Pool) bootCell(k *kind) {
	c := &cell{kind: k, state: Booting, began: p.now(), up: make(chan struct{}), quit: make(chan struct{})}
	k.booting = append(k.booting, c)
	p.booting++
	p.chargeCell(c, p.sizeOf(k))
	ctx := context.WithValue(p.life, purpose{}, forStock)
	p.wg.Go(func() {
		made, err := p.launcher.Boot(ctx, k.name)
		mb := 0
		if err == nil {
			mb = made.MemoryMB()
		}
		if !p.cellUp(c, made, mb, err) {
			return
		}
		select {
		case <-made.Done():
			p.cellDied(c)
		case <-c.quit:
		}
		if !c.taken {
			p.closeCell(c)
		}
	})
}

// cellUp takes in what a boot gave. It reports whether there is a cell that its
// goroutine has to look after.
func (p *Pool) cellUp(c *cell, made Cell, mb int, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.keeper.ring()
	defer close(c.up)
	k := c.kind
	p.booting--
	k.leave(c)
	if err != nil {
		p.moveCell(c, failed)
		k.setBack(p.now())
		if !p.closing {
			p.log().Warn("booting a runtime ahead", "kind", k.name, "error", err)
		}
		return false
	}
	c.cell = made
	k.failures = 0
	if k.sizeMB = mb; !c.claimed && c.state == Booting && mb > 0 {
		p.chargeCell(c, mb)
	}
	p.moveCell(c, booted)
	switch {
	case c.claimed:
		p.moveCell(c, assigned)
		return false
	case c.state == Waiting:
		k.waiting = append(k.waiting, c)
	}
	return true
}

// cellDied retires a cell whose process has ended while nobody wanted it.
func (p *Pool) cellDied(c *cell) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.state != Waiting {
		return
	}
	p.log().Info("a runtime that was booted ahead ended by itself", "kind", c.kind.name)
	c.kind.setBack(p.now())
	p.retireCell(c)
}

// retireCell takes a cell out of use; its goroutine does the rest.
func (p *Pool) retireCell(c *cell) {
	c.kind.leave(c)
	p.moveCell(c, retired)
	close(c.quit)
}

// closeCell ends a cell, and what is made of it.
func (p *Pool) closeCell(c *cell) {
	if err := c.cell.Close(); err != nil {
		p.log().Warn("closing a runtime that was booted ahead", "kind", c.kind.name, "error", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.state == Starting { // it was to become an instance
		p.moveCell(c, failed)
	} else {
		p.moveCell(c, closed)
	}
	p.schedule()
}

func (p *Pool) moveCell(c *cell, e event) {
	from := c.state
	c.state = from.next(e)
	switch {
	case c.state == Draining && from != Draining:
		p.drainingMB += c.sizeMB
	case c.state == Gone:
		if from == Draining {
			p.drainingMB -= c.sizeMB
		}
		p.chargeCell(c, 0)
		p.keeper.ring()
	}
}

func (p *Pool) chargeCell(c *cell, mb int) {
	p.usedMB += mb - c.sizeMB
	p.cellsMB += mb - c.sizeMB
	c.sizeMB = mb
}

// takeCell finds a cell for an instance, one that still boots if there is no
// other, and counts that one was wanted, unless nobody waits for the instance.
// Which takes its memory over.
func (p *Pool) takeCell(in *instance) *cell {
	k := p.kindOf(in.set.kind)
	if k == nil {
		return nil
	}
	if !in.provisioned {
		k.note(p.now())
	}
	p.keeper.ring()
	c := p.cellFor(k)
	if c == nil {
		return nil
	}
	p.chargeCell(c, 0)
	k.leave(c)
	if c.state == Booting {
		c.claimed = true
		return c
	}
	p.moveCell(c, assigned)
	c.taken = true
	close(c.quit)
	return c
}

// cellFor returns the cell that would be taken next, or nil.
func (p *Pool) cellFor(k *kind) *cell {
	if n := len(k.waiting); n > 0 {
		return k.waiting[n-1]
	}
	if len(k.booting) > 0 {
		return k.booting[0]
	}
	return nil
}

// nextCell is for an instance whose cell turned out to be dead.
func (p *Pool) nextCell(in *instance) *cell {
	p.mu.Lock()
	defer p.mu.Unlock()
	in.cell = p.takeCell(in)
	return in.cell
}

// assign makes an instance of a cell that is up, if it came up. Without a worker,
// dead says whether that was the cell's fault.
func (p *Pool) assign(ctx context.Context, c *cell, v *pinfold.Version) (worker Worker, dead bool) {
	if c.cell == nil {
		return nil, true
	}
	worker, err := c.cell.Assign(ctx, v)
	if err == nil {
		return worker, false
	}
	if dead = pinfold.ReasonOf(err) == InstanceGone; !dead {
		p.log().Warn("making an instance of a runtime that was booted ahead", "function", v.Ref.ARN(), "error", err)
	}
	p.closeCell(c)
	return nil, dead
}

// leave takes a cell out of its kind's lists.
func (k *kind) leave(c *cell) {
	same := func(other *cell) bool { return other == c }
	k.waiting = slices.DeleteFunc(k.waiting, same)
	k.booting = slices.DeleteFunc(k.booting, same)
}
