package egress

import (
	"net/netip"
	"testing"
	"time"

	"pinfold.dev/pinfold"
)

// TestDenied: no policy reaches these, in no spelling.
func TestDenied(t *testing.T) {
	never := []string{
		"127.0.0.1", "127.0.0.53", "127.255.255.255", "::1", "::ffff:127.0.0.1", "::127.0.0.1",
		"0.0.0.0", "0.1.2.3", "::", "::ffff:0.0.0.0",
		"169.254.0.1", "169.254.169.254", "169.254.170.2", "::ffff:169.254.169.254", "fe80::1", "febf::1",
		"64:ff9b::169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::1", "2002:a9fe:a9fe::",
		"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42", "fd00:c1::a9fe:a9fe", "100.100.100.200", "168.63.129.16",
		"224.0.0.1", "239.255.255.250", "255.255.255.255", "ff02::1", "ff0e::1",
		"192.0.0.1", "192.0.0.2", "fd70:696e:666f:6c64::2",
	}
	everything := newTestPolicy(t, "0.0.0.0/0", "::/0", "example.com")
	everything.learn("example.com", addresses(never), time.Hour, time.Now())
	policies := map[string]*policy{"open": newTestPolicy(t), "every CIDR, and a name that leads there": everything}
	for kind, p := range policies {
		for _, a := range addresses(never) {
			if p.allows(netip.AddrPortFrom(a, 80), time.Now()) {
				t.Errorf("%s allows %s", kind, a)
			}
		}
		for _, a := range []string{"1.1.1.1", "10.0.0.1", "192.168.1.1", "172.17.0.1", "100.64.0.1", "2606:4700::1111", "fd00::2", "64:ff9b::1.1.1.1", "2002:101:101::1", "128.0.0.1", "169.253.0.1"} {
			if !p.allows(netip.AddrPortFrom(netip.MustParseAddr(a), 80), time.Now()) {
				t.Errorf("%s does not allow %s", kind, a)
			}
		}
	}
}

func newTestPolicy(t testing.TB, allow ...string) *policy {
	t.Helper()
	n := pinfold.Network{}
	if allow != nil {
		n = pinfold.Network{Policy: pinfold.NetworkList, Allow: allow}
	}
	p, err := newPolicy(n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func addresses(texts []string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func TestAllows(t *testing.T) {
	cases := []struct {
		allow   []string
		dst     string
		allowed bool
	}{
		{nil, "93.184.216.34:443", true},
		{nil, "93.184.216.34:0", false},
		{[]string{"10.0.0.0/8"}, "10.1.2.3:1", true},
		{[]string{"10.0.0.0/8"}, "11.1.2.3:1", false},
		{[]string{"10.0.0.0/8"}, "[::ffff:10.1.2.3]:1", true},
		{[]string{"10.0.0.0/8:5432"}, "10.1.2.3:5432", true},
		{[]string{"10.0.0.0/8:5432"}, "10.1.2.3:5433", false},
		{[]string{"10.1.2.3"}, "10.1.2.3:9", true},
		{[]string{"10.1.2.3"}, "10.1.2.4:9", false},
		{[]string{"[2001:db8::/32]:443"}, "[2001:db8::1]:443", true},
		{[]string{"[2001:db8::/32]:443"}, "[2001:db8::1]:80", false},
		{[]string{"api.example.com"}, "93.184.216.34:443", false}, // its address is not known yet
	}
	for _, c := range cases {
		if got := newTestPolicy(t, c.allow...).allows(netip.MustParseAddrPort(c.dst), time.Now()); got != c.allowed {
			t.Errorf("%v allows %s: %v", c.allow, c.dst, got)
		}
	}
	none, err := newPolicy(pinfold.Network{Policy: pinfold.NetworkNone})
	if err != nil || none.allows(netip.MustParseAddrPort("10.0.0.1:1"), time.Now()) || none.asks("example.com") {
		t.Error("none allows something", err)
	}
	if _, err := newPolicy(pinfold.Network{Policy: "half"}); pinfold.CodeOf(err) != pinfold.Invalid {
		t.Errorf("a policy that is none: %v", err)
	}
}

func TestAsks(t *testing.T) {
	p := newTestPolicy(t, "api.example.com", "*.example.org:443", "10.0.0.0/8")
	for name, want := range map[string]bool{
		"api.example.com": true, "x.api.example.com": false, "example.com": false, "xapi.example.com": false,
		"a.example.org": true, "a.b.example.org": true, "example.org": false, "aexample.org": false,
		"": false, "10.0.0.1": false, "com": false,
	} {
		if got := p.asks(name); got != want {
			t.Errorf("asks for %q: %v", name, got)
		}
	}
}

// TestLearned: an address that was an answer is reachable for its time, on the
// ports of the entries that the name matched.
func TestLearned(t *testing.T) {
	p := newTestPolicy(t, "*.example.com:443", "api.example.com:8443", "other.example.com")
	now := time.Now()
	addr := netip.MustParseAddr("93.184.216.34")
	at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(addr, port) }
	p.learn("api.example.com", []netip.Addr{addr}, time.Second, now)
	for _, c := range []struct {
		port  uint16
		after time.Duration
		want  bool
	}{
		{443, 0, true}, {8443, 0, true}, {80, 0, false},
		{443, minGrant - time.Second, true}, {443, minGrant, false},
	} {
		if got := p.allows(at(c.port), now.Add(c.after)); got != c.want {
			t.Errorf("port %d after %s: %v", c.port, c.after, got)
		}
	}
	p.learn("other.example.com", []netip.Addr{addr}, time.Hour, now)
	if !p.allows(at(80), now.Add(time.Hour-time.Second)) || p.allows(at(80), now.Add(time.Hour)) {
		t.Error("a longer TTL was not kept")
	}
	p.learn("stranger.example.net", addresses([]string{"1.2.3.4"}), time.Hour, now)
	if p.allows(netip.MustParseAddrPort("1.2.3.4:443"), now) {
		t.Error("learned the address of a name that is not listed")
	}
}

// TestLearnedIsBounded: whoever serves a name cannot fill the memory with addresses.
func TestLearnedIsBounded(t *testing.T) {
	p := newTestPolicy(t, "example.com")
	now := time.Now()
	addr := netip.MustParseAddr("2001:db8::")
	for range maxLearned + 100 {
		addr = addr.Next()
		p.learn("example.com", []netip.Addr{addr}, 0, now)
	}
	if len(p.learned) != maxLearned {
		t.Errorf("%d addresses are known, the bound is %d", len(p.learned), maxLearned)
	}
	p.learn("example.com", []netip.Addr{addr}, 0, now.Add(minGrant))
	if !p.allows(netip.AddrPortFrom(addr, 1), now.Add(minGrant)) || len(p.learned) != 1 {
		t.Errorf("expired addresses stay in the way: %d", len(p.learned))
	}
}
