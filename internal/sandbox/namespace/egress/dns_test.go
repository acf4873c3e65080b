package egress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// zone is a resolver of the test: name to records, each an address or an alias
// that begins with "=".
type zone map[string][]string

// serve answers by UDP and TCP on one port of the loopback, and returns a dialer
// that leads to it, and the number of questions that came.
func (z zone) serve(t testing.TB) (dialFunc, *atomic.Int32) {
	t.Helper()
	var udp net.PacketConn
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	for range 10 { // until a port is free for both
		if err != nil {
			t.Fatal(err)
		}
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			break
		}
		_ = tcp.Close()
		tcp, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if udp == nil {
		t.Fatal("no port is free")
	}
	t.Cleanup(func() { _ = udp.Close(); _ = tcp.Close() })
	var asked atomic.Int32
	go func() {
		b := make([]byte, 4096)
		for {
			n, from, err := udp.ReadFrom(b)
			if err != nil {
				return
			}
			asked.Add(1)
			if answer := z.answer(b[:n], false); answer != nil {
				wrong := slices.Clone(answer) // somebody guesses ids
				wrong[0] ^= 0xff
				_, _ = udp.WriteTo(wrong, from)
				_, _ = udp.WriteTo(answer, from)
			}
		}
	}()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for message, err := readFramed(c); err == nil; message, err = readFramed(c) {
					asked.Add(1)
					_ = writeFramed(c, z.answer(message, true))
				}
			}()
		}
	}()
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		to := netip.MustParseAddrPort(address)
		if to.Port() == dnsPort {
			return new(net.Dialer).DialContext(ctx, network, udp.LocalAddr().String())
		}
		if strings.HasPrefix(network, "udp") && to.Port() == 9 && strings.HasPrefix(address, "[2001:") {
			return nil, syscall.ENETUNREACH // the host has no route there
		}
		return toLoopback(ctx, network, address)
	}, &asked
}

func (z zone) answer(message []byte, tcp bool) []byte {
	q, ok := readQuery(message)
	if !ok {
		return nil
	}
	name := canonical(q.question.Name.String())
	code := dnsmessage.RCodeSuccess
	if z[name] == nil {
		code = dnsmessage.RCodeNameError
	}
	if name == "broken.example.com" {
		code = dnsmessage.RCodeServerFailure
	}
	truncated := name == "large.example.com" && !tcp
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: q.ID, Response: true, RCode: code, Truncated: truncated})
	_ = b.StartQuestions()
	_ = b.Question(q.question)
	_ = b.StartAnswers()
	for owner := name; !truncated && owner != ""; {
		next := ""
		for _, record := range z[owner] {
			h := dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(owner + "."), Class: dnsmessage.ClassINET, TTL: 600}
			if alias, ok := strings.CutPrefix(record, "="); ok {
				_ = b.CNAMEResource(h, dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(alias + ".")})
				next = alias
			} else if a := netip.MustParseAddr(record); a.Is4() && q.question.Type == dnsmessage.TypeA {
				_ = b.AResource(h, dnsmessage.AResource{A: a.As4()})
			} else if a.Is6() && q.question.Type == dnsmessage.TypeAAAA {
				_ = b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: a.As16()})
			}
		}
		owner = next
	}
	answer, _ := b.Finish()
	return answer
}

func ask(name string, kind dnsmessage.Type, edns bool) []byte {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{ID: 4711, RecursionDesired: true})
	_ = b.StartQuestions()
	_ = b.Question(dnsmessage.Question{Name: dnsmessage.MustNewName(name + "."), Type: kind, Class: dnsmessage.ClassINET})
	if edns {
		var h dnsmessage.ResourceHeader
		_ = b.StartAdditionals()
		_ = h.SetEDNS0(4096, 0, false)
		_ = b.OPTResource(h, dnsmessage.OPTResource{})
	}
	message, _ := b.Finish()
	return message
}

var world = zone{
	"api.example.com":     {"93.184.216.34"},
	"alias.example.com":   {"=alias2.example.net"},
	"alias2.example.net":  {"=target.example.net"},
	"target.example.net":  {"93.184.216.35", "fd00::35"},
	"rebind.example.com":  {"169.254.169.254", "127.0.0.1"},
	"six.example.com":     {"2001:db8::6"},
	"lan6.example.com":    {"fd00::6"},
	"large.example.com":   {"93.184.216.36"},
	"other.example.org":   {"93.184.216.37"},
	"broken.example.com":  {},
	"inhosts.example.com": {"93.184.216.99"}, // the hosts file comes first
	"blocked.example.com": {"93.184.216.98"},
}

