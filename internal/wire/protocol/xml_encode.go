package protocol

import (
	"bytes"
	"encoding/xml"
	"reflect"
	"strings"
)

const xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// xmlWriter writes XML; nothing it is given can break out of its element.
type xmlWriter struct{ bytes.Buffer }

func (w *xmlWriter) open(name string, attrs ...string) {
	w.WriteByte('<')
	w.WriteString(name)
	for i := 0; i+1 < len(attrs); i += 2 {
		if attrs[i+1] == "" {
			continue
		}
		w.WriteByte(' ')
		w.WriteString(attrs[i])
		w.WriteString(`="`)
		w.escape(attrs[i+1])
		w.WriteByte('"')
	}
	w.WriteByte('>')
}

func (w *xmlWriter) close(name string) {
	w.WriteString("</")
	w.WriteString(name)
	w.WriteByte('>')
}

func (w *xmlWriter) escape(s string) { _ = xml.EscapeText(&w.Buffer, []byte(s)) }

func (w *xmlWriter) leaf(name, s string) {
	w.open(name)
	w.escape(s)
	w.close(name)
}

// value writes a value as an element of a name.
func (w *xmlWriter) value(n *node, v reflect.Value, name, namespace string) {
	attrs := []string{"xmlns", namespace}
	if n.kind == kindStruct {
		if attrs = xmlAttributes(n, v); namespace != "" && !hasPrefixed(attrs) {
			attrs = append([]string{"xmlns", namespace}, attrs...)
		} else if namespace != "" {
			attrs = append([]string{"xmlns:xsi", namespace}, attrs...)
		}
	}
	w.open(name, attrs...)
	w.content(n, v)
	w.close(name)
}

func xmlAttributes(n *node, v reflect.Value) (attrs []string) {
	for _, f := range n.fields {
		if value, ok := f.get(v); ok && f.attribute {
			attrs = append(attrs, f.name, text(f.node, value, timeISO8601))
		}
	}
	return attrs
}

func hasPrefixed(attrs []string) bool {
	return len(attrs) > 0 && strings.Contains(attrs[0], ":")
}

// content writes what is inside a value's element.
func (w *xmlWriter) content(n *node, v reflect.Value) {
	switch n.kind {
	case kindStruct:
		for _, f := range n.fields {
			if value, ok := f.get(v); ok && f.in == inBody && !f.attribute {
				w.field(f, value)
			}
		}
	case kindList:
		for i := range v.Len() {
			w.value(n.elem, v.Index(i), n.itemName(), "")
		}
	case kindMap:
		w.entries(n, v, "entry")
	default:
		w.escape(text(n, v, timeISO8601))
	}
}

func (w *xmlWriter) field(f *field, v reflect.Value) {
	switch {
	case f.flattened && f.node.kind == kindList:
		for i := range v.Len() {
			w.value(f.node.elem, v.Index(i), f.name, f.namespace)
		}
	case f.flattened && f.node.kind == kindMap:
		w.entries(f.node, v, f.name)
	default:
		w.value(f.node, v, f.name, f.namespace)
	}
}

func (w *xmlWriter) entries(n *node, v reflect.Value, name string) {
	for _, key := range sortedKeys(v) {
		w.open(name)
		w.value(n.key, key, n.keyName(), "")
		w.value(n.elem, v.MapIndex(key), n.itemName(), "")
		w.close(name)
	}
}
