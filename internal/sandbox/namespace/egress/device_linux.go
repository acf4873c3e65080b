package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Configure gives the network namespace of the calling thread, which must be
// locked to its goroutine, a loopback and a TUN device called name with address
// and default routes, and returns the device. The namespace must be a new one,
// and /dev/net/tun must be there in the thread's mount namespace. An error that
// wraps [ErrNoDevice] leaves the sandbox with its loopback.
func Configure(name string) (*os.File, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("configuring a sandbox's network: %w", err)
	}
	defer h.Close()
	if err := h.LinkSetUp(&netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: 1}}); err != nil { // 1 is lo's in every namespace
		return nil, fmt.Errorf("starting a sandbox's loopback: %w", err)
	}
	file, err := openTUN(name)
	if err != nil {
		return nil, err
	}
	if err := furnish(h, name); err != nil {
		return nil, errors.Join(fmt.Errorf("configuring a sandbox's network device %q: %w", name, err), file.Close())
	}
	return file, nil
}

func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNoDevice, err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err == nil {
		// The device goes with its namespace, which the kernel sees to in the
		// background. To remove it when the file is closed would take tens of
		// milliseconds, in which nobody else could configure any device.
		err = unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w (%w)", ErrNoDevice, err), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}

func furnish(h *netlink.Handle, name string) error {
	link, err := h.LinkByName(name)
	if err != nil {
		return err
	}
	// Without an address of its own making the kernel does not look for routers.
	// IPv6 may be missing altogether: then that is how the sandbox is.
	v6 := h.LinkSetIP6AddrGenMode(link, ipv6AddrGenModeNone) == nil
	if err := h.LinkSetMTU(link, maxMTU); err != nil {
		return err
	}
	if err := h.LinkSetUp(link); err != nil {
		return err
	}
	if err := h.AddrAdd(link, &netlink.Addr{IPNet: whole(inside4)}); err != nil {
		return err
	}
	if err := h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Scope: netlink.SCOPE_LINK, Dst: &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}}); err != nil {
		return err
	}
	if !v6 {
		return nil
	}
	err = h.AddrAdd(link, &netlink.Addr{IPNet: whole(inside6), Flags: unix.IFA_F_NODAD})
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EOPNOTSUPP) { // net.ipv6.conf.default.disable_ipv6
		return nil
	}
	if err != nil {
		return err
	}
	return h.RouteAdd(&netlink.Route{LinkIndex: link.Attrs().Index, Dst: &net.IPNet{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)}})
}

// ipv6AddrGenModeNone is IN6_ADDR_GEN_MODE_NONE of linux/if_link.h.
const ipv6AddrGenModeNone = 1

func whole(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

// device is the outer side of a TUN device.
type device struct {
	file    *os.File
	raw     syscall.RawConn
	in, out atomic.Uint64 // bytes towards the sandbox, and from it
}

// write sends one packet to the sandbox. One that cannot be sent is lost, as on
// any network.
func (d *device) write(parts ...[]byte) {
	_ = d.raw.Write(func(fd uintptr) bool {
		if n, err := unix.Writev(int(fd), parts); err == nil {
			d.in.Add(uint64(n))
		}
		return true
	})
}
