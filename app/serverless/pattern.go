package serverless

import (
	"path"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// rules say what to pack: of the rules that match a name the last decides, and
// what no rule matches is in.
type rules []rule

type rule struct {
	exclude bool
	pattern string
	exact   bool   // the pattern is a name
	below   string // the pattern is everything below this folder, with the slash
	flat    bool   // the pattern matches names without a slash only
}

// newRule makes a rule of a pattern in which ! turns the meaning around.
func newRule(pattern string, exclude bool) rule {
	if rest, ok := strings.CutPrefix(pattern, "!"); ok {
		pattern, exclude = rest, !exclude
	}
	pattern = strings.TrimPrefix(pattern, "./")
	r := rule{exclude: exclude, pattern: pattern}
	base, everything := strings.CutSuffix(pattern, "/**")
	switch {
	case !meta(pattern):
		r.exact = true
	case everything && !meta(base):
		r.below = base + "/"
	case !strings.Contains(pattern, "/") && !strings.Contains(pattern, "**"):
		r.flat = !strings.Contains(pattern, "{")
	}
	return r
}

func meta(s string) bool { return strings.ContainsAny(s, `*?[{\`) }

func (r rule) matches(name string) bool {
	switch {
	case r.exact:
		return name == r.pattern
	case r.below != "":
		return strings.HasPrefix(name, r.below)
	case r.flat && strings.Contains(name, "/"):
		return false
	}
	return r.pattern == "**" || doublestar.MatchUnvalidated(r.pattern, name)
}

func (r rules) key() string {
	var b strings.Builder
	for _, one := range r {
		if one.exclude {
			b.WriteByte('!')
		}
		b.WriteString(one.pattern)
		b.WriteByte(0)
	}
	return b.String()
}

func (r rules) keep(name string) bool {
	for i := len(r) - 1; i >= 0; i-- {
		if r[i].matches(name) {
			return !r[i].exclude
		}
	}
	return true
}

// leaveOut reports whether everything in a folder is left out for certain, so
// that one need not look into it.
func (r rules) leaveOut(dir string) bool {
	for i := len(r) - 1; i >= 0; i-- {
		if !r[i].exclude && r[i].reaches(dir) {
			return false
		}
		if r[i].exclude && r[i].covers(dir) {
			return true
		}
	}
	return false
}

// covers reports whether the pattern matches everything in the folder.
func (r rule) covers(dir string) bool {
	if r.pattern == "**" || r.pattern == "**/*" {
		return true
	}
	base, ok := strings.CutSuffix(r.pattern, "/**")
	if !ok {
		return false
	}
	for at := dir; at != "." && at != "/"; at = path.Dir(at) {
		if doublestar.MatchUnvalidated(base, at) {
			return true
		}
	}
	return false
}

// reaches reports whether the pattern may match something in the folder.
func (r rule) reaches(dir string) bool {
	if strings.ContainsAny(r.pattern, `{\`) {
		return true
	}
	segments := strings.Split(r.pattern, "/")
	for i, d := range strings.Split(dir, "/") {
		switch {
		case i >= len(segments):
			return false
		case strings.Contains(segments[i], "**"):
			return true
		case !doublestar.MatchUnvalidated(segments[i], d):
			return false
		}
	}
	return len(segments) > strings.Count(dir, "/")+1
}
