//go:build linux

// Package message is what the three processes of the namespace driver say to
// each other: the platform to its keeper, and to the init of each sandbox. All
// of them are the same program, so a message is a Go struct, sent as one packet
// of a unix socket together with the open files that belong to it.
package message

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// MaxPacket bounds a message, and maxAnswer what comes back from a keeper or an
// init: the platform keeps a buffer of that size for each sandbox. The kernel's
// default send buffer holds a little more than the first.
const (
	MaxPacket = 192 << 10
	maxAnswer = 8 << 10
)

// maxFiles bounds the files of one message; the kernel's SCM_MAX_FD is 253.
const maxFiles = 64

// Conn is one end of a pair. Send and Receive may be called by one goroutine
// each at a time; Send by several.
type Conn struct {
	unix *net.UnixConn

	sending sync.Mutex
	size    int
	buffer  []byte // of Receive
}

// Pair returns two connected ends: one to use here, and one to give to another
// process, which opens it with [Open] and sends small messages only.
func Pair() (ours *Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making a socket pair: %w", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "control")
	if ours, err = Open(os.NewFile(uintptr(fds[0]), "control")); err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	ours.size = maxAnswer
	return ours, theirs, nil
}

// Open makes an end of a pair usable. The file is consumed.
func Open(file *os.File) (*Conn, error) {
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, fmt.Errorf("opening a control socket: %w", err)
	}
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("a control socket is a %T", conn), conn.Close())
	}
	return &Conn{unix: u, size: MaxPacket}, nil
}

// Send sends a message with open files. The files stay the caller's.
func (c *Conn) Send(m any, files ...*os.File) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(data) > MaxPacket {
		return fmt.Errorf("a message of %d bytes is too large: %w", len(data), syscall.E2BIG)
	}
	return c.Write(data, files...)
}

// Write is Send of a message that is bytes already.
func (c *Conn) Write(data []byte, files ...*os.File) error {
	rights, err := rights(files)
	if err != nil {
		return err
	}
	defer runtime.KeepAlive(files)
	c.sending.Lock()
	defer c.sending.Unlock()
	_, _, err = c.unix.WriteMsgUnix(data, rights, nil)
	return err
}

// rights packs the descriptors of files. It does not use File.Fd, which makes a
// file blocking for everyone who shares it.
func rights(files []*os.File) ([]byte, error) {
	if len(files) == 0 {
		return nil, nil
	}
	var fds []int
	for _, f := range files {
		raw, err := f.SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) })
		}
		if err != nil {
			return nil, err
		}
	}
	return unix.UnixRights(fds...), nil
}

// ErrFiles is of a message whose files could not all be received.
var ErrFiles error = &Failure{
	Text:  "no more files can be opened: raise the limit on open files (ulimit -n, or LimitNOFILE of the unit that Pinfold runs in)",
	Errno: syscall.EMFILE,
}

// Receive waits for a message. Files that came with it are the caller's. io.EOF
// means that the other process has ended, or has closed its end. With [ErrFiles]
// there is a message, but none of its files.
func (c *Conn) Receive(m any) ([]*os.File, error) {
	return c.receive(func(data []byte) error { return json.Unmarshal(data, m) })
}

// News waits for what an init says.
func (c *Conn) News() (*News, error) {
	var n News
	files, err := c.receive(func(data []byte) error {
		if len(data) != binary.Size(&n) {
			return fmt.Errorf("an init says %d bytes", len(data))
		}
		_, err := binary.Decode(data, binary.NativeEndian, &n)
		return err
	})
	CloseAll(files)
	return &n, err
}

func (c *Conn) receive(decode func([]byte) error) ([]*os.File, error) {
	if c.buffer == nil {
		c.buffer = make([]byte, c.size)
	}
	rights := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, rn, flags, _, err := c.unix.ReadMsgUnix(c.buffer, rights)
	if err != nil {
		return nil, err
	}
	files, err := received(rights[:rn])
	switch {
	case err != nil:
	case flags&unix.MSG_TRUNC != 0:
		err = errors.New("a message was cut off")
	case n == 0:
		err = io.EOF
	default:
		err = decode(c.buffer[:n])
		if err == nil && flags&unix.MSG_CTRUNC != 0 {
			err = ErrFiles
		}
	}
	if err != nil {
		CloseAll(files)
		return nil, err
	}
	return files, nil
}

func received(rights []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			CloseAll(files)
			return nil, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}

// Close closes this end; a Receive that waits on either end returns.
func (c *Conn) Close() error { return c.unix.Close() }

// CloseAll closes files that nobody wants.
func CloseAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close()
	}
}

// Failure is an error that crosses processes.
type Failure struct {
	Text  string
	Errno syscall.Errno // 0 if no system call is to blame
}

// Fail returns err as a Failure, or nil.
func Fail(err error) *Failure {
	if err == nil {
		return nil
	}
	text := err.Error()
	f := &Failure{Text: text[:min(len(text), maxAnswer/2)]} // half, for JSON may write a byte as more
	errors.As(err, &f.Errno)
	return f
}

// Err returns the failure as an error, or nil.
func (f *Failure) Err() error {
	if f == nil {
		return nil
	}
	return f
}

func (f *Failure) Error() string { return f.Text }

// Unwrap lets errors.Is find the system's error.
func (f *Failure) Unwrap() error {
	if f.Errno == 0 {
		return nil
	}
	return f.Errno
}
