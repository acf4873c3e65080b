package egress

import (
	"encoding/binary"
	"net/netip"

	"pinfold.dev/pinfold"
)

// The segment of a sandbox, the same in every one. 192.0.0.0/29 is reserved for
// the inside of a point-to-point link whose far end translates addresses, with
// .1 for the translator and .2 for the client (RFC 6333, section 5.7; RFC 7335):
// no LAN, VPN or cloud network has it. It is of global scope, so that resolvers
// prefer IPv4, which more hosts have in working order, over the unique local
// IPv6 address (RFC 6724).
var (
	gateway4 = netip.MustParseAddr("192.0.0.1")
	inside4  = netip.MustParseAddr("192.0.0.2")
	gateway6 = netip.MustParseAddr("fd70:696e:666f:6c64::1")
	inside6  = netip.MustParseAddr("fd70:696e:666f:6c64::2")
)

// ResolvConf is what /etc/resolv.conf says inside a sandbox.
const ResolvConf = "nameserver 192.0.0.1\n"

const dnsPort = 53

// maxMTU is the largest packet of the device. There is no wire to fit: the
// larger the packets, the fewer there are.
const maxMTU = 65535

func isGateway(a netip.Addr) bool { return a == gateway4 || a == gateway6 }

// forbidden is what no policy allows.
var forbidden = prefixes(
	"0.0.0.0/8",          // this host (RFC 791): Linux takes 0.0.0.0 for loopback
	"127.0.0.0/8",        // loopback
	"169.254.0.0/16",     // link-local; metadata of AWS, GCP, Azure, OCI, DigitalOcean, Tencent, ...
	"100.100.100.200/32", // metadata of Alibaba Cloud
	"168.63.129.16/32",   // Azure's wire server, which hands out a machine's secrets
	"192.0.0.192/32",     // metadata of Oracle Cloud Classic
	"224.0.0.0/4",        // multicast
	"255.255.255.255/32", // broadcast; those of the LANs: see outwardDialer

	"::/8",                     // unspecified, loopback, IPv4-mapped and -compatible (RFC 4291); but see embedded
	"fe80::/10",                // link-local
	"ff00::/8",                 // multicast
	"fd00:ec2::/32",            // services of the machine on AWS: metadata, DNS, time
	"fd20:ce::254/128",         // metadata of GCP
	"fd00:c1::a9fe:a9fe/128",   // metadata of OCI
	"fd00:42::42/128",          // metadata of Scaleway
	"fd70:696e:666f:6c64::/64", // the sandbox's own segment
	"192.0.0.0/29",             // likewise
)

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

var (
	nat64 = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	to6   = netip.MustParsePrefix("2002::/16")    // 6to4, RFC 3056
)

// denied reports whether no policy lets anyone reach the address.
func denied(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		return denied(netip.AddrFrom4([4]byte(b[12:])))
	}
	if to6.Contains(a) {
		b := a.As16()
		return denied(netip.AddrFrom4([4]byte(b[2:6])))
	}
	for _, p := range forbidden {
		if p.Contains(a) {
			return true
		}
	}
	return !a.IsValid()
}

// ErrNoDevice means that this machine has no usable /dev/net/tun: its sandboxes
// have their loopback only.
var ErrNoDevice = pinfold.Errorf(pinfold.Unavailable, "there is no usable /dev/net/tun: load the kernel module tun, and make the device readable and writable for Pinfold's user")

var order = binary.BigEndian

// Inside is the address that a sandbox has on its one network device. Every
// sandbox has the same; none is reached by it.
func Inside() netip.Addr { return inside4 }
