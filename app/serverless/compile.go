package serverless

import (
	"slices"
	"strconv"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/cfn"
	"pinfold.dev/pinfold/app/doc"
)

// compiled is a resource that an event or a setting of a function was made into, as
// the framework does, and by the same logical ID.
type compiled struct {
	id string
	f  *function
}

// blueprint is such a resource while it is being made.
type blueprint struct {
	label string // what a person calls it
	at    app.Position
	words map[string]string // by property, the setting that it comes from
	m     *doc.Map
}

func newBlueprint(label string, at app.Position) *blueprint {
	return &blueprint{label: label, at: at, words: map[string]string{}, m: doc.NewMap()}
}

// set gives a property a value that the manifest does not have.
func (t *blueprint) set(property string, value any) {
	n, ok := value.(*doc.Node)
	if !ok {
		n = doc.New(t.at, value)
	}
	t.m.Set(doc.Key{Name: property, At: n.At}, n)
}

// take gives properties the values of settings. Whatever is to be evaluated in
// them is evaluated later.
func (t *blueprint) take(s section, settings map[string]string) {
	for property, key := range settings {
		t.words[property] = key
		if n := s.get(key); n != nil {
			t.set(property, n)
		}
	}
}

// nest gives a property a map with one value in it, which people know by a word.
func (t *blueprint) nest(property, inner, word string, value *doc.Node) {
	m := doc.NewMap()
	m.Set(doc.Key{Name: inner, At: value.At}, value)
	t.words[property], t.words[inner] = "", word
	t.set(property, doc.New(value.At, m))
}

// compile makes a resource. One that the manifest has by the same ID is laid over
// it, as the framework does.
func (r *reader) compile(f *function, id, resourceType string, t *blueprint) {
	made := cfn.Resource{ID: id, Type: resourceType, Properties: doc.New(t.at, t.m), At: t.at, Label: t.label, Words: t.words}
	if own, ok := r.scope.Resources[id]; ok && (own.Type == "" || own.Type == resourceType) {
		if own.Properties != nil {
			made.Properties = doc.Merge(made.Properties, own.Properties)
		}
		made.DependsOn, made.Retain = own.DependsOn, own.Retain
	}
	r.scope.Resources[id] = made
	r.compiled = append(r.compiled, compiled{id, f})
}

// readEventResources reads what makes events: resources of the manifest, and those
// that events of functions were made into.
func (r *reader) readEventResources(ids []string) {
	for _, c := range r.compiled {
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == c.id })
		switch {
		case !slices.Contains(r.functions, c.f): // its condition does not hold
		case c.f.left != "":
			made := r.scope.Resources[c.id]
			r.warn(made.At, "%s is left out: its function is", made.Label)
		default:
			ids = append(ids, c.id)
		}
	}
	found := r.scope.Events(cfn.EventOptions{IDs: ids, Tags: r.provider().textMap("stackTags"), Missed: r.missed})
	r.app.Events = found.Events
	for _, u := range found.Unserved {
		r.unserved(u.At, "%s", u.What)
	}
	for _, p := range found.Problems {
		r.fail(p.At, p)
	}
}

// free returns a logical ID that no other event has: the framework would let one
// take the place of the other.
func (r *reader) free(id string) string {
	base := id
	for n := 2; slices.ContainsFunc(r.compiled, func(c compiled) bool { return c.id == id }); n++ {
		id = base + strconv.Itoa(n)
	}
	return id
}
