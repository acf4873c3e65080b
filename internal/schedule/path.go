package schedule

import (
	"strconv"
	"strings"
)

// path is a JSON path as far as EventBridge has them: names of letters, digits,
// dashes, underscores and slashes behind dots, indices, and * for all of what there
// is. Source: "Amazon EventBridge input transformation", EventBridge user guide.
type path []step

// step is one step of a path: a name, an index if there is no name, or all.
type step struct {
	name  string
	index int
	all   bool
}

// parsePath reads a path. It reports false for what is none.
func parsePath(text string) (path, bool) {
	rest, ok := strings.CutPrefix(text, "$")
	if !ok {
		return nil, false
	}
	p := path{}
	for rest != "" {
		var token string
		var s step
		switch rest[0] {
		case '.':
			end := strings.IndexAny(rest[1:], ".[") + 1
			if end == 0 {
				end = len(rest)
			}
			token, rest = rest[1:end], rest[end:]
			s.name = token
			if strings.ContainsFunc(token, notInName) && token != "*" {
				return nil, false
			}
		case '[':
			if token, rest, ok = strings.Cut(rest[1:], "]"); !ok {
				return nil, false
			}
			if n, err := strconv.ParseUint(token, 10, 31); token != "*" && err != nil {
				return nil, false
			} else {
				s.index = int(n)
			}
		default:
			return nil, false
		}
		if token == "" {
			return nil, false
		}
		s.all = token == "*"
		p = append(p, s)
	}
	return p, true
}

func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '/'
}

// find returns what a path leads to in a document, and false if that is nothing. A
// path with a * leads to a list.
func (p path) find(document any) (any, bool) {
	found, many := []any{document}, false
	for _, s := range p {
		many = many || s.all
		var next []any
		for _, value := range found {
			switch value := value.(type) {
			case map[string]any:
				if s.all {
					for _, key := range sorted(value) {
						next = append(next, value[key])
					}
				} else if inner, ok := value[s.name]; ok && s.name != "" {
					next = append(next, inner)
				}
			case []any:
				if s.all {
					next = append(next, value...)
				} else if s.name == "" && s.index < len(value) {
					next = append(next, value[s.index])
				}
			}
		}
		found = next
	}
	if len(found) == 0 {
		return nil, false
	}
	if many {
		return found, true
	}
	return found[0], true
}
