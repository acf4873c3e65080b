package pinfold_test

import (
	"net/netip"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

func TestParseDestination(t *testing.T) {
	name := func(name string, subdomains bool, port uint16) pinfold.Destination {
		return pinfold.Destination{Name: name, Subdomains: subdomains, Port: port}
	}
	cidr := func(prefix string, port uint16) pinfold.Destination {
		return pinfold.Destination{Prefix: netip.MustParsePrefix(prefix), Port: port}
	}
	for text, want := range map[string]pinfold.Destination{
		"api.example.com":        name("api.example.com", false, 0),
		"API.Example.COM":        name("api.example.com", false, 0),
		"api.example.com.":       name("api.example.com", false, 0),
		"api.example.com:443":    name("api.example.com", false, 443),
		"api.example.com.:443":   name("api.example.com", false, 443),
		"*.example.com":          name("example.com", true, 0),
		"*.example.com:65535":    name("example.com", true, 65535),
		"db":                     name("db", false, 0),
		"_srv._tcp.example.com":  name("_srv._tcp.example.com", false, 0),
		"xn--mnchen-3ya.example": name("xn--mnchen-3ya.example", false, 0),
		"3com.example":           name("3com.example", false, 0),
		"10.0.0.1":               cidr("10.0.0.1/32", 0),
		"10.0.0.1:5432":          cidr("10.0.0.1/32", 5432),
		"10.1.2.3/8":             cidr("10.0.0.0/8", 0),
		"10.0.0.0/8:5432":        cidr("10.0.0.0/8", 5432),
		"0.0.0.0/0":              cidr("0.0.0.0/0", 0),
		"2001:db8::1":            cidr("2001:db8::1/128", 0),
		"[2001:db8::1]":          cidr("2001:db8::1/128", 0),
		"[2001:db8::1]:443":      cidr("2001:db8::1/128", 443),
		"2001:DB8::/32":          cidr("2001:db8::/32", 0),
		"[2001:db8::/32]:443":    cidr("2001:db8::/32", 443),
		"::ffff:10.0.0.1":        cidr("10.0.0.1/32", 0),
		"::ffff:10.0.0.0/104":    cidr("10.0.0.0/8", 0),
		"::/0":                   cidr("::/0", 0),
	} {
		got, err := pinfold.ParseDestination(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, hint := range map[string]string{
		"":                        "host name",
		".":                       "host name",
		"https://api.example.com": "without https://",
		"api.example.com/path":    "without a path",
		"api.example.com:":        "port",
		"api.example.com:0":       "port",
		"api.example.com:65536":   "port",
		"api.example.com:http":    "port",
		"api..example.com":        "host name",
		"-api.example.com":        "host name",
		"api example.com":         "host name",
		"münchen.example":         "host name",
		"\u212aub.example":        "host name", // the Kelvin sign, a k in lower case
		"*":                       "wildcard",
		"*.":                      "wildcard",
		"a.*.example.com":         "wildcard",
		"*example.com":            "wildcard",
		"*.*.example.com":         "wildcard",
		"*.10.0.0.1":              "host name",
		"10.0.0":                  "host name",
		"10.0.0.256":              "host name",
		"10.0.0.0/33":             "without a path",
		"::ffff:0.0.0.0/64":       "10.0.0.0/8", // mixes both families
		"[2001:db8::1":            "bracket",
		"2001:db8::1]":            "host name",
		"[2001:db8::1]443":        "bracket",
		"[api.example.com]":       "bracket",
		"[10.0.0.1]:80":           "bracket",
		"[]:80":                   "bracket",
		"fe80::1%eth0":            "host name",
		strings.Repeat("a.", 128): "host name",
		strings.Repeat("a", 64):   "host name",
		"api.example.com\n":       "host name",
		"user@api.example.com":    "host name",
	} {
		got, err := pinfold.ParseDestination(text)
		if pinfold.CodeOf(err) != pinfold.Invalid || !strings.Contains(err.Error(), hint) {
			t.Errorf("%q: %+v, %v; want an error about %q", text, got, err, hint)
		}
	}
}

func TestParseNetwork(t *testing.T) {
	many := make([]string, 257)
	for i := range many {
		many[i] = "10.0.0.1"
	}
	for _, c := range []struct {
		words []string
		want  string // String of the network, or "" for an error
	}{
		{[]string{"open"}, "open"},
		{[]string{"none"}, "none"},
		{[]string{"api.example.com:443", "10.0.0.0/8"}, "api.example.com:443, 10.0.0.0/8"},
		{nil, ""},
		{[]string{""}, ""},
		{[]string{"open", "api.example.com"}, ""},
		{[]string{"api.example.com", "none"}, ""},
		{[]string{"Open"}, ""},
		{many, ""},
		{many[:256], strings.Join(many[:256], ", ")},
	} {
		n, err := pinfold.ParseNetwork(c.words)
		if c.want == "" {
			if pinfold.CodeOf(err) != pinfold.Invalid {
				t.Errorf("%.40v: %v, %v; want an error", c.words, n, err)
			}
		} else if err != nil || n.String() != c.want {
			t.Errorf("%.40v: %v, %v", c.words, n, err)
		}
	}
	for _, n := range []pinfold.Network{
		{Policy: "half"}, {Policy: pinfold.NetworkList}, {Policy: pinfold.NetworkOpen, Allow: []string{"a"}}, {Allow: []string{"a"}},
	} {
		if pinfold.CodeOf(n.Check()) != pinfold.Invalid {
			t.Errorf("%+v is taken for a network", n)
		}
	}
	if n := (pinfold.Network{}); n.Check() != nil || n.String() != "open" {
		t.Error("the zero network is not open")
	}
}

func FuzzParseDestination(f *testing.F) {
	for _, seed := range []string{"api.example.com:443", "*.example.com", "[2001:db8::/32]:1", "10.0.0.0/8", "::ffff:1.2.3.4/100", "[", "]:1", "*."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := pinfold.ParseDestination(text)
		if err != nil {
			if pinfold.CodeOf(err) != pinfold.Invalid {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if (d.Name == "") != d.Prefix.IsValid() || d.Subdomains && d.Name == "" || d.Prefix != d.Prefix.Masked() || d.Prefix.Addr().Is4In6() {
			t.Errorf("%q is read as %+v", text, d)
		}
		if d.Name != strings.ToLower(d.Name) || strings.ContainsAny(d.Name, "*/:[] \n") {
			t.Errorf("%q has the name %q", text, d.Name)
		}
	})
}
