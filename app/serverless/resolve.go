package serverless

import (
	"errors"
	"fmt"
	"strings"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
)

const (
	maxChain = 100     // variables that lead to one another
	maxText  = 1 << 20 // bytes that one text may become
)

// resolver replaces variables by their values, each when it is asked for and
// only then: what nothing needs may stay unresolved.
type resolver struct {
	root    *doc.Node // the manifest as it is written
	sources sources
	heads   map[*doc.Node]*doc.Node
	deeps   map[*doc.Node]*doc.Node
	sizes   map[*doc.Node]int // of deeps
	open    map[*doc.Node]bool
	within  map[*doc.Node]bool // whose deep is being made
	chain   []step
}

// step is one variable that is being resolved.
type step struct {
	text string
	at   app.Position
}

func newResolver(root *doc.Node, s sources) *resolver {
	return &resolver{root: root, sources: s, heads: map[*doc.Node]*doc.Node{}, deeps: map[*doc.Node]*doc.Node{},
		sizes: map[*doc.Node]int{}, open: map[*doc.Node]bool{}, within: map[*doc.Node]bool{}}
}

// head resolves the variables of a node itself. If it becomes a map or a list,
// what is in there is as it was.
func (v *resolver) head(n *doc.Node) (*doc.Node, error) {
	if n == nil {
		return nil, nil
	}
	text, ok := n.Value.(string)
	if !ok || !strings.Contains(text, "${") {
		return n, nil
	}
	if done, ok := v.heads[n]; ok {
		return done, nil
	}
	t, err := parseTemplate(text)
	if err != nil {
		if s, ok := errors.AsType[*syntaxError](err); ok {
			return nil, app.Problem{At: n.Offset(s.at), Message: s.message + v.neededBy(v.chain)}
		}
		return nil, err
	}
	if v.open[n] {
		return nil, v.circular()
	}
	v.open[n] = true
	defer delete(v.open, n)
	done, err := v.evaluate(n, t)
	if err == nil {
		v.heads[n], v.heads[done] = done, done // what came out is not looked at again
	}
	return done, err
}

// deep resolves a node with everything in it.
func (v *resolver) deep(n *doc.Node) (*doc.Node, error) {
	n, err := v.head(n)
	if err != nil || n == nil {
		return nil, err
	}
	if done, ok := v.deeps[n]; ok {
		return done, nil
	}
	if v.within[n] {
		return nil, n.Problem("circular variables: this value contains itself, by way of a variable in it")
	}
	if len(v.within) > maxChain {
		return nil, n.Problem(fmt.Sprintf("this is nested more than %d levels deep when its variables are replaced", maxChain))
	}
	v.within[n] = true
	defer delete(v.within, n)
	done, size := n, 1
	switch value := n.Value.(type) {
	case *doc.Map:
		m := doc.NewMap()
		for _, k := range value.Keys {
			item, err := v.deep(value.Get(k.Name))
			if err != nil {
				return nil, err
			}
			m.Set(k, item)
			size += v.size(item)
		}
		done = doc.New(n.At, m)
	case doc.List:
		list := make(doc.List, len(value))
		for i, item := range value {
			if list[i], err = v.deep(item); err != nil {
				return nil, err
			}
			size += v.size(list[i])
		}
		done = doc.New(n.At, list)
	}
	if size > doc.MaxNodes {
		return nil, n.Problem(fmt.Sprintf("this has more than %d values when its variables are replaced", doc.MaxNodes))
	}
	v.deeps[n], v.deeps[done] = done, done
	v.sizes[done] = size
	return done, nil
}

func (v *resolver) size(n *doc.Node) int {
	if s, ok := v.sizes[n]; ok {
		return s
	}
	return 1
}

// evaluate replaces the variables of a text. A text that is one variable
// becomes that variable's value, whatever it is; in others variables must be
// scalars.
func (v *resolver) evaluate(n *doc.Node, t template) (*doc.Node, error) {
	if len(t) == 1 && t[0].variable != nil {
		value, err := v.variable(n, t[0].variable)
		if err != nil {
			return nil, err
		}
		return value, nil
	}
	var b strings.Builder
	for _, p := range t {
		if p.variable == nil {
			b.WriteString(p.text)
			continue
		}
		value, err := v.variable(n, p.variable)
		if err != nil {
			return nil, err
		}
		text, ok := value.Text()
		if !ok {
			return nil, app.Problem{At: n.Offset(p.variable.at), Message: fmt.Sprintf(
				"%s is %s (%s), which cannot be put into a text: name one value in it, or let the variable stand alone", p.variable.text, value.What(), value.At)}
		}
		b.WriteString(text)
		if b.Len() > maxText {
			return nil, n.Problem("this becomes larger than 1 MB when its variables are replaced")
		}
	}
	return doc.New(n.At, b.String()), nil
}

