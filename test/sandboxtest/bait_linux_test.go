package sandboxtest

import (
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// bait is what lies about on the host for functions that reach it.
type bait struct {
	secret   string
	process  *exec.Cmd
	loopback []*greeter // on the host's loopback
	abstract *greeter
	socket   *greeter
	allowed  *greeter // on an address of the host that others reach, if it has one
	other    *greeter
	metadata *greeter // link-local, if this user may have one
	sysvKey  int
	file     string
}

// greeter greets whoever connects.
type greeter struct {
	net.Listener
	done chan struct{}
}

const greeting = "welcome"

func (g *greeter) serve() {
	defer close(g.done)
	for {
		conn, err := g.Accept()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, greeting)
		_ = conn.Close()
	}
}

// addr is where it listens; where nobody does if there is none.
func (g *greeter) addr() string {
	if g == nil {
		return "192.0.2.1:9" // TEST-NET-1, discard
	}
	return g.Addr().String()
}

func greet(t *testing.T, network, addr string) *greeter {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	g := &greeter{l, make(chan struct{})}
	go g.serve()
	t.Cleanup(func() { _ = l.Close(); <-g.done })
	return g
}

// lay lays out the bait.
func lay(t *testing.T) *bait {
	t.Helper()
	b := &bait{secret: "secret" + rand.Text()}
	b.process = exec.Command("sleep", "3600")
	b.process.Env = []string{"SECRET=" + b.secret}
	if err := b.process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.process.Process.Kill(); _ = b.process.Wait() })
	b.loopback = []*greeter{greet(t, "tcp4", "127.0.0.1:0")}
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		_ = l.Close()
		b.loopback = append(b.loopback, greet(t, "tcp6", "[::1]:0"))
	}
	b.abstract = greet(t, "unix", "@pinfold-"+rand.Text())
	b.socket = greet(t, "unix", filepath.Join(t.TempDir(), "socket"))
	if address := reachable(t); address != "" {
		b.allowed, b.other = greet(t, "tcp", address+":0"), greet(t, "tcp", address+":0")
	} else {
		t.Log("this machine has no address but its loopback: what a list allows is not tried")
	}
	b.layMetadata(t)
	b.sysvKey = 0x70696e66 + os.Getpid()
	id, err := unix.SysvShmGet(b.sysvKey, 4096, unix.IPC_CREAT|unix.IPC_EXCL|0o666)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil) })
	b.file = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(b.file, []byte(b.secret), 0o644); err != nil {
		t.Fatal(err)
	}
	return b
}

// layMetadata serves the address at which clouds have their metadata.
func (b *bait) layMetadata(t *testing.T) {
	const address = "169.254.169.254"
	if os.Geteuid() != 0 {
		t.Log("only root can serve a link-local address: without one, nobody is there to be reached")
		return
	}
	// It goes after a while by itself, if this test is killed.
	add := exec.Command("ip", "address", "add", address+"/32", "dev", "lo", "valid_lft", "600", "preferred_lft", "600")
	if out, err := add.CombinedOutput(); err == nil {
		t.Cleanup(func() { _ = exec.Command("ip", "address", "del", address+"/32", "dev", "lo").Run() })
	} else if l, err := net.Listen("tcp", address+":0"); err != nil {
		t.Logf("no link-local address: %s", out)
		return
	} else { // it is there already
		_ = l.Close()
	}
	b.metadata = greet(t, "tcp", address+":0")
}

// reachable is an address of the host that a function may have as a destination.
func reachable(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return ""
}

// describe tells an attack where everything is.
func (b *bait) describe(o order) {
	var services []string
	for _, g := range b.loopback {
		services = append(services, g.addr())
	}
	o["pids"] = []int{b.process.Process.Pid, os.Getpid()}
	o["services"] = services
	o["abstract"] = b.abstract.Addr().String()[1:]
	o["socket"] = b.socket.addr()
	o["allowed"], o["other"] = b.allowed.addr(), b.other.addr()
	o["metadata"] = []string{"169.254.169.254:80"}
	if b.metadata != nil {
		o["metadata"] = []string{b.metadata.addr()}
	}
	o["sysvKey"] = b.sysvKey
}

// unharmed checks that the bait is what it was.
func (b *bait) unharmed() error {
	if err := b.process.Process.Signal(unix.Signal(0)); err != nil {
		return errors.Join(errors.New("a process of the host was ended"), err)
	}
	for _, g := range b.loopback {
		conn, err := net.Dial("tcp", g.addr())
		if err != nil {
			return err
		}
		_ = conn.Close()
	}
	return nil
}
