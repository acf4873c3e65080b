package protocol

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// form is a query-protocol request as a tree: Tags.member.1.Key=x is three deep.
type form struct {
	value    string
	children map[string]*form
}

// maxFormDepth bounds how many dots a parameter's name may have.
const maxFormDepth = 32

func parseForm(values url.Values) (*form, error) {
	root := &form{}
	for name, vs := range values {
		path := strings.Split(name, ".")
		if len(path) > maxFormDepth {
			return nil, fmt.Errorf("the parameter name %.40q... is nested more than %d deep", name, maxFormDepth)
		}
		at := root
		for _, part := range path {
			if at.children == nil {
				at.children = map[string]*form{}
			}
			child := at.children[part]
			if child == nil {
				child = &form{}
				at.children[part] = child
			}
			at = child
		}
		at.value = vs[0]
	}
	return root, nil
}

// decodeForm reads a tree into a value.
func decodeForm(n *node, v reflect.Value, from *form) error {
	switch n.kind {
	case kindStruct:
		for _, f := range n.fields {
			child := from.children[f.name]
			if child == nil {
				continue
			}
			if err := decodeFormField(f, f.set(v), child); err != nil {
				return at(f.path, err)
			}
		}
		return nil
	case kindList:
		return decodeFormItems(n, v, from.children[n.itemName()])
	case kindMap:
		return decodeFormEntries(n, v, from.children["entry"])
	}
	return setText(n, v, from.value)
}

func decodeFormField(f *field, v reflect.Value, from *form) error {
	if f.flattened && !from.isNumbered() {
		from = &form{children: map[string]*form{"1": from}}
	}
	switch {
	case f.flattened && f.node.kind == kindList:
		return decodeFormItems(f.node, v, from)
	case f.flattened && f.node.kind == kindMap:
		return decodeFormEntries(f.node, v, from)
	}
	return decodeForm(f.node, v, from)
}

// isNumbered reports whether a flattened list or map has positions. It may do
// without where it has one entry: AttributeName=All, Attribute.Name=x in the examples
// of the SQS API reference.
func (f *form) isNumbered() bool {
	for name := range f.children {
		if _, err := strconv.Atoi(name); err == nil {
			return true
		}
	}
	return false
}

// numbered returns the children 1, 2, 3, ... in order. Gaps are closed, as AWS does.
func (f *form) numbered() ([]*form, error) {
	if f == nil {
		return nil, nil
	}
	type entry struct {
		i    int
		form *form
	}
	var entries []entry
	for name, child := range f.children {
		i, err := strconv.Atoi(name)
		if err != nil || i < 1 {
			return nil, fmt.Errorf("%q is not a position in a list: they are 1, 2, 3 and so on", name)
		}
		entries = append(entries, entry{i, child})
	}
	slices.SortFunc(entries, func(a, b entry) int { return a.i - b.i })
	all := make([]*form, len(entries))
	for i, e := range entries {
		all[i] = e.form
	}
	return all, nil
}

func decodeFormItems(n *node, v reflect.Value, from *form) error {
	children, err := from.numbered()
	if err != nil {
		return err
	}
	items := reflect.MakeSlice(n.typ, len(children), len(children))
	for i, child := range children {
		if err := decodeForm(n.elem, items.Index(i), child); err != nil {
			return at(strconv.Itoa(i+1), err)
		}
	}
	v.Set(items)
	return nil
}

func decodeFormEntries(n *node, v reflect.Value, from *form) error {
	children, err := from.numbered()
	if err != nil {
		return err
	}
	m := reflect.MakeMap(n.typ)
	for i, child := range children {
		key, item := reflect.New(n.key.typ).Elem(), reflect.New(n.elem.typ).Elem()
		if k := child.children[n.keyName()]; k != nil {
			key.SetString(k.value)
		}
		if c := child.children[n.itemName()]; c != nil {
			if err := decodeForm(n.elem, item, c); err != nil {
				return at(strconv.Itoa(i+1), err)
			}
		}
		m.SetMapIndex(key, item)
	}
	v.Set(m)
	return nil
}
