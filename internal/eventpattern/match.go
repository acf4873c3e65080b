package eventpattern

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// cell is what is known about a node in a frame, in sets of rules.
type cell struct {
	here    uint64 // satisfied by a value at the node
	under   uint64 // satisfied by objects in what concerns the nodes below
	below   uint64 // the same, by an element of an array at the node
	whole   uint64 // by one element: here and below
	present uint64 // for which the node has a value, if they want none there
}

// frame is a part of an event in which everything may be used together: the whole
// event, or one element of an array. It is about a node and those below.
type frame struct {
	base  *node
	cells int // where its cells begin in reader.cells
}

// reader compares events with machines, again and again.
type reader struct {
	dec   *jsontext.Decoder
	event document
	inner document // in a payload

	m       *machine
	frame   frame
	cells   []cell // of this frame, after those around it
	dropped uint64 // rules that a payload cannot meet
	scratch []byte
}

// document is a text and its decoder.
type document struct {
	buffer  bytes.Buffer
	decoder jsontext.Decoder
	text    []byte // of a payload
}

// maxKept bounds the memory, in cells or bytes, that a reader keeps for next time.
const maxKept = 64 << 10

func newReader() any { return new(reader) }

func (d *document) reset(text []byte) *jsontext.Decoder {
	d.buffer = *bytes.NewBuffer(text)
	d.decoder.Reset(&d.buffer, jsontext.AllowDuplicateNames(true))
	return &d.decoder
}

// match reports whether an event meets a rule of a machine.
func (r *reader) match(m *machine, event []byte) (bool, error) {
	defer r.release()
	r.m, r.dropped = m, 0
	r.dec = r.event.reset(event)
	switch r.dec.PeekKind() {
	case '{', 0: // 0: what is wrong will show
	default:
		return false, errors.New("it is not a JSON object")
	}
	r.push(m.nodes[0])
	if err := r.value(m.nodes[0]); err == io.EOF {
		return false, errors.New("it is empty")
	} else if err != nil {
		return false, err
	}
	if _, err := r.dec.ReadToken(); err != io.EOF {
		return false, errors.New("something follows its last brace")
	}
	_, whole := r.pop(frame{})
	return whole&m.rules&^r.dropped != 0, nil
}

// release lets go of what is not the reader's, or too large to keep.
func (r *reader) release() {
	r.event.buffer, r.inner.buffer = bytes.Buffer{}, bytes.Buffer{}
	r.cells = r.cells[:0]
	if cap(r.cells) > maxKept {
		r.cells = nil
	}
	if cap(r.inner.text) > maxKept {
		r.inner.text = nil
	}
	if cap(r.scratch) > maxKept {
		r.scratch = nil
	}
}

// push begins a frame within this one.
func (r *reader) push(base *node) {
	r.frame = frame{base, len(r.cells)}
	for range base.end - base.index {
		r.cells = append(r.cells, cell{under: ^uint64(0)})
	}
}

// cell is only good until the next push.
func (r *reader) cell(f frame, n *node) *cell {
	return &r.cells[f.cells+n.index-f.base.index]
}

// pop ends this frame and goes back to the one around it. It returns the rules
// that it satisfies in what concerns the nodes below its base, and those that it
// satisfies at its base too.
func (r *reader) pop(around frame) (below, whole uint64) {
	f := r.frame
	var failed uint64
	for i := f.base.end - 1; i >= f.base.index; i-- {
		n := r.m.nodes[i]
		c := r.cell(f, n)
		for _, a := range n.absences {
			if f.base.index <= a.scope { // always so at the root
				failed |= c.present & a.rules
			} else {
				r.cell(around, n).present |= c.present & a.rules
			}
		}
		below = c.under | c.below
		whole = (c.here|^n.wanted)&below | c.whole
		if n != f.base {
			r.cell(f, n.parent).under &= whole
		}
	}
	r.frame, r.cells = around, r.cells[:f.cells]
	return below &^ failed, whole &^ failed
}

