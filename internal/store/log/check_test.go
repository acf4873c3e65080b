package log

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// A pattern means what the regular expression means that it can be written as.
func FuzzMatch(f *testing.F) {
	for _, pattern := range []string{"", ">", "*", "a", "a.b", "a.*", "*.b", "a.>", "*.>", "*.*.c", "a.*.c", "a.b.c", "a.", ".a", "a..b", ">.a", "a*", "a>", "*.a>", "ä"} {
		for _, subject := range []string{"", "a", "b", "a.b", "a.b.c", "b.b.c", "a.", ".", "a.*", "A-b_1.c", "a b", "ä"} {
			f.Add(pattern, subject)
		}
	}
	isSubject := regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)
	isPattern := regexp.MustCompile(`^(([A-Za-z0-9_-]+|\*)(\.([A-Za-z0-9_-]+|\*))*(\.>)?|>)?$`)
	f.Fuzz(func(t *testing.T, pattern, subject string) {
		if got, want := CheckSubject(subject) == nil, isSubject.MatchString(subject) && len(subject) <= MaxSubject; got != want {
			t.Fatalf("%q is a subject: %v; want %v", subject, got, want)
		}
		if got, want := CheckPattern(pattern) == nil, isPattern.MatchString(pattern) && len(pattern) <= MaxSubject; got != want {
			t.Fatalf("%q is a pattern: %v; want %v", pattern, got, want)
		}
		if CheckName(subject) == nil && (CheckSubject(subject) != nil || strings.Contains(subject, ".")) {
			t.Fatalf("%q is a name, and no token", subject)
		}
		if CheckSubject(subject) != nil || CheckPattern(pattern) != nil {
			return
		}
		means := strings.NewReplacer(".", `\.`, "*", `[^.]+`, ">", `.+`).Replace(pattern)
		if pattern == "" {
			means = ".*"
		}
		if got, want := Match(pattern, subject), regexp.MustCompile("^"+means+"$").MatchString(subject); got != want {
			t.Errorf("%q matches %q: %v; want %v", pattern, subject, got, want)
		}
	})
}

func TestDedupWindow(t *testing.T) {
	for limits, want := range map[Limits]time.Duration{
		{}:                                   2 * time.Minute,
		{Dedup: time.Hour}:                   time.Hour,
		{Dedup: time.Hour, Age: time.Minute}: time.Minute,
		{Age: time.Minute}:                   time.Minute,
		{Age: time.Hour}:                     2 * time.Minute,
	} {
		if got := limits.DedupWindow(); got != want {
			t.Errorf("%+v: %v; want %v", limits, got, want)
		}
	}
}
