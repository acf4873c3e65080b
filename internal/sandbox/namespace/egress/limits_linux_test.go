package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"pinfold.dev/pinfold"
)

// count returns how much of something a link has.
func count(l *Link, of func() int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return of()
}

// eventually waits for what other goroutines are about to do.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// syn is what a sandbox sends to open a connection from a port.
func syn(f flow, port uint16) packet {
	f.src = netip.AddrPortFrom(f.src.Addr(), port)
	return packet{flow: f, raw: sent(f, strings.Repeat("x", 20)), tcp: true}
}

// TestConnectionsAreBounded: half-open connections count.
func TestConnectionsAreBounded(t *testing.T) {
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l := Attach(r, Options{Dial: hang, Names: noNames(t)})
	for port := range uint16(2 * maxConns) {
		l.open(syn(flow4, port+1), false)
		l.open(syn(flow4, port+1), false) // once more, as kernels do
	}
	if n := count(l, func() int { return len(l.conns) }); n != maxConns {
		t.Errorf("%d connections are being made", n)
	}
	for range 2 * maxQuestions {
		p, _ := parse(sent(flow{flow4.src, netip.AddrPortFrom(gateway4, dnsPort)}, string(ask("example.com", dnsmessage.TypeA, false))))
		open := &policy{open: true}
		l.policy.Store(open)
		l.carry(p.raw)
	}
	if n := count(l, func() int { return l.questions }); n != maxQuestions {
		t.Errorf("%d questions are in flight", n)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n := len(l.conns) + l.questions; n != 0 {
		t.Errorf("%d are left after Close", n)
	}
}

// TestFlowsAreBoundedAndExpire sends to more addresses than may be at a time.
func TestFlowsAreBoundedAndExpire(t *testing.T) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	port := netip.MustParseAddrPort(server.LocalAddr().String()).Port()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l := Attach(r, Options{Dial: toLoopback, Names: noNames(t)})
	defer l.Close()
	l.policy.Store(&policy{open: true})
	to := func(i uint16) packet {
		p, _ := parse(sent(flow{netip.AddrPortFrom(inside4, 1+i), netip.AddrPortFrom(netip.MustParseAddr(world4), port)}, "x"))
		return p
	}
	l.udpIdle = time.Hour
	for i := range uint16(maxFlows + 50) {
		l.carry(to(i).raw)
	}
	if n := count(l, func() int { return len(l.flows) }); n != maxFlows {
		t.Errorf("%d flows", n)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}

	r2, w2, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w2.Close()
	l = Attach(r2, Options{Dial: toLoopback, Names: noNames(t)})
	defer l.Close()
	l.policy.Store(&policy{open: true})
	l.udpIdle = time.Millisecond
	l.carry(to(1).raw)
	eventually(t, "an idle flow stays", func() bool { return count(l, func() int { return len(l.flows) }) == 0 })
}

// TestBroadcast: the kernel knows the broadcast addresses of the host's networks;
// the sockets that are used do not insist.
func TestBroadcast(t *testing.T) {
	do := threadInNamespace(t)
	done := make(chan error)
	do <- func() {
		tap, err := Configure("eth0") // any network will do
		if err == nil {
			defer tap.Close()
			_, err = outwardDialer().DialContext(t.Context(), "udp", "255.255.255.255:9")
		}
		done <- err
	}
	err := <-done
	if errors.Is(err, ErrNoDevice) {
		t.Skip(err)
	}
	if why, known := causeOf(err); !known || why != prohibited {
		t.Errorf("dialling a broadcast address: %v", err)
	}
}

