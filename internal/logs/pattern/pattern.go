// Package pattern is the language in which CloudWatch Logs says which log events
// are wanted: terms, the fields of a line that are separated by spaces, and the
// properties of JSON. It knows no log: internal/logs asks it about messages, and,
// before it takes them apart, about whole blocks of them.
//
// Source: "Filter pattern syntax for metric filters, subscription filters, filter
// log events, and Live Tail", CloudWatch Logs user guide. Where that is silent:
// a term is found inside of words, as AWS's own example of ERRORCODE has it; the
// last field of a space-delimited pattern takes the rest of the line; a property
// that is not there meets no comparison, != among them.
package pattern

import (
	"bytes"
	"fmt"
	"strings"

	"pinfold.dev/pinfold"
)

// Bounds on a pattern. Source: filterPattern in the CloudWatch Logs API
// reference, and the quotas in the user guide.
const (
	MaxLength = 1024 // characters

	maxRegexes           = 2
	maxSteps             = 1200 // of a regular expression; ours: without repetitions none has as many
	maxWildcards         = 3    // in all selectors together
	maxSelectorWildcards = 1
)

// Pattern is a filter pattern. It may be used concurrently.
type Pattern struct {
	source string
	root   node
}

// node is a condition on a message.
type node interface {
	// meets reports whether a message meets it.
	meets(m *message) bool
	// may reports false only if nothing in raw meets it: raw is one message, or
	// many with anything between them.
	may(raw []byte) bool
}

// message is a log event, taken apart when somebody wants to know.
type message struct {
	text   []byte
	fields []field // space-delimited
	json   *reader
}

// Parse reads a pattern; "" matches everything. Its errors have code Invalid and
// reason InvalidParameterException, and say what is wrong and where.
func Parse(source string) (*Pattern, error) {
	p := &parser{source: source}
	if n := len([]rune(source)); n > MaxLength {
		return nil, p.failAt(0, "it has %d characters, and may have %d", n, MaxLength)
	}
	var root node
	var err error
	p.space()
	switch p.peek() {
	case '{':
		root, err = p.document()
	case '[':
		root, err = p.record()
	default:
		root, err = p.terms()
	}
	if err != nil {
		return nil, err
	}
	if p.space(); !p.ended() {
		return nil, p.fail("nothing may follow here")
	}
	return &Pattern{source, root}, nil
}

// String returns what was parsed.
func (p *Pattern) String() string { return p.source }

// Match reports whether a message is wanted.
func (p *Pattern) Match(text []byte) bool {
	return p.root.may(text) && p.root.meets(&message{text: text})
}

// May reports false if none of the messages that raw holds is wanted. It is much
// faster than Match, and does not care how messages are set apart.
func (p *Pattern) May(raw []byte) bool { return p.root.may(raw) }

// all and some combine conditions.
type (
	all  []node
	some []node
)

func (a all) meets(m *message) bool {
	for _, n := range a {
		if !n.meets(m) {
			return false
		}
	}
	return true
}

func (a all) may(raw []byte) bool {
	for _, n := range a {
		if !n.may(raw) {
			return false
		}
	}
	return true
}

func (s some) meets(m *message) bool {
	for _, n := range s {
		if n.meets(m) {
			return true
		}
	}
	return false
}

func (s some) may(raw []byte) bool {
	for _, n := range s {
		if n.may(raw) {
			return true
		}
	}
	return false
}

// contains wants a term anywhere in a message, or nowhere.
type contains struct {
	term    *operand
	exclude bool
}

func (c contains) meets(m *message) bool { return c.term.in(m.text) != c.exclude }
func (c contains) may(raw []byte) bool   { return c.exclude || bytes.Contains(raw, c.term.literal) }

// terms reads what is neither JSON nor fields: terms that must all be there, that
// must not be, or, if there are no others, of which one must be.
func (p *parser) terms() (node, error) {
	var wanted all
	var optional some
	for p.space(); !p.ended(); p.space() {
		prefix := p.peek()
		if prefix == '?' || prefix == '-' {
			p.pos++
		}
		term, err := p.term()
		if err != nil {
			return nil, err
		}
		if prefix == '?' {
			optional = append(optional, contains{term: term})
		} else {
			wanted = append(wanted, contains{term, prefix == '-'})
		}
	}
	if len(wanted) == 0 && len(optional) > 0 {
		return optional, nil
	}
	return wanted, nil // beside others, optional ones have no effect
}

func (p *parser) term() (*operand, error) {
	const advice = "a term with characters other than letters, digits and _ must stand in double quotes"
	var term *operand
	switch p.peek() {
	case '"':
		text, err := p.quoted()
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(text) == "" {
			text = "" // " " matches everything, even where no space is
		}
		term = &operand{parts: []string{text}, literal: []byte(text)}
	case '%':
		var err error
		if term, err = p.regex(); err != nil {
			return nil, err
		}
	default:
		word := p.run(isWord)
		if word == "" {
			return nil, p.fail(advice)
		}
		term = &operand{parts: []string{word}, literal: []byte(word)}
	}
	if !p.ended() && !isSpace(rune(p.peek())) {
		return nil, p.fail(advice)
	}
	return term, nil
}

// failAt returns the error for what is wrong at a byte of the source.
func (p *parser) failAt(pos int, format string, args ...any) error {
	reason := pinfold.Errorf(pinfold.Invalid, format, args...)
	at := len([]rune(p.source[:pos])) + 1
	where := "where it ends"
	switch near := p.source[pos:]; {
	case len(near) > 20:
		where = fmt.Sprintf("before %q", strings.ToValidUTF8(near[:20], "")+"...")
	case near != "":
		where = fmt.Sprintf("before %q", near)
	}
	return pinfold.Errorf(pinfold.Invalid, "Invalid filter pattern: at character %d, %s: %s", at, where, reason.Message).
		WithReason("InvalidParameterException")
}
