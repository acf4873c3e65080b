package egress

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// Names is what the host knows of names: its hosts file and its resolvers, read
// again when they change. All links of a platform should share one.
type Names struct {
	hosts     watched[map[string][]netip.Addr]
	resolvers watched[[]string]
}

// NewNames reads the two files when they are needed; "" means the one in /etc.
// A file that is not there is empty.
func NewNames(resolvConf, hosts string) *Names {
	if resolvConf == "" {
		resolvConf = "/etc/resolv.conf"
	}
	if hosts == "" {
		hosts = "/etc/hosts"
	}
	n := &Names{}
	n.resolvers.path, n.resolvers.parse = resolvConf, parseResolvConf
	n.hosts.path, n.hosts.parse = hosts, parseHosts
	return n
}

// watched is what a file says.
type watched[T any] struct {
	path  string
	parse func(string) T

	mu      sync.Mutex
	read    bool
	changed time.Time
	size    int64
	value   T
}

func (w *watched[T]) get() T {
	w.mu.Lock()
	defer w.mu.Unlock()
	var changed time.Time
	var size int64
	if info, err := os.Stat(w.path); err == nil {
		changed, size = info.ModTime(), info.Size()
	}
	if !w.read || !changed.Equal(w.changed) || size != w.size {
		data, _ := os.ReadFile(w.path) // what cannot be read says nothing
		w.value, w.read, w.changed, w.size = w.parse(string(data)), true, changed, size
	}
	return w.value
}

// maxResolvers is MAXNS of resolv.conf(5).
const maxResolvers = 3

// parseResolvConf returns the host's resolvers as addresses with port. Without
// any it is the host itself, says resolv.conf(5).
func parseResolvConf(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "nameserver" || len(all) == maxResolvers {
			continue
		}
		if addr, err := netip.ParseAddr(fields[1]); err == nil {
			all = append(all, netip.AddrPortFrom(addr, dnsPort).String())
		}
	}
	if all == nil {
		all = []string{net.JoinHostPort("127.0.0.1", "53")}
	}
	return all
}

// parseHosts returns the addresses of each name in hosts(5). A name whose
// addresses are all denied has none, which is an answer too: people block names
// with 0.0.0.0, and a service on the host's loopback is out of reach.
func parseHosts(text string) map[string][]netip.Addr {
	all := map[string][]netip.Addr{}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, name := range fields[1:] {
			name = canonical(name)
			if denied(addr) {
				all[name] = append([]netip.Addr{}, all[name]...)
			} else {
				all[name] = append(all[name], addr.Unmap())
			}
		}
	}
	return all
}

// canonical is the form in which names are compared.
func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }
