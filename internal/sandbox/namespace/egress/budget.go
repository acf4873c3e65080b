package egress

import "sync/atomic"

// Budget bounds the sockets that all sandboxes of a platform cost it together: a
// thousand of each of a few sandboxes are all the descriptors that it has. A nil
// Budget has no bound.
type Budget struct{ left atomic.Int64 }

// NewBudget returns a budget of n sockets.
func NewBudget(n int) *Budget {
	b := &Budget{}
	b.left.Store(int64(n))
	return b
}

// Take takes one, or reports false if there is none left.
func (b *Budget) Take() bool {
	if b == nil {
		return true
	}
	if b.left.Add(-1) >= 0 {
		return true
	}
	b.left.Add(1)
	return false
}

// Give gives one back.
func (b *Budget) Give() {
	if b != nil {
		b.left.Add(1)
	}
}
