package gateway

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// errJSON is what the scanner returns for anything that is not JSON, or is
// other JSON than was asked for.
var errJSON = errors.New("unexpected JSON")

// maxDepth bounds how deep values that are skipped may nest.
const maxDepth = 512

// scanner walks through JSON once, from left to right, and hands out parts of
// it without copying.
type scanner struct {
	b    []byte
	i    int
	text []byte // strings that had to be decoded, one behind the other
}

// known returns a name as a string, without making one where it is a usual one.
func known(name []byte) string {
	switch string(name) {
	case "statusCode":
		return "statusCode"
	case "headers":
		return "headers"
	case "body":
		return "body"
	case "isBase64Encoded":
		return "isBase64Encoded"
	case "cookies":
		return "cookies"
	case "multiValueHeaders":
		return "multiValueHeaders"
	case "Content-Type", "content-type":
		return "Content-Type"
	case "Cache-Control", "cache-control":
		return "Cache-Control"
	}
	return string(name)
}

// space skips white space and returns the next byte without taking it, or 0 at
// the end.
func (s *scanner) space() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// take takes the next byte if it is c.
func (s *scanner) take(c byte) bool {
	if s.space() != c {
		return false
	}
	s.i++
	return true
}

// end reports whether nothing but white space is left.
func (s *scanner) end() bool { return s.space() == 0 && s.i == len(s.b) }

// object calls fn with each key of an object; fn takes the value.
func (s *scanner) object(fn func(key []byte) error) error {
	if !s.take('{') {
		return errJSON
	}
	if s.take('}') {
		return nil
	}
	for {
		key, err := s.str()
		if err != nil {
			return err
		}
		if !s.take(':') {
			return errJSON
		}
		if err := fn(key); err != nil {
			return err
		}
		if s.take(',') {
			continue
		}
		if s.take('}') {
			return nil
		}
		return errJSON
	}
}

// array calls fn at each element of an array; fn takes it.
func (s *scanner) array(fn func() error) error {
	if !s.take('[') {
		return errJSON
	}
	if s.take(']') {
		return nil
	}
	for {
		if err := fn(); err != nil {
			return err
		}
		if s.take(',') {
			continue
		}
		if s.take(']') {
			return nil
		}
		return errJSON
	}
}

// str takes a string and returns its content, decoded. Where it has no
// escapes the result is a part of the input.
func (s *scanner) str() ([]byte, error) {
	if !s.take('"') {
		return nil, errJSON
	}
	start, escapes := s.i, false
	for s.i += plain(s.b[s.i:], 0); s.i < len(s.b); {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			if escapes {
				from := len(s.text)
				var err error
				s.text, err = unquote(s.text, s.b[start:s.i-1])
				return s.text[from:], err
			}
			return s.b[start : s.i-1], nil
		case c == '\\':
			escapes = true
			s.i++
		case c < ' ':
			return nil, errJSON
		}
		s.i++
		if s.i&7 == 0 && s.i < len(s.b) {
			s.i += plain(s.b[s.i:], 0)
		}
	}
	return nil, errJSON
}

// unquote appends a string's content, its escapes decoded.
func unquote(out, b []byte) ([]byte, error) {
	out = slices.Grow(out, len(b))
	for len(b) > 0 {
		plain := bytes.IndexByte(b, '\\')
		if plain < 0 {
			return append(out, b...), nil
		}
		out, b = append(out, b[:plain]...), b[plain+1:]
		if len(b) == 0 {
			return out, errJSON
		}
		c := b[0]
		b = b[1:]
		switch c {
		case '"', '\\', '/':
			out = append(out, c)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(b)
			if r < 0 {
				return out, errJSON
			}
			b = b[4:]
			if utf16.IsSurrogate(r) {
				second := rune(-1)
				if len(b) >= 6 && b[0] == '\\' && b[1] == 'u' {
					second = hex4(b[2:])
				}
				if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
					b = b[6:]
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			return out, errJSON
		}
	}
	return out, nil
}

// hex4 reads four hexadecimal digits, or returns -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		v := hexValue(c)
		if v < 0 {
			return -1
		}
		r = r<<4 | rune(v)
	}
	return r
}

// word takes one of true, false and null.
func (s *scanner) word(w string) bool {
	s.space()
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return false
	}
	s.i += len(w)
	return true
}

// number takes a number and returns its text.
func (s *scanner) number() ([]byte, error) {
	s.space()
	start := s.i
	digits := func() bool {
		from := s.i
		for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
			s.i++
		}
		return s.i > from
	}
	at := func(set string) bool {
		if s.i >= len(s.b) {
			return false
		}
		for i := range len(set) {
			if s.b[s.i] == set[i] {
				s.i++
				return true
			}
		}
		return false
	}
	at("-")
	if !at("0") && !digits() {
		return nil, errJSON
	}
	if at(".") && !digits() {
		return nil, errJSON
	}
	if at("eE") {
		at("+-")
		if !digits() {
			return nil, errJSON
		}
	}
	return s.b[start:s.i], nil
}

// skip takes any value.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return errJSON
	}
	switch c := s.space(); c {
	case '{':
		return s.object(func([]byte) error { return s.skip(depth + 1) })
	case '[':
		return s.array(func() error { return s.skip(depth + 1) })
	case '"':
		_, err := s.str()
		return err
	case 't', 'f', 'n':
		if s.word("true") || s.word("false") || s.word("null") {
			return nil
		}
		return errJSON
	}
	_, err := s.number()
	return err
}

// scalar takes a string, number or boolean as text; ok is false for null. An
// object or array is an error.
func (s *scanner) scalar() (text string, ok bool, err error) {
	switch s.space() {
	case '"':
		b, err := s.str()
		return string(b), true, err
	case 'n':
		if s.word("null") {
			return "", false, nil
		}
	case 't':
		if s.word("true") {
			return "true", true, nil
		}
	case 'f':
		if s.word("false") {
			return "false", true, nil
		}
	default:
		b, err := s.number()
		return string(b), true, err
	}
	return "", false, errJSON
}

// integer takes a whole number, or a string that holds one.
func (s *scanner) integer() (int, error) {
	var text []byte
	var err error
	if s.space() == '"' {
		text, err = s.str()
	} else {
		text, err = s.number()
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return 0, errJSON
	}
	return n, nil
}
