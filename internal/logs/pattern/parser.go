package pattern

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// parser is what the kinds of patterns have in common.
type parser struct {
	source    string
	pos       int // in bytes
	depth     int // of parentheses
	regexes   int
	wildcards int // in selectors
}

// maxDepth bounds how deep parentheses are nested: each costs a piece of stack.
const maxDepth = 100

func (p *parser) ended() bool { return p.pos >= len(p.source) }

// peek returns the next byte, or 0.
func (p *parser) peek() byte {
	if p.ended() {
		return 0
	}
	return p.source[p.pos]
}

func (p *parser) fail(format string, args ...any) error { return p.failAt(p.pos, format, args...) }

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\n' || r == '\r' }
func isWord(r rune) bool  { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
func isName(r rune) bool  { return r == '-' || isWord(r) }

// run reads as far as in says yes.
func (p *parser) run(in func(rune) bool) string {
	start := p.pos
	for !p.ended() {
		r, size := utf8.DecodeRuneInString(p.source[p.pos:])
		if !in(r) {
			break
		}
		p.pos += size
	}
	return p.source[start:p.pos]
}

func (p *parser) space() { p.run(isSpace) }

// take reads text if it is what comes after space.
func (p *parser) take(text string) bool {
	p.space()
	if !strings.HasPrefix(p.source[p.pos:], text) {
		return false
	}
	p.pos += len(text)
	return true
}

// quoted reads a string in double quotes, in which \ precedes a quote or itself.
func (p *parser) quoted() (string, error) {
	start := p.pos
	var b strings.Builder
	for p.pos++; !p.ended(); p.pos++ {
		c := p.peek()
		if c == '"' {
			p.pos++
			return b.String(), nil
		}
		if rest := p.source[p.pos+1:]; c == '\\' && rest != "" && (rest[0] == '"' || rest[0] == '\\') {
			p.pos++
			c = rest[0]
		}
		b.WriteByte(c)
	}
	return "", p.failAt(start, "this double quote is never closed")
}

// expression reads conditions joined by && and ||, with parentheses; && binds
// more.
func (p *parser) expression(condition func() (node, error)) (node, error) {
	join := func(operator string, operand func() (node, error)) ([]node, error) {
		var nodes []node
		for {
			n, err := operand()
			if err != nil {
				return nil, err
			}
			if nodes = append(nodes, n); !p.take(operator) {
				return nodes, nil
			}
		}
	}
	single := func() (node, error) {
		if !p.take("(") {
			return condition()
		}
		if p.depth++; p.depth > maxDepth {
			return nil, p.fail("parentheses are nested more than %d deep", maxDepth)
		}
		n, err := p.expression(condition)
		if err == nil && !p.take(")") {
			err = p.fail("a closing parenthesis is missing")
		}
		p.depth--
		return n, err
	}
	nodes, err := join("||", func() (node, error) {
		nodes, err := join("&&", single)
		if len(nodes) == 1 {
			return nodes[0], err
		}
		return all(nodes), err
	})
	if len(nodes) == 1 {
		return nodes[0], err
	}
	return some(nodes), err
}

// operand is what a value is compared with.
type operand struct {
	parts   []string // of text, between the wildcards
	regex   *regexp.Regexp
	number  float64
	numeric bool
	// literal is in every text that is equal to it, but where that is a number.
	literal []byte
}

// comparison is an operator and its operand.
type comparison struct {
	operator string
	with     *operand
}

// comparison reads an operator and an operand, which ends before one of these
// bytes if it is not quoted. It returns nil if there is no operator.
func (p *parser) comparison(ends string) (*comparison, error) {
	c := &comparison{}
	for _, op := range []string{"!=", ">=", "<=", "=", ">", "<"} {
		if p.take(op) {
			c.operator = op
			break
		}
	}
	if c.operator == "" {
		return nil, nil
	}
	p.space()
	at := p.pos
	var err error
	if c.with, err = p.operand(ends); err != nil {
		return nil, err
	}
	if c.ordering() && !c.with.numeric {
		return nil, p.failAt(at, "%s compares with a number", c.operator)
	}
	return c, nil
}

func (p *parser) operand(ends string) (*operand, error) {
	var text string
	bare := false
	switch p.peek() {
	case '%':
		return p.regex()
	case '"':
		var err error
		if text, err = p.quoted(); err != nil {
			return nil, err
		}
	default:
		bare = true
		text = p.run(func(r rune) bool { return !isSpace(r) && !strings.ContainsRune(ends+`"%`, r) })
		if text == "" {
			return nil, p.fail("a value to compare with is missing")
		}
	}
	o := &operand{parts: strings.Split(text, "*")}
	if bare {
		o.number, o.numeric = number(text)
	}
	for _, part := range o.parts {
		if len(part) > len(o.literal) {
			o.literal = []byte(part)
		}
	}
	return o, nil
}

// number reads a number as JSON and people write it: not hexadecimal, not NaN.
func number[T string | []byte](text T) (float64, bool) {
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && c != '.' && c != '+' && c != '-' && c != 'e' && c != 'E' {
			return 0, false
		}
	}
	n, err := strconv.ParseFloat(string(text), 64)
	return n, err == nil
}

