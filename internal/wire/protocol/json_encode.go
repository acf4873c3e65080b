package protocol

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// appendJSON appends the JSON of a value; absent fields are left out.
func appendJSON(b []byte, n *node, v reflect.Value) []byte {
	switch n.kind {
	case kindStruct:
		return appendObject(b, n, v)
	case kindMap:
		b = append(b, '{')
		for i, key := range sortedKeys(v) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, key.String()), ':')
			b = appendJSON(b, n.elem, v.MapIndex(key))
		}
		return append(b, '}')
	case kindList:
		b = append(b, '[')
		for i := range v.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, n.elem, v.Index(i))
		}
		return append(b, ']')
	case kindString:
		return appendString(b, v.String())
	case kindBlob:
		b = append(b, '"')
		b = base64.StdEncoding.AppendEncode(b, v.Bytes())
		return append(b, '"')
	case kindTime:
		format := n.timeFormat(timeUnix)
		s := formatTime(v.Interface().(time.Time), format)
		if format == timeUnix {
			return append(b, s...)
		}
		return appendString(b, s)
	case kindFloat:
		f := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return appendString(b, formatFloat(f))
		}
		return jsontext.AppendFloat(b, f, 64)
	case kindDocument:
		return append(b, v.Interface().(json.RawMessage)...)
	}
	return append(b, text(n, v, timeUnix)...)
}

func appendObject(b []byte, n *node, v reflect.Value) []byte {
	b = append(b, '{')
	first := true
	for _, f := range n.fields {
		value, ok := f.get(v)
		if f.in != inBody || !ok {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, f.key...)
		b = appendJSON(b, f.node, value)
	}
	return append(b, '}')
}

// appendString quotes a string; what is not UTF-8 becomes U+FFFD.
func appendString(b []byte, s string) []byte {
	quoted, err := jsontext.AppendQuote(b, s)
	if err != nil {
		quoted, _ = jsontext.AppendQuote(b, string([]rune(s)))
	}
	return quoted
}
