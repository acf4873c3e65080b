package egress

import (
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

func echo(c *net.TCPConn) {
	_, _ = io.Copy(c, c)
	_ = c.CloseWrite()
}

func TestTCPBothFamilies(t *testing.T) {
	s := open(t, newSandbox(t, Options{Dial: toLoopback}))
	port := listen(t, echo)
	for _, host := range []string{world4, world6} {
		c := s.mustDial(t, "tcp", net.JoinHostPort(host, port))
		if _, err := c.Write([]byte("hello")); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); string(got) != "hello" || err != nil {
			t.Errorf("%s: echoed %q, %v", host, got, err)
		}
	}
}

// TestTCPHalfClose: each side may end its direction first.
func TestTCPHalfClose(t *testing.T) {
	s := open(t, newSandbox(t, Options{Dial: toLoopback}))
	received := make(chan string, 1)
	port := listen(t, func(c *net.TCPConn) {
		_, _ = c.Write([]byte("bye"))
		_ = c.CloseWrite()
		got, _ := io.ReadAll(c)
		received <- string(got)
	})
	c := s.mustDial(t, "tcp", net.JoinHostPort(world4, port))
	if got, err := io.ReadAll(c); string(got) != "bye" || err != nil {
		t.Fatalf("read %q, %v", got, err)
	}
	if _, err := c.Write([]byte("still here")); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if got := <-received; got != "still here" {
		t.Errorf("the server received %q after it had closed its direction", got)
	}
}

// TestTCPReset: what breaks outside breaks inside, and the other way round.
func TestTCPReset(t *testing.T) {
	s := open(t, newSandbox(t, Options{Dial: toLoopback}))
	broken := make(chan error, 1)
	port := listen(t, func(c *net.TCPConn) {
		var b [1]byte
		_, _ = c.Read(b[:])
		if b[0] == 'r' {
			_ = c.SetLinger(0)
			return
		}
		_, _ = c.Write(b[:])
		_, err := c.Read(b[:])
		broken <- err
	})
	c := s.mustDial(t, "tcp", net.JoinHostPort(world4, port))
	_, _ = c.Write([]byte("r"))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read after a reset outside: %v, want a reset", err)
	}
	c = s.mustDial(t, "tcp", net.JoinHostPort(world4, port))
	_, _ = c.Write([]byte("x"))
	_, _ = io.ReadFull(c, make([]byte, 1))
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
	if err := <-broken; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the server's read after a reset inside: %v, want a reset", err)
	}
}

// TestTCPLarge sends data in both directions of many connections at once.
func TestTCPLarge(t *testing.T) {
	s := open(t, newSandbox(t, Options{Dial: toLoopback}))
	port := listen(t, echo)
	const size, parallel = 4 << 20, 24
	var all sync.WaitGroup
	for i := range parallel {
		c := s.mustDial(t, "tcp", net.JoinHostPort(world4, port))
		all.Go(func() {
			sent, received := sha256.New(), sha256.New()
			all.Go(func() {
				noise := rand.NewChaCha8([32]byte{byte(i)})
				if _, err := io.CopyN(io.MultiWriter(c, sent), noise, size); err != nil {
					t.Error(err)
				}
				_ = c.(*net.TCPConn).CloseWrite()
			})
			n, err := io.Copy(received, c)
			if err != nil || n != size {
				t.Errorf("received %d of %d bytes: %v", n, size, err)
			} else if string(sent.Sum(nil)) != string(received.Sum(nil)) {
				t.Error("what came back is not what was sent")
			}
		})
	}
	all.Wait()
}