// value reads the next value, which is at a node.
func (r *reader) value(n *node) error {
	switch kind := r.dec.PeekKind(); kind {
	case '{', '[':
		if r.dec.StackDepth() >= maxDepth {
			return fmt.Errorf("it is nested more than %d deep", maxDepth)
		}
		if kind == '[' {
			return r.array(n)
		}
		return r.object(n)
	case '"':
		v, err := r.dec.ReadValue()
		if err != nil {
			return err
		}
		if n == r.m.payload && r.dec == &r.event.decoder {
			return r.payload(n, r.unquote(v))
		}
		r.compare(n, kind, r.unquote(v))
		return nil
	default:
		v, err := r.dec.ReadValue()
		if err == nil {
			r.compare(n, kind, v)
		}
		return err
	}
}

func (r *reader) object(n *node) error {
	if n.children == nil {
		return r.dec.SkipValue()
	}
	_, err := r.dec.ReadToken()
	for err == nil && r.dec.PeekKind() != '}' {
		var name jsontext.Value
		if name, err = r.dec.ReadValue(); err != nil {
			return err
		}
		if child := n.child(r.unquote(name)); child != nil {
			err = r.value(child)
		} else {
			err = r.dec.SkipValue()
		}
	}
	if err == nil {
		_, err = r.dec.ReadToken()
	}
	return err
}

func (r *reader) array(n *node) error {
	_, err := r.dec.ReadToken()
	for err == nil {
		kind := r.dec.PeekKind()
		if kind == ']' {
			_, err = r.dec.ReadToken()
			return err
		}
		if kind != '{' && kind != '[' {
			err = r.value(n)
			continue
		}
		around := r.frame
		r.push(n)
		if err = r.value(n); err != nil {
			return err
		}
		below, whole := r.pop(around)
		c := r.cell(around, n)
		c.below |= below
		c.whole |= whole
	}
	return err
}

// unquote returns what a string means.
func (r *reader) unquote(v jsontext.Value) []byte {
	if bytes.IndexByte(v, '\\') < 0 {
		return v[1 : len(v)-1]
	}
	r.scratch, _ = jsontext.AppendUnquote(r.scratch[:0], v) // the decoder has found it well formed
	return r.scratch
}

// compare tells the terms at a node of a value there.
func (r *reader) compare(n *node, kind jsontext.Kind, text []byte) {
	if n.rules == 0 {
		return
	}
	v := value{kind: kind, text: string(text)}
	if kind == '0' {
		v.number = parseNumber(v.text)
	}
	c := r.cell(r.frame, n)
	c.present = ^uint64(0)
	for _, t := range n.terms {
		if t.rules&^c.here != 0 && passesOne(t.tests, v) {
			c.here |= t.rules
		}
	}
}

// payload reads a text that may be a document. Rules want either a document or a
// text, and where they want something of the other kind they are not met.
func (r *reader) payload(n *node, text []byte) error {
	in := &r.inner
	in.text = append(in.text[:0], text...)
	if r.m.source.base64 {
		if decoded, err := base64.StdEncoding.AppendDecode(nil, in.text); err == nil && utf8.Valid(decoded) {
			in.text = decoded
		}
	}
	if !isDocument(in.text) {
		r.dropped |= r.m.rulesBelow(n)
		r.compare(n, '"', in.text)
		return nil
	}
	r.dropped |= n.rules
	r.dec = in.reset(in.text)
	err := r.value(n)
	r.dec = &r.event.decoder
	return err
}

// isDocument reports whether a text is a JSON object or array. A number, such as
// 123, is more likely to be meant as text.
func isDocument(text []byte) bool {
	start := bytes.TrimLeft(text, " \t\r\n")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[') &&
		jsontext.Value(text).IsValid(jsontext.AllowDuplicateNames(true))
}
