// Package doc is the document that a manifest is: a tree of values in which
// every value knows the file, line and column that it came from, so that a
// mistake found late can still be shown where it was made. YAML (with
// CloudFormation's short tags) and JSON become the same tree.
//
// It stands below the readers (app/serverless, later SAM), which share it.
package doc

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"pinfold.dev/pinfold/app"
)

// Node is one value of a document. Nodes are not changed once they are made:
// whoever needs another value makes another Node.
type Node struct {
	At app.Position
	// Value is nil, bool, int64, float64, string, List or *Map.
	Value any
	// quote is how far the text of a scalar on one line begins after At, or -1
	// where a place in the text cannot be told from a place in the file.
	quote int
}

// List is the value of a sequence.
type List []*Node

// Map is the value of a mapping, in the order of the file.
type Map struct {
	Keys   []Key
	values map[string]*Node
}

// Key is a key of a [Map] and where it stands.
type Key struct {
	Name string
	At   app.Position
}

// New returns a value that stands at a place in a document.
func New(at app.Position, value any) *Node { return &Node{At: at, Value: value, quote: -1} }

// NewMap returns an empty map.
func NewMap() *Map { return &Map{values: map[string]*Node{}} }

// Get returns the value of a key, or nil if there is none.
func (m *Map) Get(name string) *Node {
	if m == nil {
		return nil
	}
	return m.values[name]
}

// Set gives a key a value. A key that is there keeps its place.
func (m *Map) Set(key Key, value *Node) {
	if _, ok := m.values[key.Name]; !ok {
		m.Keys = append(m.Keys, key)
	}
	m.values[key.Name] = value
}

// KeyAt returns where a key stands, or the zero Position if there is none.
func (m *Map) KeyAt(name string) app.Position {
	if m != nil {
		for _, k := range m.Keys {
			if k.Name == name {
				return k.At
			}
		}
	}
	return app.Position{}
}

// Map returns the node as a map, or nil if it is something else.
func (n *Node) Map() *Map {
	if n == nil {
		return nil
	}
	m, _ := n.Value.(*Map)
	return m
}

// List returns the node as a list, or nil if it is something else.
func (n *Node) List() List {
	if n == nil {
		return nil
	}
	l, _ := n.Value.(List)
	return l
}

// IsNull reports whether there is no value: a missing node or a null.
func (n *Node) IsNull() bool { return n == nil || n.Value == nil }

// Text returns a scalar as text, as JavaScript would print it: 1.0 is "1". It
// reports false for null, lists and maps.
func (n *Node) Text() (string, bool) {
	if n == nil {
		return "", false
	}
	switch v := n.Value.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		if math.Abs(v) < 1e21 && math.Abs(v) >= 1e-6 || v == 0 {
			return strconv.FormatFloat(v, 'f', -1, 64), true
		}
		return strconv.FormatFloat(v, 'g', -1, 64), true
	}
	return "", false
}

// What names the kind of the value for a message: "a list", "nothing".
func (n *Node) What() string {
	if n.IsNull() {
		return "nothing"
	}
	switch v := n.Value.(type) {
	case *Map:
		return "a map"
	case List:
		return "a list"
	case string:
		if len(v) > 60 {
			return "a text"
		}
		return strconv.Quote(v)
	}
	text, _ := n.Text()
	return text
}

// Offset returns the place of the byte at offset i of the text, where it can
// be told, or the place of the whole value.
func (n *Node) Offset(i int) app.Position {
	at := n.At
	if text, ok := n.Value.(string); ok && n.quote >= 0 && at.Column > 0 {
		at.Column += n.quote + utf8.RuneCountInString(text[:min(i, len(text))])
	}
	return at
}

// Problem returns an error at the node's place.
func (n *Node) Problem(message string) app.Problem {
	if n == nil {
		return app.Problem{Message: message}
	}
	return app.Problem{At: n.At, Message: message}
}

// Merge lays b over a: maps are merged key by key, anything else of b wins.
func Merge(a, b *Node) *Node {
	am, bm := a.Map(), b.Map()
	if am == nil || bm == nil {
		if b.IsNull() {
			return a
		}
		return b
	}
	merged := NewMap()
	for _, k := range am.Keys {
		merged.Set(k, am.Get(k.Name))
	}
	for _, k := range bm.Keys {
		value := bm.Get(k.Name)
		if old := merged.Get(k.Name); old != nil {
			value = Merge(old, value)
		}
		merged.Set(k, value)
	}
	return New(a.At, merged)
}

// MarshalJSON writes the value with the keys of maps in their order.
func (n *Node) MarshalJSON() ([]byte, error) {
	if n == nil {
		return []byte("null"), nil
	}
	switch v := n.Value.(type) {
	case *Map:
		var b strings.Builder
		b.WriteByte('{')
		for i, k := range v.Keys {
			if i > 0 {
				b.WriteByte(',')
			}
			name, _ := json.Marshal(k.Name)
			value, err := v.values[k.Name].MarshalJSON()
			if err != nil {
				return nil, err
			}
			b.Write(name)
			b.WriteByte(':')
			b.Write(value)
		}
		b.WriteByte('}')
		return []byte(b.String()), nil
	case List:
		return json.Marshal([]*Node(v))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return json.Marshal(strconv.FormatFloat(v, 'g', -1, 64))
		}
	}
	return json.Marshal(n.Value)
}