// TestCloseUnderLoad: Close ends everything, and waits for it.
func TestCloseUnderLoad(t *testing.T) {
	port := listen(t, func(c *net.TCPConn) {
		go func() { _, _ = io.Copy(io.Discard, c) }()
		transfer(c, false)
	})
	s := open(t, newSandbox(t, Options{Dial: toLoopback, Names: noNames(t)}))
	var clients sync.WaitGroup
	var tcp, udp []net.Conn // all before the load, which leaves little room
	for range 16 {
		tcp = append(tcp, s.mustDial(t, "tcp", net.JoinHostPort(world4, port)))
		udp = append(udp, s.mustDial(t, "udp", net.JoinHostPort(world4, port)))
	}
	for i := range tcp {
		clients.Go(func() { transfer(tcp[i].(*net.TCPConn), false) })
		clients.Go(func() { transfer(tcp[i].(*net.TCPConn), true) })
		clients.Go(func() {
			for {
				if _, err := udp[i].Write([]byte("x")); errors.Is(err, net.ErrClosed) {
					return
				}
			}
		})
	}
	dialling := make(chan struct{})
	var stop sync.Once
	clients.Go(func() { // connections that are being made while the link closes
		defer stop.Do(func() { close(dialling) })
		for i := range 64 {
			if i == 8 {
				stop.Do(func() { close(dialling) })
			}
			var c net.Conn
			var err error
			s.in(func() { c, err = (&net.Dialer{Timeout: time.Second}).Dial("tcp", net.JoinHostPort(world4, port)) })
			if err != nil {
				return
			}
			defer c.Close()
		}
	})
	<-dialling
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n := len(s.conns) + len(s.flows); n != 0 {
		t.Errorf("%d connections and flows are left", n)
	}
	if in, out := s.Bytes(); in == 0 || out == 0 {
		t.Errorf("counted %d bytes in, %d out", in, out)
	}
	for i := range tcp {
		_ = tcp[i].Close()
		_ = udp[i].Close()
	}
	clients.Wait()
}

// TestNamesInside asks with the sandbox's own kernel in between, by UDP and TCP.
func TestNamesInside(t *testing.T) {
	dial, _ := world.serve(t)
	s := newSandbox(t, Options{Dial: dial, Names: noNames(t)})
	port := listen(t, echo)
	if err := s.SetNetwork(pinfold.Network{Policy: pinfold.NetworkList, Allow: []string{"api.example.com:" + port}}); err != nil {
		t.Fatal(err)
	}
	if c, err := s.dialIn("tcp", "93.184.216.34:"+port); err == nil {
		_ = c.Close()
		t.Error("an address of a name that nobody has asked for is reachable")
	}
	for _, network := range []string{"udp", "tcp"} {
		c := s.mustDial(t, network, "192.0.0.1:53")
		write, read := writeDatagram, readDatagram
		if network == "tcp" {
			write, read = writeFramed, readFramed
		}
		if err := write(c, ask("api.example.com", dnsmessage.TypeA, true)); err != nil {
			t.Fatal(err)
		}
		answer, err := read(c)
		if addrs, _ := addressesOf(answer); err != nil || len(addrs) != 1 {
			t.Errorf("%s: %v, %v", network, addrs, err)
		}
	}
	_ = s.mustDial(t, "tcp", "93.184.216.34:"+port)
}

// FuzzCarry gives a link whatever a sandbox may send.
func FuzzCarry(f *testing.F) {
	f.Add(sent(flow4, "x"))
	f.Add(sent(flow{flow6.src, netip.AddrPortFrom(gateway6, dnsPort)}, string(ask("localhost", dnsmessage.TypeA, true))))
	f.Add(syn(flow4, 7).raw)
	noone := func(context.Context, string, string) (net.Conn, error) { return nil, errGone }
	r, w, err := os.Pipe()
	if err != nil {
		f.Fatal(err)
	}
	l := Attach(r, Options{Dial: noone, Names: noNames(f)})
	l.policy.Store(&policy{open: true})
	stack, err := newStack(l)
	if err != nil {
		f.Fatal(err)
	}
	l.stack = stack
	f.Cleanup(func() { _ = l.Close(); _ = w.Close() })
	f.Fuzz(func(_ *testing.T, raw []byte) { l.carry(raw) })
}

// TestBudgetIsShared: what one link has taken another lacks, until it is closed.
func TestBudgetIsShared(t *testing.T) {
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	budget := NewBudget(10)
	attach := func() *Link {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		return Attach(r, Options{Dial: hang, Names: noNames(t), Sockets: budget})
	}
	one, other := attach(), attach()
	defer other.Close()
	conns := func(l *Link) int { return count(l, func() int { return len(l.conns) }) }
	for port := range uint16(20) {
		one.open(syn(flow4, port+1), false)
		other.open(syn(flow4, port+1), false)
	}
	if n := conns(one) + conns(other); n != 10 {
		t.Errorf("%d connections are being made", n)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	for port := range uint16(20) {
		other.open(syn(flow4, port+1), false)
	}
	if n := conns(other); n != 10 {
		t.Errorf("%d connections are being made by the one that is left", n)
	}
}
