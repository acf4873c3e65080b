package runtimes

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"pinfold.dev/pinfold"
)

// link is a worker that speaks the framed protocol.
type link struct {
	conn    net.Conn
	hello   chan string // the language runtime's version, once it is up
	inited  chan initResult
	gone    chan struct{}
	settled chan struct{} // closed: an answer is the last thing of an invocation

	mu      sync.Mutex // of the fields below and of writing
	next    uint32
	pending map[uint32]chan<- answer
	header  [frameHeader + 4]byte
}

// newLink returns a link and the end of it that an instance inherits. The
// caller closes that one when the instance has it.
func newLink() (*link, *os.File, error) {
	fds, err := socketpair()
	if err != nil {
		return nil, nil, pinfold.Errorf(pinfold.Internal, "making a link to an instance: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "instance")
	ours := os.NewFile(uintptr(fds[0]), "platform")
	conn, err := net.FileConn(ours) // has a descriptor of its own, and polls
	_ = ours.Close()
	if err != nil {
		_ = theirs.Close()
		return nil, nil, pinfold.Errorf(pinfold.Internal, "making a link to an instance: %w", err)
	}
	l := &link{
		conn:    conn,
		hello:   make(chan string, 1),
		inited:  make(chan initResult, 1),
		gone:    make(chan struct{}),
		settled: make(chan struct{}),
		pending: map[uint32]chan<- answer{},
	}
	close(l.settled)
	go l.read()
	return l, theirs, nil
}

func socketpair() ([2]int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return fds, os.NewSyscallError("socketpair", err)
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	refuseFiles(fds[0])
	return fds, nil
}

func (l *link) ready() <-chan initResult { return l.inited }
func (l *link) idle() <-chan struct{}    { return l.settled }
func (l *link) lost() <-chan struct{}    { return l.gone }

func (l *link) finish() {
	select {
	case <-l.gone:
	case <-time.After(time.Second): // somebody else has inherited the socket
	}
}

// stuck is how long the reading of a socket may take to end once it is closed.
const stuck = 5 * time.Second

// close ends the reading goroutine and waits for it, unless the kernel holds
// that up: see refuseFiles.
func (l *link) close() error {
	closed := make(chan error, 1)
	go func() {
		err := l.conn.Close()
		<-l.gone
		closed <- err
	}()
	select {
	case err := <-closed:
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		return err
	case <-time.After(stuck):
		return errors.New("the instance has sent a file whose closing holds up a thread of ours: from Linux 6.16 on it cannot")
	}
}

// read hands frames to whom they are for, until the stream ends or makes no sense.
func (l *link) read() {
	defer close(l.gone)
	defer l.conn.Close()
	frames := newFrameReader(l.conn)
	version := ""
	for {
		f, err := frames.next()
		if err != nil {
			return
		}
		switch f.kind {
		case frameHello:
			version = oneWord(string(f.payload))
			offer(l.hello, version)
		case frameReady:
			offer(l.inited, initResult{version: version})
		case frameInitError:
			offer(l.inited, initResult{version: version, failure: fromEnvelope(f.payload, "Runtime.Unknown")})
		case frameResponse, frameError, frameFatal:
			l.answer(f)
		default:
			return
		}
	}
}

// offer sends what is expected once; a runtime that says it again is not heard.
func offer[T any](to chan<- T, value T) {
	select {
	case to <- value:
	default:
	}
}

func (l *link) answer(f frame) {
	l.mu.Lock()
	to := l.pending[f.id]
	delete(l.pending, f.id)
	l.mu.Unlock()
	if to == nil {
		return // an answer to nothing: a second one, or after a failure
	}
	a := answer{payload: f.payload, size: f.size, failed: f.kind != frameResponse, fatal: f.kind == frameFatal}
	if a.failed && !a.tooLarge() {
		e := fromEnvelope(f.payload, "Runtime.Unknown")
		a.reason = e.kind
		a.payload = e.envelope
		if a.payload == nil {
			a.payload = []byte(`{"errorType":"Runtime.Unknown","errorMessage":"the runtime sent a malformed error"}`)
		}
	}
	to <- a // has room
}

// initialise gives the cell its function; ready tells how that went.
func (l *link) initialise(in initFrame) error {
	payload, err := json.Marshal(in)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.write(time.Now().Add(time.Minute), appendFrameHeader(l.header[:0], frameInit, 0, len(payload)), payload)
}

// initFrame is the payload of an INIT frame.
type initFrame struct {
	Task    string            `json:"task"`
	Opt     string            `json:"opt"`
	Handler string            `json:"handler"`
	Env     map[string]string `json:"env"`
}

func (l *link) deliver(d *delivery) (<-chan answer, error) {
	head := d.head()
	answers := make(chan answer, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	l.pending[l.next] = answers
	header := appendFrameHeader(l.header[:0], frameInvoke, l.next, 4+len(head)+len(d.payload))
	header = binary.BigEndian.AppendUint32(header, uint32(len(head)))
	if err := l.write(d.deadline, header, head, d.payload); err != nil {
		delete(l.pending, l.next)
		return nil, fmt.Errorf("sending an invocation: %w", err)
	}
	return answers, nil
}

// write sends the parts in one system call, if the socket takes them. A process
// that does not read cannot hold up the platform for longer than until deadline:
// neither with one large frame nor with many small ones that it answers unread.
func (l *link) write(deadline time.Time, parts ...[]byte) error {
	if err := l.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	buffers := net.Buffers(parts)
	_, err := buffers.WriteTo(l.conn)
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		// A frame that went half is the end of the conversation.
		_ = l.conn.Close()
	}
	return err
}
