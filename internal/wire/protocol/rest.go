package protocol

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"reflect"
	"strings"
)

// decodeBindings reads what a REST request has outside its body: labels of the
// path, query parameters, headers.
func decodeBindings(n *node, v reflect.Value, r *http.Request, labels []label) error {
	var query url.Values
	for _, f := range n.fields {
		var err error
		switch f.in {
		case inURI:
			for _, l := range labels {
				if l.name == f.name {
					err = setText(f.node, f.set(v), l.value)
				}
			}
		case inQuery:
			if query == nil {
				query = r.URL.Query()
			}
			err = decodeQuery(f, v, query)
		case inHeader:
			if values := r.Header.Values(f.name); len(values) > 0 {
				err = decodeHeader(f, v, values)
			}
		case inHeaders:
			decodeHeaderMap(f, v, r.Header)
		}
		if err != nil {
			return at(f.path, err)
		}
	}
	return nil
}

func decodeQuery(f *field, v reflect.Value, query url.Values) error {
	if f.node.kind == kindMap { // all parameters, such as a REST API's import takes
		m := reflect.MakeMap(f.node.typ)
		for name, values := range query {
			item := reflect.New(f.node.elem.typ).Elem()
			if f.node.elem.kind == kindList {
				item.Set(reflect.ValueOf(values).Convert(item.Type()))
			} else if err := setText(f.node.elem, item, values[0]); err != nil {
				return err
			}
			m.SetMapIndex(reflect.ValueOf(name), item)
		}
		f.set(v).Set(m)
		return nil
	}
	values, ok := query[f.name]
	switch {
	case !ok:
		return nil
	case f.node.kind == kindList:
		return setTexts(f.node, f.set(v), values)
	case values[0] == "" && f.node.kind != kindString:
		return nil // "?MaxItems=" says nothing
	}
	return setText(f.node, f.set(v), values[0])
}

func decodeHeader(f *field, v reflect.Value, values []string) error {
	if f.node.kind != kindList {
		return setText(f.node, f.set(v), values[0])
	}
	var items []string
	for _, value := range values {
		if f.node.elem.kind == kindTime { // dates have commas in them
			items = append(items, value)
			continue
		}
		for item := range strings.SplitSeq(value, ",") {
			items = append(items, strings.TrimSpace(item))
		}
	}
	return setTexts(f.node, f.set(v), items)
}

func setTexts(n *node, v reflect.Value, values []string) error {
	items := reflect.MakeSlice(n.typ, len(values), len(values))
	for i, value := range values {
		if err := setText(n.elem, items.Index(i), value); err != nil {
			return err
		}
	}
	v.Set(items)
	return nil
}

func decodeHeaderMap(f *field, v reflect.Value, header http.Header) {
	prefix := textproto.CanonicalMIMEHeaderKey(f.name)
	m := reflect.MakeMap(f.node.typ)
	for name, values := range header {
		if rest, ok := strings.CutPrefix(name, prefix); ok && rest != "" {
			m.SetMapIndex(reflect.ValueOf(strings.ToLower(rest)), reflect.ValueOf(values[0]))
		}
	}
	if m.Len() > 0 {
		f.set(v).Set(m)
	}
}

// decodePayload reads a body that is one field.
func (s *Service) decodePayload(f *field, v reflect.Value, body []byte) error {
	switch f.node.kind {
	case kindBlob:
		if len(body) > 0 {
			f.set(v).SetBytes(body) // as it came, uncopied
		}
		return nil
	case kindStream:
		f.set(v).Set(reflect.ValueOf(bytes.NewReader(body)))
		return nil
	case kindString:
		f.set(v).SetString(string(body))
		return nil
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	if s.Protocol == RESTJSON {
		return decodeJSON(f.node, f.set(v), body)
	}
	root, err := parseXML(body)
	if err != nil {
		return err
	}
	return decodeXML(f.node, f.set(v), root)
}

// encodeBindings writes what a REST answer has outside its body, and returns
// the status code if the output has one.
func encodeBindings(n *node, v reflect.Value, h http.Header) (status int) {
	for _, f := range n.fields {
		value, ok := f.get(v)
		if !ok {
			continue
		}
		switch f.in {
		case inStatus:
			status = int(value.Int())
		case inHeader:
			h.Set(f.name, headerText(f.node, value))
		case inHeaders:
			for _, key := range value.MapKeys() {
				h.Set(f.name+key.String(), headerValue(value.MapIndex(key).String()))
			}
		}
	}
	return status
}

func headerText(n *node, v reflect.Value) string {
	if n.kind != kindList {
		return headerValue(text(n, v, timeRFC822))
	}
	items := make([]string, v.Len())
	for i := range items {
		items[i] = text(n.elem, v.Index(i), timeRFC822)
	}
	return headerValue(strings.Join(items, ","))
}

// headerValue keeps what a header cannot hold out of it, as net/http would do
// silently.
func headerValue(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return "=?UTF-8?B?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?="
	}
	return s
}

// encodePayload returns the body of an answer whose body is one field.
func (s *Service) encodePayload(f *field, v reflect.Value, h http.Header) (body []byte, stream io.Reader) {
	value, ok := f.get(v)
	byDefault := "application/octet-stream"
	switch {
	case f.node.kind == kindStruct:
		byDefault = s.contentType()
	case s.Protocol == RESTJSON:
		byDefault = "application/json" // what Invoke answers with
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", byDefault)
	}
	switch {
	case !ok:
		return nil, nil
	case f.node.kind == kindBlob:
		return value.Bytes(), nil
	case f.node.kind == kindString:
		return []byte(value.String()), nil
	case f.node.kind == kindStream:
		return nil, value.Interface().(io.Reader)
	case s.Protocol == RESTJSON:
		return appendJSON(nil, f.node, value), nil
	}
	var w xmlWriter
	w.WriteString(xmlHeader)
	namespace := f.namespace
	if namespace == "" {
		namespace = s.Namespace
	}
	w.value(f.node, value, f.name, namespace)
	return w.Bytes(), nil
}
