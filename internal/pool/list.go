package pool

import "iter"

// node is a value's place in a list. A value that can be in a list has its node
// within it, so that joining and leaving cost no allocation and no search.
type node[T any] struct {
	value      T
	prev, next *node[T]
	in         *list[T]
}

// list is in the order of joining.
type list[T any] struct {
	first, last *node[T]
	len         int
}

func (l *list[T]) push(n *node[T]) {
	n.in, n.prev, n.next = l, l.last, nil
	if l.last == nil {
		l.first = n
	} else {
		l.last.next = n
	}
	l.last = n
	l.len++
}

// leave takes n out of the list that it is in, if it is in one.
func (n *node[T]) leave() {
	l := n.in
	if l == nil {
		return
	}
	if n.prev == nil {
		l.first = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.last = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.in, n.prev, n.next = nil, nil, nil
	l.len--
}

// all yields the values, each of which may leave meanwhile.
func (l *list[T]) all() iter.Seq[T] {
	return func(yield func(T) bool) {
		for n := l.first; n != nil; {
			next := n.next
			if !yield(n.value) {
				return
			}
			n = next
		}
	}
}
