package cfn

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
)

// properties are those of a resource, or of a part of it, evaluated. Its methods
// tell of what is wrong with a property, and go on.
type properties struct {
	e     *eventReader
	owner string // "queue Jobs"
	// words are what the person has written, where that is not the property's name;
	// "" is for a part that nobody has written.
	words map[string]string
	m     *doc.Map
	at    app.Position
}

func (p properties) label(key string) string {
	return cmp.Or(p.words[key], key) + " of " + p.owner
}

// within names what the parts in a property belong to.
func (p properties) within(key string) string {
	if word, ok := p.words[key]; ok && word == "" {
		return p.owner
	}
	return p.label(key)
}

// place is where a property stands, or what it belongs to if it is missing.
func (p properties) place(key string) app.Position {
	if n := p.get(key); n != nil {
		return n.At
	}
	return p.at
}

func (p properties) wrong(key, format string, args ...any) {
	p.e.problem(p.place(key), "%s %s", p.label(key), fmt.Sprintf(format, args...))
}

// get returns a property's value, or nil.
func (p properties) get(key string) *doc.Node {
	if n := p.m.Get(key); !n.IsNull() {
		return n
	}
	return nil
}

// known tells of properties that there are not. CloudFormation refuses them, too.
func (p properties) known(keys ...string) {
	for _, k := range p.m.Names() {
		if !slices.Contains(keys, k) {
			p.e.problem(p.m.KeyAt(k), "%s is not known%s", p.label(k), doc.DidYouMean(k, keys))
		}
	}
}

// need tells of a property that is missing.
func (p properties) need(keys ...string) (there bool) {
	there = true
	for _, key := range keys {
		if p.get(key) == nil {
			p.e.problem(p.at, "%s is missing", p.label(key))
			there = false
		}
	}
	return there
}

func (p properties) text(key string) string {
	n := p.get(key)
	if n == nil {
		return ""
	}
	text, ok := n.Text()
	if !ok {
		p.wrong(key, "must be a text, not %s", n.What())
	}
	return text
}

// textUpTo is text for one with a limit.
func (p properties) textUpTo(key string, limit int) string {
	text := p.text(key)
	if n := len([]rune(text)); n > limit {
		p.wrong(key, "has %d characters, and %d are allowed", n, limit)
	}
	return text
}

func (p properties) whole(key string, low, high, missing int) int {
	n := p.get(key)
	if n == nil {
		return missing
	}
	value, wrong := n.Whole(low, high)
	if wrong != "" {
		p.wrong(key, "%s", wrong)
		return missing
	}
	return value
}

func (p properties) seconds(key string, low, high, missing int) pinfold.Seconds {
	return pinfold.Seconds(p.whole(key, low, high, missing))
}

// maybe is whole for a property that need not be there.
func (p properties) maybe(key string, low, high int) *int {
	if p.get(key) == nil {
		return nil
	}
	n := p.whole(key, low, high, low)
	return &n
}

func (p properties) maybeSeconds(key string, low, high int) *pinfold.Seconds {
	return (*pinfold.Seconds)(p.maybe(key, low, high))
}

func (p properties) flag(key string, missing bool) bool {
	n := p.get(key)
	if n == nil {
		return missing
	}
	value, wrong := n.Flag()
	if wrong != "" {
		p.wrong(key, "%s", wrong)
		return missing
	}
	return value
}

func (p properties) oneOf(key, missing string, words ...string) string {
	n := p.get(key)
	if n == nil {
		return missing
	}
	value, wrong := n.OneOf(words...)
	if wrong != "" {
		p.wrong(key, "%s", wrong)
		return missing
	}
	return value
}

// list returns the items of a list; one value alone is a list of one.
func (p properties) list(key string) doc.List {
	n := p.get(key)
	if n == nil || n.List() != nil {
		return n.List()
	}
	return doc.List{n}
}

