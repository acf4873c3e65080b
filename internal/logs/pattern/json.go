package pattern

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// document is a condition on a message that is JSON.
type document struct {
	node
	readers *sync.Pool // of *reader
}

// reader reads JSON, again and again.
type reader struct {
	text bytes.Buffer
	dec  jsontext.Decoder
}

func newReader() any { return new(reader) }

// reset has it read a message from its beginning.
func (r *reader) reset(text []byte) {
	r.text = *bytes.NewBuffer(text)
	// Programs write such JSON too. Of properties with the same name each is looked
	// at.
	r.dec.Reset(&r.text, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// document reads { condition }.
func (p *parser) document() (node, error) {
	p.pos++
	n, err := p.expression(p.property)
	if err == nil && !p.take("}") {
		err = p.fail("here must be &&, || or a closing brace")
	}
	return document{n, &sync.Pool{New: newReader}}, err
}

func (d document) meets(m *message) bool {
	m.json = d.readers.Get().(*reader)
	defer func() {
		m.json.text = bytes.Buffer{} // the message is not ours to keep
		d.readers.Put(m.json)
	}()
	if !d.node.meets(m) {
		return false
	}
	m.json.reset(m.text)
	if m.json.dec.SkipValue() != nil {
		return false
	}
	_, err := m.json.dec.ReadToken()
	return err == io.EOF // else it is JSON, and something else
}

// may looks for names and values as they are usually written: JSON may have any
// character as \u and four digits.
func (d document) may(raw []byte) bool { return d.node.may(raw) || bytes.Contains(raw, []byte(`\u`)) }

// step is one step down from a value: to a property, an element, or all there
// are.
type step struct {
	name     string
	index    int // of an element; -1: of a property
	wildcard bool
}

// property is a condition on the values that a selector finds. It is met if one
// of them meets it.
type property struct {
	path    []step
	compare *comparison // nil: is holds
	is      string      // NULL, TRUE, FALSE, or "" for NOT EXISTS
	needs   [][]byte    // what every message has that meets it
}

func (p *parser) property() (node, error) {
	path, err := p.selector()
	if err != nil {
		return nil, err
	}
	c := &property{path: path}
	if c.compare, err = p.comparison("&|)}"); err != nil {
		return nil, err
	}
	if c.compare == nil {
		if c.is, err = p.state(); err != nil || c.is == "" {
			return c, err
		}
		c.needs = append(c.needs, []byte(strings.ToLower(c.is)))
	} else {
		c.needs = append(c.needs, plainest(c.compare.needs()))
	}
	for _, s := range path {
		c.needs = append(c.needs, plainest([]byte(s.name)))
	}
	return c, nil
}

// state reads IS NULL, IS TRUE, IS FALSE or, as "", NOT EXISTS.
func (p *parser) state() (string, error) {
	p.space()
	at := p.pos
	word := func() string { p.space(); return strings.ToUpper(p.run(isWord)) }
	switch word() {
	case "IS":
		if is := word(); is == "NULL" || is == "TRUE" || is == "FALSE" {
			return is, nil
		}
		return "", p.failAt(at, "IS is followed by NULL, TRUE or FALSE")
	case "NOT":
		if word() == "EXISTS" {
			return "", nil
		}
	}
	return "", p.failAt(at, "a selector is followed by one of = != > < >= <=, IS or NOT EXISTS")
}

// selector reads $.name[0].*['name'] and the like.
func (p *parser) selector() ([]step, error) {
	if !p.take("$") {
		return nil, p.fail("a condition begins with a selector, such as $.name")
	}
	start := p.pos
	var path []step
	wildcards := 0
	for {
		var s step
		var err error
		switch p.peek() {
		case '.':
			p.pos++
			switch p.peek() {
			case '[': // $.['name']
				continue
			case '*':
				p.pos++
				s = step{wildcard: true}
			default:
				s = step{name: p.run(isName), index: -1}
				if s.name == "" {
					return nil, p.fail("a property's name is missing; one with other characters than letters, digits, - and _ is written ['name']")
				}
			}
		case '[':
			if s, err = p.element(); err != nil {
				return nil, err
			}
		default:
			if len(path) == 0 {
				return nil, p.failAt(start, "a selector goes on after $ with . or [")
			}
			return path, nil
		}
		if s.wildcard {
			wildcards++
			p.wildcards++
		}
		if wildcards > maxSelectorWildcards || p.wildcards > maxWildcards {
			return nil, p.fail("there may be %d wildcard in a selector, and %d in all", maxSelectorWildcards, maxWildcards)
		}
		path = append(path, s)
	}
}

// element reads what stands in brackets: [0], [*], ['name'] or ["name"].
func (p *parser) element() (step, error) {
	start := p.pos
	p.pos++
	var s step
	switch quote := p.peek(); quote {
	case '*':
		p.pos++
		s.wildcard = true
	case '\'', '"':
		name, _, ok := strings.Cut(p.source[p.pos+1:], string(quote))
		if !ok {
			return s, p.fail("this quote is never closed")
		}
		p.pos += len(name) + 2
		s = step{name: name, index: -1}
	default:
		digits := p.run(func(r rune) bool { return r >= '0' && r <= '9' })
		var err error
		if s.index, err = strconv.Atoi(digits); err != nil {
			return s, p.failAt(start, "brackets hold a number, * or a name in quotes")
		}
	}
	if p.peek() != ']' {
		return s, p.failAt(start, "this bracket is never closed")
	}
	p.pos++
	return s, nil
}

// plainest returns the longest part of a text that is in JSON as it is, or as \u.
func plainest(text []byte) []byte {
	var longest []byte
	for _, run := range bytes.FieldsFunc(text, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == '/' || r == '\ufffd' }) {
		if len(run) > len(longest) {
			longest = run
		}
	}
	return longest
}

func (c *property) may(raw []byte) bool {
	for _, text := range c.needs {
		if !bytes.Contains(raw, text) {
			return false
		}
	}
	return true
}

func (c *property) meets(m *message) bool {
	accept := c.accepts
	if c.compare == nil && c.is == "" {
		accept = func(jsontext.Value) bool { return true }
	}
	m.json.reset(m.text)
	return found(&m.json.dec, c.path, accept) != (c.compare == nil && c.is == "")
}

// accepts reports whether a value is as it should be. Of an object or an array
// nothing can be said.
func (c *property) accepts(v jsontext.Value) bool {
	switch v.Kind() {
	case 'n', 't', 'f':
		return strings.EqualFold(c.is, string(v))
	case '0':
		return c.compare != nil && c.compare.meets(v)
	case '"':
		return c.compare != nil && !c.compare.ordering() && c.compare.meets(unquote(v))
	}
	return false
}

// unquote returns what a string means.
func unquote(v jsontext.Value) []byte {
	if plain := v[1 : len(v)-1]; bytes.IndexByte(plain, '\\') < 0 && utf8.Valid(plain) {
		return plain
	}
	text, _ := jsontext.AppendUnquote(nil, v) // what is broken is replaced
	return text
}

// found reports whether one of the values at a path below the next value is
// accepted. What is not JSON has none.
func found(dec *jsontext.Decoder, path []step, accept func(jsontext.Value) bool) bool {
	if len(path) == 0 {
		v, err := dec.ReadValue()
		return err == nil && accept(v)
	}
	s, rest := path[0], path[1:]
	switch kind := dec.PeekKind(); kind {
	case '{', '[':
		_, _ = dec.ReadToken()
		for i := 0; ; i++ {
			if next := dec.PeekKind(); next == '}' || next == ']' || next == 0 {
				_, _ = dec.ReadToken()
				return false
			}
			wanted := s.wildcard || kind == '[' && s.index == i
			if kind == '{' {
				name, err := dec.ReadValue()
				if err != nil {
					return false
				}
				wanted = wanted || s.index < 0 && string(unquote(name)) == s.name
			}
			if wanted && found(dec, rest, accept) {
				return true
			}
			if !wanted && dec.SkipValue() != nil {
				return false
			}
		}
	default:
		_ = dec.SkipValue()
		return false
	}
}
