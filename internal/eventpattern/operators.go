package eventpattern

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// value is a value of an event that is neither object nor array.
type value struct {
	kind   jsontext.Kind
	text   string // of a string what it says, of anything else how it is written
	number number
}

// test reports whether a value is wanted.
type test func(value) bool

func isString(passes func(string) bool) test {
	return func(v value) bool { return v.kind == '"' && passes(v.text) }
}

func passesOne(tests []test, v value) bool {
	for _, passes := range tests {
		if passes(v) {
			return true
		}
	}
	return false
}

// equals is the test for a value that a pattern has as it is.
func equals(e element) test {
	switch e.kind {
	case '"':
		// An address is the same however it is written. Source: event-ruler.
		if ip, err := netip.ParseAddr(e.text); err == nil && ip.Zone() == "" {
			return contains(netip.PrefixFrom(ip, ip.BitLen()))
		}
		return isString(func(s string) bool { return s == e.text })
	case '0':
		n := parseNumber(e.text)
		return func(v value) bool {
			return v.kind == '0' && (n.ok && v.number == n || v.text == e.text)
		}
	}
	return func(v value) bool { return v.kind == e.kind }
}

// contains is the test for an address in a network.
func contains(network netip.Prefix) test {
	return isString(func(s string) bool {
		ip, err := netip.ParseAddr(s)
		return err == nil && network.Contains(ip)
	})
}

// operator reads { "operator": operand }.
func (p *parser) operator(e element) (test, error) {
	if len(e.names) == 0 {
		return nil, p.fail(e.end, "Match expression name not found")
	}
	if len(e.names) > 1 {
		return nil, p.fail(e.end, "Only one key allowed in match expression")
	}
	operand := e.items[0]
	switch name := e.names[0]; name {
	case "prefix", "suffix":
		return p.affix(name, operand)
	case "equals-ignore-case", "wildcard":
		if operand.kind != '"' {
			return nil, p.wrong(operand, name+" match pattern must be a string")
		}
		return p.stringTest(name, operand)
	case "anything-but":
		return p.anythingBut(operand)
	case "numeric":
		return p.numeric(operand)
	case "exists":
		if operand.kind != 't' { // false is not a test: see values
			return nil, p.wrong(operand, "exists match pattern must be either true or false.")
		}
		return func(value) bool { return true }, nil
	case "cidr":
		if operand.kind != '"' {
			return nil, p.wrong(operand, "prefix match pattern must be a string") // AWS's own mistake
		}
		network, reason := parseNetwork(operand.text)
		if reason != "" {
			return nil, p.fail(operand.end, reason)
		}
		return contains(network), nil
	default:
		return nil, p.wrong(operand, "Unrecognized match type "+name)
	}
}

// stringTest is the test of an operator that has a string.
func (p *parser) stringTest(name string, e element) (test, error) {
	switch s := e.text; name {
	case "prefix":
		return isString(func(v string) bool { return strings.HasPrefix(v, s) }), nil
	case "suffix":
		return isString(func(v string) bool { return strings.HasSuffix(v, s) }), nil
	case "equals-ignore-case":
		return isString(func(v string) bool { return strings.EqualFold(v, s) }), nil
	default: // wildcard
		w, reason := parseWildcard(s)
		if reason != "" {
			return nil, p.fail(e.end, reason)
		}
		return isString(w.match), nil
	}
}

// affix reads the operand of prefix or suffix: a string, or one to be found
// whatever its case.
func (p *parser) affix(name string, e element) (test, error) {
	if e.kind == '"' {
		return p.stringTest(name, e)
	}
	if e.kind != '{' {
		return nil, p.wrong(e, name+" match pattern must be a string")
	}
	if len(e.names) != 1 {
		return nil, p.fail(e.end, "Only one key allowed in match expression")
	}
	operand := e.items[0]
	if e.names[0] != "equals-ignore-case" {
		return nil, p.wrong(operand, "Unsupported "+name+" pattern: "+e.names[0])
	}
	if operand.kind != '"' {
		return nil, p.wrong(operand, "equals-ignore-case match pattern must be a string")
	}
	if name == "prefix" {
		return isString(func(v string) bool { return hasPrefixFold(v, operand.text) }), nil
	}
	return isString(func(v string) bool { return hasSuffixFold(v, operand.text) }), nil
}

