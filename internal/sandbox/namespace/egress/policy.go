package egress

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"pinfold.dev/pinfold"
)

const (
	// minGrant is for how long an address that was an answer stays reachable at
	// least: clients keep addresses longer than a TTL of a few seconds says.
	minGrant = 5 * time.Minute
	maxGrant = 24 * time.Hour
	// maxLearned bounds the addresses that a sandbox learns.
	maxLearned = 4096
)

// policy is a [pinfold.Network] in force for one sandbox.
type policy struct {
	open         bool
	destinations []pinfold.Destination

	mu      sync.Mutex
	learned map[netip.Addr][]grant
}

// grant makes an address reachable because a permitted name had it.
type grant struct {
	port  uint16 // 0: every port
	until time.Time
}

// newPolicy returns an error with code Invalid for a network that is none.
func newPolicy(n pinfold.Network) (*policy, error) {
	if err := n.Check(); err != nil {
		return nil, err
	}
	p := &policy{open: n.Policy == "" || n.Policy == pinfold.NetworkOpen}
	for _, text := range n.Allow {
		d, err := pinfold.ParseDestination(text)
		if err != nil {
			return nil, err
		}
		p.destinations = append(p.destinations, d)
	}
	return p, nil
}

// allows reports whether a connection to dst may be made.
func (p *policy) allows(dst netip.AddrPort, now time.Time) bool {
	addr := dst.Addr().Unmap()
	if denied(addr) || dst.Port() == 0 {
		return false
	}
	if p.open {
		return true
	}
	for _, d := range p.destinations {
		if d.Name == "" && d.Prefix.Contains(addr) && (d.Port == 0 || d.Port == dst.Port()) {
			return true
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.learned[addr] {
		if (g.port == 0 || g.port == dst.Port()) && now.Before(g.until) {
			return true
		}
	}
	return false
}

// asks reports whether the name, in lower case and without its last dot, may be
// asked for.
func (p *policy) asks(name string) bool {
	if p.open {
		return true
	}
	for _, d := range p.destinations {
		if matches(d, name) {
			return true
		}
	}
	return false
}

func matches(d pinfold.Destination, name string) bool {
	if d.Subdomains {
		return strings.HasSuffix(name, "."+d.Name)
	}
	return d.Name != "" && d.Name == name
}

// learn makes the addresses of a permitted name reachable, on the ports that
// its entries have.
func (p *policy) learn(name string, addrs []netip.Addr, ttl time.Duration, now time.Time) {
	if p.open || len(addrs) == 0 {
		return
	}
	until := now.Add(min(max(ttl, minGrant), maxGrant))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.learned == nil {
		p.learned = map[netip.Addr][]grant{}
	}
	for _, addr := range addrs {
		for _, d := range p.destinations {
			if matches(d, name) {
				p.grant(addr.Unmap(), grant{d.Port, until}, now)
			}
		}
	}
}

func (p *policy) grant(addr netip.Addr, g grant, now time.Time) {
	have := p.learned[addr]
	for i := range have {
		if have[i].port == g.port {
			if have[i].until.Before(g.until) {
				have[i].until = g.until
			}
			return
		}
	}
	if have == nil && len(p.learned) >= maxLearned {
		p.expire(now)
		if len(p.learned) >= maxLearned {
			return
		}
	}
	p.learned[addr] = append(have, g)
}

// expire forgets addresses whose time is over.
func (p *policy) expire(now time.Time) {
	for addr, grants := range p.learned {
		var last time.Time
		for _, g := range grants {
			if g.until.After(last) {
				last = g.until
			}
		}
		if !now.Before(last) {
			delete(p.learned, addr)
		}
	}
}
