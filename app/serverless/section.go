package serverless

import (
	"slices"
	"strings"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/cfn"
	"pinfold.dev/pinfold/app/doc"
)

// section is a map of the manifest. Its methods return what a key holds, with
// variables resolved, and tell the reader of what is wrong with it. A value of
// another type is taken where its meaning is plain ("512" for 512), as the
// framework's schema does (coerceTypes in lib/classes/config-schema-handler).
type section struct {
	r    *reader
	name string // "provider", "function hello"; empty for the whole manifest
	m    *doc.Map
	at   app.Position
}

// section makes one of a node; ok is false if it is no map.
func (r *reader) section(n *doc.Node, name string) (s section, ok bool) {
	n, err := r.vars.head(n)
	if err != nil {
		r.fail(app.Position{}, err)
		return section{r: r, name: name}, false
	}
	if n.IsNull() {
		return section{r: r, name: name}, false
	}
	if n.Map() == nil {
		r.problem(n.At, "%s must be a map of settings, not %s", name, n.What())
		return section{r: r, name: name}, false
	}
	return section{r: r, name: name, m: n.Map(), at: n.At}, true
}

// sub returns a section of the section; it is empty if there is none.
func (s section) sub(key string) section {
	sub, _ := s.r.section(s.m.Get(key), s.label(key))
	return sub
}

// label names a key for a message: "timeout of function hello".
func (s section) label(key string) string {
	if s.name == "" {
		return key
	}
	return key + " of " + s.name
}

// get returns the value of a key with its own variables resolved, or nil.
func (s section) get(key string) *doc.Node {
	n, err := s.r.vars.head(s.m.Get(key))
	if err != nil {
		s.r.fail(s.m.KeyAt(key), err)
		return nil
	}
	if n.IsNull() {
		return nil
	}
	return n
}

// has reports whether a key holds something other than null or false.
func (s section) has(key string) bool {
	n := s.get(key)
	return n != nil && n.Value != false
}

// value returns the value of a key with everything in it resolved and
// evaluated, or nil.
func (s section) value(key string) *doc.Node {
	n := s.r.evaluate(s.m.Get(key))
	if n.IsNull() {
		return nil
	}
	return n
}

// evaluate resolves variables and intrinsic functions. A mistake is told, and nil.
func (r *reader) evaluate(n *doc.Node) *doc.Node {
	if n == nil {
		return nil
	}
	value, err := r.resolve(n)
	if err != nil {
		r.fail(n.At, err)
		return nil
	}
	return value
}

// resolve is evaluate for who tells of a mistake itself.
func (r *reader) resolve(n *doc.Node) (*doc.Node, error) {
	n, err := r.vars.deep(n)
	if err == nil && r.scope != nil {
		n, err = r.scope.Eval(n)
	}
	return n, err
}

func (s section) text(key string) string {
	n := s.value(key)
	if n == nil {
		return ""
	}
	text, ok := n.Text()
	if !ok {
		hint := ""
		if isBraces(n) {
			hint = ": put quotes around a text that begins with {"
		}
		s.r.problem(n.At, "%s must be a text, not %s%s", s.label(key), n.What(), hint)
	}
	return text
}

// isBraces reports whether a map is likely to be a text in braces, {proxy+}.
func isBraces(n *doc.Node) bool {
	names := n.Map().Names()
	return len(names) == 1 && n.Map().Get(names[0]).IsNull()
}

// whole returns a whole number between low and high, or missing if there is none.
func (s section) whole(key string, low, high, missing int) int {
	n := s.value(key)
	if n == nil {
		return missing
	}
	value, wrong := n.Whole(low, high)
	if wrong != "" {
		s.r.problem(n.At, "%s %s", s.label(key), wrong)
		return missing
	}
	return value
}

func (s section) flag(key string, missing bool) bool {
	n := s.value(key)
	if n == nil {
		return missing
	}
	value, wrong := n.Flag()
	if wrong != "" {
		s.r.problem(n.At, "%s %s", s.label(key), wrong)
		return missing
	}
	return value
}

