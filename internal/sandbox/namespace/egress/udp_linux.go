package egress

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// udpIdle is for how long a flow lasts without a packet in either direction.
const udpIdle = 60 * time.Second

// udpFlow carries the datagrams between a port of the sandbox and an address
// outside.
type udpFlow struct {
	conn net.Conn
	head packet       // quoted when the other side refuses
	used atomic.Int64 // when the sandbox last sent something, Unix nanoseconds
}

// continues sends a datagram on by its flow; false if there is none.
func (l *Link) continues(p packet) bool {
	l.mu.Lock()
	f := l.flows[p.flow]
	l.mu.Unlock()
	if f != nil {
		f.send(p)
	}
	return f != nil
}

// begin sends a datagram on by a new flow.
func (l *Link) begin(p packet) {
	l.mu.Lock()
	full := l.closed || len(l.flows) >= maxFlows
	l.mu.Unlock()
	if full || !l.room.Take() {
		return
	}
	f, err := l.newFlow(p)
	if err == nil {
		f.send(p)
		return
	}
	l.room.Give()
	if why, known := causeOf(err); known {
		l.device.write(unreachable(p, why))
	}
}

func (f *udpFlow) send(p packet) {
	f.used.Store(time.Now().UnixNano())
	_, _ = f.conn.Write(header.UDP(p.transport).Payload()) // what went wrong shows when receiving
}

// newFlow is called by the serving goroutine alone, so no one else makes the
// same flow meanwhile.
func (l *Link) newFlow(p packet) (*udpFlow, error) {
	conn, err := l.dial(l.ctx, "udp", p.dst.String())
	if err != nil {
		return nil, err
	}
	raw, err := rawConn(conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	f := &udpFlow{conn: conn, head: p.head()}
	f.used.Store(time.Now().UnixNano())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.Join(errGone, conn.Close())
	}
	l.flows[p.flow] = f
	l.tasks.Go(func() {
		l.bringBack(f, raw)
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.flows, f.head.flow)
		_ = conn.Close()
		l.room.Give()
	})
	return f, nil
}

// bringBack brings what comes back to the sandbox, until the flow is idle.
func (l *Link) bringBack(f *udpFlow, raw syscall.RawConn) {
	received := time.Now()
	for {
		last := received
		if sent := time.Unix(0, f.used.Load()); sent.After(last) {
			last = sent
		}
		if time.Since(last) >= l.udpIdle || f.conn.SetReadDeadline(last.Add(l.udpIdle)) != nil {
			return
		}
		b, n, err := receive(raw)
		if err == nil {
			received = time.Now()
			if answer := datagram(f.head.flow, b[:n]); answer != nil {
				l.device.write(answer)
			}
			buffers.Put(b)
			continue
		}
		why, known := causeOf(err)
		if known {
			l.device.write(unreachable(f.head, why))
		} else if !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}
