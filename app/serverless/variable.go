package serverless

import (
	"fmt"
	"strconv"
	"strings"
)

// template is a text with variables in it: "users-${opt:stage, 'dev'}".
type template []part

// part is a piece of text or a variable.
type part struct {
	text     string
	variable *variable
}

// variable is one ${...}: sources of which the first that has a value counts.
type variable struct {
	text    string // as it is written
	at      int    // offset in the text that it stands in
	sources []source
}

// source is one place to take a value from: a kind with parameters and an
// address, file(path):address, or a literal.
type source struct {
	kind     string
	params   []template
	address  template
	literal  any // string, bool, float64, or nil for null; kind is "" then
	hasColon bool
}

// syntaxError is a mistake in a variable at an offset of the text.
type syntaxError struct {
	at      int
	message string
}

func (e *syntaxError) Error() string { return e.message }

const maxNesting = 50

// parseTemplate reads the variables in a text. What looks like a variable but
// is not one, such as ${AWS::Region} for Fn::Sub or ${name} for a shell, is
// text, as in Serverless Framework's lib/configuration/variables/parse.js.
func parseTemplate(text string) (template, error) {
	p := parser{text: text}
	t, err := p.template("", 0)
	if err != nil {
		return nil, err
	}
	return t, nil
}

type parser struct {
	text string
	i    int
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &syntaxError{at, fmt.Sprintf(format, args...)}
}

func (p *parser) peek() byte {
	if p.i < len(p.text) {
		return p.text[p.i]
	}
	return 0
}

func (p *parser) spaces() {
	for p.peek() == ' ' {
		p.i++
	}
}

// template reads until one of the stop characters, which it leaves, or to the
// end of the text where there are none.
func (p *parser) template(stop string, depth int) (template, error) {
	var t template
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			t = append(t, part{text: b.String()})
			b.Reset()
		}
	}
	for p.i < len(p.text) {
		c := p.text[p.i]
		switch {
		case stop != "" && strings.IndexByte(stop, c) >= 0:
			flush()
			return t, nil
		case stop == "" && c == '\\' && strings.HasPrefix(p.text[p.i+1:], "${"):
			b.WriteString("${") // escaped
			p.i += 3
		case stop == "" && c == '\\' && strings.HasPrefix(p.text[p.i+1:], "\\"):
			b.WriteString(`\\`)
			p.i += 2
		case strings.HasPrefix(p.text[p.i:], "${") && p.begins():
			flush()
			v, err := p.variable(depth + 1)
			if err != nil {
				return nil, err
			}
			t = append(t, part{variable: v})
		case stop != "" && strings.HasPrefix(p.text[p.i:], "${"):
			return nil, p.fail(p.i, "%q begins no variable: one looks like ${self:custom.name} or ${file(name.yml):key}", clip(p.text[p.i:]))
		default:
			b.WriteByte(c)
			p.i++
		}
	}
	flush()
	return t, nil
}

// begins reports whether the ${ here begins a variable: a kind in letters,
// then ":" (but not "::") or "(".
func (p *parser) begins() bool {
	rest := p.text[p.i+2:]
	if rest == "" || rest[0] < 'a' || rest[0] > 'z' {
		return false
	}
	n := 0
	for n < len(rest) && isWord(rest[n]) {
		n++
	}
	if n == len(rest) {
		return false
	}
	return rest[n] == '(' || rest[n] == ':' && !strings.HasPrefix(rest[n:], "::")
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.'
}

func (p *parser) variable(depth int) (*variable, error) {
	if depth > maxNesting {
		return nil, p.fail(p.i, "variables are nested more than %d deep", maxNesting)
	}
	v := &variable{at: p.i}
	p.i += len("${")
	for {
		s, err := p.source(v, depth)
		if err != nil {
			return nil, err
		}
		v.sources = append(v.sources, s)
		p.spaces()
		switch p.peek() {
		case '}':
			p.i++
			v.text = p.text[v.at:p.i]
			return v, nil
		case ',':
			p.i++
		case 0:
			return nil, p.fail(v.at, "%q is not closed with }", clip(p.text[v.at:]))
		default:
			return nil, p.fail(p.i, "%q is not expected in %q: a default follows after a comma, ${env:NAME, 'default'}", clip(p.text[p.i:]), clip(p.text[v.at:]))
		}
	}
}