func newTestServer(t testing.TB, allow ...string) (*dnsServer, *policy, *atomic.Int32) {
	dial, asked := world.serve(t)
	hosts := filepath.Join(t.TempDir(), "hosts")
	text := "127.0.0.1 localhost thishost\n10.9.8.7 db db.internal # the database\nfd00::7 db\n10.9.8.6 inhosts.example.com\n0.0.0.0 blocked.example.com\n"
	if err := os.WriteFile(hosts, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newTestPolicy(t, allow...)
	return &dnsServer{names: NewNames(filepath.Join(t.TempDir(), "none"), hosts), dial: dial, policy: func() *policy { return p }}, p, asked
}

func TestAnswer(t *testing.T) {
	const a, aaaa = dnsmessage.TypeA, dnsmessage.TypeAAAA
	list := []string{"*.example.com:443", "db"}
	cases := []struct {
		about string
		allow []string
		name  string
		kind  dnsmessage.Type
		code  dnsmessage.RCode
		want  string // addresses
		asks  bool   // a resolver is asked
	}{
		{"open", nil, "api.example.com", a, 0, "93.184.216.34", true},
		{"case does not matter", list, "API.Example.COM", a, 0, "93.184.216.34", true},
		{"all that there is", nil, "api.example.com", dnsmessage.TypeALL, 4, "", false},
		{"a whole zone", nil, "example.com", dnsmessage.TypeAXFR, 4, "", false},
		{"no such name", nil, "nothing.example.com", a, 3, "", true},
		{"aliases", nil, "alias.example.com", a, 0, "93.184.216.35", true},
		{"listed", list, "api.example.com", a, 0, "93.184.216.34", true},
		{"an alias of a listed name", list, "alias.example.com", a, 0, "93.184.216.35", true},
		{"not listed", list, "other.example.org", a, 3, "", false},
		{"only its alias is listed", list, "target.example.net", a, 3, "", false},
		{"a list of addresses has no names", []string{"10.0.0.0/8"}, "api.example.com", a, 3, "", false},
		{"IPv6 without a route", nil, "six.example.com", aaaa, 0, "", true},
		{"IPv6 with a route", nil, "lan6.example.com", aaaa, 0, "fd00::6", true},
		{"the resolver fails", nil, "broken.example.com", a, 2, "", true},
		{"localhost", list, "localhost", a, 0, "127.0.0.1", false},
		{"localhost, IPv6", list, "localhost", aaaa, 0, "::1", false},
		{"below localhost", list, "f.lambda-url.localhost", a, 0, "127.0.0.1", false},
		{"below localhost, IPv6", list, "f.lambda-url.localhost", aaaa, 0, "", false},
		{"the hosts file", nil, "db", a, 0, "10.9.8.7", false},
		{"the hosts file, IPv6", nil, "DB", aaaa, 0, "fd00::7", false},
		{"the hosts file comes first", nil, "inhosts.example.com", a, 0, "10.9.8.6", false},
		{"blocked by the hosts file", nil, "blocked.example.com", a, 0, "", false},
		{"the hosts file, listed", list, "db", a, 0, "10.9.8.7", false},
		{"the hosts file, not listed", list, "db.internal", a, 3, "", false},
		{"the host's own name leads to its loopback", nil, "thishost", a, 0, "", false},
	}
	for _, c := range cases {
		t.Run(c.about, func(t *testing.T) {
			s, _, asked := newTestServer(t, c.allow...)
			answer := s.answer(t.Context(), "udp", ask(c.name, c.kind, false))
			var m dnsmessage.Message
			if err := m.Unpack(answer); err != nil {
				t.Fatal(err)
			}
			addrs, _ := addressesOf(answer)
			if got := strings.Trim(fmt.Sprint(addrs), "[]"); m.RCode != c.code || got != c.want || m.ID != 4711 || !m.Response {
				t.Errorf("%s: code %v, addresses %q, id %d", c.name, m.RCode, got, m.ID)
			}
			if (asked.Load() > 0) != c.asks {
				t.Errorf("the resolver was asked %d times", asked.Load())
			}
		})
	}
}

func TestAnswerMakesReachable(t *testing.T) {
	s, p, _ := newTestServer(t, "*.example.com:443", "db:5432")
	at := netip.MustParseAddrPort
	for _, name := range []string{"alias.example.com", "rebind.example.com", "other.example.org", "db"} {
		s.answer(t.Context(), "udp", ask(name, dnsmessage.TypeA, false))
	}
	for dst, want := range map[string]bool{
		"93.184.216.35:443": true, "93.184.216.35:80": false, "93.184.216.37:443": false, "10.9.8.7:5432": true, "10.9.8.7:443": false,
		"169.254.169.254:443": false, "127.0.0.1:443": false,
	} {
		if got := p.allows(at(dst), time.Now()); got != want {
			t.Errorf("%s is reachable: %v", dst, got)
		}
	}
}

func TestAnswerTCPAndTruncation(t *testing.T) {
	s, _, _ := newTestServer(t)
	q := ask("large.example.com", dnsmessage.TypeA, false)
	var m dnsmessage.Message
	if err := m.Unpack(s.answer(t.Context(), "udp", q)); err != nil || !m.Truncated {
		t.Errorf("by UDP: truncated %v, %v", m.Truncated, err)
	}
	client, server := net.Pipe()
	served := make(chan error)
	go func() { served <- s.serveTCP(t.Context(), server) }()
	for range 2 {
		if err := writeFramed(client, q); err != nil {
			t.Fatal(err)
		}
		answer, err := readFramed(client)
		if addrs, _ := addressesOf(answer); err != nil || len(addrs) != 1 {
			t.Errorf("by TCP: %v, %v", addrs, err)
		}
	}
	_ = client.Close()
	if err := <-served; err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
}

// TestProhibitedSaysWhy: dig shows the reason; others see a plain NXDOMAIN.
func TestProhibitedSaysWhy(t *testing.T) {
	s, _, _ := newTestServer(t, "api.example.com")
	var m dnsmessage.Message
	if err := m.Unpack(s.answer(t.Context(), "udp", ask("x.example.org", dnsmessage.TypeA, true))); err != nil {
		t.Fatal(err)
	}
	opt, ok := m.Additionals[0].Body.(*dnsmessage.OPTResource)
	if !ok || len(opt.Options) != 1 || opt.Options[0].Code != 15 || !strings.Contains(string(opt.Options[0].Data), "not list") {
		t.Errorf("no extended error: %+v", m.Additionals)
	}
}

func TestResolversInTurn(t *testing.T) {
	dial, _ := world.serve(t)
	q := ask("api.example.com", dnsmessage.TypeA, false)
	parsed, _ := readQuery(q)
	down := func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasPrefix(address, "10.0.0.1") {
			return nil, syscall.ECONNREFUSED
		}
		return dial(ctx, network, address)
	}
	if forward(t.Context(), down, []string{"10.0.0.1:53", "10.0.0.2:53"}, "udp", q, parsed) == nil {
		t.Error("the second resolver was not asked")
	}
	if forward(t.Context(), down, []string{"10.0.0.1:53"}, "tcp", q, parsed) != nil {
		t.Error("an answer from nowhere")
	}
}

