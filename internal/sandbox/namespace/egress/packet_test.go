package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

var (
	flow4 = flow{netip.AddrPortFrom(inside4, 4000), netip.MustParseAddrPort("203.0.113.7:443")}
	flow6 = flow{netip.AddrPortFrom(inside6, 4000), netip.MustParseAddrPort("[2001:db8::7]:443")}
)

// sent is a packet as the sandbox sends it.
func sent(f flow, payload string) []byte {
	return datagram(flow{f.dst, f.src}, []byte(payload))
}

func TestParse(t *testing.T) {
	change := func(at int, to byte) []byte {
		b := sent(flow4, "x")
		b[at] = to
		return b
	}
	stranger := flow4
	stranger.src = netip.MustParseAddrPort("10.0.0.1:4000")
	for _, c := range []struct {
		about string
		raw   []byte
		ok    bool
	}{
		{"IPv4", sent(flow4, "x"), true},
		{"IPv6", sent(flow6, "x"), true},
		{"padded", append(sent(flow4, "x"), 0, 0), true},
		{"empty", nil, false},
		{"cut off", sent(flow4, "xyz")[:29], false},
		{"another version", change(0, 0x55), false},
		{"a header that is too short", change(0, 0x44), false},
		{"a header longer than the packet", change(0, 0x4f), false},
		{"more fragments follow", change(6, 0x20), false},
		{"a later fragment", change(7, 1), false},
		{"ICMP", change(9, 1), false},
		{"TCP without a header", change(9, 6), false},
		{"UDP longer than the packet", change(25, 200), false},
		{"UDP without a header", change(25, 7), false},
		{"somebody else's address", sent(stranger, "x"), false},
	} {
		p, ok := parse(c.raw)
		if ok != c.ok {
			t.Errorf("%s: %v", c.about, ok)
		}
		if ok && (p.flow != flow4 && p.flow != flow6 || string(header.UDP(p.transport).Payload()) != "x") {
			t.Errorf("%s: %+v", c.about, p)
		}
	}
}

// TestUnreachable checks what the kernel inside checks too: lengths, sums, and
// that the packet in question is quoted as far as its ports.
func TestUnreachable(t *testing.T) {
	for _, f := range []flow{flow4, flow6} {
		p, _ := parse(sent(f, "a longer payload"))
		b := unreachable(p, refused)
		if f == flow4 {
			ip := header.IPv4(b)
			if !ip.IsValid(len(b)) || !ip.IsChecksumValid() || checksum.Checksum(ip.Payload(), 0) != 0xffff || string(ip.Payload()[8:]) != string(p.raw[:28]) {
				t.Errorf("%x", b)
			}
		} else if ip := header.IPv6(b); !ip.IsValid(len(b)) || string(ip.Payload()[8:]) != string(p.raw[:48]) {
			t.Errorf("%x", b)
		}
	}
}

func TestCauseOf(t *testing.T) {
	for errno, want := range map[syscall.Errno]cause{
		syscall.ECONNREFUSED: refused, syscall.ENETUNREACH: noNetwork, syscall.EHOSTUNREACH: noHost, syscall.EACCES: prohibited,
	} {
		if got, known := causeOf(fmt.Errorf("dial: %w", &net.OpError{Err: errno})); !known || got != want {
			t.Errorf("%v: %v, %v", errno, got, known)
		}
	}
	if _, known := causeOf(errors.New("i/o timeout")); known {
		t.Error("a timeout is shown as an error; inside it must be a timeout too")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sent(flow4, "x"))
	f.Add(sent(flow6, ""))
	f.Add(unreachable(packet{flow: flow4, raw: sent(flow4, "x")}, refused))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, ok := parse(raw)
		if !ok {
			return
		}
		if p.tcp {
			p.opens()
		} else {
			_ = header.UDP(p.transport).Payload()
		}
		if b := unreachable(p, noHost); len(b) > 1280 {
			t.Errorf("an error of %d bytes", len(b))
		}
	})
}
