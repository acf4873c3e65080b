package doc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"pinfold.dev/pinfold/app"
)

// The limits of a document. They are far above what people write; they keep a
// few hundred bytes of aliases from becoming gigabytes.
const (
	MaxBytes = 10 << 20
	MaxNodes = 200_000
	maxDepth = 200
)

// ParseYAML reads a YAML document. The file's name is only used for positions.
// The error is an [app.Problems].
func ParseYAML(file string, data []byte) (*Node, error) {
	if len(data) > MaxBytes {
		return nil, tooBig(file)
	}
	if p, ok := unreadable(file, data); ok {
		return nil, app.Problems{p}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var root yaml.Node
	switch err := dec.Decode(&root); {
	case err != nil && err.Error() == "EOF":
		return New(app.Position{File: file, Line: 1, Column: 1}, nil), nil
	case err != nil:
		return nil, app.Problems{syntax(file, data, err)}
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		return nil, app.Problems{{At: app.Position{File: file, Line: second.Line, Column: second.Column},
			Message: "a second document begins here: the file must hold a single one, remove the \"---\" before it"}}
	} else if err.Error() != "EOF" {
		return nil, app.Problems{syntax(file, data, err)}
	}
	c := converter{file: file, sizes: map[*yaml.Node]int{}, done: map[*yaml.Node]*Node{}}
	n, _ := c.node(&root, 0)
	if len(c.problems) > 0 {
		return nil, c.problems
	}
	return n, nil
}

// ParseJSON reads a JSON document like [ParseYAML].
func ParseJSON(file string, data []byte) (*Node, error) {
	if len(data) > MaxBytes {
		return nil, tooBig(file)
	}
	var any json.RawMessage
	if err := json.Unmarshal(data, &any); err != nil {
		at := app.Position{File: file}
		if s, ok := errors.AsType[*json.SyntaxError](err); ok {
			before := data[:min(int(s.Offset), len(data))]
			at.Line = bytes.Count(before, []byte("\n")) + 1
			at.Column = len(before) - bytes.LastIndexByte(before, '\n') - 1
			if at.Column > 0 && bytes.HasSuffix(bytes.TrimRight(before[:len(before)-1], " \t\r\n"), []byte(",")) {
				err = fmt.Errorf("%w: remove the comma before it", err)
			}
		}
		return nil, app.Problems{{At: at, Message: "this is not JSON: " + err.Error()}}
	}
	// JSON is YAML, and the YAML parser knows where things stand.
	return ParseYAML(file, data)
}

func tooBig(file string) app.Problems {
	return app.Problems{{At: app.Position{File: file}, Message: fmt.Sprintf("the file is larger than %d MB: move large data out of the manifest", MaxBytes>>20)}}
}

// converter turns the library's nodes into ours.
type converter struct {
	file     string
	problems app.Problems
	done     map[*yaml.Node]*Node // anchored nodes, shared by their aliases
	sizes    map[*yaml.Node]int   // how many nodes each of them is when spelled out
	open     []*yaml.Node         // anchored nodes that are being converted
	full     bool
}

func (c *converter) problem(at app.Position, format string, args ...any) {
	c.problems = append(c.problems, app.Problem{At: at, Message: fmt.Sprintf(format, args...)})
}

func (c *converter) at(n *yaml.Node) app.Position {
	return app.Position{File: c.file, Line: n.Line, Column: n.Column}
}

// node returns the node and how many nodes it is when aliases are spelled out.
func (c *converter) node(n *yaml.Node, depth int) (*Node, int) {
	null := New(c.at(n), nil)
	if c.full {
		return null, 1
	}
	if depth > maxDepth {
		c.full = true
		c.problem(c.at(n), "the document is nested more than %d levels deep", maxDepth)
		return null, 1
	}
	if made, ok := c.done[n]; ok {
		return made, c.sizes[n]
	}
	if n.Anchor != "" {
		for _, o := range c.open {
			if o == n {
				c.problem(c.at(n), "the anchor &%s contains itself", n.Anchor)
				return null, 1
			}
		}
		c.open = append(c.open, n)
		defer func() { c.open = c.open[:len(c.open)-1] }()
	}
	made, size := c.content(n, depth)
	if size > MaxNodes {
		c.full = true
		c.problem(c.at(n), "the document has more than %d values when its aliases are spelled out", MaxNodes)
		size = 1
	}
	if n.Anchor != "" {
		c.done[n], c.sizes[n] = made, size
	}
	return made, size
}

func (c *converter) content(n *yaml.Node, depth int) (*Node, int) {
	switch n.Kind {
	case yaml.DocumentNode:
		if len(n.Content) == 0 {
			return New(c.at(n), nil), 1
		}
		return c.node(n.Content[0], depth)
	case yaml.AliasNode:
		return c.node(n.Alias, depth+1)
	}
	if name, ok := shortTag(n.Tag); ok {
		plain := *n
		plain.Tag, plain.Anchor = "", ""
		if n.Kind == yaml.ScalarNode {
			plain.Tag = "!!str"
		}
		value, size := c.node(&plain, depth+1)
		m := NewMap()
		m.Set(Key{name, c.at(n)}, value)
		return New(c.at(n), m), size + 1
	}
	if tag := n.ShortTag(); !strings.HasPrefix(tag, "!!") && tag != "" {
		c.problem(c.at(n), "the tag %s is unknown: YAML's own (!!str) and CloudFormation's (!Ref, !GetAtt, !Sub, !Join, ...) can be used", n.Tag)
	}
	switch n.Kind {
	case yaml.MappingNode:
		return c.mapping(n, depth)
	case yaml.SequenceNode:
		list, size := make(List, len(n.Content)), 1
		for i, item := range n.Content {
			made, s := c.node(item, depth+1)
			list[i] = made
			size += s
		}
		return New(c.at(n), list), size
	}
	return c.scalar(n), 1
}

func (c *converter) mapping(n *yaml.Node, depth int) (*Node, int) {
	m, size := NewMap(), 1
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			c.problem(c.at(n.Content[i]), "a key must be a text, not a list or a map")
			continue
		}
		if k.Tag == "!!merge" {
			merges = append(merges, v)
			continue
		}
		if first := m.KeyAt(k.Value); first != (app.Position{}) {
			c.problem(c.at(k), "the key %q is here a second time, the first is in line %d: remove one, the second would silently win", k.Value, first.Line)
			continue
		}
		value, s := c.node(v, depth+1)
		size += s
		m.Set(Key{k.Value, c.at(k)}, value)
	}
	for _, v := range merges {
		size += c.merge(m, v, depth)
	}
	return New(c.at(n), m), size
}