func (p *parser) source(v *variable, depth int) (source, error) {
	p.spaces()
	start := p.i
	if c := p.peek(); c == '"' || c == '\'' {
		s, err := p.quoted()
		return source{literal: s}, err
	}
	if p.peek() == '-' {
		p.i++
	}
	for isWord(p.peek()) {
		p.i++
	}
	word := p.text[start:p.i]
	switch {
	case p.peek() == '(' && word != "":
		s := source{kind: word}
		if err := p.params(&s, depth); err != nil {
			return s, err
		}
		p.spaces()
		if p.peek() == ':' {
			return s, p.address(&s, depth)
		}
		return s, nil
	case p.peek() == ':' && word != "":
		s := source{kind: word}
		return s, p.address(&s, depth)
	case p.i == len(p.text):
		return source{}, p.fail(v.at, "%q is not closed with }", clip(p.text[v.at:]))
	}
	return p.literal(v, start, word)
}

// literal reads what stands in place of a source: true, null, 12.
func (p *parser) literal(v *variable, start int, word string) (source, error) {
	switch word {
	case "true", "false":
		return source{literal: word == "true"}, nil
	case "null":
		return source{}, nil
	case "":
		return source{}, p.fail(start, "a value is missing in %q: write a default such as 'text' after the comma, or leave the comma out", clip(p.text[v.at:]))
	}
	if f, err := strconv.ParseFloat(word, 64); err == nil {
		return source{literal: f}, nil
	}
	return source{}, p.fail(start, "%s in %q is no variable: put quotes around a text, '%s'", word, clip(p.text[v.at:]), word)
}

func (p *parser) params(s *source, depth int) error {
	open := p.i
	p.i++
	s.params = []template{}
	for {
		p.spaces()
		switch c := p.peek(); c {
		case ')':
			p.i++
			return nil
		case ',':
			p.i++
			continue
		case '"', '\'':
			text, err := p.quoted()
			if err != nil {
				return err
			}
			s.params = append(s.params, template{{text: text}})
		case 0, '}':
			return p.fail(open, "%q is not closed with )", clip(p.text[open:]))
		default:
			t, err := p.template(",)}", depth)
			if err != nil {
				return err
			}
			s.params = append(s.params, trim(t))
		}
	}
}

func (p *parser) address(s *source, depth int) error {
	p.i++ // the colon
	s.hasColon = true
	p.spaces()
	if c := p.peek(); c == '"' || c == '\'' {
		text, err := p.quoted()
		s.address = template{{text: text}}
		return err
	}
	t, err := p.template(",}:", depth)
	if err == nil && p.peek() == ':' {
		err = p.fail(p.i, "a second colon in %q: a default follows after a comma, ${env:NAME, 'default'}; put quotes around an address that holds a colon", clip(p.text))
	}
	s.address = trim(t)
	return err
}

// quoted reads 'text' as it is, or "text" with JSON's escapes.
func (p *parser) quoted() (string, error) {
	start, quote := p.i, p.peek()
	for p.i++; p.i < len(p.text); p.i++ {
		switch c := p.text[p.i]; {
		case c == '\\' && quote == '"':
			p.i++
		case c == quote:
			p.i++
			if quote == '\'' {
				return p.text[start+1 : p.i-1], nil
			}
			text, err := strconv.Unquote(p.text[start:p.i])
			if err != nil {
				return "", p.fail(start, "%s is no text in quotes", p.text[start:p.i])
			}
			return text, nil
		}
	}
	p.i = len(p.text)
	return "", p.fail(start, "the quote in %q is not closed", clip(p.text[start:]))
}

// trim takes the spaces from the end of a template.
func trim(t template) template {
	if n := len(t); n > 0 && t[n-1].variable == nil {
		t[n-1].text = strings.TrimRight(t[n-1].text, " ")
		if t[n-1].text == "" {
			return t[:n-1]
		}
	}
	return t
}

// clip shortens a text for a message.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