// anythingBut reads the operand of anything-but: one value or a list, as it is or
// with an operator.
func (p *parser) anythingBut(e element) (test, error) {
	name := ""
	if e.kind == '{' {
		if len(e.names) != 1 {
			return nil, p.fail(e.end, "Only one key allowed in match expression")
		}
		name, e = e.names[0], e.items[0]
		switch name {
		case "prefix", "suffix", "equals-ignore-case", "wildcard":
		default:
			return nil, p.wrong(e, "Unsupported anything-but pattern: "+name)
		}
	}
	items := []element{e}
	switch e.kind {
	case '[':
		items = e.items
	case '"', '0':
	default:
		return nil, p.wrong(e, "Value of anything-but must be an array or single string/number value.")
	}
	var unwanted []test
	for _, item := range items {
		passes, err := p.unwanted(name, item)
		if err != nil {
			return nil, err
		}
		if name == "" && item.kind != items[0].kind {
			return nil, p.fail(e.end, "Inside anything but list, either all values are number or string, mixed type is not supported")
		}
		unwanted = append(unwanted, passes)
	}
	if len(unwanted) == 0 {
		return nil, p.fail(e.end, "Inside anything but list, either all values are number or string, mixed type is not supported")
	}
	return func(v value) bool { return !passesOne(unwanted, v) }, nil
}

// unwanted reads one value below anything-but; name is an operator's, or "".
func (p *parser) unwanted(name string, e element) (test, error) {
	switch {
	case name == "" && e.kind == '"':
		return isString(func(s string) bool { return s == e.text }), nil
	case name == "" && e.kind == '0':
		if n := parseNumber(e.text); !n.ok {
			return nil, p.fail(e.end, badNumber)
		}
		return equals(e), nil
	case name == "":
		return nil, p.wrong(e, "Inside anything but list, start|null|boolean is not supported.")
	case e.kind == '"' && e.text == "" && (name == "prefix" || name == "suffix"):
		return nil, p.fail(e.end, "Null prefix/suffix not allowed")
	case e.kind == '"':
		return p.stringTest(name, e)
	case name == "equals-ignore-case":
		return nil, p.wrong(e, "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported.")
	case name == "wildcard":
		return nil, p.wrong(e, "wildcard match pattern must be a string")
	}
	return nil, p.wrong(e, "prefix/suffix match pattern must be a string")
}

// numeric reads the operand of numeric: one comparison, or two for a range.
func (p *parser) numeric(e element) (test, error) {
	if e.kind != '[' {
		return nil, p.wrong(e, "Value of numeric must be an array.")
	}
	low, high := -maxNumber, maxNumber // inclusive, in millionths
	for i := 0; i < max(len(e.items), 1); i += 2 {
		if i >= len(e.items) || e.items[i].kind != '"' {
			return nil, p.fail(e.end, "Invalid member in numeric match: "+textAt(e, i))
		}
		operator := e.items[i]
		name := operator.text
		switch {
		case i == 0 && name != "=" && name != "<" && name != "<=" && name != ">" && name != ">=":
			return nil, p.fail(operator.end, "Unrecognized numeric range operator: "+name)
		case i == 2 && (e.items[0].text == "=" || e.items[0].text[0] == '<'):
			return nil, p.fail(operator.end, "Too many elements in numeric expression")
		case i == 2 && name != "<" && name != "<=":
			return nil, p.fail(operator.end, "Bad numeric range operator: "+name)
		case i > 2:
			return nil, p.fail(operator.end, "Too many terms in numeric range expression")
		case i+1 == len(e.items) || e.items[i+1].kind != '0':
			if name == "=" {
				name = "equals"
			}
			return nil, p.fail(e.end, "Value of "+name+" must be numeric")
		}
		n := parseNumber(e.items[i+1].text)
		if !n.ok {
			return nil, p.fail(e.items[i+1].end, badNumber)
		}
		switch name {
		case "=":
			low, high = n.millionths, n.millionths
		case "<":
			high = n.millionths - 1
		case "<=":
			high = n.millionths
		case ">":
			low = n.millionths + 1
		case ">=":
			low = n.millionths
		}
		if i == 2 && n.millionths <= parseNumber(e.items[1].text).millionths {
			return nil, p.fail(e.end, "Bottom must be less than top")
		}
	}
	return func(v value) bool {
		return v.kind == '0' && v.number.ok && v.number.millionths >= low && v.number.millionths <= high
	}, nil
}

func textAt(e element, i int) string {
	if i < len(e.items) {
		return e.items[i].text
	}
	return "]"
}

// parseNetwork reads a network in CIDR notation, of IPv4 or IPv6, or returns the
// reason why it is none.
func parseNetwork(s string) (network netip.Prefix, reason string) {
	address, bits, ok := strings.Cut(s, "/")
	if !ok || strings.Contains(bits, "/") {
		return network, "Malformed CIDR, one '/' required"
	}
	n, err := strconv.Atoi(bits)
	if err != nil {
		return network, "Malformed CIDR, mask bits must be an integer"
	}
	if n < 0 {
		return network, "Malformed CIDR, mask bits must not be negative"
	}
	ip, err := netip.ParseAddr(address)
	if err != nil || ip.Zone() != "" {
		return network, "Nonstandard IP address: " + address
	}
	if n > ip.BitLen() {
		return network, fmt.Sprintf("Malformed CIDR, mask bits must be at most %d", ip.BitLen())
	}
	return netip.PrefixFrom(ip, n), ""
}
