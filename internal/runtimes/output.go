package runtimes

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"pinfold.dev/pinfold"
)

const (
	// maxLine is the most that one log event holds. Source: CloudWatch Logs
	// quotas, "Event size: 256 KB".
	maxLine = 256 << 10
	// tailSize is how much of an invocation's log LogType=Tail returns. Source:
	// Invoke in the Lambda API reference, "the last 4 KB of the execution log".
	tailSize = 4 << 10
	// pipeSize is what a pipe holds (pipe(7)). A process that makes its own larger
	// may find the end of an invocation's log in the next one's.
	pipeSize = 64 << 10
)

// output reads what an instance writes to standard output and error, and sends
// it on as lines.
type output struct {
	sink pinfold.LogSink // nil: nobody wants to know
	file *os.File        // our end of the pipe, non-blocking
	conn syscall.RawConn
	done chan struct{}
	ctx  context.Context // ends when nothing that is read waits for the log any more
	stop context.CancelFunc

	raw atomic.Bool // something has come through the pipe

	mu      sync.Mutex
	source  pinfold.LogSource // of the instance; nil while it is nobody's
	scratch []byte
	buf     []byte
	taken   int    // bytes of the pipe since the log was asked for room
	partial []byte // a line that is not over yet
	current *call  // whose the lines of the pipe are
	early   []byte // what was logged before the first call, whose tail it begins
	used    bool   // there has been a call
	loading *call  // for which the function is loaded: whose what belongs to none is
	ended   bool   // every writer has closed the pipe
}

// newOutput returns an output and the end of its pipe for the instance to write
// to. The caller closes that one when the instance has it.
func newOutput(sink pinfold.LogSink) (*output, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, pinfold.Errorf(pinfold.Internal, "making a pipe for an instance's output: %w", err)
	}
	conn, err := r.SyscallConn()
	if err == nil {
		err = syscall.SetNonblock(int(w.Fd()), false) // the instance's programs expect writes to wait
	}
	if err != nil {
		_ = r.Close()
		_ = w.Close()
		return nil, nil, pinfold.Errorf(pinfold.Internal, "making a pipe for an instance's output: %w", err)
	}
	o := &output{
		sink: sink, file: r, conn: conn, done: make(chan struct{}),
	}
	o.ctx, o.stop = context.WithCancel(context.Background())
	go o.run()
	return o, w, nil
}

// adopt says whose output it is. Before that it is nobody's.
func (o *output) adopt(common pinfold.LogLine) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.sink != nil {
		o.source = o.sink.Source(common)
	}
}

// run sends lines on as they come, until nobody can write any more. While the log
// takes no more it does not read: the instance's own writes wait then.
func (o *output) run() {
	defer close(o.done)
	for o.readable() == nil && !o.over() {
		o.ease()
	}
}

// patient is a log that can say when it has room for more.
type patient interface {
	Wait(context.Context) error
}

// ease waits until the log has room for what is to be read next, be it of the pipe
// or of a link. It is called every pipeSize bytes or so.
func (o *output) ease() {
	o.mu.Lock()
	o.taken = 0
	source, ok := o.source.(patient)
	o.mu.Unlock()
	if ok {
		_ = source.Wait(o.ctx) // an instance that goes does not wait
	}
}

// readable reads what comes, until the log is to be asked for room again or
// nothing can come any more.
func (o *output) readable() error {
	return o.conn.Read(func(fd uintptr) bool { return !o.read(fd) || o.much() })
}

func (o *output) much() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.taken >= pipeSize
}

// drain takes in everything that has been written by now. It does not go on for
// ever where somebody goes on writing.
func (o *output) drain() {
	_ = o.conn.Control(func(fd uintptr) { o.read(fd) })
}

func (o *output) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended
}

// read reads as much as a pipe can hold, or less if there is less. It reports
// whether the pipe was empty then, but may be written to again.
func (o *output) read(fd uintptr) (empty bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var room [4 << 10]byte // enough for most, and nothing that an idle instance holds
	for total := 0; !o.ended && total < pipeSize; {
		buf := room[:]
		if total > 0 {
			if o.buf == nil {
				o.buf = make([]byte, 32<<10)
			}
			buf = o.buf
		}
		n, err := syscall.Read(int(fd), buf)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return true
		case err != nil || n == 0:
			o.ended = true
			o.flush()
		default:
			o.raw.Store(true)
			o.split(buf[:n])
			total += n
			o.taken += n
		}
	}
	return false
}

