package log

import (
	"cmp"
	"strings"
	"time"

	"pinfold.dev/pinfold"
)

// The bounds of what an entry may be, beside MaxData.
const (
	MaxMeta    = 4 << 10 // bytes of Entry.Meta
	MaxID      = 1 << 10 // bytes of Entry.ID
	MaxSubject = 512     // bytes of Entry.Subject
)

// Check returns what is wrong with an entry that is to be appended to a stream
// with limits: an error with code Invalid, or TooLarge. Engines ask it, so that all
// refuse the same.
func (e *Entry) Check(l Limits) error {
	switch {
	case len(e.Data) > MaxData:
		return pinfold.Errorf(pinfold.TooLarge, "an entry of the log has %d bytes: %d are the most", len(e.Data), MaxData)
	case len(e.Meta) > MaxMeta || !printable(e.Meta):
		return pinfold.Errorf(pinfold.Invalid, "the meta of an entry of the log has to be at most %d printable ASCII characters, with no space at either end", MaxMeta)
	case len(e.ID) > MaxID || !printable(e.ID):
		return pinfold.Errorf(pinfold.Invalid, "the id of an entry of the log has to be at most %d printable ASCII characters, with no space at either end", MaxID)
	case l.Age > 0 && time.Until(e.At) > l.Age:
		return pinfold.Errorf(pinfold.Invalid, "an entry of the log is for %s: its stream drops it before, after %s", e.At.Format(time.RFC3339), l.Age)
	}
	return CheckSubject(e.Subject)
}

// DedupWindow returns for how long ids are remembered.
func (l Limits) DedupWindow() time.Duration {
	window := cmp.Or(l.Dedup, 2*time.Minute)
	if l.Age > 0 {
		window = min(window, l.Age)
	}
	return window
}

func printable(s string) bool {
	if strings.HasPrefix(s, " ") || strings.HasSuffix(s, " ") {
		return false
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// CheckSubject returns an error with code Invalid if a subject is none.
func CheckSubject(subject string) error {
	if !tokens(subject, false) {
		return pinfold.Errorf(pinfold.Invalid, "%q is no subject of the log: tokens of letters, digits, - and _, joined by dots, at most %d bytes", subject, MaxSubject)
	}
	return nil
}

// CheckPattern returns an error with code Invalid if a pattern of subjects, as
// From.Subjects has them, is none.
func CheckPattern(pattern string) error {
	if pattern != "" && !tokens(pattern, true) {
		return pinfold.Errorf(pinfold.Invalid, "%q is no pattern of subjects of the log: a subject in which a token may be *, and the last one >", pattern)
	}
	return nil
}

// CheckName returns an error with code Invalid if a name, of a stream or a
// consumer, is none: a single token of a subject.
func CheckName(name string) error {
	if strings.Contains(name, ".") || !tokens(name, false) {
		return pinfold.Errorf(pinfold.Invalid, "%q is no name in the log: letters, digits, - and _", name)
	}
	return nil
}

func tokens(subject string, wild bool) bool {
	if len(subject) > MaxSubject {
		return false
	}
	for rest, more := subject, true; more; {
		var token string
		token, rest, more = strings.Cut(rest, ".")
		if wild && (token == "*" || token == ">" && !more) {
			continue
		}
		if token == "" {
			return false
		}
		for _, c := range []byte(token) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// Match reports whether a subject matches a pattern, as From.Subjects has them.
func Match(pattern, subject string) bool {
	if pattern == "" {
		return true
	}
	for {
		p, patternRest, patternMore := strings.Cut(pattern, ".")
		if p == ">" {
			return true
		}
		s, subjectRest, subjectMore := strings.Cut(subject, ".")
		if p != "*" && p != s || patternMore != subjectMore {
			return false
		}
		if !patternMore {
			return true
		}
		pattern, subject = patternRest, subjectRest
	}
}

// Closed is the error of a log that is closed, and of its streams.
func Closed() error { return pinfold.Errorf(pinfold.Unavailable, "the log is closed") }
