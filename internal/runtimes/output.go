package runtimes

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

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
	sink pinfold.LogSink
	line pinfold.LogLine // what all lines have in common
	file *os.File        // our end of the pipe, non-blocking
	conn syscall.RawConn
	done chan struct{}

	mu        sync.Mutex
	buf       []byte
	partial   []byte // a line that is not over yet
	requestID string // of the invocation under way
	tail      []byte // what has been logged since it was last cut
	keep      bool   // whether tail is collected
	ended     bool   // every writer has closed the pipe
}

// newOutput returns an output and the end of its pipe for the instance to write
// to. The caller closes that one when the instance has it.
func newOutput(sink pinfold.LogSink, common pinfold.LogLine) (*output, *os.File, error) {
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
		sink: sink, line: common, file: r, conn: conn, done: make(chan struct{}), keep: true, buf: make([]byte, 32<<10),
	}
	go o.run()
	return o, w, nil
}

// run sends lines on as they come, until nobody can write any more.
func (o *output) run() {
	defer close(o.done)
	for o.readable() == nil && !o.over() {
	}
}

// readable waits until there is something to read, and reads it.
func (o *output) readable() error {
	return o.conn.Read(func(fd uintptr) bool { return !o.read(fd) })
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
	for total := 0; !o.ended && total < pipeSize; {
		n, err := syscall.Read(int(fd), o.buf)
		switch {
		case errors.Is(err, syscall.EINTR):
		case errors.Is(err, syscall.EAGAIN):
			return true
		case err != nil || n == 0:
			o.ended = true
			o.flush()
		default:
			o.split(o.buf[:n])
			total += n
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
			o.flush()
			continue
		}
		if end < 0 {
			o.partial = append(o.partial, data...)
			return
		}
		o.emit(time.Now(), append(o.partial, data[:end]...), false)
		o.partial = o.partial[:0]
		data = data[end+1:]
	}
}

// flush ends a line that has no end of its own.
func (o *output) flush() {
	if len(o.partial) > 0 {
		o.emit(time.Now(), o.partial, false)
		o.partial = o.partial[:0]
	}
}

// emit sends one event. Runtimes write \r for a line end inside an event, so
// that it stays one.
func (o *output) emit(at time.Time, text []byte, system bool) {
	line := o.line
	line.Time = at
	line.RequestID = o.requestID
	line.System = system
	line.Text = string(bytes.ReplaceAll(bytes.TrimSuffix(text, []byte{'\r'}), []byte{'\r'}, []byte{'\n'}))
	if o.keep {
		o.tail = append(append(o.tail, line.Text...), '\n')
		if len(o.tail) > 8*tailSize {
			o.tail = append(o.tail[:0], o.tail[len(o.tail)-tailSize:]...)
		}
	}
	if o.sink != nil {
		o.sink.Write(line)
	}
}

// begin starts an invocation's part of the log. keepTail asks for its tail; what
// was logged while the instance was initialised belongs to the first one.
func (o *output) begin(requestID string, keepTail bool) {
	o.drain() // what came before is not this invocation's
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flush()
	o.requestID = requestID
	o.keep = keepTail
}

// system writes a line of the platform's own, after what was written before.
func (o *output) system(at time.Time, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.flush()
	o.emit(at, []byte(text), true)
}

// end ends an invocation's part of the log and returns its tail.
func (o *output) end() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	tail := o.tail
	if len(tail) > tailSize {
		tail = tail[len(tail)-tailSize:]
	}
	o.tail, o.keep, o.requestID = nil, false, ""
	return tail
}

// close reads what is left once the instance is gone, and gives up the pipe: a
// process that has escaped its sandbox must not hold up the platform.
func (o *output) close() error {
	o.drain()
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
