package egress

import (
	"errors"
	"net/netip"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// flow is a connection, seen from the sandbox.
type flow struct{ src, dst netip.AddrPort }

// packet is a whole TCP or UDP packet that the sandbox has sent.
type packet struct {
	flow
	raw       []byte
	transport []byte // the part of raw that is TCP or UDP, at least a header long
	tcp       bool
}

// parse reads a packet. It refuses everything that is not carried: see the
// package's comment.
func parse(raw []byte) (p packet, ok bool) {
	var src, dst netip.Addr
	var protocol tcpip.TransportProtocolNumber
	switch header.IPVersion(raw) {
	case header.IPv4Version:
		ip := header.IPv4(raw)
		if !ip.IsValid(len(raw)) || ip.More() || ip.FragmentOffset() != 0 {
			return p, false
		}
		raw = raw[:ip.TotalLength()]
		src, dst = netip.AddrFrom4([4]byte(ip.SourceAddressSlice())), netip.AddrFrom4([4]byte(ip.DestinationAddressSlice()))
		protocol, p.transport = ip.TransportProtocol(), raw[ip.HeaderLength():]
		if src != inside4 {
			return p, false
		}
	case header.IPv6Version:
		ip := header.IPv6(raw)
		if !ip.IsValid(len(raw)) {
			return p, false
		}
		raw = raw[:header.IPv6MinimumSize+int(ip.PayloadLength())]
		src, dst = netip.AddrFrom16([16]byte(ip.SourceAddressSlice())), netip.AddrFrom16([16]byte(ip.DestinationAddressSlice()))
		protocol, p.transport = tcpip.TransportProtocolNumber(ip.NextHeader()), raw[header.IPv6MinimumSize:]
		if src != inside6 {
			return p, false
		}
	default:
		return p, false
	}
	p.raw = raw
	var sport, dport uint16
	switch protocol {
	case header.TCPProtocolNumber:
		if len(p.transport) < header.TCPMinimumSize {
			return p, false
		}
		p.tcp = true
		sport, dport = header.TCP(p.transport).SourcePort(), header.TCP(p.transport).DestinationPort()
	case header.UDPProtocolNumber:
		if len(p.transport) < header.UDPMinimumSize {
			return p, false
		}
		udp := header.UDP(p.transport)
		if l := int(udp.Length()); l < header.UDPMinimumSize || l > len(p.transport) {
			return p, false
		}
		p.transport = p.transport[:udp.Length()]
		sport, dport = udp.SourcePort(), udp.DestinationPort()
	default:
		return p, false
	}
	p.flow = flow{netip.AddrPortFrom(src, sport), netip.AddrPortFrom(dst, dport)}
	return p, true
}

// opens reports whether a TCP packet asks for a new connection.
func (p packet) opens() bool {
	flags := header.TCP(p.transport).Flags()
	return flags&(header.TCPFlagSyn|header.TCPFlagAck|header.TCPFlagRst) == header.TCPFlagSyn
}

// head is as much of a packet as the error about it must quote: its headers as
// far as the ports and the sequence number.
func (p packet) head() packet {
	n := len(p.raw) - len(p.transport) + header.ICMPv4MinimumErrorPayloadSize
	p.raw = append([]byte(nil), p.raw[:min(n, len(p.raw))]...)
	p.transport = nil
	return p
}

// cause is why a packet went nowhere.
type cause int

const (
	prohibited cause = iota // by policy: EHOSTUNREACH, with IPv6 EACCES
	refused                 // ECONNREFUSED
	noNetwork               // ENETUNREACH
	noHost                  // EHOSTUNREACH
)

// causeOf tells how an error of a dialled socket is to be shown inside; false if
// not at all, as when nobody has answered.
func causeOf(err error) (cause, bool) {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return 0, false
	}
	switch errno {
	case syscall.ECONNREFUSED, syscall.ECONNRESET:
		return refused, true
	case syscall.ENETUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT:
		return noNetwork, true
	case syscall.EHOSTUNREACH:
		return noHost, true
	case syscall.EACCES, syscall.EPERM:
		return prohibited, true
	}
	return 0, false
}

