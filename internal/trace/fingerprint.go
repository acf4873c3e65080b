package trace

import (
	"bytes"
	"encoding/json"
	"hash/fnv"
	"strconv"
	"strings"
)

// What a fingerprint looks at, so that a function which fails with megabytes
// costs no more than another.
const (
	maxEnvelope = 64 << 10 // bytes; of a larger one, the type alone counts
	maxMessage  = 512
	maxFrames   = 5
)

// Fingerprint is the same for failures of the same kind in the same place: 16
// hexadecimal digits over the error's type, its message without what varies, and
// the top of its stack without line numbers. The envelope is what a runtime makes
// of an error, as its caller gets it.
func Fingerprint(kind string, envelope []byte) string {
	var e struct {
		ErrorMessage json.RawMessage   `json:"errorMessage"`
		Trace        []json.RawMessage `json:"trace"`      // Node.js
		StackTrace   []json.RawMessage `json:"stackTrace"` // Python, Java, Ruby, .NET
	}
	// What is not as expected is left empty.
	if len(envelope) <= maxEnvelope {
		_ = json.Unmarshal(envelope, &e)
	}
	return fingerprint(kind, text(e.ErrorMessage), append(frames(e.Trace, "at "), frames(e.StackTrace, "")...))
}

func fingerprint(kind, message string, frames []string) string {
	h := fnv.New64a()
	for _, part := range append([]string{kind, normalise(message)}, frames...) {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	const digits = 16
	s := strconv.FormatUint(h.Sum64(), 16)
	return strings.Repeat("0", digits-len(s)) + s
}

// text is a JSON string, or any other value as it is written.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// place takes line and column out of a frame: numbers after a colon (Node.js,
// Java, Ruby) or the word line (Python, .NET).
func place(frame string) string {
	b := make([]byte, 0, len(frame))
	for i := range len(frame) {
		number := isDigit(frame[i]) && (bytes.HasSuffix(b, []byte(":")) || bytes.HasSuffix(b, []byte("line ")))
		if !number {
			b = append(b, frame[i])
		}
	}
	return string(b)
}

// frames are the top frames of a stack. Some begin with the message: begin is
// with what all of theirs do.
func frames(stack []json.RawMessage, begin string) []string {
	var all []string
	python := false
	for _, raw := range stack {
		line, _, _ := strings.Cut(strings.TrimSpace(text(raw)), "\n")
		if !strings.HasPrefix(line, begin) ||
			// The runtime's own change by themselves.
			strings.Contains(line, "node:internal") || strings.Contains(line, "/var/runtime/") || strings.Contains(line, "<frozen ") {
			continue
		}
		python = python || strings.HasPrefix(line, `File "`)
		all = append(all, place(line))
	}
	if python { // the most recent call is the last
		return all[max(0, len(all)-maxFrames):]
	}
	return all[:min(len(all), maxFrames)]
}

// normalise takes out of a message what differs each time: numbers, ids, and what
// is in quotes.
func normalise(s string) string {
	var b strings.Builder
	s = s[:min(len(s), maxMessage)]
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '`' || c == '\'' && (i == 0 || !isWord(s[i-1])):
			if end := strings.IndexByte(s[i+1:], c); end >= 0 {
				b.WriteByte('?')
				i += end + 2
				continue
			}
			b.WriteByte(c)
			i++
		case isWord(c):
			end := i
			for end < len(s) && (isWord(s[end]) || inWord(s, end)) {
				end++
			}
			if word := s[i:end]; varies(word) {
				b.WriteByte('#')
			} else {
				b.WriteString(word)
			}
			i = end
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// inWord reports whether what is at i holds two parts of a number or an id
// together: 3.14, 12:30, 2026-01-01, 67e55044-10b1-426f.
func inWord(s string, i int) bool {
	if i == 0 || i+1 == len(s) || !isWord(s[i+1]) {
		return false
	}
	switch s[i] {
	case '-':
		return true
	case '.', ':', ',':
		return isDigit(s[i-1]) && isDigit(s[i+1])
	}
	return false
}

// varies reports whether a word is a number or an id: it has a digit, or is
// hexadecimal and long.
func varies(word string) bool {
	return strings.ContainsAny(word, "0123456789") || len(word) >= 8 && strings.Trim(word, "abcdefABCDEF") == ""
}