// texts returns a list of texts; one text alone is a list of one.
func (s section) texts(key string) []string {
	n := s.value(key)
	if n == nil {
		return nil
	}
	list := n.List()
	if list == nil {
		list = doc.List{n}
	}
	texts := []string{}
	for _, item := range list {
		text, ok := item.Text()
		if !ok {
			s.r.problem(item.At, "%s must be a list of texts, not of %s", s.label(key), item.What())
			continue
		}
		texts = append(texts, text)
	}
	return texts
}

// textMap returns a map of texts, such as tags. Null values are left out.
func (s section) textMap(key string) map[string]string {
	n := s.value(key)
	if n == nil {
		return nil
	}
	if n.Map() == nil {
		s.r.problem(n.At, "%s must be a map, not %s", s.label(key), n.What())
		return nil
	}
	return s.r.texts(n.Map(), s.label(key))
}

func (r *reader) texts(m *doc.Map, label string) map[string]string {
	texts := map[string]string{}
	for _, k := range m.Keys {
		n := m.Get(k.Name)
		if n.IsNull() {
			continue
		}
		text, ok := n.Text()
		if !ok {
			r.problem(n.At, "%s in %s must be a text, a number or a boolean, not %s", k.Name, label, n.What())
			continue
		}
		texts[k.Name] = text
	}
	return texts
}

// oneOf returns a text that must be one of some words, in the spelling of the
// word that it is, or missing.
func (s section) oneOf(key, missing string, words ...string) string {
	if s.text(key) == "" {
		return missing
	}
	value, wrong := s.value(key).OneOf(words...)
	if wrong != "" {
		s.r.problem(s.m.Get(key).At, "%s %s", s.label(key), wrong)
		return missing
	}
	return value
}

// meant returns a hint if a key is missing and another looks like it.
func (s section) meant(key string) string {
	if closest := doc.Closest(key, s.m.Names()); closest != "" {
		return "; did you mean that by " + closest + "?"
	}
	return ""
}

// known warns of keys that nobody reads, as the framework does.
func (s section) known(keys ...string) {
	for _, k := range s.unknown(keys...) {
		s.r.warn(k.At, "%s is not known and has no effect%s", s.label(k.Name), doc.DidYouMean(k.Name, keys))
	}
}

func (s section) unknown(keys ...string) []doc.Key {
	if s.m == nil {
		return nil
	}
	var unknown []doc.Key
	for _, k := range s.m.Keys {
		if !slices.Contains(keys, k.Name) && !strings.HasPrefix(k.Name, "x-") {
			unknown = append(unknown, k)
		}
	}
	return unknown
}

// maps returns a map that may be written as a list of maps, which are merged.
// Source: mergeArrays in lib/classes/service.js.
func (s section) maps(key string) *doc.Node {
	n := s.get(key)
	list := n.List()
	if list == nil {
		if n != nil && n.Map() == nil {
			s.r.problem(n.At, "%s must be a map or a list of maps, not %s", s.label(key), n.What())
			return nil
		}
		return n
	}
	merged := doc.New(n.At, doc.NewMap())
	for _, item := range list {
		item, err := s.r.vars.head(item)
		if err != nil {
			s.r.fail(app.Position{}, err)
			continue
		}
		if item.IsNull() {
			continue
		}
		if item.Map() == nil {
			s.r.problem(item.At, "%s must be a list of maps, not of %s", s.label(key), item.What())
			continue
		}
		merged = doc.Merge(merged, s.r.headed(item))
	}
	return merged
}

// headed resolves the values of a map themselves, so that maps that variables
// stand for are merged as maps.
func (r *reader) headed(n *doc.Node) *doc.Node {
	m := doc.NewMap()
	for _, k := range n.Map().Keys {
		value, err := r.vars.head(n.Map().Get(k.Name))
		if err != nil {
			value = n.Map().Get(k.Name) // told when it is read
		}
		m.Set(k, value)
	}
	return doc.New(n.At, m)
}

// isCall reports whether a node is an intrinsic function.
func isCall(n *doc.Node) bool {
	_, ok := cfn.IsCall(n)
	return ok
}

// unservedKeys keeps the keys that are there by the names they have for people.
func (s section) unservedKeys(keys [][2]string) {
	for _, k := range keys {
		if s.has(k[0]) {
			s.r.unserved(s.m.KeyAt(k[0]), "%s", k[1])
		}
	}
}