// inner evaluates a template in a variable: an address or a parameter.
func (v *resolver) inner(n *doc.Node, t template) (*doc.Node, error) {
	if len(t) == 0 {
		return doc.New(n.At, ""), nil
	}
	return v.evaluate(n, t)
}

// variable takes the first of its sources that has a value.
func (v *resolver) variable(n *doc.Node, x *variable) (*doc.Node, error) {
	here := step{x.text, n.Offset(x.at)}
	if len(v.chain) >= maxChain {
		return nil, app.Problem{At: here.at, Message: fmt.Sprintf("%s needs more than %d variables that need one another", x.text, maxChain)}
	}
	v.chain = append(v.chain, here)
	defer func() { v.chain = v.chain[:len(v.chain)-1] }()
	var why []string
	for i, s := range x.sources {
		last := i == len(x.sources)-1
		if s.kind == "" {
			if s.literal == nil && !last {
				continue
			}
			return doc.New(n.At, number(s.literal)), nil
		}
		value, reason, err := v.take(n, s, last)
		if err != nil {
			if p, ok := errors.AsType[app.Problem](err); ok {
				return nil, p
			}
			return nil, app.Problem{At: here.at, Message: fmt.Sprintf("cannot resolve %s: %v%s", x.text, err, v.neededBy(v.chain[:len(v.chain)-1]))}
		}
		if !value.IsNull() {
			return value, nil
		}
		why = append(why, reason)
	}
	hint := ""
	if len(x.sources) == 1 {
		hint = " (or give a default: " + strings.TrimSuffix(x.text, "}") + ", 'value'})"
	}
	return nil, app.Problem{At: here.at, Message: fmt.Sprintf("cannot resolve %s: %s%s%s", x.text, strings.Join(why, "; "), hint, v.neededBy(v.chain[:len(v.chain)-1]))}
}

// number gives a literal the type that the document would give it.
func number(literal any) any {
	if f, ok := literal.(float64); ok && f == float64(int64(f)) {
		return int64(f)
	}
	return literal
}

// take asks one source. The value is nil where it has none, with the reason.
func (v *resolver) take(n *doc.Node, s source, last bool) (*doc.Node, string, error) {
	ask := question{node: n, last: last, hasColon: s.hasColon}
	for _, p := range s.params {
		value, err := v.inner(n, p)
		if err != nil {
			return nil, "", err
		}
		ask.params = append(ask.params, value)
	}
	address, err := v.inner(n, s.address)
	if err != nil {
		return nil, "", err
	}
	text, ok := address.Text()
	if !ok {
		return nil, "", fmt.Errorf("its address is %s, and must be a text", address.What())
	}
	ask.address = text
	return v.sources.ask(v, s.kind, ask)
}

// lookup follows an address such as "custom.tables.0.name" from a node.
func (v *resolver) lookup(n *doc.Node, address string) (*doc.Node, error) {
	n, err := v.head(n)
	if address == "" {
		return n, err
	}
	for key := range strings.SplitSeq(address, ".") {
		if err != nil || n == nil {
			return nil, err
		}
		if n, err = v.head(child(n, key)); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func child(n *doc.Node, key string) *doc.Node {
	switch value := n.Value.(type) {
	case *doc.Map:
		return value.Get(key)
	case doc.List:
		var i int
		if _, err := fmt.Sscanf(key, "%d", &i); err == nil && i >= 0 && i < len(value) && fmt.Sprint(i) == key {
			return value[i]
		}
	}
	return nil
}

// circular returns the problem of a value that needs itself.
func (v *resolver) circular() error {
	var names []string
	for _, s := range v.chain {
		names = append(names, fmt.Sprintf("%s (%s)", s.text, s.at))
	}
	at := v.chain[len(v.chain)-1].at
	return app.Problem{At: at, Message: "circular variables, none of them can have a value: " + strings.Join(names, " -> ") + " -> and so on: give one of them a value of its own"}
}

// neededBy names the variables that led here, the nearest first.
func (v *resolver) neededBy(chain []step) string {
	var b strings.Builder
	for i := len(chain) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, ", needed for %s (%s)", chain[i].text, chain[i].at)
		if len(chain)-i == 5 {
			break
		}
	}
	return b.String()
}