// TestErrors: a function sees why a connection cannot be had, at once.
func TestErrors(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, nobody, _ := net.SplitHostPort(closed.Addr().String())
	_ = closed.Close()
	port := listen(t, echo)
	list := pinfold.Network{Policy: pinfold.NetworkList, Allow: []string{"203.0.113.0/24:" + nobody, "0.0.0.0/0:" + nobody, "[::/0]:" + nobody}}
	cases := []struct {
		name    string
		network *pinfold.Network
		address string
		want    error
	}{
		{"refused", &pinfold.Network{}, net.JoinHostPort(world4, nobody), unix.ECONNREFUSED},
		{"refused, IPv6", &pinfold.Network{}, net.JoinHostPort(world6, nobody), unix.ECONNREFUSED},
		{"before SetNetwork", nil, net.JoinHostPort(world4, port), unix.EHOSTUNREACH},
		{"none", &pinfold.Network{Policy: pinfold.NetworkNone}, net.JoinHostPort(world4, port), unix.EHOSTUNREACH},
		{"none, IPv6", &pinfold.Network{Policy: pinfold.NetworkNone}, net.JoinHostPort(world6, port), unix.EACCES},
		{"another port than listed", &list, net.JoinHostPort(world4, port), unix.EHOSTUNREACH},
		{"listed, nobody there", &list, net.JoinHostPort(world4, nobody), unix.ECONNREFUSED},
		{"metadata", &pinfold.Network{}, "169.254.169.254:" + port, unix.EHOSTUNREACH},
		{"metadata in a listed CIDR", &list, "169.254.169.254:" + nobody, unix.EHOSTUNREACH},
		{"metadata, IPv6", &pinfold.Network{}, "[fd00:ec2::254]:" + port, unix.EACCES},
		{"metadata by NAT64", &pinfold.Network{}, "[64:ff9b::169.254.169.254]:" + port, unix.EACCES},
		{"the gateway", &pinfold.Network{}, "192.0.0.1:" + port, unix.ECONNREFUSED},
		{"the gateway, IPv6", &pinfold.Network{}, "[fd70:696e:666f:6c64::1]:" + port, unix.ECONNREFUSED},
		{"the host's loopback is the sandbox's own", &pinfold.Network{}, "127.0.0.1:" + port, unix.ECONNREFUSED},
		{"unspecified is the sandbox's own", &pinfold.Network{}, "0.0.0.0:" + port, unix.ECONNREFUSED},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newSandbox(t, Options{Dial: toLoopback})
			if c.network != nil {
				if err := s.SetNetwork(*c.network); err != nil {
					t.Fatal(err)
				}
			}
			conn, err := s.dialIn("tcp", c.address)
			if err == nil {
				_ = conn.Close()
			}
			if !errors.Is(err, c.want) {
				t.Errorf("dialling %s: %v, want %v", c.address, err, c.want)
			}
		})
	}
}

func TestUDP(t *testing.T) {
	s := open(t, newSandbox(t, Options{Dial: toLoopback}))
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	go func() {
		b := make([]byte, 64<<10)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(b[:n], from)
		}
	}()
	_, port, _ := net.SplitHostPort(server.LocalAddr().String())
	for _, host := range []string{world4, world6} {
		c := s.mustDial(t, "udp", net.JoinHostPort(host, port))
		for _, size := range []int{0, 1, 1200, 65000} {
			sent := make([]byte, size)
			for i := range sent {
				sent[i] = byte(rand.Uint32())
			}
			if _, err := c.Write(sent); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, 64<<10)
			n, err := c.Read(got)
			if err != nil || string(got[:n]) != string(sent) {
				t.Errorf("%s: %d bytes came back as %d, %v", host, size, n, err)
			}
		}
	}
	_ = server.Close()
	c := s.mustDial(t, "udp", net.JoinHostPort(world4, port))
	_, _ = c.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("read from where nobody listens: %v, want a refusal", err)
	}
	if err := s.SetNetwork(pinfold.Network{Policy: pinfold.NetworkNone}); err != nil {
		t.Fatal(err)
	}
	c = s.mustDial(t, "udp", net.JoinHostPort(world4, port))
	_, _ = c.Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unix.EHOSTUNREACH) {
		t.Errorf("read from what the policy denies: %v", err)
	}
}