// split cuts what was written into lines.
func (o *output) split(data []byte) {
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n')
		if room := maxLine - len(o.partial); end > room || end < 0 && len(data) > room {
			o.partial = append(o.partial, data[:room]...)
			data = data[room:]
			n := whole(o.partial)
			o.emitLine(o.partial[:n])
			o.partial = append(o.partial[:0], o.partial[n:]...)
			continue
		}
		if end < 0 {
			o.partial = append(o.partial, data...)
			return
		}
		o.emitLine(append(o.partial, data[:end]...))
		o.partial = o.partial[:0]
		data = data[end+1:]
	}
}

// whole returns the length of a text without a character at its end that is not
// all there.
func whole(text []byte) int {
	for n := len(text) - 1; n > max(len(text)-utf8.UTFMax, 0); n-- {
		if utf8.RuneStart(text[n]) {
			if !utf8.FullRune(text[n:]) {
				return n
			}
			break
		}
	}
	return len(text)
}

// flush ends a line that has no end of its own.
func (o *output) flush() {
	if len(o.partial) > 0 {
		o.emitLine(o.partial)
		o.partial = o.partial[:0]
	}
}

// emit sends one event, which belongs to a call or to none.
func (o *output) emit(c *call, at time.Time, text []byte, system bool) {
	if c == nil {
		c = o.loading
	}
	requestID := ""
	switch {
	case c != nil:
		requestID = c.inv.ID
		if c.inv.WantLogTail {
			c.tail = appendTail(c.tail, text)
		}
	case !o.used:
		o.early = appendTail(o.early, text)
	}
	if o.source != nil {
		o.source.Write(at, requestID, system, text)
	}
}

// emitLine emits one event that came through the pipe. Runtimes write \r for a line
// end inside an event, so that it stays one.
func (o *output) emitLine(text []byte) {
	text = bytes.TrimSuffix(text, []byte{'\r'})
	if bytes.IndexByte(text, '\r') >= 0 {
		text = bytes.ReplaceAll(text, []byte{'\r'}, []byte{'\n'})
	}
	o.emit(o.current, time.Now(), text, false)
}

func appendTail(tail, text []byte) []byte {
	tail = append(append(tail, text...), '\n')
	if len(tail) > 8*tailSize {
		tail = append(tail[:0], tail[len(tail)-tailSize:]...)
	}
	return tail
}

// begin starts a call's part of the log. What comes through the pipe is its own
// if it is alone. What was logged while the instance was initialised belongs to
// the tail of the first one.
func (o *output) begin(c *call, alone bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flush()
	o.loading = nil
	if alone {
		o.current = c
	}
	if !o.used {
		o.used = true
		c.tail, o.early = o.early, nil
	}
}

// load has everything be c's, for which the function is loaded, until begin.
func (o *output) load(c *call) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loading, o.current, o.used = c, c, true
}

// event writes one event that the process has sent as such, for a call or none.
func (o *output) event(c *call, text []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.emit(c, time.Now(), text, false)
}

// system writes a line of the platform's own, after what was written before. It
// is put together of parts.
func (o *output) system(c *call, at time.Time, parts ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.scratch = o.scratch[:0]
	for _, part := range parts {
		o.scratch = append(o.scratch, part...)
	}
	o.own(c, at)
}

// own emits what is in scratch. The caller holds o.mu.
func (o *output) own(c *call, at time.Time) {
	o.flush()
	o.emit(c, at, o.scratch, true)
}

// end ends a call's part of the log and returns its tail.
func (o *output) end(c *call) []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.current == c {
		o.current = nil
	}
	tail := c.tail
	if len(tail) > tailSize {
		tail = tail[len(tail)-tailSize:]
	}
	c.tail = nil
	return tail
}

// close reads what is left once the instance is gone, and gives up the pipe: a
// process that has escaped its sandbox must not hold up the platform.
func (o *output) close() error {
	o.drain()
	o.stop()
	err := o.file.Close()
	<-o.done
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flush()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
