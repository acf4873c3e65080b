package gateway

import (
	"strings"
	"unicode/utf8"
)

// appendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD, as
// in encoding/json.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := plain(s, high); i < len(s); {
		b := s[i]
		if b < utf8.RuneSelf {
			if b >= ' ' && b != '"' && b != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = appendEscape(dst, b)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
			start = i + 1
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// Every byte of a word.
const (
	ones = 0x0101010101010101
	high = 0x80 * ones
)

// plain returns how many bytes s begins with, in whole words of eight, that are
// no quote, backslash or control character, and have no bit of mask. Bodies in
// base64 are long, and few headers have anything else in them. Source:
// "Determine if a word has a zero byte",
// https://graphics.stanford.edu/~seander/bithacks.html.
func plain[T string | []byte](s T, mask uint64) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		quote, backslash := w^'"'*ones, w^'\\'*ones
		odd := (w-' '*ones)&^w | (quote-ones)&^quote | (backslash-ones)&^backslash
		if odd&high|w&mask != 0 {
			break
		}
	}
	return i
}

func appendEscape(dst []byte, b byte) []byte {
	const hex = "0123456789abcdef"
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
}

// appendLower appends a header's name as a JSON string in lower case. Names
// are tokens, which have nothing to escape; others take the long way.
func appendLower(dst []byte, name string) []byte {
	begin := len(dst)
	dst = append(dst, '"')
	for i := range len(name) {
		b := name[i]
		switch {
		case b >= 'A' && b <= 'Z':
			b += 'a' - 'A'
		case b < ' ' || b == '"' || b == '\\' || b >= utf8.RuneSelf:
			return appendString(dst[:begin], strings.ToLower(name))
		}
		dst = append(dst, b)
	}
	return append(dst, '"')
}

// unescape decodes the percent escapes of a URL, and + as a space if plus is
// set. Broken escapes stay as they are, as they do in API Gateway's events.
func unescape(s string, plus bool) string {
	if strings.IndexByte(s, '%') < 0 && (!plus || strings.IndexByte(s, '+') < 0) {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b == '+' && plus:
			out = append(out, ' ')
		case b == '%' && i+2 < len(s) && hexValue(s[i+1]) >= 0 && hexValue(s[i+2]) >= 0:
			out = append(out, byte(hexValue(s[i+1])<<4|hexValue(s[i+2])))
			i += 2
		default:
			out = append(out, b)
		}
	}
	return string(out)
}

func hexValue(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'a' && b <= 'f':
		return int(b-'a') + 10
	case b >= 'A' && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}
