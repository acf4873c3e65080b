package protocol

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// element is an XML element without its namespaces, which AWS ignores too.
type element struct {
	name     string
	attrs    []xml.Attr
	children []*element
	text     strings.Builder
}

// maxXMLDepth bounds how deep elements may be nested.
const maxXMLDepth = 64

// parseXML reads one document. Document types, and with them entities of the
// sender's own, are refused.
func parseXML(body []byte) (*element, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	var open []*element
	var root *element
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) && root != nil && len(open) == 0 {
			return root, nil
		}
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the XML document ends too early")
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			e := &element{name: token.Name.Local, attrs: token.Copy().Attr}
			switch {
			case len(open) > 0:
				parent := open[len(open)-1]
				parent.children = append(parent.children, e)
			case root == nil:
				root = e
			default:
				return nil, errors.New("the XML document has two roots")
			}
			if open = append(open, e); len(open) > maxXMLDepth {
				return nil, fmt.Errorf("the XML document is nested more than %d deep", maxXMLDepth)
			}
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text.Write(token)
			}
		case xml.Directive:
			return nil, errors.New("the XML document has a document type, which is not allowed")
		}
	}
}

// decodeXML reads an element into a value.
func decodeXML(n *node, v reflect.Value, e *element) error {
	switch n.kind {
	case kindStruct:
		return decodeXMLStruct(n, v, e)
	case kindList:
		var items []*element
		for _, child := range e.children {
			if child.name == n.itemName() {
				items = append(items, child)
			}
		}
		return decodeXMLItems(n, v, items)
	case kindMap:
		var entries []*element
		for _, child := range e.children {
			if child.name == "entry" {
				entries = append(entries, child)
			}
		}
		return decodeXMLEntries(n, v, entries)
	case kindString:
		v.SetString(e.text.String())
		return nil
	}
	return setText(n, v, strings.TrimSpace(e.text.String()))
}

func decodeXMLStruct(n *node, v reflect.Value, e *element) error {
	flattened := map[*field][]*element{}
	for _, child := range e.children {
		f := n.body[child.name]
		if f == nil {
			continue
		}
		if f.flattened {
			flattened[f] = append(flattened[f], child)
			continue
		}
		if err := decodeXML(f.node, f.set(v), child); err != nil {
			return at(f.path, err)
		}
	}
	for f, elements := range flattened {
		decode := decodeXMLItems
		if f.node.kind == kindMap {
			decode = decodeXMLEntries
		}
		if err := decode(f.node, f.set(v), elements); err != nil {
			return at(f.path, err)
		}
	}
	for _, f := range n.fields {
		if !f.attribute {
			continue
		}
		_, local, _ := strings.Cut(f.name, ":")
		for _, attr := range e.attrs {
			if attr.Name.Local == local || attr.Name.Local == f.name {
				if err := setText(f.node, f.set(v), attr.Value); err != nil {
					return at(f.path, err)
				}
			}
		}
	}
	return nil
}

func decodeXMLItems(n *node, v reflect.Value, elements []*element) error {
	items := reflect.MakeSlice(n.typ, len(elements), len(elements))
	for i, e := range elements {
		if err := decodeXML(n.elem, items.Index(i), e); err != nil {
			return at(strconv.Itoa(i+1), err)
		}
	}
	v.Set(items)
	return nil
}

func decodeXMLEntries(n *node, v reflect.Value, elements []*element) error {
	m := reflect.MakeMap(n.typ)
	for _, e := range elements {
		key, item := reflect.New(n.key.typ).Elem(), reflect.New(n.elem.typ).Elem()
		for _, child := range e.children {
			var err error
			switch child.name {
			case n.keyName():
				err = decodeXML(n.key, key, child)
			case n.itemName():
				err = decodeXML(n.elem, item, child)
			}
			if err != nil {
				return at(key.String(), err)
			}
		}
		m.SetMapIndex(key, item)
	}
	v.Set(m)
	return nil
}