// merge adds what a merge key (<<) brings: keys that are there already win,
// and of several maps the earlier one.
func (c *converter) merge(m *Map, v *yaml.Node, depth int) int {
	value, size := c.node(v, depth+1)
	from := value.List()
	if from == nil {
		from = List{value}
	}
	for _, one := range from {
		other := one.Map()
		if other == nil {
			c.problem(c.at(v), "a merge key (<<) needs a map or a list of maps, not %s", one.What())
			continue
		}
		for _, k := range other.Keys {
			if m.Get(k.Name) == nil {
				m.Set(k, other.Get(k.Name))
			}
		}
	}
	return size
}

var decimal = regexp.MustCompile(`^[-+]?[0-9][0-9_]*$`)

// scalar reads a scalar as js-yaml does, which Serverless Framework uses: yes
// and no are text, a leading zero is no octal, dates stay text.
func (c *converter) scalar(n *yaml.Node) *Node {
	made := New(c.at(n), nil)
	if !strings.Contains(n.Value, "\n") {
		switch n.Style &^ yaml.TaggedStyle {
		case 0:
			made.quote = 0
		case yaml.SingleQuotedStyle, yaml.DoubleQuotedStyle:
			made.quote = 1
		}
		if n.Style&yaml.TaggedStyle != 0 {
			made.quote = -1
		}
	}
	switch n.ShortTag() {
	case "!!null":
		return made
	case "!!bool":
		var b bool
		if n.Decode(&b) == nil {
			made.Value = b
			return made
		}
	case "!!int":
		text := strings.ReplaceAll(n.Value, "_", "")
		if decimal.MatchString(n.Value) {
			if i, err := strconv.ParseInt(text, 10, 64); err == nil {
				made.Value = i
				return made
			}
		} else if i, err := strconv.ParseInt(text, 0, 64); err == nil {
			made.Value = i
			return made
		}
	case "!!float":
		var f float64
		if n.Decode(&f) == nil {
			made.Value = f
			return made
		}
	}
	made.Value = n.Value
	return made
}

// shortTag returns the intrinsic function that a CloudFormation tag stands
// for: !Ref and !Condition are their own names, all others begin with Fn::.
func shortTag(tag string) (string, bool) {
	switch name := strings.TrimPrefix(tag, "!"); name {
	case "Ref", "Condition":
		return name, tag != name
	case "And", "Base64", "Cidr", "Equals", "FindInMap", "GetAtt", "GetAZs", "If", "ImportValue", "Join",
		"Length", "Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform":
		return "Fn::" + name, tag != name
	}
	return "", false
}
