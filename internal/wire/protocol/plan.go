package protocol

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"
)

type kind uint8

const (
	kindString kind = iota
	kindInt
	kindFloat
	kindBool
	kindBlob
	kindTime
	kindList
	kindMap
	kindStruct
	kindDocument // any JSON
	kindStream   // a payload that is not held in memory
)

type location uint8

const (
	inBody location = iota
	inURI
	inQuery
	inHeader
	inHeaders // a map of all headers with a prefix
	inStatus
	inPayload // the body, as it is
	inEvent   // the payload of an event, as it is
)

// node is the plan of one Go type as one shape.
type node struct {
	kind   kind
	typ    reflect.Type
	rules  rules
	shape  Shape
	key    *node
	elem   *node // of a list's items or a map's values
	fields []*field
	body   map[string]*field // body fields by wire name
	// payload is the field that is the body, or the payload of an event, if one is.
	payload *field
}

// field is the plan of a struct's field.
type field struct {
	index     int
	name      string // on the wire
	key       []byte // and in JSON, with the colon
	query     string // on the wire in the query protocol, where that is another
	path      string // in messages: the member's name with a small first letter
	in        location
	required  bool
	flattened bool
	attribute bool   // XML: an attribute
	namespace string // XML
	pointer   bool
	node      *node
}

func (n *node) timeFormat(byDefault string) string {
	if n.shape.Time != "" {
		return n.shape.Time
	}
	return byDefault
}

func (n *node) keyName() string {
	if n.shape.KeyName != "" {
		return n.shape.KeyName
	}
	return "key"
}

func (n *node) itemName() string {
	switch {
	case n.shape.ItemName != "":
		return n.shape.ItemName
	case n.kind == kindMap:
		return "value"
	}
	return "member"
}

// planner turns Go types into plans. It remembers them: shapes are recursive.
type planner struct {
	rest   bool // else everything is in the body
	query  bool // names are those of the query protocol
	shapes map[string]Shape
	known  map[planKey]*node
}

type planKey struct {
	typ   reflect.Type
	shape string
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	documentType = reflect.TypeFor[json.RawMessage]()
	streamType   = reflect.TypeFor[io.Reader]()
	bytesType    = reflect.TypeFor[[]byte]()
)

func (p *planner) plan(t reflect.Type, shape string) (*node, error) {
	key := planKey{t, shape}
	if n, ok := p.known[key]; ok {
		return n, nil
	}
	n := &node{typ: t, shape: p.shapes[shape]}
	p.known[key] = n
	var err error
	switch {
	case t == timeType:
		n.kind = kindTime
	case t == documentType:
		n.kind = kindDocument
	case t == streamType:
		n.kind = kindStream
	case t == bytesType:
		n.kind = kindBlob
	case t.Kind() == reflect.String:
		n.kind = kindString
	case t.Kind() == reflect.Int64:
		n.kind = kindInt
	case t.Kind() == reflect.Float64:
		n.kind = kindFloat
	case t.Kind() == reflect.Bool:
		n.kind = kindBool
	case t.Kind() == reflect.Slice:
		n.kind = kindList
		n.elem, err = p.plan(t.Elem(), n.shape.Item)
	case t.Kind() == reflect.Map:
		n.kind = kindMap
		if n.key, err = p.plan(t.Key(), n.shape.Key); err == nil {
			n.elem, err = p.plan(t.Elem(), n.shape.Item)
		}
	case t.Kind() == reflect.Struct:
		n.kind = kindStruct
		err = p.fields(n)
	default:
		err = fmt.Errorf("%v cannot go over the wire", t)
	}
	if err == nil {
		n.rules, err = compileRules(n)
	}
	if err != nil {
		return nil, fmt.Errorf("%v (%s): %w", t, shape, err)
	}
	return n, nil
}

func (p *planner) fields(n *node) error {
	n.body = map[string]*field{}
	for i := range n.typ.NumField() {
		sf := n.typ.Field(i)
		f, shape, err := parseTag(sf)
		if err != nil {
			return err
		}
		if f.index = i; !p.rest && f.in != inEvent {
			f.in = inBody
		}
		if p.query && f.query != "" {
			f.name, f.flattened = f.query, true
		}
		f.key = append(appendString(nil, f.name), ':')
		t := sf.Type
		if f.pointer = t.Kind() == reflect.Pointer; f.pointer {
			t = t.Elem()
		}
		if f.node, err = p.plan(t, shape); err != nil {
			return fmt.Errorf("%s: %w", sf.Name, err)
		}
		n.fields = append(n.fields, f)
		switch f.in {
		case inBody:
			n.body[f.name] = f
		case inPayload, inEvent:
			n.payload = f
		}
	}
	return nil
}

var locations = map[string]location{
	"uri": inURI, "query": inQuery, "header": inHeader, "headers": inHeaders, "status": inStatus, "payload": inPayload,
	"eventpayload": inEvent,
}

// parseTag reads `aws:"wireName,flag,..."`. The flags: a location, required,
// flattened, attribute, shape=NAME, form=NAME (of a list or map in the second
// protocol of a service that has gone on to JSON), ns=URI.
func parseTag(sf reflect.StructField) (*field, string, error) {
	tag, ok := sf.Tag.Lookup("aws")
	if !ok {
		return nil, "", fmt.Errorf("%s has no aws tag", sf.Name)
	}
	parts := strings.Split(tag, ",")
	f := &field{name: parts[0], path: lowerFirst(sf.Name)}
	shape := ""
	for _, flag := range parts[1:] {
		name, value, _ := strings.Cut(flag, "=")
		switch name {
		case "required":
			f.required = true
		case "flattened":
			f.flattened = true
		case "attribute":
			f.attribute = true
		case "ns":
			f.namespace = value
		case "form":
			f.query = value
		case "shape":
			shape = value
		default:
			in, ok := locations[name]
			if !ok {
				return nil, "", fmt.Errorf("%s: unknown flag %q", sf.Name, flag)
			}
			f.in = in
		}
	}
	return f, shape, nil
}

func lowerFirst(s string) string {
	return strings.ToLower(s[:1]) + s[1:]
}

// set returns the settable value behind a field, making it if it is a nil pointer.
func (f *field) set(v reflect.Value) reflect.Value {
	v = v.Field(f.index)
	if !f.pointer {
		return v
	}
	if v.IsNil() {
		v.Set(reflect.New(v.Type().Elem()))
	}
	return v.Elem()
}

// get returns the value of a field, and false if it is absent.
func (f *field) get(v reflect.Value) (reflect.Value, bool) {
	v = v.Field(f.index)
	switch v.Kind() {
	case reflect.Pointer:
		return v.Elem(), !v.IsNil()
	case reflect.Slice, reflect.Map, reflect.Interface:
		return v, !v.IsNil()
	}
	return v, true
}

// limits are the bounds of [Shape.Limits].
type limits struct {
	least, most       float64
	hasLeast, hasMost bool
}

func parseLimits(s string) (l limits, err error) {
	if s == "" {
		return l, nil
	}
	least, most, ok := strings.Cut(s, "..")
	if !ok {
		return l, fmt.Errorf("limits %q are not least..most", s)
	}
	if least != "" {
		l.hasLeast = true
		if l.least, err = strconv.ParseFloat(least, 64); err != nil {
			return l, err
		}
	}
	if most != "" {
		l.hasMost = true
		if l.most, err = strconv.ParseFloat(most, 64); err != nil {
			return l, err
		}
	}
	return l, nil
}
