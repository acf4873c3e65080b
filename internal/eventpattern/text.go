package eventpattern

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxNumber is 5,000,000,000 in millionths. Source: "Numeric matching",
// EventBridge user guide: from -5.0e9 to +5.0e9, six digits after the point.
const maxNumber int64 = 5e15

const badNumber = "Value must be between -5.0E9 and 5.0E9, inclusive, with up to 6 decimals"

// number is a number that can be compared, if ok.
type number struct {
	millionths int64
	ok         bool
}

// parseNumber reads a number as JSON has it, and loses nothing: one that is too
// large or has too many decimals is not ok.
func parseNumber(text string) number {
	var digits, exponent int64
	zeros := 0 // after the digits so far, not yet in them
	mantissa, power, _ := strings.Cut(strings.ToLower(text), "e")
	fraction := false
	for _, c := range strings.TrimPrefix(mantissa, "-") {
		if c == '.' {
			fraction = true
			continue
		}
		if fraction {
			exponent--
		}
		if c == '0' {
			zeros++
			continue
		}
		for ; zeros >= 0 && digits != 0; zeros-- {
			if digits *= 10; digits > maxNumber {
				return number{}
			}
		}
		digits, zeros = digits+int64(c-'0'), 0
		if digits > maxNumber {
			return number{}
		}
	}
	if digits == 0 {
		return number{ok: true}
	}
	exponent += int64(zeros) + 6 + parseExponent(power)
	if exponent < 0 || exponent > 15 {
		return number{}
	}
	for ; exponent > 0; exponent-- {
		if digits *= 10; digits > maxNumber {
			return number{}
		}
	}
	if mantissa[0] == '-' {
		digits = -digits
	}
	return number{digits, true}
}

// parseExponent reads what comes after an e, up to a bound that no event's digits
// make up for.
func parseExponent(text string) int64 {
	var n int64
	for _, c := range strings.TrimLeft(text, "+-") {
		n = min(n*10+int64(c-'0'), 1e12)
	}
	if strings.HasPrefix(text, "-") {
		return -n
	}
	return n
}

// wildcard is a text with any characters between its parts.
type wildcard []string

// parseWildcard reads a text in which * stands for any characters, and \ comes
// before a * or \ that stands for itself, or returns the reason why it is none.
func parseWildcard(s string) (parts wildcard, reason string) {
	var part strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '*':
			if strings.HasPrefix(s[i+1:], "*") {
				return nil, fmt.Sprintf("Consecutive wildcard characters at pos %d", i+1) // AWS counts a quote in front
			}
			parts = append(parts, part.String())
			part.Reset()
		case '\\':
			i++
			if i == len(s) || s[i] != '*' && s[i] != '\\' {
				return nil, fmt.Sprintf("Invalid escape character at pos %d", i)
			}
			part.WriteByte(s[i])
		default:
			part.WriteByte(c)
		}
	}
	return append(parts, part.String()), ""
}

// match takes each part where it comes first, which is right, and takes one pass.
func (w wildcard) match(s string) bool {
	first, last := w[0], w[len(w)-1]
	if len(w) == 1 {
		return s == first
	}
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range w[1 : len(w)-1] {
		_, after, found := strings.Cut(s, part)
		if !found {
			return false
		}
		s = after
	}
	return true
}

// hasPrefixFold compares characters, whose cases may differ in bytes.
func hasPrefixFold(s, prefix string) bool {
	end := 0
	for range utf8.RuneCountInString(prefix) {
		if end == len(s) {
			return false
		}
		_, size := utf8.DecodeRuneInString(s[end:])
		end += size
	}
	return strings.EqualFold(s[:end], prefix)
}

func hasSuffixFold(s, suffix string) bool {
	start := len(s)
	for range utf8.RuneCountInString(suffix) {
		if start == 0 {
			return false
		}
		_, size := utf8.DecodeLastRuneInString(s[:start])
		start -= size
	}
	return strings.EqualFold(s[start:], suffix)
}
