// Package egress is the outward network of a sandbox of the namespace driver.
//
// A sandbox has a network namespace of its own with a loopback and one TUN
// device. [Configure] makes the device, inside; [Attach] serves it, in the
// platform: what the sandbox sends is read packet by packet, checked against the
// function's [pinfold.Network], and carried on by ordinary sockets of the
// platform. Nothing of the host is touched for it: no bridge, no address, no
// firewall rule, no forwarding, no privilege beyond the sandbox's own namespace.
// Why it is done so: docs/adr/0008-how-does-a-function-reach-the-network.md.
//
// # What passes
//
// TCP, UDP and DNS. A TCP connection is first dialled outside and then accepted
// inside, so that a function sees the errors of the real connection: refused,
// unreachable, or an answer that never comes. UDP is carried as flows of one
// socket each. ICMP is not carried (ping needs privileges that functions do not
// have), nor are fragments, nor anything towards the sandbox that it has not
// asked for.
//
// # What never passes
//
// Under any policy: the host's loopback, link-local addresses, the metadata
// services of the clouds, multicast and broadcast, in every spelling that IPv6
// has for them. It is the address of the connection that is checked, so it does
// not matter by what name it was found or which CIDR contains it. Other
// instances cannot be reached because they have no address: every sandbox is
// alone on its segment, and all of them use the same two addresses on it.
//
// The host's own other addresses, such as that of eth0, are like any machine of
// its network: reachable under "open", and under a list that names them. The
// connection then comes from the host itself and passes its firewall by way of
// its loopback device, so a service that listens on all addresses, or trusts its
// own machine by address, is within reach. Bind such services to 127.0.0.1, or
// give functions a list.
//
// What is refused by policy shows as EHOSTUNREACH (IPv4) or EACCES (IPv6), which
// nothing else in here uses for a peer that is merely down.
//
// # Names
//
// The gateway answers DNS by UDP and TCP. The host's hosts file comes first,
// then the resolvers of the host's resolv.conf, asked by the platform. Under a
// list only names that match it are asked for, and the addresses in the answers
// become reachable for the sandbox. Names that may not be asked for do not exist
// (NXDOMAIN, with an extended error that says why): resolvers report that at once
// and as final (ENOTFOUND in Node.js, "Name or service not known" in Python),
// where REFUSED makes them try again and report a temporary failure (EAI_AGAIN).
//
// Two limits of lists by name. Who may ask for names below a domain can carry
// data out in the names to whoever serves the domain: list "api.example.com", not
// "*.example.com", where that matters, and CIDRs alone to have no DNS at all. And
// the list is by address in the end: other hosts on the same address, as with a
// CDN, are reachable with it.
package egress
