package egress

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// dialFunc is net.Dialer.DialContext.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// dnsServer answers the questions of one sandbox.
type dnsServer struct {
	names  *Names
	dial   dialFunc
	policy func() *policy
}

// maxAliases bounds the chain of aliases that is followed for a name.
const maxAliases = 16

// localTTL is the seconds for which answers that are found here may be kept.
const localTTL = 10

// answer returns the answer to a message, or nil if it deserves none. network is
// the one that the question came by, "udp" or "tcp".
func (s *dnsServer) answer(ctx context.Context, network string, message []byte) []byte {
	q, ok := readQuery(message)
	if !ok {
		return nil
	}
	if q.OpCode != 0 || q.question.Class != dnsmessage.ClassINET || wholesale(q.question.Type) {
		return q.reply(dnsmessage.RCodeNotImplemented)
	}
	name := canonical(q.question.Name.String())
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return q.addresses(localhost(name))
	}
	policy := s.policy()
	if !policy.asks(name) {
		return q.prohibited()
	}
	if addrs, ok := s.names.hosts.get()[name]; ok {
		policy.learn(name, addrs, 0, time.Now())
		return q.addresses(addrs)
	}
	answer := forward(ctx, s.dial, s.names.resolvers.get(), network, message, q)
	if answer == nil {
		return q.reply(dnsmessage.RCodeServerFailure)
	}
	addrs, ttl := addressesOf(answer)
	policy.learn(name, addrs, ttl, time.Now())
	if q.question.Type == dnsmessage.TypeAAAA && len(addrs) > 0 && !s.routed(ctx, addrs) {
		return q.reply(dnsmessage.RCodeSuccess)
	}
	return answer
}

// wholesale reports whether a question asks for all that a server knows, which a
// server may answer to the host because it trusts that. No program that looks
// up a name asks so.
func wholesale(t dnsmessage.Type) bool {
	const ixfr = 251
	return t == ixfr || t == dnsmessage.TypeAXFR || t == dnsmessage.TypeALL
}

// localhost is where the sandbox itself is. Names below localhost, which no one
// but the platform has, are IPv4 alone: its listeners inside are on 127.0.0.1,
// and older clients try only the first address.
func localhost(name string) []netip.Addr {
	v4 := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if name == "localhost" {
		return []netip.Addr{v4, netip.IPv6Loopback()}
	}
	return []netip.Addr{v4}
}

// routed reports whether the host has a route to any of the addresses. Where it
// has none, as without IPv6, clients are spared the attempt.
func (s *dnsServer) routed(ctx context.Context, addrs []netip.Addr) bool {
	for _, a := range addrs {
		// Connecting a datagram socket looks up the route and sends nothing.
		conn, err := s.dial(ctx, "udp", netip.AddrPortFrom(a, 9).String())
		if err == nil {
			_ = conn.Close()
			return true
		}
	}
	return false
}

// query is a message with one question, as all that anyone sends.
type query struct {
	dnsmessage.Header
	question dnsmessage.Question
	edns     bool
}

func readQuery(message []byte) (q query, ok bool) {
	var p dnsmessage.Parser
	var err error
	if q.Header, err = p.Start(message); err != nil || q.Response {
		return q, false
	}
	questions, err := p.AllQuestions()
	if err != nil || len(questions) != 1 {
		return q, false
	}
	q.question = questions[0]
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return q, false
	}
	for {
		h, err := p.AdditionalHeader()
		if err == dnsmessage.ErrSectionDone {
			return q, true
		}
		if err != nil || p.SkipAdditional() != nil {
			return q, false
		}
		q.edns = q.edns || h.Type == dnsmessage.TypeOPT
	}
}

// reply returns an answer without records.
func (q query) reply(code dnsmessage.RCode) []byte { return q.build(code, nil, nil) }

// prohibited says that the policy has no such name; why NXDOMAIN is in the
// package's comment. The extended error (RFC 8914, 18: prohibited) is for people
// who look with dig.
func (q query) prohibited() []byte {
	return q.build(dnsmessage.RCodeNameError, nil, []dnsmessage.Option{{
		Code: 15, Data: append([]byte{0, 18}, "the network of this function does not list the name"...),
	}})
}

// addresses answers with those addresses that were asked for.
func (q query) addresses(addrs []netip.Addr) []byte {
	var wanted []netip.Addr
	for _, a := range addrs {
		if a.Is4() && q.question.Type == dnsmessage.TypeA || a.Is6() && q.question.Type == dnsmessage.TypeAAAA {
			wanted = append(wanted, a)
		}
	}
	return q.build(dnsmessage.RCodeSuccess, wanted[:min(len(wanted), 8)], nil) // 8 fit into 512 bytes
}

func (q query) build(code dnsmessage.RCode, addrs []netip.Addr, extended []dnsmessage.Option) []byte {
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{
		ID: q.ID, Response: true, OpCode: q.OpCode, RecursionDesired: q.RecursionDesired, RecursionAvailable: true, RCode: code,
	})
	b.EnableCompression()
	fail := b.StartQuestions()
	then := func(err error) {
		if fail == nil {
			fail = err
		}
	}
	then(b.Question(q.question))
	then(b.StartAnswers())
	for _, a := range addrs {
		h := dnsmessage.ResourceHeader{Name: q.question.Name, Class: dnsmessage.ClassINET, TTL: localTTL}
		if a.Is4() {
			then(b.AResource(h, dnsmessage.AResource{A: a.As4()}))
		} else {
			then(b.AAAAResource(h, dnsmessage.AAAAResource{AAAA: a.As16()}))
		}
	}
	if q.edns {
		var h dnsmessage.ResourceHeader
		then(b.StartAdditionals())
		then(h.SetEDNS0(1232, code, false))
		then(b.OPTResource(h, dnsmessage.OPTResource{Options: extended}))
	}
	answer, err := b.Finish()
	if fail != nil || err != nil {
		return nil
	}
	return answer
}

// addressesOf returns the addresses that an answer has for its question, through
// aliases, and the shortest time for which they hold.
func addressesOf(answer []byte) ([]netip.Addr, time.Duration) {
	var p dnsmessage.Parser
	if _, err := p.Start(answer); err != nil {
		return nil, 0
	}
	questions, err := p.AllQuestions()
	if err != nil || len(questions) != 1 {
		return nil, 0
	}
	name := canonical(questions[0].Name.String())
	records, err := p.AllAnswers()
	if err != nil {
		return nil, 0
	}
	ttl := ^uint32(0)
	for range maxAliases { // they may stand in any order
		before := name
		for _, r := range records {
			if alias, ok := r.Body.(*dnsmessage.CNAMEResource); ok && canonical(r.Header.Name.String()) == name {
				name, ttl = canonical(alias.CNAME.String()), min(ttl, r.Header.TTL)
			}
		}
		if name == before {
			break
		}
	}
	var addrs []netip.Addr
	for _, r := range records {
		if canonical(r.Header.Name.String()) != name {
			continue
		}
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			addrs = append(addrs, netip.AddrFrom4(body.A))
		case *dnsmessage.AAAAResource:
			addrs = append(addrs, netip.AddrFrom16(body.AAAA))
		default:
			continue
		}
		ttl = min(ttl, r.Header.TTL)
	}
	return addrs, time.Duration(ttl) * time.Second
}
