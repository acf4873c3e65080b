package egress

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/waiter"
)

const (
	// dialTimeout is for one attempt outside. The sandbox's kernel repeats its
	// own attempt, which begins the next one here, for as long as it likes.
	dialTimeout = 30 * time.Second
	// acceptTimeout is for the sandbox's kernel, which has asked for the
	// connection, to accept it.
	acceptTimeout = 10 * time.Second
	// keepAlive finds connections whose process inside has gone without a word.
	keepAlive = time.Minute
)

var errGone = errors.New("the sandbox does not want the connection any more")

// conn is a TCP connection of the sandbox.
type conn struct {
	// request is the stack's, once the connection is there outside and the
	// sandbox's own packet has been let through to the stack.
	request chan *tcp.ForwarderRequest
	dialled bool // under Link.mu: later packets of the flow are the stack's
}

// open makes the connection that a packet asks for: first outside, then inside.
func (l *Link) open(p packet, gateway bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.conns[p.flow]; c != nil {
		if c.dialled && l.stack != nil {
			l.stack.inject(p)
		}
		return // asked for again: the kernel is impatient
	}
	if l.closed || len(l.conns) >= maxConns || !l.room.Take() {
		return
	}
	c := &conn{request: make(chan *tcp.ForwarderRequest, 1)}
	l.conns[p.flow] = c
	p.raw = append([]byte(nil), p.raw...)
	p.transport = nil
	l.tasks.Go(func() {
		defer l.forget(p.flow, c)
		if gateway {
			l.serveQuestions(c, p)
		} else {
			l.connect(c, p)
		}
	})
}

// forget makes room for the next connection.
func (l *Link) forget(f flow, c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, f)
	l.room.Give()
	select {
	case r := <-c.request:
		r.Complete(true)
	default:
	}
	if len(l.conns) == 0 && l.stack != nil && !l.closed {
		l.stack.rest(l)
	}
}

// connect carries one connection from beginning to end.
func (l *Link) connect(c *conn, p packet) {
	ctx, cancel := context.WithTimeout(l.ctx, dialTimeout)
	out, err := l.dial(ctx, "tcp", p.dst.String())
	cancel()
	if err != nil {
		if why, known := causeOf(err); known {
			l.device.write(unreachable(p, why))
		}
		return
	}
	defer out.Close()
	in, err := l.accept(c, p)
	if err != nil {
		return
	}
	defer in.Close()
	relay(in, out)
}

func (l *Link) serveQuestions(c *conn, p packet) {
	in, err := l.accept(c, p)
	if err != nil {
		return
	}
	defer in.Close()
	_ = l.dns.serveTCP(l.ctx, in) // the client sees how it ended
}

// accept lets the sandbox have the connection that it has asked for with p.
func (l *Link) accept(c *conn, p packet) (*inner, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil, errGone
	}
	if l.stack == nil {
		stack, err := newStack(l)
		if err != nil {
			l.mu.Unlock()
			return nil, err
		}
		l.stack = stack
	}
	c.dialled = true
	open := len(l.conns)
	l.stack.inject(p)
	l.mu.Unlock()

	timeout := time.NewTimer(acceptTimeout)
	defer timeout.Stop()
	var request *tcp.ForwarderRequest
	select {
	case request = <-c.request:
	case <-timeout.C:
		return nil, errGone
	case <-l.ctx.Done():
		return nil, errGone
	}
	in := &inner{}
	var failed tcpip.Error
	in.ep, failed = request.CreateEndpoint(&in.queue)
	request.Complete(failed != nil)
	if failed != nil {
		return nil, errGone
	}
	in.TCPConn = gonet.NewTCPConn(&in.queue, in.ep)
	in.tune(open)
	return in, nil
}

// forwarded takes a connection request from the stack to its connection.
func (l *Link) forwarded(r *tcp.ForwarderRequest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.conns[flowOf(r.ID())]; c != nil {
		select {
		case c.request <- r:
			return
		default:
		}
	}
	r.Complete(true)
}

// inject gives a packet of an existing connection to the stack.
func (l *Link) inject(p packet) {
	l.mu.Lock()
	stack := l.stack
	l.mu.Unlock()
	if stack != nil {
		stack.inject(p)
	}
}

// inner is the sandbox's side of a connection.
type inner struct {
	*gonet.TCPConn
	ep    tcpip.Endpoint
	queue waiter.Queue
}

const (
	// bufferBudget is shared by the connections of a sandbox, in each direction:
	// a function that reads nothing of what it has asked for must not fill the
	// platform's memory.
	bufferBudget = 64 << 20
	minBuffer    = 32 << 10
	maxBuffer    = 1 << 20
)

// tune sets the options of one of so many open connections.
func (in *inner) tune(open int) {
	size := int64(max(minBuffer, min(maxBuffer, bufferBudget/max(open, 1))))
	o := in.ep.SocketOptions()
	o.SetSendBufferSize(size, true)
	o.SetReceiveBufferSize(size, true)
	o.SetDelayOption(false)
	o.SetKeepAlive(true)
	idle, interval := tcpip.KeepaliveIdleOption(keepAlive), tcpip.KeepaliveIntervalOption(keepAlive/4)
	_ = in.ep.SetSockOpt(&idle)
	_ = in.ep.SetSockOpt(&interval)
}

// receive is like the function receive.
func (in *inner) receive() (*buffer, int, error) {
	const something = waiter.ReadableEvents | waiter.EventHUp | waiter.EventErr
	if in.ep.Readiness(something) == 0 {
		entry, ready := waiter.NewChannelEntry(something)
		in.queue.EventRegister(&entry)
		for in.ep.Readiness(something) == 0 {
			<-ready
		}
		in.queue.EventUnregister(&entry)
	}
	b := buffers.Get().(*buffer)
	n, err := in.Read(b[:])
	return b, n, err
}

// reset ends the connection without ceremony.
func (in *inner) reset() { in.ep.Abort() }

// relay carries bytes both ways. The end of one direction is passed on as such;
// an error ends both.
func relay(in *inner, out net.Conn) {
	raw, err := rawConn(out)
	if err != nil {
		return
	}
	reset := func() {
		if tcp, ok := out.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = out.Close()
		in.reset()
	}
	var upward sync.WaitGroup
	upward.Go(func() {
		if err := pump(out, in.receive); err != nil || closeWrite(out) != nil {
			reset()
		}
	})
	if err := pump(in, func() (*buffer, int, error) { return receive(raw) }); err != nil || in.CloseWrite() != nil {
		reset()
	}
	upward.Wait()
}

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.Close()
}

// pump writes what it receives until there is no more.
func pump(to net.Conn, receive func() (*buffer, int, error)) error {
	for {
		b, n, err := receive()
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				buffers.Put(b)
				return err
			}
		}
		if b != nil {
			buffers.Put(b)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if n <= 0 {
			return nil
		}
	}
}
