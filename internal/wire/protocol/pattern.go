package protocol

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/dlclark/regexp2"
)

// pattern is a Java regular expression that has to match a whole string.
type pattern interface {
	MatchString(string) bool
}

// maxBacktrack bounds what a backtracking matcher is let loose on, in bytes.
// Every shape with such a pattern has a smaller length limit of its own.
const maxBacktrack = 16 << 10

var patterns sync.Map // of the Java source: pattern

// compilePattern makes the matcher of a pattern of a description. Descriptions
// write Java; nearly all of it means the same in Go, whose matcher takes linear
// time. What Go has no words for (lookaround, back references, large counts)
// goes to a backtracking matcher, so that no pattern is dropped.
func compilePattern(java string) (pattern, error) {
	if p, ok := patterns.Load(java); ok {
		return p.(pattern), nil
	}
	source := `\A(?:` + translatePattern(java) + `)\z`
	var p pattern
	linear, err := regexp.Compile(source)
	if err == nil {
		p = linear
	} else {
		re, err := regexp2.Compile(source, regexp2.None)
		if err != nil {
			return nil, fmt.Errorf("pattern %s: %w", java, err)
		}
		p = backtracking{re}
	}
	patterns.Store(java, p)
	return p, nil
}

// mustPattern is compilePattern for what the descriptions of served services have:
// a test compiles them all.
func mustPattern(java string) pattern {
	p, err := compilePattern(java)
	if err != nil {
		panic(err)
	}
	return p
}

type backtracking struct{ re *regexp2.Regexp }

func (b backtracking) MatchString(s string) bool {
	if len(s) > maxBacktrack {
		return false
	}
	ok, err := b.re.MatchString(s)
	return err == nil && ok
}

var (
	surrogates = regexp.MustCompile(`\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})`)
	codeUnit   = regexp.MustCompile(`\\u([0-9a-fA-F]{4})`)
	posix      = strings.NewReplacer(
		`\p{Print}`, `[\x20-\x7E]`, `\p{Graph}`, `[\x21-\x7E]`, `\p{Alnum}`, `[0-9A-Za-z]`,
		`\p{Alpha}`, `[A-Za-z]`, `\p{ASCII}`, `[\x00-\x7F]`,
	)
)

// translatePattern rewrites what Java spells differently: code units (in UTF-16
// pairs where need be) and POSIX classes.
func translatePattern(java string) string {
	s := surrogates.ReplaceAllStringFunc(java, func(pair string) string {
		high, _ := strconv.ParseUint(pair[2:6], 16, 16)
		low, _ := strconv.ParseUint(pair[8:12], 16, 16)
		return fmt.Sprintf(`\x{%X}`, 0x10000+(high-0xD800)<<10+(low-0xDC00))
	})
	return posix.Replace(codeUnit.ReplaceAllString(s, `\x{$1}`))
}
