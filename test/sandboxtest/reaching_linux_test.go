package sandboxtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// unreachable is how a connection fails: nobody is there, or no way leads there.
const unreachable = "ECONNREFUSED ENETUNREACH EHOSTUNREACH ETIMEDOUT EADDRNOTAVAIL EACCES EPERM ECONNRESET"

// allowedOnly says that of all destinations only those are reached that the
// policy allows: it takes them out of the answer.
func allowedOnly(reached ...func(h *house) string) func(context.Context, *house, map[string]string) error {
	return func(_ context.Context, h *house, answer map[string]string) error {
		if h.bait.allowed == nil || !h.tunnel {
			return nil
		}
		for _, addr := range reached {
			if came := answer[addr(h)]; came != "welcome" {
				return fmt.Errorf("%s is allowed, but not reached: %s", addr(h), came)
			}
		}
		return nil
	}
}

func allowed(h *house) string { return h.bait.allowed.addr() }
func other(h *house) string   { return h.bait.other.addr() }

const (
	notTheDriver = "it is not the driver's wall"
	byProtocol   = "who does not keep to the protocol is ended"
	protocolEnds = "Error Type: Runtime.ExitError"
)

var reaching = []attack{
	{name: "signals", on: "node", run: "signals", wants: "to find and signal the platform and other processes of the host", wall: byPids, stops: "ESRCH"},
	{name: "signals, raw", on: "go", run: "signals", wants: "the same by system calls, and by descriptors of processes", wall: byPids, stops: "ESRCH EINVAL"},
	{name: "ptrace", on: "goNone", run: "ptrace", wants: "to trace the platform, or the init of its own sandbox", wall: byPids + "; " + byFilter, stops: "ESRCH EPERM ENOENT EACCES"},
	{name: "services of the host", on: "go", run: "services", wants: "to use databases and the like that listen on the host's loopback", wall: byNetwork + "; " + byEgress + " leads to no loopback", stops: unreachable},
	{name: "services of the host, listed", on: "goList", run: "services", wants: "the same where a list allows the loopback", wall: byEgress + " denies it under any policy", stops: unreachable},
	{name: "port scan", on: "go", run: "scan", wants: "to find another function's Runtime API or server on the loopback", wall: byNetwork, stops: "ECONNREFUSED"},
	{name: "other instances", on: "go", run: "neighbours", wants: "to connect to a server in another function's instance", wall: byNetwork + "; " + byEgress + " knows no other sandbox", stops: unreachable,
		more: func(ctx context.Context, h *house) (order, error) {
			n, err := h.neighbour(ctx, 0)
			var all []string
			for _, addr := range append(n.Addresses, "127.0.0.1", "::1") {
				all = append(all, net.JoinHostPort(addr, strconv.Itoa(n.Port)))
			}
			return order{"neighbours": all}, err
		}},
	{name: "metadata", on: "go", run: "metadata", wants: "to read the machine's credentials at its link-local address", wall: byEgress + " denies link-local addresses", stops: unreachable},
	{name: "metadata, listed", on: "goList", run: "metadata", wants: "the same where a list allows the address", wall: byEgress + " denies it under any policy", stops: unreachable},
	{name: "policy: a list", on: "goList", run: "policy", wants: "to reach what is not on its list", wall: byEgress + " asks the list for each connection", stops: unreachable + " welcome",
		after: func(ctx context.Context, h *house, answer map[string]string) error {
			if came := answer[other(h)]; came == "welcome" {
				return errors.New("a port is reached that is not on the list")
			}
			return allowedOnly(allowed)(ctx, h, answer)
		}},
	{name: "policy: none", on: "goNone", run: "policy", wants: "to reach anything at all", wall: byEgress + " forwards nothing", stops: unreachable},
	{name: "policy: open", on: "go", run: "policy", wants: "what it may: to reach an address of the host's network, but not the loopback by name", wall: byEgress, stops: unreachable + " welcome",
		after: allowedOnly(allowed, other), bare: "it is allowed"},
	{name: "names", on: "goNone", run: "names", wants: "to carry data out in the names that it looks up", wall: "names are answered by policy", stops: "unknown", bare: "the machine may have no resolver"},
	{name: "unix sockets", on: "go", run: "unix", wants: "to use sockets of the host, abstract ones too", wall: byNetwork + "; " + byRoot, stops: "ECONNREFUSED ENOENT EACCES"},
	{name: "families of sockets", on: "go", run: "families", wants: "raw and packet sockets, vsock to the hypervisor, rarely used kernel code", wall: byFilter, stops: "EPERM"},
	{name: "interfaces", on: "go", run: "interfaces", wants: "to change its own network, or make another", wall: byNoCaps, stops: "EPERM ENOENT EACCES"},
	{name: "answers of others", on: "go", run: "spoof", wants: "to answer another function's invocation by its id", wall: "the Runtime API of an instance knows that instance's invocations only",
		stops: "InvalidRequestID 404 400", bare: notTheDriver, more: func(ctx context.Context, h *house) (order, error) {
			began := time.Now()
			go func() { _, _ = h.neighbour(context.WithoutCancel(ctx), 2*time.Second) }() // the watch calls it after, too
			id, err := h.requestIDOf(ctx, "neighbour", began)
			return order{"requestId": id}, err
		}},
	{name: "frames", on: "python", run: "frames", wants: "to answer other invocations by guessed numbers on the pipe that it inherited", wall: "the pipes are one instance's; numbers count for it alone, and who guesses on is ended",
		stops: "sent", ends: protocolEnds, bare: notTheDriver},
	{name: "frames ahead", on: "python", run: "frames_ahead", wants: "to answer what was sent ahead before its turn", wall: "only what runs can be answered",
		stops: "sent", bare: notTheDriver},
	{name: "orders", on: "python", run: "orders", wants: "to say what only the platform may say", wall: byProtocol, ends: protocolEnds, bare: notTheDriver},
	{name: "pipes", on: "python", run: "pipes", wants: "to turn its pipes to the platform round, or to change how they work", wall: "what it changes is its own end", stops: "EACCES EPERM EINVAL changed", bare: notTheDriver},
	{name: "the platform's API", on: "go", run: "control", wants: "to read other functions' settings and logs with its own credentials", wall: "what a function's credentials may", stops: "AccessDenied",
		bare: notTheDriver},
}
