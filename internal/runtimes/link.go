package runtimes

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"pinfold.dev/pinfold"
)

// link is a worker that speaks the framed protocol, over two pipes.
type link struct {
	in    *os.File // from the instance
	from  *frameReader
	out   *os.File // to it
	hello chan string
	ready chan initResult
	gone  chan struct{}
	stray int                      // frames that were nobody's
	heard int                      // bytes of log since its reader was asked for room
	to    atomic.Pointer[Instance] // whose calls are answered; nil while it is a cell's
	cache *keeping                 // of compiled code, if it was asked for; not changed once to is set

	mu      sync.Mutex
	rest    *sync.Cond
	writing bool     // somebody writes to out, and takes along what there is by then
	full    [][]byte // what is to be written next
	batch   []byte   // what is to be written after that
	queued  int64    // bytes that there have been to write
	begun   int64    // and that the process may have read, or some of them
	written int64    // and that it may have read all of
	spare   []byte   // what was written last, for its memory
	broken  error    // of writing
}

// newLink returns a link and the ends of it that an instance inherits, as
// descriptors 3 and 4. The caller closes these when the instance has them.
func newLink() (*link, []*os.File, error) {
	theirIn, out, err := os.Pipe()
	if err != nil {
		return nil, nil, pinfold.Errorf(pinfold.Internal, "making a link to an instance: %w", err)
	}
	in, theirOut, err := os.Pipe()
	if err != nil {
		return nil, nil, pinfold.Errorf(pinfold.Internal, "making a link to an instance: %w", errors.Join(err, theirIn.Close(), out.Close()))
	}
	for _, f := range []*os.File{theirIn, theirOut} { // programs expect to wait
		if err := syscall.SetNonblock(int(f.Fd()), false); err != nil {
			return nil, nil, pinfold.Errorf(pinfold.Internal, "making a link to an instance: %w", errors.Join(err, theirIn.Close(), theirOut.Close(), in.Close(), out.Close()))
		}
	}
	l := &link{in: in, from: newFrameReader(in), out: out, hello: make(chan string, 1), ready: make(chan initResult, 1), gone: make(chan struct{})}
	l.rest = sync.NewCond(&l.mu)
	go l.read() // until gone
	return l, []*os.File{theirIn, theirOut}, nil
}

func (l *link) inited() <-chan initResult { return l.ready }
func (l *link) lost() <-chan struct{}     { return l.gone }
func (l *link) settles() bool             { return true }

func (l *link) finish() {
	select {
	case <-l.gone:
	case <-time.After(time.Second): // somebody has taken the pipe out of its sandbox
	}
	_ = l.out.SetWriteDeadline(time.Now()) // nor does anybody go on writing
	l.awaitRest()
}

// awaitRest waits until nobody writes.
func (l *link) awaitRest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing {
		l.rest.Wait()
	}
}

// close ends the reading goroutine and waits for it.
func (l *link) close() error {
	err := errors.Join(ignoreClosed(l.out.Close()), ignoreClosed(l.in.Close()))
	<-l.gone
	l.awaitRest()
	l.cache.close()
	return err
}

func ignoreClosed(err error) error {
	if errors.Is(err, fs.ErrClosed) {
		return nil
	}
	return err
}

// read hands frames to whom they are for, until the stream ends or makes no sense.
func (l *link) read() {
	defer close(l.gone)
	defer l.in.Close()
	version, greeted, settled := "", false, false
	for {
		f, err := l.from.next()
		if err != nil {
			return
		}
		switch f.kind {
		case frameHello:
			if greeted {
				return
			}
			greeted, version = true, oneWord(string(f.payload))
			l.hello <- version
			continue
		case frameReady, frameInitError:
			if settled {
				return
			}
			settled = true
			result := initResult{version: version}
			if f.kind == frameInitError {
				result.failure = fromEnvelope(f.payload, "Runtime.Unknown")
			}
			l.ready <- result
			continue
		}
		in := l.to.Load()
		if in == nil || !l.pass(in, f) {
			return
		}
	}
}

// maxStray is how many frames may be for invocations that are over: what is late
// is dropped, but who goes on and on costs the platform more than himself.
const maxStray = 1000

// offer sends what is expected once; a runtime that says it again is not heard.
func offer[T any](to chan<- T, value T) {
	select {
	case to <- value:
	default:
	}
}

// pass gives an instance a frame of one of its invocations. It reports false if
// the other side does not keep to the protocol. What comes for an invocation that
// is over is dropped: it may be late.
func (l *link) pass(in *Instance, f frame) bool {
	if f.kind == frameCache {
		return l.cache.take(f)
	}
	c := in.find(f.id)
	if f.kind == frameLog {
		in.out.event(c, f.payload)
		if l.heard += len(f.payload); l.heard >= pipeSize {
			l.heard = 0
			in.out.ease()
		}
		return true
	}
	if c == nil {
		l.stray++
		return f.kind >= frameResponse && f.kind <= frameEnd && l.stray <= maxStray
	}
	if !l.asked(c) {
		return false
	}
	switch f.kind {
	case frameResponse, frameError, frameFatal:
		in.answered(c, answerOf(f))
	case frameStream:
		in.streams(c, oneWord(string(f.payload)))
	case frameChunk:
		if f.size == 0 {
			l.stray++
			return l.stray <= maxStray
		}
		passed, ok := in.chunk(c, f.payload, f.size)
		if l.owe(c, passed) {
			l.flushAside() // a process may go on writing before it reads
		}
		return ok
	case frameEnd:
		if in.flowOf(c) == nil {
			return false
		}
		in.answered(c, answer{streamed: true})
	default:
		return false
	}
	return true
}

