// Package eventpattern is the language in which EventBridge's rules say which
// events they want, and event source mappings which records (FilterCriteria). It
// is a leaf: it knows neither buses nor queues. The language that logs are
// searched by is another one, in internal/logs/pattern.
//
// Sources: "Creating Amazon EventBridge event patterns" and "Comparison operators
// for use in event patterns", EventBridge user guide; "Control which events Lambda
// sends to your function", Lambda developer guide. Where these are silent, what
// AWS's own matcher does (github.com/aws/event-ruler), as far as it shows:
//
//   - Only values are compared that are neither object nor array. An array stands
//     for its elements, so an empty one for nothing.
//   - A.b is one path, whether written as one name or as a name in an object.
//   - What is wanted of the elements of one array must be true of one of them.
//     "exists": false is about all of them, unless a path before it, in
//     alphabetical order, has settled for one.
//   - Of a name that comes twice in an object of an event, both values count. In a
//     pattern no path may be wanted twice.
//
// Why it is our own: docs/adr/0026.
package eventpattern

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"pinfold.dev/pinfold"
)

// MaxLength bounds a pattern, in characters. Source: EventPattern of PutRule, and
// Pattern of Filter in Lambda's API reference.
const MaxLength = 4096

// maxCombinations bounds how many ways $or gives a pattern to be met. Source:
// "Comparison operators for use in event patterns", $or.
const maxCombinations = 1000

// maxRules bounds what it is compiled to: every place where a value may be missing
// or be one of some doubles that.
const maxRules = 8 << 10

// maxDepth bounds how deep a pattern is nested, and an event where a pattern looks:
// each level costs a piece of stack.
const maxDepth = 1000

// Pattern is a compiled event pattern. It may be used concurrently.
type Pattern struct {
	machines []*machine
	readers  sync.Pool // of *reader
}

// Compile reads a pattern. Its errors have code Invalid and reason
// InvalidEventPatternException, and AWS's words where these are known.
func Compile(pattern []byte) (*Pattern, error) {
	rules, err := parse(pattern)
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "Event pattern is not valid. Reason: %w", err).WithReason("InvalidEventPatternException")
	}
	return newPattern(rules, source{}), nil
}

func newPattern(rules []rule, from source) *Pattern {
	p := &Pattern{readers: sync.Pool{New: newReader}}
	for len(rules) > 0 {
		n := min(len(rules), machineRules)
		p.machines = append(p.machines, newMachine(rules[:n], from))
		rules = rules[n:]
	}
	return p
}

// Match reports whether an event meets the pattern. It takes time in proportion to
// the event's size. An event that is not a JSON object in UTF-8 is an error of
// code Invalid.
func (p *Pattern) Match(event []byte) (bool, error) {
	r := p.readers.Get().(*reader)
	defer p.readers.Put(r)
	for _, m := range p.machines {
		met, err := r.match(m, event)
		if err != nil {
			return false, pinfold.Errorf(pinfold.Invalid, "the event cannot be compared with a pattern: %w", err)
		}
		if met {
			return true, nil
		}
	}
	return false, nil
}

// failure is what is wrong with a pattern, and where.
type failure struct {
	reason string
	source []byte
	offset int64
}

// maxQuoted bounds how much of a pattern its error repeats, in bytes.
const maxQuoted = 500

// Error says it as the JSON library does that AWS uses, since people search for
// that.
func (f failure) Error() string {
	before := string(f.source[:min(f.offset, int64(len(f.source)))])
	line := before[strings.LastIndexByte(before, '\n')+1:]
	quoted, truncated := string(f.source), ""
	if n := len(quoted) - maxQuoted; n > 0 {
		quoted, truncated = quoted[:maxQuoted], fmt.Sprintf("[truncated %d chars]", n)
	}
	return fmt.Sprintf("%s\n at [Source: (String)\"%s\"%s; line: %d, column: %d]", f.reason,
		strings.ToValidUTF8(quoted, "\ufffd"), truncated, strings.Count(before, "\n")+1, utf8.RuneCountInString(line)+1)
}
