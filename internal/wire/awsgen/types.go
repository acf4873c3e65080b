package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// goName is the exported Go name of a shape or member.
func goName(name string) string {
	return strings.ToUpper(name[:1]) + name[1:]
}

// goType is the Go type of a shape as the item of a list or the value of a map.
func (g *generator) goType(name string) (string, error) {
	s := g.model.Shapes[name]
	switch s.Type {
	case "string", "character":
		return "string", nil
	case "integer", "long":
		return "int64", nil
	case "float", "double":
		return "float64", nil
	case "boolean":
		return "bool", nil
	case "blob":
		return "[]byte", nil
	case "timestamp":
		return "time.Time", nil
	case "list":
		item, err := g.goType(s.Member.Shape)
		return "[]" + item, err
	case "map":
		item, err := g.goType(s.Value.Shape)
		return "map[string]" + item, err
	case "structure":
		if s.Document {
			return "json.RawMessage", nil
		}
		return goName(name), nil
	}
	return "", fmt.Errorf("%s: type %q is not supported", name, s.Type)
}

// structure writes a structure. Members that may be absent are pointers, slices
// or maps, so that absence can be told from a zero.
func (g *generator) structure(name string) error {
	s := g.model.Shapes[name]
	if s.EventStream {
		g.printf("// %s is an event: one of its members.\n", goName(name))
	}
	g.printf("type %s struct {\n", goName(name))
	for _, member := range slices.Sorted(maps.Keys(s.Members)) {
		r := s.Members[member]
		if g.apart(s, r) {
			continue
		}
		if r.EventHeader {
			return fmt.Errorf("%s.%s goes into the header of an event, which is not supported", name, member)
		}
		t, err := g.goType(r.Shape)
		if err != nil {
			return err
		}
		target := g.model.Shapes[r.Shape]
		switch {
		case r.Streaming || target.Streaming:
			t = "io.Reader"
		case target.Type == "list", target.Type == "map", target.Type == "blob", target.Document:
		default:
			t = "*" + t
		}
		g.printf("%s %s `aws:\"%s\"`\n", goName(member), t, g.tag(s, member, r))
	}
	g.printf("}\n\n")
	return nil
}

var locations = map[string]string{
	"uri": "uri", "querystring": "query", "header": "header", "headers": "headers", "statusCode": "status",
}

// tag writes a member's struct tag; protocol.parseTag reads it.
func (g *generator) tag(parent *shape, member string, r ref) string {
	target := g.model.Shapes[r.Shape]
	wire := r.LocationName
	if wire == "" {
		wire = member
	}
	flattened := g.model.isXML() && (r.Flattened || target.Flattened)
	if flattened && target.Type == "list" && target.Member.LocationName != "" {
		wire = target.Member.LocationName // it takes the place of the member's own name
	}
	flags := []string{wire}
	add := func(flag string, yes bool) {
		if yes {
			flags = append(flags, flag)
		}
	}
	location, located := locations[r.Location]
	add(location, located)
	add("payload", parent.Payload == member)
	add("eventpayload", r.EventPayload)
	add("required", slices.Contains(parent.Required, member))
	add("flattened", flattened)
	add("attribute", r.XMLAttribute)
	if second := g.target.second; second != nil {
		add("form="+second.names[r.Shape], second.names[r.Shape] != "")
	}
	add("shape="+r.Shape, g.shapes[r.Shape])
	switch {
	case r.XMLNamespace != nil && r.XMLNamespace.URI != g.model.Metadata.XMLNamespace:
		add("ns="+r.XMLNamespace.URI, g.model.isXML())
	case target.XMLNamespace != nil:
		add("ns="+target.XMLNamespace.URI, g.model.isXML())
	}
	return strings.Join(flags, ",")
}

// shapeCode writes what a shape says beyond its type, or "" if that is nothing.
func (g *generator) shapeCode(name string) string {
	s := g.model.Shapes[name]
	var parts []string
	add := func(yes bool, format string, args ...any) {
		if yes {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	least, most := "", ""
	if s.Min != nil {
		least = s.Min.String()
	}
	if s.Max != nil {
		most = s.Max.String()
	}
	if least == "0" && s.Type != "integer" && s.Type != "long" && s.Type != "double" && s.Type != "float" {
		least = "" // nothing is shorter, but AWS lists it among the constraints of an item
		if most != "" || s.Pattern != "" {
			least = "0"
		}
	}
	add(least+most != "", "Limits: %q", least+".."+most)
	add(s.Pattern != "", "Pattern: %s", quote(s.Pattern))
	_, open := g.target.open[name]
	add(len(s.Enum) > 0 && !open, "Enum: %#v", s.Enum)
	add(s.Sensitive, "Sensitive: true")
	add(s.TimestampFormat != "", "Time: %q", s.TimestampFormat)
	if g.target.second != nil {
		if names, ok := g.target.second.entries[name]; ok {
			add(true, "KeyName: %q, ItemName: %q", names[0], names[1])
		}
	}
	if s.Key != nil {
		add(g.shapes[s.Key.Shape], "Key: %q", s.Key.Shape)
		add(g.model.isXML() && s.Key.LocationName != "", "KeyName: %q", s.Key.LocationName)
	}
	for _, item := range []*ref{s.Member, s.Value} {
		if item != nil {
			add(g.shapes[item.Shape], "Item: %q", item.Shape)
			add(g.model.isXML() && item.LocationName != "", "ItemName: %q", item.LocationName)
		}
	}
	return strings.Join(parts, ", ")
}

// quote writes a pattern as a raw string where that can be.
func quote(s string) string {
	if strings.ContainsAny(s, "`\n\r\uFEFF") || !isPrintable(s) {
		return fmt.Sprintf("%q", s)
	}
	return "`" + s + "`"
}

func isPrintable(s string) bool {
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return false
		}
	}
	return true
}