var (
	codes4 = [...]header.ICMPv4Code{header.ICMPv4AdminProhibited, header.ICMPv4PortUnreachable, header.ICMPv4NetUnreachable, header.ICMPv4HostUnreachable}
	codes6 = [...]header.ICMPv6Code{header.ICMPv6Prohibited, header.ICMPv6PortUnreachable, header.ICMPv6NetworkUnreachable, header.ICMPv6AddressUnreachable}
)

// unreachable returns the ICMP packet that tells the sandbox why p went nowhere.
// The kernel inside turns it into the error of the socket.
func unreachable(p packet, why cause) []byte {
	quote := p.head().raw
	if p.dst.Addr().Is4() {
		b := ipHeader(p.dst.Addr(), p.src.Addr(), header.ICMPv4ProtocolNumber, header.ICMPv4MinimumSize+len(quote))
		icmp := header.ICMPv4(b[header.IPv4MinimumSize:])
		icmp.SetType(header.ICMPv4DstUnreachable)
		icmp.SetCode(codes4[why])
		copy(icmp.Payload(), quote)
		icmp.SetChecksum(header.ICMPv4Checksum(icmp, 0))
		return b
	}
	b := ipHeader(p.dst.Addr(), p.src.Addr(), header.ICMPv6ProtocolNumber, header.ICMPv6DstUnreachableMinimumSize+len(quote))
	icmp := header.ICMPv6(b[header.IPv6MinimumSize:])
	icmp.SetType(header.ICMPv6DstUnreachable)
	icmp.SetCode(codes6[why])
	copy(icmp[header.ICMPv6DstUnreachableMinimumSize:], quote)
	icmp.SetChecksum(header.ICMPv6Checksum(header.ICMPv6ChecksumParams{
		Header: icmp, Src: tcpip.AddrFromSlice(p.dst.Addr().AsSlice()), Dst: tcpip.AddrFromSlice(p.src.Addr().AsSlice()),
	}))
	return b
}

// datagram returns the UDP packet that brings an answer to the sandbox, or nil
// for one that fits into no packet.
func datagram(f flow, payload []byte) []byte {
	size := header.UDPMinimumSize + len(payload)
	b := ipHeader(f.dst.Addr(), f.src.Addr(), header.UDPProtocolNumber, size)
	if len(b) > maxMTU {
		return nil
	}
	udp := header.UDP(b[len(b)-size:])
	udp.Encode(&header.UDPFields{SrcPort: f.dst.Port(), DstPort: f.src.Port(), Length: uint16(size)})
	copy(udp.Payload(), payload)
	sum := header.PseudoHeaderChecksum(header.UDPProtocolNumber,
		tcpip.AddrFromSlice(f.dst.Addr().AsSlice()), tcpip.AddrFromSlice(f.src.Addr().AsSlice()), uint16(size))
	if sum = ^checksum.Checksum(udp, sum); sum == 0 {
		sum = 0xffff // 0 means none (RFC 768)
	}
	udp.SetChecksum(sum)
	return b
}

// ipHeader returns a packet with its IP header filled in and room for size bytes.
func ipHeader(from, to netip.Addr, protocol tcpip.TransportProtocolNumber, size int) []byte {
	src, dst := tcpip.AddrFromSlice(from.AsSlice()), tcpip.AddrFromSlice(to.AsSlice())
	if from.Is4() {
		b := make([]byte, header.IPv4MinimumSize+size)
		ip := header.IPv4(b)
		ip.Encode(&header.IPv4Fields{TotalLength: uint16(len(b)), TTL: 64, Protocol: uint8(protocol), SrcAddr: src, DstAddr: dst})
		ip.SetChecksum(^ip.CalculateChecksum())
		return b
	}
	b := make([]byte, header.IPv6MinimumSize+size)
	header.IPv6(b).Encode(&header.IPv6Fields{PayloadLength: uint16(size), TransportProtocol: protocol, HopLimit: 64, SrcAddr: src, DstAddr: dst})
	return b
}
