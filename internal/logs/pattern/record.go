package pattern

import "bytes"

// field is one of the fields of a message, without the quotes or brackets that
// hold it together.
type field struct {
	value []byte
	start int // in the message
}

// record is a space-delimited pattern: conditions on the fields before and after
// an ellipsis. Without one, the last field takes the rest of the message.
type record struct {
	before, after []node
	ellipsis      bool
}

// column is a condition on one field; compare is nil if it need only be there.
type column struct {
	index   int // from the first, or, if negative, from the last
	rest    bool
	compare *comparison
}

// record reads [name, name = value, ...].
func (p *parser) record() (node, error) {
	var r record
	p.pos++
	for {
		if p.take("...") {
			if r.ellipsis {
				return nil, p.fail("there may be one ellipsis only")
			}
			r.ellipsis = true
		} else {
			index := len(r.before)
			if r.ellipsis {
				index = len(r.after)
			}
			n, err := p.column(index)
			if err != nil {
				return nil, err
			}
			if r.ellipsis {
				r.after = append(r.after, n)
			} else {
				r.before = append(r.before, n)
			}
		}
		if p.take("]") {
			break
		}
		if !p.take(",") {
			return nil, p.fail("fields are followed by a comma or a closing bracket")
		}
	}
	if !r.ellipsis {
		visit(r.before[len(r.before)-1], func(c *column) { c.rest = true })
	}
	for _, n := range r.after { // they are counted from the end
		visit(n, func(c *column) { c.index -= len(r.after) })
	}
	return r, nil
}

// column reads what is said about one field, whose name is said again with each
// condition.
func (p *parser) column(index int) (node, error) {
	name := ""
	return p.expression(func() (node, error) {
		p.space()
		at := p.pos
		this := p.run(isName)
		if this == "" {
			return nil, p.fail("a field has a name, of letters, digits, - and _")
		}
		if name == "" {
			name = this
		}
		if this != name {
			return nil, p.failAt(at, "this is said of field %s: another field is set apart by a comma", name)
		}
		compare, err := p.comparison(",]&|)")
		return &column{index: index, compare: compare}, err
	})
}

// visit calls fn for the columns in a condition.
func visit(n node, fn func(*column)) {
	switch n := n.(type) {
	case all:
		for _, n := range n {
			visit(n, fn)
		}
	case some:
		for _, n := range n {
			visit(n, fn)
		}
	case *column:
		fn(n)
	}
}

func (r record) meets(m *message) bool {
	m.fields = split(m.text, m.fields[:0])
	return len(m.fields) >= len(r.before)+len(r.after) && all(r.before).meets(m) && all(r.after).meets(m)
}

func (r record) may(raw []byte) bool { return all(r.before).may(raw) && all(r.after).may(raw) }

func (c *column) meets(m *message) bool {
	if c.compare == nil {
		return true
	}
	i := c.index
	if i < 0 {
		i += len(m.fields)
	}
	f := m.fields[i]
	if c.rest && i < len(m.fields)-1 {
		return c.compare.meets(bytes.TrimRight(m.text[f.start:], " \t\r\n"))
	}
	return c.compare.meets(f.value)
}

func (c *column) may(raw []byte) bool {
	return c.compare == nil || bytes.Contains(raw, c.compare.needs())
}

// split appends the fields of a message: what stands between spaces, between
// double quotes, or between brackets.
func split(text []byte, fields []field) []field {
	for i := 0; i < len(text); {
		if isSpace(rune(text[i])) {
			i++
			continue
		}
		start, closing := i, byte(0)
		switch text[i] {
		case '"':
			closing = '"'
		case '[':
			closing = ']'
		}
		if closing != 0 {
			if end := bytes.IndexByte(text[i+1:], closing); end >= 0 {
				fields = append(fields, field{text[i+1 : i+1+end], start})
				i += end + 2
				continue
			}
		}
		for i < len(text) && !isSpace(rune(text[i])) {
			i++
		}
		fields = append(fields, field{text[start:i], start})
	}
	return fields
}
