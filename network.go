package pinfold

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Network says what a function may reach outside its sandbox. The zero Network
// is open. Under any policy a function reaches the platform's own endpoints, and
// never the host's loopback, another instance, or link-local addresses, where
// machines keep their metadata.
type Network struct {
	Policy NetworkPolicy `json:"policy,omitempty"` // "" means NetworkOpen
	// Allow holds the destinations of NetworkList, as ParseDestination reads them.
	Allow []string `json:"allow,omitempty"`
}

// NetworkPolicy is a kind of [Network].
type NetworkPolicy string

// The kinds of networks.
const (
	NetworkOpen NetworkPolicy = "open" // everything but what is denied to all
	NetworkNone NetworkPolicy = "none" // nothing
	NetworkList NetworkPolicy = "list" // Network.Allow, and the names in it
)

// maxDestinations bounds Network.Allow: each is looked at for each connection.
const maxDestinations = 256

// ParseNetwork reads a network as people write it: the one word "open" or
// "none", or a list of destinations. An error has code Invalid.
func ParseNetwork(words []string) (Network, error) {
	if len(words) == 1 && (words[0] == string(NetworkOpen) || words[0] == string(NetworkNone)) {
		return Network{Policy: NetworkPolicy(words[0])}, nil
	}
	n := Network{Policy: NetworkList, Allow: slices.Clone(words)}
	return n, n.Check()
}

// String returns the network as people write it.
func (n Network) String() string {
	switch n.Policy {
	case "":
		return string(NetworkOpen)
	case NetworkList:
		return strings.Join(n.Allow, ", ")
	}
	return string(n.Policy)
}

// Check returns an error with code Invalid that says what is wrong.
func (n Network) Check() error {
	switch n.Policy {
	case "", NetworkOpen, NetworkNone:
		if len(n.Allow) > 0 {
			return Errorf(Invalid, "a network that is %s has no list of destinations", n)
		}
		return nil
	case NetworkList:
	default:
		return Errorf(Invalid, "network %q is none of open, none and a list of destinations", n.Policy)
	}
	if len(n.Allow) == 0 {
		return Errorf(Invalid, "the list of destinations is empty: write none to allow nothing")
	}
	if len(n.Allow) > maxDestinations {
		return Errorf(Invalid, "%d destinations are more than the %d that a network can list: use a CIDR or a wildcard", len(n.Allow), maxDestinations)
	}
	for _, text := range n.Allow {
		if _, err := ParseDestination(text); err != nil {
			return err
		}
	}
	return nil
}

// Destination is one entry of [Network.Allow]: either Name or Prefix is set.
type Destination struct {
	// Name is a host name in lower case, such as "api.example.com". With
	// Subdomains it stands for every name below it, and not for itself.
	Name       string
	Subdomains bool
	Prefix     netip.Prefix // an address is a prefix of its full length
	Port       uint16       // 0: every port
}

// ParseDestination reads a host name, "*." and a host name, an address or a
// CIDR, each optionally with ":" and a port; an IPv6 one then stands in
// brackets. An error has code Invalid.
func ParseDestination(text string) (Destination, error) {
	wrong := func(why string) (Destination, error) {
		return Destination{}, Errorf(Invalid, "%q is no destination: %s", text, why)
	}
	if strings.EqualFold(text, string(NetworkOpen)) || strings.EqualFold(text, string(NetworkNone)) {
		return wrong("that word stands alone, in place of a list")
	}
	var d Destination
	host := text
	if before, _, ok := strings.Cut(host, "://"); ok {
		return wrong("write the host alone, without " + before + "://")
	}
	bracketed := strings.HasPrefix(host, "[")
	if at := strings.LastIndexByte(host, ':'); at >= 0 && (strings.Count(host, ":") == 1 || bracketed && host[at-1] == ']') {
		port, err := strconv.ParseUint(host[at+1:], 10, 16)
		if err != nil || port == 0 {
			return wrong("its port must be a number from 1 to 65535")
		}
		host, d.Port = host[:at], uint16(port)
	}
	if bracketed {
		inner, ok := strings.CutSuffix(host[1:], "]")
		if !ok || !strings.Contains(inner, ":") {
			return wrong("brackets are for IPv6 addresses and CIDRs, as in [2001:db8::1]:443")
		}
		host = inner
	}
	if prefix, err := netip.ParsePrefix(host); err == nil {
		if prefix.Addr().Is4In6() {
			if prefix.Bits() < 96 {
				return wrong("it mixes IPv4 and IPv6: write a CIDR of one, such as 10.0.0.0/8")
			}
			prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-96)
		}
		d.Prefix = prefix.Masked()
		return d, nil
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		d.Prefix = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		return d, nil
	}
	host = strings.TrimSuffix(host, ".")
	if host == "*" {
		return wrong("a wildcard stands before a domain, as in *.example.com")
	}
	host = lowerASCII(host)
	d.Name, d.Subdomains = strings.CutPrefix(host, "*.")
	switch {
	case strings.Contains(d.Name, "*"):
		return wrong("a wildcard stands before a whole domain, as in *.example.com")
	case strings.Contains(d.Name, "/"):
		return wrong("write a host without a path, or a CIDR such as 10.0.0.0/8")
	case len(d.Name) > 253 || !isHostName(d.Name) || allDigits(d.Name):
		return wrong("write a host name (api.example.com), *.example.com, an address or a CIDR (10.0.0.0/8), each with a :port or without")
	}
	return d, nil
}

// isHostName reports whether a text in lower case is a host name: labels of 63
// bytes at most (RFC 1123, section 2.1), and underscores in all but the last,
// which service names have.
func isHostName(name string) bool {
	for rest, more := name, true; more; {
		var label string
		label, rest, more = strings.Cut(rest, ".")
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_' && more) {
				return false
			}
		}
	}
	return true
}

// lowerASCII leaves other letters alone, some of which are ASCII in lower case.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// allDigits tells what was meant to be an address, such as 10.0.0, from a name.
func allDigits(name string) bool { return strings.Trim(name, "0123456789.") == "" }
