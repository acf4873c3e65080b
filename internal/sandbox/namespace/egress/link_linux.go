package egress

import (
	"context"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

// The bounds of one sandbox. What is over them waits or is lost, and is tried
// again by the sandbox's own kernel or resolver.
const (
	maxConns     = 1024 // TCP connections, those that are being made included
	maxFlows     = 1024 // pairs of UDP addresses
	maxQuestions = 64   // DNS questions in flight by UDP
)

// Options are what a link needs from its surroundings. The zero Options are for
// production.
type Options struct {
	// Names is what the host knows of names; nil means a reader of the files in
	// /etc for this link alone.
	Names *Names
	// Sockets is shared with other links; nil has no bound.
	Sockets *Budget
	// Dial makes the connections outside, as [net.Dialer.DialContext] does, which
	// nil stands for. It is given addresses, never names, and its connections
	// must be those of package net.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Link serves the network device of one sandbox.
type Link struct {
	device device
	dial   dialFunc
	room   *Budget
	dns    dnsServer
	policy atomic.Pointer[policy]

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	udpIdle time.Duration
	tasks   sync.WaitGroup

	closing func() error

	mu        sync.Mutex
	closed    bool
	conns     map[flow]*conn
	flows     map[flow]*udpFlow
	questions int
	stack     *tcpStack // or nil, while there is nothing to carry
}

// Attach serves a device that [Configure] has returned until Close, and owns the
// file. Nothing goes out before SetNetwork.
func Attach(tap *os.File, o Options) *Link {
	if o.Names == nil {
		o.Names = NewNames("", "")
	}
	if o.Dial == nil {
		o.Dial = outwardDialer().DialContext
	}
	l := &Link{dial: o.Dial, room: o.Sockets, udpIdle: udpIdle, conns: map[flow]*conn{}, flows: map[flow]*udpFlow{}}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.device.file = tap
	l.device.raw, _ = tap.SyscallConn() // fails for a nil file only
	l.dns = dnsServer{names: o.Names, dial: o.Dial, policy: l.policy.Load}
	l.policy.Store(&policy{}) // allows nothing
	l.closing = sync.OnceValue(l.close)
	l.tasks.Go(l.serve)
	return l
}

// outwardDialer does not broadcast, which package net's sockets may do otherwise:
// the kernel then refuses the broadcast addresses of the host's networks, which
// only it knows.
func outwardDialer() *net.Dialer {
	return &net.Dialer{ControlContext: func(_ context.Context, network, _ string, raw syscall.RawConn) error {
		if network != "udp4" && network != "udp6" {
			return nil
		}
		var failed error
		err := raw.Control(func(fd uintptr) { failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_BROADCAST, 0) })
		if err != nil {
			return err
		}
		return failed
	}}
}

// SetNetwork says what may be reached from now on. Connections that exist stay.
// An error has code Invalid.
func (l *Link) SetNetwork(n pinfold.Network) error {
	p, err := newPolicy(n)
	if err != nil {
		return err
	}
	l.policy.Store(p)
	return nil
}

// Bytes returns how much the sandbox has received and sent so far, in bytes of
// IP packets, its questions to the gateway included.
func (l *Link) Bytes() (in, out uint64) { return l.device.in.Load(), l.device.out.Load() }

// Close ends all connections and waits until nothing of the link runs. It may be
// called more than once.
func (l *Link) Close() error { return l.closing() }

func (l *Link) close() error {
	l.mu.Lock()
	l.closed = true
	stack := l.stack
	for _, f := range l.flows {
		_ = f.conn.Close()
	}
	l.mu.Unlock()
	l.cancel()
	err := l.device.file.Close()
	done := make(chan struct{})
	go func() {
		l.tasks.Wait()
		close(done)
	}()
	if stack != nil {
		stack.abort(done)
	}
	<-done
	return err
}

// serve carries what the sandbox sends, until the device is closed.
func (l *Link) serve() {
	for {
		b, n, err := receive(l.device.raw)
		if err != nil {
			return
		}
		l.device.out.Add(uint64(n))
		l.carry(b[:n])
		buffers.Put(b)
	}
}

// carry looks at one packet. It does not keep it.
func (l *Link) carry(raw []byte) {
	p, ok := parse(raw)
	if !ok {
		return
	}
	gateway := isGateway(p.dst.Addr())
	switch {
	case p.tcp && !p.opens():
		l.inject(p)
	case gateway && p.dst.Port() != dnsPort:
		l.device.write(unreachable(p, refused))
	case gateway && !p.tcp:
		l.ask(p)
	case !gateway && !p.tcp && l.continues(p):
	case !gateway && !l.policy.Load().allows(p.dst, time.Now()):
		l.device.write(unreachable(p, prohibited))
	case p.tcp:
		l.open(p, gateway)
	default:
		l.begin(p)
	}
}

// ask answers a question by UDP.
func (l *Link) ask(p packet) {
	f, message := p.flow, append([]byte(nil), p.transport[8:]...)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.questions >= maxQuestions {
		return
	}
	l.questions++
	l.tasks.Go(func() {
		if answer := l.dns.answer(l.ctx, "udp", message); answer != nil {
			if b := datagram(f, answer); b != nil {
				l.device.write(b)
			}
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.questions--
	})
}