func answerOf(f frame) answer {
	a := answer{payload: f.payload, size: f.size, failed: f.kind != frameResponse, fatal: f.kind == frameFatal}
	if a.failed && !a.tooLarge() {
		e := fromEnvelope(f.payload, "Runtime.Unknown")
		a.reason = e.kind
		a.payload = e.envelope
		if a.payload == nil {
			a.payload = []byte(`{"errorType":"Runtime.Unknown","errorMessage":"the runtime sent a malformed error"}`)
		}
	}
	return a
}

// initialise says what function the process gets. It goes out with load at the
// latest, or with flush.
func (l *link) initialise(to *Instance, in initFrame) error {
	payload, err := json.Marshal(in)
	if err != nil {
		return err
	}
	l.to.Store(to)
	if in.WantCache {
		l.from.cache.Store(maxCache)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(frameInit, 0, payload, nil)
	return nil
}

// load has the process load its function, whose code is there; inited tells how
// that went.
func (l *link) load() error { return l.send(frameLoad, 0, nil, nil) }

// initFrame is the payload of an INIT frame.
type initFrame struct {
	Task        string            `json:"task"`
	Opt         string            `json:"opt"`
	Handler     string            `json:"handler"`
	Env         map[string]string `json:"env"`
	Concurrency int               `json:"concurrency"`
	Cache       string            `json:"cache,omitempty"`
	WantCache   bool              `json:"wantCache,omitempty"`
}

func (l *link) enqueue(c *call) {
	var room [512]byte
	head := c.appendHead(append(room[:0], 0, 0, 0, 0))
	binary.BigEndian.PutUint32(head, uint32(len(head)-4))
	l.mu.Lock()
	defer l.mu.Unlock()
	c.at = l.put(frameInvoke, c.id, head, c.inv.Payload)
}

func (l *link) deliver(c *call) error {
	if len(c.inv.Payload) < large {
		return l.flush()
	}
	l.flushAside() // a caller does not wait for a process that does not read
	return nil
}

// credit says that n more bytes of a stream may come.
func (l *link) credit(c *call, n int) error {
	if !l.owe(c, n) {
		return nil
	}
	return l.flush()
}

// owe counts what may come. It reports whether that is enough for a frame, which
// goes out with the next flush: a stream of single bytes must not bring about
// ten times as much for a process that does not read.
func (l *link) owe(c *call, n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.owed += n
	if c.owed < large {
		return false
	}
	l.put(frameCredit, c.id, binary.BigEndian.AppendUint32(nil, uint32(c.owed)), nil)
	c.owed = 0
	return true
}

// large is from how many bytes on a payload is not worth being copied to go out
// in one system call with what is before it. It is also the most that a chunk has.
const large = 64 << 10

// send writes a frame of two parts.
func (l *link) send(kind frameType, id uint32, a, b []byte) error {
	l.mu.Lock()
	l.put(kind, id, a, b)
	l.mu.Unlock()
	return l.flush()
}

// put has a frame go out with the next flush. It returns where in all that is
// sent the frame begins. The caller holds l.mu.
func (l *link) put(kind frameType, id uint32, a, b []byte) (at int64) {
	at = l.queued
	l.queued += int64(frameHeader + len(a) + len(b))
	l.batch = append(appendFrameHeader(l.batch, kind, id, len(a)+len(b)), a...)
	if len(b) < large {
		l.batch = append(l.batch, b...)
	} else {
		l.full = append(l.full, l.batch, b)
		l.batch = nil
	}
	return at
}

// flush writes what has been appended. Where several goroutines do at a time one
// of them writes for all. It waits for a process that does not read: what ends
// that is the end of the process, which a function's time limit brings.
func (l *link) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writing {
		return nil
	}
	l.writing = true
	l.writeAll()
	return l.broken
}

// flushAside is flush for who must not wait. If it fails the conversation is over.
func (l *link) flushAside() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writing {
		return
	}
	l.writing = true
	go func() { // close waits for it
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.writeAll(); l.broken != nil {
			_ = l.in.Close() // an error is that it has been
		}
	}()
}

// writeAll writes what there is to be written. The caller holds l.mu and has set
// l.writing.
func (l *link) writeAll() {
	for (len(l.batch) > 0 || len(l.full) > 0) && l.broken == nil {
		full, batch := l.full, l.batch
		l.full, l.batch = nil, l.spare[:0]
		for _, part := range full {
			l.write(part)
		}
		l.write(batch)
		if l.spare = nil; cap(batch) <= 4*large {
			l.spare = batch
		}
	}
	l.writing = false
	l.rest.Broadcast()
}

// write writes a part. The caller holds l.mu, which is free meanwhile.
func (l *link) write(part []byte) {
	if len(part) == 0 || l.broken != nil {
		return
	}
	l.begun += int64(len(part))
	l.mu.Unlock()
	n, err := l.out.Write(part)
	l.mu.Lock()
	l.written += int64(n)
	if err != nil {
		l.broken = err // a frame that went half is the end of the conversation
	}
}

// asked reports whether the process can have read anything of a call's frame. One
// that answers what it has not read would have frames pile up that it never reads.
func (l *link) asked(c *call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return c.at < l.begun
}

// unread reports whether the process has not read anything of a call's frame.
// Then it cannot have acted on it.
func (l *link) unread(c *call) bool {
	n, err := inPipe(l.out)
	if err != nil {
		n = 0 // for all that can be known
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written-int64(n) <= c.at
}
