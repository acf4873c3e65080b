package protocol

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// rules are the constraints of a shape. Its pattern is compiled when the first value
// comes: a server that starts would wait for some hundred of them, which few need.
type rules struct {
	limits
	pattern func() pattern // nil: any value will do
}

func compileRules(n *node) (r rules, err error) {
	if r.limits, err = parseLimits(n.shape.Limits); err != nil {
		return r, err
	}
	if n.shape.Pattern != "" {
		r.pattern = sync.OnceValue(func() pattern { return mustPattern(n.shape.Pattern) })
	}
	return r, err
}

const notNull = "Member must not be null"

// violations returns which of n's own constraints v breaks, in AWS's words and
// in the order in which AWS lists them.
func (n *node) violations(v reflect.Value) []string {
	return n.words(func(c constraint) bool { return !n.holds(c, v) })
}

type constraint uint8

const (
	atMost constraint = iota
	atLeast
	matches
	oneOf
)

// words phrases those constraints of n that want reports.
func (n *node) words(want func(constraint) bool) []string {
	var all []string
	measure := "length"
	if n.kind == kindInt || n.kind == kindFloat {
		measure = "value"
	}
	bound := func(f float64) string {
		if n.kind == kindFloat && f == float64(int64(f)) {
			return strconv.FormatFloat(f, 'f', 1, 64) // a Java double: 1.0
		}
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	if n.rules.hasMost && want(atMost) {
		all = append(all, "Member must have "+measure+" less than or equal to "+bound(n.rules.most))
	}
	if n.rules.hasLeast && want(atLeast) {
		all = append(all, "Member must have "+measure+" greater than or equal to "+bound(n.rules.least))
	}
	if n.rules.pattern != nil && want(matches) {
		all = append(all, "Member must satisfy regular expression pattern: "+n.shape.Pattern)
	}
	if n.shape.Enum != nil && want(oneOf) {
		all = append(all, "Member must satisfy enum value set: ["+strings.Join(n.shape.Enum, ", ")+"]")
	}
	return all
}

func (n *node) holds(c constraint, v reflect.Value) bool {
	switch c {
	case atMost:
		return n.size(v) <= n.rules.most
	case atLeast:
		return n.size(v) >= n.rules.least
	case matches:
		return n.rules.pattern().MatchString(v.String())
	}
	return slices.Contains(n.shape.Enum, v.String())
}

// size is what limits are about: the value of a number, else a length.
func (n *node) size(v reflect.Value) float64 {
	switch n.kind {
	case kindInt:
		return float64(v.Int())
	case kindFloat:
		return v.Float()
	case kindString:
		return float64(utf8.RuneCountInString(v.String()))
	case kindBlob, kindList, kindMap:
		return float64(v.Len())
	}
	return 0
}

// validate returns AWS's "n validation errors detected: ..." about an input, or "".
func validate(n *node, v reflect.Value) string {
	var found []string
	n.check(v, "", &found)
	switch len(found) {
	case 0:
		return ""
	case 1:
		return "1 validation error detected: " + found[0]
	}
	return strconv.Itoa(len(found)) + " validation errors detected: " + strings.Join(found, "; ")
}

// maxViolations bounds how many violations one answer lists.
const maxViolations = 32

// check walks a value. Lists of plain values and maps are judged as a whole at
// their own path; the items of a list of structures have paths of their own
// ('tags.1.member.key').
func (n *node) check(v reflect.Value, path string, found *[]string) {
	if len(*found) >= maxViolations {
		return
	}
	report := func(words string) { *found = append(*found, n.complaint(v, path, words)) }
	for _, words := range n.violations(v) {
		report(words)
	}
	switch n.kind {
	case kindStruct:
		n.checkFields(v, path, found)
	case kindList:
		if n.elem.kind == kindStruct || n.elem.kind == kindList || n.elem.kind == kindMap {
			for i := range v.Len() {
				n.elem.check(v.Index(i), path+"."+strconv.Itoa(i+1)+".member", found)
			}
			return
		}
		for i := range v.Len() {
			if len(n.elem.violations(v.Index(i))) > 0 {
				report("Member must satisfy constraint: [" + n.elem.all() + "]")
				break
			}
		}
	case kindMap:
		n.checkMap(v, path, found, report)
	}
}

func (n *node) checkFields(v reflect.Value, path string, found *[]string) {
	for _, f := range n.fields {
		at := f.path
		if path != "" {
			at = path + "." + f.path
		}
		value, ok := f.get(v)
		if ok {
			f.node.check(value, at, found)
		} else if f.required {
			*found = append(*found, "Value null at '"+at+"' failed to satisfy constraint: "+notNull)
		}
	}
}

func (n *node) checkMap(v reflect.Value, path string, found *[]string, report func(string)) {
	badKey, badValue := false, false
	for _, key := range sortedKeys(v) {
		badKey = badKey || len(n.key.violations(key)) > 0
		value := v.MapIndex(key)
		badValue = badValue || len(n.elem.violations(value)) > 0
		if n.elem.kind == kindStruct || n.elem.kind == kindList {
			n.elem.checkInside(value, path+"."+key.String()+".member", found)
		}
	}
	if badKey {
		report("Map keys must satisfy constraint: [" + n.key.all() + "]")
	}
	if badValue {
		report("Map value must satisfy constraint: [" + n.elem.all() + "]")
	}
}

// checkInside checks what a value holds, but not the value itself.
func (n *node) checkInside(v reflect.Value, path string, found *[]string) {
	switch n.kind {
	case kindStruct:
		n.checkFields(v, path, found)
	case kindList:
		for i := range v.Len() {
			n.elem.check(v.Index(i), path+"."+strconv.Itoa(i+1)+".member", found)
		}
	}
}

// all phrases all constraints of an item, of which at least one is broken. The
// last one is in what AWS answers since 2024; see appleboy/lambda-action#83.
func (n *node) all() string {
	return strings.Join(append(n.words(func(constraint) bool { return true }), notNull), ", ")
}

func (n *node) complaint(v reflect.Value, path, words string) string {
	value := " '" + javaString(n, v) + "'"
	if n.sensitive() {
		value = ""
	}
	return "Value" + value + " at '" + path + "' failed to satisfy constraint: " + words
}

// sensitive reports whether a value's text could hold something secret.
func (n *node) sensitive() bool {
	if n.shape.Sensitive {
		return true
	}
	switch n.kind {
	case kindList:
		return n.elem.kind == kindStruct || n.elem.sensitive()
	case kindMap:
		return n.key.sensitive() || n.elem.sensitive() || n.elem.kind == kindStruct
	}
	return false
}

// maxEcho bounds how much of a value a message repeats, in bytes.
const maxEcho = 1024

// javaString writes a value as the messages do, which is Java's toString.
func javaString(n *node, v reflect.Value) string {
	var s string
	switch n.kind {
	case kindList:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = javaString(n.elem, v.Index(i))
		}
		s = "[" + strings.Join(items, ", ") + "]"
	case kindMap:
		var entries []string
		for _, key := range sortedKeys(v) {
			entries = append(entries, key.String()+"="+javaString(n.elem, v.MapIndex(key)))
		}
		s = "{" + strings.Join(entries, ", ") + "}"
	case kindBlob:
		size := strconv.Itoa(v.Len())
		s = "java.nio.HeapByteBuffer[pos=0 lim=" + size + " cap=" + size + "]"
	case kindTime:
		s = v.Interface().(time.Time).UTC().Format(time.UnixDate)
	default:
		s = text(n, v, timeISO8601)
	}
	if len(s) > maxEcho {
		s = strings.ToValidUTF8(s[:maxEcho], "") + "..."
	}
	return s
}

func sortedKeys(v reflect.Value) []reflect.Value {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