// regex reads %regex% in the part of the language that AWS has.
func (p *parser) regex() (*operand, error) {
	start := p.pos
	if p.regexes++; p.regexes > maxRegexes {
		return nil, p.fail("it has more than %d regular expressions", maxRegexes)
	}
	var b strings.Builder
	for p.pos++; ; p.pos++ {
		if p.ended() {
			return nil, p.failAt(start, "this regular expression has no %% at its end")
		}
		c := p.peek()
		switch rest := p.source[p.pos+1:]; {
		case c == '%':
			p.pos++
			re, err := regexp.Compile(b.String())
			if err != nil {
				return nil, p.failAt(start, "%v", err)
			}
			if steps(b.String()) > maxSteps {
				return nil, p.failAt(start, "this regular expression repeats too much: it has more than %d steps when its braces are written out", maxSteps)
			}
			prefix, _ := re.LiteralPrefix()
			return &operand{regex: re, literal: []byte(prefix)}, nil
		case c == '\\' && (rest == "" || !escapable(rest)):
			return nil, p.fail(`a \ stands before an operator or symbol, one of dDsSwW, or x and two hexadecimal digits`)
		case c == '\\':
			b.WriteString(p.source[p.pos : p.pos+2])
			p.pos++
		case c == '{':
			end := strings.IndexByte(rest, '}')
			if end < 0 {
				return nil, p.fail("this brace is never closed")
			}
			bounds := strings.ReplaceAll(rest[:end], " ", "")
			if strings.HasPrefix(bounds, ",") {
				bounds = "0" + bounds
			}
			if strings.Trim(bounds, "0123456789,") != "" || strings.Count(bounds, ",") > 1 || bounds == "" {
				return nil, p.fail("braces hold how often at least and at most: {m,n}")
			}
			b.WriteString("{" + bounds + "}")
			p.pos += end + 1
		case c < utf8.RuneSelf && (isWord(rune(c)) || strings.IndexByte(" :#=@/;,-^$?[]|*+.", c) >= 0):
			b.WriteByte(c)
		default:
			return nil, p.fail("a regular expression here has letters and digits of ASCII, the symbols :_#=@/;,- and the operators ^$?[]{}|\\*+. alone")
		}
	}
}

// steps is how long the program is that a regular expression becomes: each byte of
// a text may take as many.
func steps(source string) int {
	re, err := syntax.Parse(source, syntax.Perl)
	if err != nil {
		return 0 // it does not compile
	}
	program, err := syntax.Compile(re.Simplify())
	if err != nil {
		return 0
	}
	return len(program.Inst)
}

// escapable reports whether \ may stand before it in a regular expression.
func escapable(rest string) bool {
	c := rest[0]
	if c == 'x' {
		_, err := strconv.ParseUint(rest[1:min(3, len(rest))], 16, 8)
		return len(rest) >= 3 && err == nil
	}
	return strings.IndexByte("dDsSwW ", c) >= 0 || c < utf8.RuneSelf && c != '%' && (unicode.IsPunct(rune(c)) || unicode.IsSymbol(rune(c)))
}

// in reports whether text has the operand, which is a term, in it.
func (o *operand) in(text []byte) bool {
	if o.regex != nil {
		return o.regex.Match(text)
	}
	return bytes.Contains(text, o.literal)
}

// equals reports whether text is the operand.
func (o *operand) equals(text []byte) bool {
	if o.regex != nil {
		return o.regex.Match(text)
	}
	first, last := o.parts[0], o.parts[len(o.parts)-1]
	if len(o.parts) == 1 {
		return string(text) == first
	}
	if len(text) < len(first)+len(last) || string(text[:len(first)]) != first || string(text[len(text)-len(last):]) != last {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range o.parts[1 : len(o.parts)-1] {
		i := bytes.Index(text, []byte(part))
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}

// ordering reports whether it is one that texts cannot meet.
func (c *comparison) ordering() bool { return c.operator[0] == '<' || c.operator[0] == '>' }

// meets reports whether a value meets it, which is a number or a text.
func (c *comparison) meets(text []byte) bool {
	if c.with.numeric {
		if n, ok := number(text); ok {
			switch c.operator {
			case ">":
				return n > c.with.number
			case ">=":
				return n >= c.with.number
			case "<":
				return n < c.with.number
			case "<=":
				return n <= c.with.number
			case "=":
				return n == c.with.number
			default:
				return n != c.with.number
			}
		}
	}
	return !c.ordering() && c.with.equals(text) == (c.operator == "=")
}

// needs returns what is in every text that meets it.
func (c *comparison) needs() []byte {
	if c.operator != "=" || c.with.numeric {
		return nil
	}
	return c.with.literal
}
