package egress

import (
	"errors"
	"net/netip"
	"time"

	views "gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	nic = 1
	// stackIdle is for how long a stack without connections is kept.
	stackIdle = time.Minute
	// timeWait need not outlive packets that are lost on the way: there is no way.
	timeWait = time.Second
)

// tcpStack speaks TCP with the kernel inside, for whatever address it calls.
type tcpStack struct {
	*stack.Stack
	link *wire
	idle *time.Timer // or nil; under Link.mu
}

// wire is the stack's device. Packets to the sandbox are written where they are
// made; there is no queue.
type wire struct {
	*channel.Endpoint
	device *device
}

// WritePackets implements [stack.LinkEndpoint].
func (w *wire) WritePackets(packets stack.PacketBufferList) (int, tcpip.Error) {
	for _, p := range packets.AsSlice() {
		w.device.write(p.AsSlices()...)
	}
	return packets.Len(), nil
}

func newStack(l *Link) (*tcpStack, error) {
	s := &tcpStack{
		Stack: stack.New(stack.Options{
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
		}),
		link: &wire{channel.New(0, maxMTU, ""), &l.device},
	}
	if err := s.setUp(l); err != nil {
		s.Destroy()
		return nil, errors.New(err.String())
	}
	return s, nil
}

func (s *tcpStack) setUp(l *Link) tcpip.Error {
	if err := s.CreateNIC(nic, s.link); err != nil {
		return err
	}
	if err := s.SetPromiscuousMode(nic, true); err != nil { // takes packets for any address
		return err
	}
	if err := s.SetSpoofing(nic, true); err != nil { // and answers from it
		return err
	}
	s.SetRouteTable([]tcpip.Route{
		{Destination: header.IPv4EmptySubnet, NIC: nic},
		{Destination: header.IPv6EmptySubnet, NIC: nic},
	})
	sack, wait := tcpip.TCPSACKEnabled(true), tcpip.TCPTimeWaitTimeoutOption(timeWait)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: minBuffer, Default: maxBuffer, Max: maxBuffer}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: minBuffer, Default: maxBuffer, Max: maxBuffer}
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &wait, &receive, &send} {
		if err := s.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			return err
		}
	}
	forwarder := tcp.NewForwarder(s.Stack, maxBuffer, maxConns, l.forwarded)
	s.SetTransportProtocolHandler(tcp.ProtocolNumber, forwarder.HandlePacket)
	return nil
}

// inject hands a packet of the sandbox to the stack, which copies it.
func (s *tcpStack) inject(p packet) {
	protocol := header.IPv4ProtocolNumber
	if p.dst.Addr().Is6() {
		protocol = header.IPv6ProtocolNumber
	}
	b := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: views.MakeWithData(p.raw)})
	s.link.InjectInbound(protocol, b)
	b.DecRef()
}

// rest ends the stack if it stays without connections for a while. Link.mu is held.
func (s *tcpStack) rest(l *Link) {
	if s.idle != nil {
		s.idle.Reset(stackIdle)
		return
	}
	s.idle = time.AfterFunc(stackIdle, func() {
		l.mu.Lock()
		if l.closed || l.stack != s || len(l.conns) > 0 {
			l.mu.Unlock()
			return
		}
		l.stack = nil
		l.tasks.Go(s.Destroy)
		l.mu.Unlock()
	})
}

// abort ends all connections and, when their goroutines are done, the stack. A
// connection that is just being accepted may appear a moment later.
func (s *tcpStack) abort(done <-chan struct{}) {
	retry := time.NewTicker(time.Millisecond)
	defer retry.Stop()
	for over := false; !over; {
		for _, e := range s.RegisteredEndpoints() {
			e.Abort()
		}
		select {
		case <-done:
			over = true
		case <-retry.C:
		}
	}
	if s.idle != nil {
		s.idle.Stop()
	}
	s.Destroy()
}

// flowOf is the flow of an endpoint, whose remote side is the sandbox.
func flowOf(id stack.TransportEndpointID) flow {
	return flow{
		src: netip.AddrPortFrom(addrOf(id.RemoteAddress), id.RemotePort),
		dst: netip.AddrPortFrom(addrOf(id.LocalAddress), id.LocalPort),
	}
}

func addrOf(a tcpip.Address) netip.Addr {
	addr, _ := netip.AddrFromSlice(a.AsSlice())
	return addr
}