func (p properties) texts(key string) []string {
	var texts []string
	for _, item := range p.list(key) {
		text, ok := item.Text()
		if !ok {
			p.e.problem(item.At, "%s must be a list of texts, not of %s", p.label(key), item.What())
			continue
		}
		texts = append(texts, text)
	}
	return texts
}

// part returns the properties in a property; ok is false if there are none.
func (p properties) part(key string) (part properties, ok bool) {
	n := p.get(key)
	part = properties{e: p.e, owner: p.within(key), words: p.words, at: p.place(key)}
	if n == nil {
		return part, false
	}
	if n.Map() == nil {
		p.wrong(key, "must be a map, not %s", n.What())
		return part, false
	}
	part.m = n.Map()
	return part, true
}

// parts returns the properties in the items of a list.
func (p properties) parts(key string) []properties {
	var parts []properties
	for i, item := range p.list(key) {
		owner := p.within(key)
		if owner != p.owner {
			owner = fmt.Sprintf("entry %d of %s", i+1, owner)
		}
		if item.Map() == nil {
			p.e.problem(item.At, "%s must be a list of maps, not of %s", p.label(key), item.What())
			continue
		}
		parts = append(parts, properties{e: p.e, owner: owner, words: p.words, m: item.Map(), at: item.At})
	}
	return parts
}

// json returns a property that may be written as a map or as a text of JSON, as
// policies may, with its parts.
func (p properties) json(key string) (part properties, text string) {
	n := p.get(key)
	if text, isText := n.Text(); isText {
		parsed, err := doc.ParseJSON("", []byte(text))
		if err != nil || parsed.Map() == nil {
			p.wrong(key, "must be a map or the JSON of one, not %s", n.What())
			return part, ""
		}
		n = at(n.At, parsed)
	}
	part = properties{e: p.e, owner: p.within(key), words: p.words, m: n.Map(), at: p.place(key)}
	if n == nil {
		return part, ""
	}
	if n.Map() == nil {
		p.wrong(key, "must be a map or the JSON of one, not %s", n.What())
		return part, ""
	}
	b, err := n.MarshalJSON()
	if err != nil {
		p.wrong(key, "cannot be written as JSON: %v", err)
	}
	return part, string(b)
}

// at returns a value with all that is in it moved to one place.
func at(place app.Position, n *doc.Node) *doc.Node {
	switch v := n.Value.(type) {
	case *doc.Map:
		m := doc.NewMap()
		for _, k := range v.Keys {
			m.Set(doc.Key{Name: k.Name, At: place}, at(place, v.Get(k.Name)))
		}
		return doc.New(place, m)
	case doc.List:
		list := make(doc.List, len(v))
		for i, item := range v {
			list[i] = at(place, item)
		}
		return doc.New(place, list)
	}
	return doc.New(place, n.Value)
}

// tags returns tags, which are written as a list of Key and Value or as a map,
// over those of the stack.
func (p properties) tags(key string) map[string]string {
	tags := maps.Clone(p.e.options.Tags)
	set := func(n *doc.Node, name string) {
		value, ok := n.Text()
		if !ok {
			p.wrong(key, "must hold a text for %s, not %s", name, n.What())
			return
		}
		if tags == nil {
			tags = map[string]string{}
		}
		tags[name] = value
	}
	if m := p.get(key).Map(); m != nil {
		for _, name := range m.Names() {
			set(m.Get(name), name)
		}
		return tags
	}
	for _, tag := range p.parts(key) {
		if tag.known("Key", "Value"); tag.need("Key", "Value") {
			set(tag.get("Value"), tag.text("Key"))
		}
	}
	return tags
}

// queueARN returns the ARN of a queue, or "". The URL of one is a likely slip.
func (p properties) queueARN(key string) string {
	text := p.text(key)
	if arn, ok := pinfold.ParseARN(text); text == "" || ok && arn.Service == "sqs" {
		return text
	}
	p.wrong(key, "must be the ARN of a queue, not %q%s", text, p.e.slip(text))
	return ""
}
