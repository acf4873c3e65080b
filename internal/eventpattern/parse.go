package eventpattern

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// term is what is wanted of the values at one path.
type term struct {
	path   string // names, joined by dots
	tests  []test // of which one must be passed
	absent bool   // instead: there must be no value
}

// rule is a list of terms, all of which must hold.
type rule []*term

// expression is a term, or several joined by and or or.
type expression interface {
	// count returns how many rules expand returns, up to one more than maxRules. An
	// optional counts as often as is said.
	count(optionals int) int
	expand() []rule
}

type (
	allOf    []expression
	anyOf    []expression
	optional [2]*term // a value, or none: [value, {"exists": false}]
)

func (t *term) count(int) int  { return 1 }
func (t *term) expand() []rule { return []rule{{t}} }

func (o optional) count(optionals int) int { return optionals }
func (o optional) expand() []rule          { return []rule{{o[0]}, {o[1]}} }

func (a allOf) count(optionals int) int {
	n := 1
	for _, e := range a {
		n = min(n*e.count(optionals), maxRules+1)
	}
	return n
}

func (a allOf) expand() []rule {
	rules := []rule{nil}
	var common rule
	for _, e := range a {
		more := e.expand()
		if len(more) == 1 {
			common = append(common, more[0]...)
			continue
		}
		joined := make([]rule, 0, len(rules)*len(more))
		for _, r := range rules {
			for _, m := range more {
				joined = append(joined, slices.Concat(r, m))
			}
		}
		rules = joined
	}
	for i, r := range rules {
		rules[i] = slices.Concat(common, r)
	}
	return rules
}

func (a anyOf) count(optionals int) int {
	n := 0
	for _, e := range a {
		n = min(n+e.count(optionals), maxRules+1)
	}
	return n
}

func (a anyOf) expand() []rule {
	var rules []rule
	for _, e := range a {
		rules = append(rules, e.expand()...)
	}
	return rules
}

// parser reads the pattern in source.
type parser struct {
	source []byte
	dec    *jsontext.Decoder
}

// element is a value of a pattern, and where it stands.
type element struct {
	kind       jsontext.Kind
	text       string // of a string what it says, of a number how it is written
	names      []string
	items      []element // of an object or array
	start, end int64
}

// parse returns the rules of a pattern, of which one must hold.
func parse(source []byte) ([]rule, error) {
	if utf8.RuneCount(source) > MaxLength {
		return nil, fmt.Errorf("a pattern has at most %d characters", MaxLength)
	}
	p := &parser{source: source, dec: jsontext.NewDecoder(bytes.NewBuffer(source), jsontext.AllowDuplicateNames(true))}
	root, err := p.root()
	if err != nil {
		return nil, err
	}
	all, err := p.object(root, "", false)
	if err != nil {
		return nil, err
	}
	if all.count(1) > maxCombinations {
		return nil, p.fail(0, "Event pattern contains over 1000 rule combinations")
	}
	if all.count(2) > maxRules {
		return nil, p.fail(0, `Event pattern wants "exists": false or else a value in too many places`)
	}
	rules := all.expand()
	for _, r := range rules {
		slices.SortFunc(r, func(a, b *term) int { return strings.Compare(a.path, b.path) })
		for i := range r[1:] {
			if r[i].path == r[i+1].path {
				return nil, p.fail(0, "Path `"+r[i].path+"` cannot be allowed multiple times")
			}
		}
	}
	return rules, nil
}

// root reads the whole pattern.
func (p *parser) root() (element, error) {
	root, err := p.element()
	if err == io.EOF {
		return root, p.fail(0, "Filter is not an object")
	}
	if err == nil {
		switch _, err = p.dec.ReadToken(); {
		case err == nil:
			err = errors.New("something follows the pattern's last brace")
		case err == io.EOF && root.kind != '{':
			return root, p.wrong(root, "Filter is not an object")
		case err == io.EOF:
			return root, nil
		}
	}
	return root, p.fail(p.dec.InputOffset(), strings.TrimPrefix(err.Error(), "jsontext: "))
}

