package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// decodeJSON reads a JSON object into the body fields of a struct. Members that
// are unknown or null are passed over, as AWS does. An empty body is an empty
// object.
func decodeJSON(n *node, v reflect.Value, body []byte) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := jsonDecoder{jsontext.NewDecoder(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))}
	if kind := d.PeekKind(); kind != '{' && kind != 0 {
		return fmt.Errorf("an object was expected, not %s", kindName(kind))
	}
	if err := d.value(n, v); err != nil {
		return err
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return fmt.Errorf("something follows the end of the JSON text at byte %d", d.InputOffset())
	}
	return nil
}

type jsonDecoder struct{ *jsontext.Decoder }

func (d jsonDecoder) value(n *node, v reflect.Value) error {
	switch n.kind {
	case kindStruct:
		return d.object(n, v)
	case kindMap:
		return d.mapping(n, v)
	case kindList:
		return d.list(n, v)
	case kindDocument:
		raw, err := d.ReadValue()
		if err != nil {
			return err
		}
		v.Set(reflect.ValueOf(json.RawMessage(bytes.Clone(raw))))
		return nil
	}
	return d.scalar(n, v)
}

func (d jsonDecoder) object(n *node, v reflect.Value) error {
	if err := d.begin('{', "an object"); err != nil {
		return err
	}
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		f := n.body[token.String()]
		if f == nil || d.PeekKind() == 'n' {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		if err := d.value(f.node, f.set(v)); err != nil {
			return at(f.path, err)
		}
	}
	_, err := d.ReadToken()
	return err
}

func (d jsonDecoder) mapping(n *node, v reflect.Value) error {
	if err := d.begin('{', "an object"); err != nil {
		return err
	}
	m := reflect.MakeMap(n.typ)
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		if d.PeekKind() == 'n' {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		item := reflect.New(n.elem.typ).Elem()
		if err := d.value(n.elem, item); err != nil {
			return at(name, err)
		}
		m.SetMapIndex(reflect.ValueOf(name).Convert(n.key.typ), item)
	}
	v.Set(m)
	_, err := d.ReadToken()
	return err
}

func (d jsonDecoder) list(n *node, v reflect.Value) error {
	if err := d.begin('[', "a list"); err != nil {
		return err
	}
	items := reflect.MakeSlice(n.typ, 0, 0)
	for d.PeekKind() != ']' && d.PeekKind() != 0 {
		if d.PeekKind() == 'n' {
			if err := d.SkipValue(); err != nil {
				return err
			}
			continue
		}
		item := reflect.New(n.elem.typ).Elem()
		if err := d.value(n.elem, item); err != nil {
			return at(strconv.Itoa(items.Len()+1), err)
		}
		items = reflect.Append(items, item)
	}
	v.Set(items)
	_, err := d.ReadToken()
	return err
}

func (d jsonDecoder) begin(kind jsontext.Kind, want string) error {
	if got := d.PeekKind(); got != kind && got != 0 {
		return fmt.Errorf("%s was expected, not %s", want, kindName(got))
	}
	_, err := d.ReadToken()
	return err
}

// scalar reads a value in place, so that a blob of many megabytes is copied no
// more than base64 has to.
func (d jsonDecoder) scalar(n *node, v reflect.Value) error {
	kind := d.PeekKind()
	raw, err := d.ReadValue()
	if err != nil {
		return err
	}
	wrong := func(want string) error { return fmt.Errorf("%s was expected, not %s", want, kindName(kind)) }
	switch n.kind {
	case kindBlob:
		if kind != '"' {
			return wrong("base64")
		}
		return setBase64(v, raw)
	case kindString:
		if kind != '"' {
			return wrong("a string")
		}
		if bytes.IndexByte(raw, '\\') < 0 { // nothing is escaped
			v.SetString(string(raw[1 : len(raw)-1]))
			return nil
		}
		s, err := jsontext.AppendUnquote(nil, raw)
		v.SetString(string(s))
		return err
	case kindBool:
		if kind != 't' && kind != 'f' {
			return wrong("true or false")
		}
		v.SetBool(kind == 't')
		return nil
	case kindInt:
		if kind != '0' {
			return wrong("a number")
		}
		return setInteger(v, string(raw))
	case kindFloat:
		return setNumber(v, kind, raw, wrong)
	case kindTime:
		if kind != '0' && kind != '"' {
			return wrong("a timestamp")
		}
		t, err := parseTime(strings.Trim(string(raw), `"`))
		if err == nil {
			v.Set(reflect.ValueOf(t))
		}
		return err
	}
	return wrong("something else")
}

func setNumber(v reflect.Value, kind jsontext.Kind, raw jsontext.Value, wrong func(string) error) error {
	s := string(raw)
	if kind == '"' { // "NaN", "Infinity"
		s = strings.Trim(s, `"`)
		if _, err := strconv.ParseFloat(s, 64); err == nil && s != "NaN" && !strings.HasSuffix(s, "Infinity") {
			return wrong("a number")
		}
	} else if kind != '0' {
		return wrong("a number")
	}
	f, err := parseFloat(s)
	v.SetFloat(f)
	return err
}

// setInteger takes 3, 3.0 and 3e0, as JSON does not tell them apart.
func setInteger(v reflect.Value, s string) error {
	i, err := strconv.ParseInt(s, 10, 64)
	if err == nil {
		v.SetInt(i)
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return fmt.Errorf("a whole number was expected, not %s", s)
	}
	v.SetInt(int64(f))
	return nil
}

func setBase64(v reflect.Value, raw jsontext.Value) error {
	encoded := raw[1 : len(raw)-1]
	if bytes.IndexByte(encoded, '\\') >= 0 { // some clients write \/
		var err error
		if encoded, err = jsontext.AppendUnquote(nil, raw); err != nil {
			return err
		}
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	size, err := base64.StdEncoding.Decode(b, encoded)
	if err != nil {
		return fmt.Errorf("it is not base64: %w", err)
	}
	v.SetBytes(b[:size])
	return nil
}

// pathError says where in a request something could not be read.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return "at '" + e.path + "': " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

// at puts a path before an error about a value; broken syntax has a position already.
func at(path string, err error) error {
	if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return err
	}
	if inner, ok := err.(*pathError); ok {
		return &pathError{path + "." + inner.path, inner.err}
	}
	return &pathError{path, err}
}

func kindName(k jsontext.Kind) string {
	switch k {
	case 'n':
		return "null"
	case 't', 'f':
		return "a boolean"
	case '"':
		return "a string"
	case '0':
		return "a number"
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return "the end"
}