func TestParseResolvConf(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "127.0.0.1:53",
		"nameserver 127.0.0.53\n": "127.0.0.53:53",
		"# x\nsearch a b\nnameserver\t10.0.0.1 # c\nnameserver fe80::1%eth0\nnameserver x\n": "10.0.0.1:53 [fe80::1%eth0]:53",
		"nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4":     "1.1.1.1:53 1.1.1.2:53 1.1.1.3:53",
	} {
		if got := strings.Join(parseResolvConf(text), " "); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func TestNamesAreReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts")
	n := NewNames("", path)
	if len(n.hosts.get()) != 0 {
		t.Error("names without a file")
	}
	for _, text := range []string{"10.0.0.1 a\n", "10.0.0.1 a b\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := len(n.hosts.get()); got != len(strings.Fields(text))-1 {
			t.Errorf("%d names after %q", got, text)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(ask("api.example.com", dnsmessage.TypeA, true), []byte{})
	f.Add(ask("other.example.org", dnsmessage.TypeAAAA, false), world.answer(ask("alias.example.com", dnsmessage.TypeA, false), true))
	f.Add([]byte{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12}, []byte("\x00\x00"))
	noone := func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ECONNREFUSED }
	p := newTestPolicy(f, "*.example.com", "db")
	s := &dnsServer{names: noNames(f), dial: noone, policy: func() *policy { return p }}
	f.Fuzz(func(t *testing.T, question, answer []byte) {
		if got := s.answer(t.Context(), "udp", question); got != nil {
			var m dnsmessage.Message
			if err := m.Unpack(got); err != nil || !m.Response || len(got) > 1232 {
				t.Errorf("answered %x: %v", got, err)
			}
		}
		addressesOf(answer)
		answers(answer, 0, dnsmessage.Question{})
	})
}

func FuzzFiles(f *testing.F) {
	f.Add("nameserver 10.0.0.1\n", "10.0.0.1 a b # c\n::1 d\n")
	f.Fuzz(func(t *testing.T, resolvConf, hosts string) {
		if n := len(parseResolvConf(resolvConf)); n == 0 || n > maxResolvers {
			t.Errorf("%d resolvers", n)
		}
		for name, addrs := range parseHosts(hosts) {
			if slices.ContainsFunc(addrs, denied) {
				t.Errorf("%q leads to a denied address", name)
			}
		}
	})
}

// toLoopback dials the port on the loopback, whatever the address is, so that
// tests need no network of their own.
func toLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), to.Port()).String())
}

// noNames are names of a host that has none.
func noNames(t testing.TB) *Names {
	return NewNames(filepath.Join(t.TempDir(), "resolv.conf"), filepath.Join(t.TempDir(), "hosts"))
}