// element reads the next value.
func (p *parser) element() (element, error) {
	if p.dec.StackDepth() > maxDepth {
		return element{}, fmt.Errorf("it is nested more than %d deep", maxDepth)
	}
	t, err := p.dec.ReadToken()
	if err != nil {
		return element{}, err
	}
	e := element{kind: t.Kind(), text: t.String(), end: p.dec.InputOffset()}
	e.start = e.end - 1
	switch e.kind {
	case '{', '[':
		closing := e.kind + 2 // in ASCII
		for p.dec.PeekKind() != closing {
			if e.kind == '{' {
				name, err := p.dec.ReadToken()
				if err != nil {
					return e, err
				}
				e.names = append(e.names, name.String())
			}
			item, err := p.element()
			if err != nil {
				return e, err
			}
			e.items = append(e.items, item)
		}
		_, err = p.dec.ReadToken()
		e.end = p.dec.InputOffset()
	case '"':
		e.start = e.end - int64(len(t.String())) - 2 // if nothing in it is escaped
	}
	return e, err
}

func (p *parser) fail(offset int64, reason string) error {
	return failure{reason, p.source, offset}
}

// wrong fails for an element of the wrong kind. Where AWS's reader has come to
// then depends on that kind.
func (p *parser) wrong(e element, reason string) error {
	switch e.kind {
	case '{', '[', '"':
		return p.fail(e.start+1, reason)
	}
	return p.fail(e.end, reason)
}

// object reads what is wanted of an object whose own path is prefix, ending in a
// dot.
func (p *parser) object(e element, prefix string, inOr bool) (allOf, error) {
	if len(e.names) == 0 {
		return nil, p.fail(e.end, "Empty objects are not allowed")
	}
	var all allOf
	for i, name := range e.names {
		item := e.items[i]
		var wanted expression
		var err error
		switch {
		case name == "$or":
			wanted, err = p.or(item, prefix)
		case inOr && reserved(name):
			err = p.wrong(item, name+" is Ruler reserved fieldName which cannot be used inside $or.")
		case item.kind == '{':
			wanted, err = p.object(item, prefix+name+".", inOr)
		case item.kind == '[':
			wanted, err = p.values(item, prefix+name)
		default:
			err = p.wrong(item, `"`+name+`" must be an object or an array`)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, wanted)
	}
	return all, nil
}

func (p *parser) or(e element, prefix string) (expression, error) {
	if e.kind != '[' {
		return nil, p.wrong(e, "It must be an Array followed with $or.")
	}
	var alternatives anyOf
	for _, item := range e.items {
		if item.kind != '{' {
			return nil, p.wrong(item, "Only JSON object is allowed in array of $or relationship.")
		}
		all, err := p.object(item, prefix, true)
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, all)
	}
	if len(alternatives) < 2 {
		return nil, p.fail(e.end, "There must have at least 2 Objects in $or relationship.")
	}
	return alternatives, nil
}

// reserved reports whether a name may not be a field's name inside of $or, where
// it is more likely that an operator is misplaced. Source: event-ruler.
func reserved(name string) bool {
	switch name {
	case "exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr",
		"html", "=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case",
		"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range",
		"ip-address-in-range", "ip-address-not-in-range":
		return true
	}
	return false
}

// values reads a list of values and operators.
func (p *parser) values(e element, path string) (expression, error) {
	if len(e.items) == 0 {
		return nil, p.fail(e.end, "Empty arrays are not allowed")
	}
	t, none := &term{path: path}, false
	for _, item := range e.items {
		switch item.kind {
		case '[':
			return nil, p.wrong(item, "Match value must be String, number, true, false, or null")
		case '{':
			if isAbsence(item) {
				none = true
				continue
			}
			passes, err := p.operator(item)
			if err != nil {
				return nil, err
			}
			t.tests = append(t.tests, passes)
		default:
			t.tests = append(t.tests, equals(item))
		}
	}
	absence := &term{path: path, absent: true}
	switch {
	case !none:
		return t, nil
	case len(t.tests) == 0:
		return absence, nil
	}
	return optional{t, absence}, nil
}

func isAbsence(e element) bool {
	return len(e.names) == 1 && e.names[0] == "exists" && e.items[0].kind == 'f'
}
