package doc

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"pinfold.dev/pinfold/app"
)

// unreadable returns the first byte that no YAML can hold, which the library
// tells without a place. It leaves files that are marked as UTF-16 to the library.
func unreadable(file string, data []byte) (app.Problem, bool) {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return app.Problem{}, false
	}
	line, column := 1, 0
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		i += size
		column++
		at := app.Position{File: file, Line: line, Column: column}
		switch {
		case r == utf8.RuneError && size == 1:
			return app.Problem{At: at, Message: "this is not UTF-8: save the file in the encoding UTF-8"}, true
		case r == '\n':
			line, column = line+1, 0
		case r < ' ' && r != '\t' && r != '\r' || r >= 0x7f && r < 0xa0 && r != 0x85:
			return app.Problem{At: at, Message: "there is a control character (" + strconv.QuoteRune(r) + ") here, which YAML cannot hold: remove it"}, true
		}
	}
	return app.Problem{}, false
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(?:column \d+: )?(.*)$`)

// syntax turns the YAML library's error into a place and a hint.
func syntax(file string, data []byte, err error) app.Problem {
	p := app.Problem{At: app.Position{File: file}, Message: err.Error()}
	if m := yamlLine.FindStringSubmatch(strings.ReplaceAll(err.Error(), "\n", " ")); m != nil {
		p.At.Line, _ = strconv.Atoi("0" + m[1])
		p.At.Line = max(p.At.Line, 1) // the library leaves the first line out
		p.Message = m[2]
	}
	p.Message = "this is not YAML: " + p.Message
	p.At.Line = cmp.Or(breaksAt(data), p.At.Line)
	lines := strings.Split(string(data), "\n")
	// Where the line is the library's, it may be the one before or after; a tab is the usual reason.
	for _, i := range []int{p.At.Line - 1, p.At.Line, p.At.Line - 2} {
		if i < 0 || i >= len(lines) {
			continue
		}
		indent := lines[i][:len(lines[i])-len(strings.TrimLeft(lines[i], " \t"))]
		if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
			p.At.Line, p.At.Column = i+1, tab+1
			p.Message += ": the line begins with a tab, indent with spaces instead"
			return p
		}
	}
	p.Message += hint(p.Message, lines[min(p.At.Line, len(lines))-1])
	return p
}

// breaksAt returns the line with which a document ceases to be YAML for good,
// or 0 if that would take too long to find out. The library tells where the
// block begins that the mistake is in, which may be a hundred lines before.
func breaksAt(data []byte) int {
	const most = 1000
	if len(data) > 100<<10 || bytes.Count(data, []byte("\n")) > most {
		return 0
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	for n, end := len(lines), len(data); n > 0; n-- {
		end -= len(lines[n-1])
		if wellFormed(data[:end]) {
			return n
		}
	}
	return 0
}

func wellFormed(data []byte) bool {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var root yaml.Node
		if err := dec.Decode(&root); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// braces matches a text with braces where YAML takes them for a map.
var braces = regexp.MustCompile(`:\s+\{[^{}'"]*\}[^\s,\]}]|[\[{][^'"]*[\w/]\{\w`)

// hint says what a syntax error probably comes from.
func hint(message, line string) string {
	switch {
	case braces.MatchString(line):
		return ": put quotes around a text that holds { or }, such as '/users/{id}'"
	case strings.Contains(message, "mapping values are not allowed"):
		return ": check the indentation here and in the line before, and put quotes around a text that holds \": \""
	case strings.Contains(message, "unknown anchor"):
		return ": an anchor (&name) must stand before its alias (*name); put quotes around a text that begins with *"
	case strings.Contains(message, "alphabetic or numeric character"):
		return ": put quotes around a text that begins with * or &"
	case strings.Contains(message, "did not find expected"), strings.Contains(message, "unexpected end of stream"), strings.Contains(message, "could not find expected"):
		return ": check the indentation here and in the lines before, and that brackets and quotes are closed"
	case strings.Contains(message, "cannot start any token"):
		return ": put quotes around a text that begins with @, ` or %"
	}
	return ""
}
