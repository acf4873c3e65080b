package eventpattern

import (
	"bytes"
	"strings"
)

// machineRules is how many rules a machine has: each is a bit.
const machineRules = 64

// machine has rules as a tree of names, so that one pass over an event tells which
// of them it meets.
type machine struct {
	rules   uint64
	nodes   []*node // each before those below it
	payload *node   // a text that may be a document of its own, or nil
	source  source
}

// node is a path that rules want something of, or the beginning of one. Sets of
// rules are bits.
type node struct {
	parent   *node
	children map[string]*node
	index    int // in machine.nodes
	end      int // index after the last node below

	rules    uint64 // have a term here
	wanted   uint64 // want a value here
	terms    []sharedTerm
	absences []absence
}

// sharedTerm is a term of some rules: those that $or makes have most in common.
type sharedTerm struct {
	*term
	rules uint64
}

// absence says that rules want no value at a node. Terms before it may have settled
// for one element of arrays at the node with index scope and above. Of those it is
// about that element, of arrays below about all of their elements.
type absence struct {
	scope int
	rules uint64
}

func newMachine(rules []rule, from source) *machine {
	m := &machine{source: from}
	root := &node{}
	for i, r := range rules {
		m.rules |= 1 << i
		for _, t := range r {
			root.descend(t.path, true).add(t, 1<<i)
		}
	}
	m.number(root)
	for i, r := range rules {
		var settled []*node
		for _, t := range r { // in alphabetical order
			n := root.descend(t.path, false)
			if !t.absent {
				settled = append(settled, n)
				continue
			}
			a := absence{rules: 1 << i}
			for _, s := range settled {
				above := s.parent
				for n.index < above.index || n.index >= above.end {
					above = above.parent
				}
				a.scope = max(a.scope, above.index)
			}
			n.absences = append(n.absences, a)
		}
	}
	if from.payload != "" {
		m.payload = root.descend(from.payload, false)
	}
	return m
}

// descend returns the node at a path below n. If there is none it makes one, or
// returns nil.
func (n *node) descend(path string, grow bool) *node {
	for name := range strings.SplitSeq(path, ".") {
		next := n.children[name]
		if next == nil {
			if !grow {
				return nil
			}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			next = &node{parent: n}
			n.children[name] = next
		}
		n = next
	}
	return n
}

// child is descend for a name in an event.
func (n *node) child(name []byte) *node {
	for {
		first, rest, more := bytes.Cut(name, []byte("."))
		if n = n.children[string(first)]; n == nil || !more {
			return n
		}
		name = rest
	}
}

func (n *node) add(t *term, rule uint64) {
	n.rules |= rule
	if t.absent {
		return
	}
	n.wanted |= rule
	for i := range n.terms {
		if n.terms[i].term == t {
			n.terms[i].rules |= rule
			return
		}
	}
	n.terms = append(n.terms, sharedTerm{t, rule})
}

func (m *machine) number(n *node) {
	n.index = len(m.nodes)
	m.nodes = append(m.nodes, n)
	for _, child := range n.children {
		m.number(child)
	}
	n.end = len(m.nodes)
}

// rulesBelow returns the rules that have terms below a node.
func (m *machine) rulesBelow(n *node) uint64 {
	var rules uint64
	for _, below := range m.nodes[n.index+1 : n.end] {
		rules |= below.rules
	}
	return rules
}
