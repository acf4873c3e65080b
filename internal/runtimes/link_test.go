package runtimes

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// puppet is an instance whose process is the test.
type puppet struct {
	*testing.T
	*Instance
	box  *paperBox
	from *frameReader // what the platform says
	to   *os.File
	ears *os.File // under from
	logs *logbook
}

// paperBox is walls around nothing, whose process ends when the test says so.
type paperBox struct {
	sandbox.Sandbox
	looks func() // when its memory is looked at; nil: nothing
	end   func(sandbox.Exit)
	exit  sandbox.Exit
	done  chan struct{}
}

func newPaperBox() *paperBox {
	b := &paperBox{done: make(chan struct{})}
	var once sync.Once
	b.end = func(e sandbox.Exit) { once.Do(func() { b.exit = e; close(b.done) }) }
	return b
}

func (b *paperBox) Done() <-chan struct{} { return b.done }
func (b *paperBox) Exit() sandbox.Exit    { return b.exit }
func (b *paperBox) Close() error          { b.end(sandbox.Exit{Code: -1, Signal: "killed"}); return nil }

func (b *paperBox) Usage() sandbox.Usage {
	if b.looks != nil {
		b.looks()
	}
	return sandbox.Usage{PeakMemoryMB: 1, MemoryMB: 1}
}

// newPuppet returns an instance that has loaded its function.
func newPuppet(t *testing.T, change ...func(*pinfold.Config)) *puppet {
	t.Helper()
	v := &pinfold.Version{Ref: pinfold.FunctionRef{Name: "puppet", Qualifier: "1"}, Config: pinfold.Config{Timeout: 900}}
	for _, c := range change {
		c(&v.Config)
	}
	l, theirs, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	p := &puppet{T: t, box: newPaperBox(), from: newFrameReader(theirs[0]), to: theirs[1], ears: theirs[0], logs: &logbook{}}
	out, pipe, err := newOutput(p.logs)
	if err != nil {
		t.Fatal(err)
	}
	_ = pipe.Close()
	p.Instance = new(Launcher).newInstance("i", v, identifier{family: Node}, How{})
	p.Instance.box, p.worker, p.out = p.box, l, out
	l.to.Store(p.Instance)
	p.take(p.body)
	p.watched()
	t.Cleanup(func() {
		p.quit(sandbox.Exit{})
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// quit ends the process.
func (p *puppet) quit(e sandbox.Exit) {
	_ = p.to.Close()
	_ = p.ears.Close()
	p.box.end(e)
}

// hears returns the next frame from the platform, which must be of a kind.
func (p *puppet) hears(kind frameType) frame {
	p.Helper()
	f, err := p.from.next()
	if err != nil || f.kind != kind {
		p.Fatalf("the platform says %+v, %v; want a frame of kind %d", f, err, kind)
	}
	return f
}

// event returns the event of an INVOKE frame.
func event(f frame) string { return string(f.payload[4+binary.BigEndian.Uint32(f.payload):]) }

func (p *puppet) says(kind frameType, id uint32, payload string) {
	p.Helper()
	if _, err := p.to.Write(encode(kind, id, payload)); err != nil {
		p.Fatal(err)
	}
}

// pending is an invocation that runs beside the test.
type pending struct {
	res  *pinfold.Result
	err  error
	done chan struct{}
	over chan struct{}
}

func (p *puppet) invoke(inv *pinfold.Invocation) *pending { return p.invokeFor(p.Context(), inv) }

func (p *puppet) invokeFor(ctx context.Context, inv *pinfold.Invocation) *pending {
	u := &pending{done: make(chan struct{}), over: make(chan struct{})}
	go func() {
		defer close(u.done)
		u.res, u.err = p.Instance.Invoke(ctx, inv, func() { close(u.over) })
	}()
	return u
}

func (u *pending) answer() string {
	<-u.done
	<-u.over
	if u.err != nil {
		return u.err.Error()
	}
	return u.res.FunctionError + string(u.res.Payload)
}

// TestSeveralUnderWay answers invocations out of order: nothing but the id ties
// an answer to its invocation.
func TestSeveralUnderWay(t *testing.T) {
	p := newPuppet(t, func(c *pinfold.Config) { c.MaxConcurrency = 3 })
	under := map[string]*pending{}
	for _, event := range []string{"one", "two", "three"} {
		under[event] = p.invoke(&pinfold.Invocation{ID: event, Payload: []byte(event)})
	}
	var out []byte
	for range under {
		f := p.hears(frameInvoke)
		out = append(encode(frameResponse, f.id, "answer to "+event(f)), out...) // last one first
		out = append(encode(frameLog, f.id, "log of "+event(f)), out...)
	}
	p.says(frameLog, 99, "of nobody")
	if _, err := p.to.Write(append(out, encode(frameResponse, 99, "to nobody")...)); err != nil {
		t.Fatal(err)
	}
	for id, u := range under {
		if got := u.answer(); got != "answer to "+id {
			t.Errorf("answer %s is %q", id, got)
		}
		if line, err := p.logs.find("log of " + id); err != nil || line.RequestID != id {
			t.Errorf("line %+v, %v", line, err)
		}
	}
}

// TestSentAhead sends an invocation ahead of its turn. It begins when the one
// before has been answered.
func TestSentAhead(t *testing.T) {
	p := newPuppet(t)
	var under []*pending
	var frames []frame
	var want []string
	for i := range 1 + maxAhead {
		if i > 0 && p.Ahead() != maxAhead {
			t.Fatalf("with %d, no more can be sent ahead", i)
		}
		id := fmt.Sprint("id", i)
		under = append(under, p.invoke(&pinfold.Invocation{ID: id, Payload: []byte(id)}))
		frames = append(frames, p.hears(frameInvoke))
		for _, line := range []string{"START", "of", "END", "REPORT"} {
			want = append(want, line+" "+id)
		}
	}
	if more := p.invoke(&pinfold.Invocation{ID: "more"}); !strings.Contains(more.answer(), "gone") || pinfold.ReasonOf(more.err) != "InstanceGone" {
		t.Errorf("one too many: %v", more.err)
	}
	for _, f := range frames {
		p.says(frameLog, f.id, "of it")
		p.says(frameResponse, f.id, event(f))
	}
	for i, u := range under {
		if got := u.answer(); got != fmt.Sprint("id", i) {
			t.Errorf("answer %d: %s", i, got)
		}
	}
	p.logged(want...)
}

// logged wants the log to hold these lines, each told by its first word and its
// invocation, also where it is put in the order of time.
func (p *puppet) logged(want ...string) {
	p.Helper()
	var got []string
	lines := p.logs.all()
	slices.SortStableFunc(lines, func(a, b pinfold.LogLine) int { return a.Time.Compare(b.Time) })
	for _, line := range lines {
		got = append(got, strings.Fields(line.Text)[0]+" "+line.RequestID)
	}
	if !slices.Equal(got, want) {
		p.Errorf("log: %q\nwant: %q", got, want)
	}
}

// TestLogsInTurn has an invocation come while the log of the one before is being
// completed.
func TestLogsInTurn(t *testing.T) {
	p := newPuppet(t)
	looks, look := make(chan struct{}), make(chan struct{})
	p.box.looks = sync.OnceFunc(func() { close(looks); <-look })
	first := p.invoke(&pinfold.Invocation{ID: "first"})
	p.says(frameResponse, p.hears(frameInvoke).id, "")
	<-looks
	second := p.invoke(&pinfold.Invocation{ID: "second"})
	f := p.hears(frameInvoke)
	p.says(frameLog, f.id, "of it")
	p.says(frameResponse, f.id, "")
	close(look)
	first.answer()
	second.answer()
	p.logged("START first", "END first", "REPORT first", "START second", "of second", "END second", "REPORT second")
}

// TestLogBehindATimeout has a process go on with what was sent ahead after it was
// too late with an answer.
func TestLogBehindATimeout(t *testing.T) {
	p := newPuppet(t)
	late := p.invoke(&pinfold.Invocation{ID: "late"})
	f := p.hears(frameInvoke)
	ahead := p.invoke(&pinfold.Invocation{ID: "ahead"})
	p.hears(frameInvoke)
	c := p.find(f.id)
	p.mu.Lock()
	c.final = timedOut(c) // as tickOff does, and then kills it
	p.mu.Unlock()
	p.says(frameResponse, f.id, "")
	p.quit(sandbox.Exit{Code: 1})
	late.answer()
	ahead.answer()
	if _, err := p.logs.find("START RequestId: ahead"); err != nil {
		t.Error(err)
	}
}

// TestEndOfAProcess: what had begun has failed, what had not can go elsewhere.
func TestEndOfAProcess(t *testing.T) {
	t.Run("in the middle", func(t *testing.T) {
		p := newPuppet(t)
		one := p.invoke(&pinfold.Invocation{ID: "one"})
		p.hears(frameInvoke)
		two := p.invoke(&pinfold.Invocation{ID: "two"})
		p.hears(frameInvoke) // read, but not begun
		p.quit(sandbox.Exit{Code: 3})
		if want := `Unhandled{"errorType":"Runtime.ExitError","errorMessage":"RequestId: one Error: Runtime exited with error: exit status 3"}`; one.answer() != want {
			t.Errorf("answer: %s", one.answer())
		}
		if two.answer(); pinfold.ReasonOf(two.err) != "InstanceGone" {
			t.Errorf("the one that was sent ahead: %s", two.answer())
		}
		<-p.Done()
		if p.Reusable() {
			t.Error("it can be used again")
		}
	})
	t.Run("before it has read", func(t *testing.T) {
		p := newPuppet(t)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for { // until the invocation is in the pipe
				if n, err := inPipe(p.worker.(*link).out); err != nil || n > 0 {
					break
				}
			}
			p.quit(sandbox.Exit{Code: 3})
		}()
		u := p.invoke(&pinfold.Invocation{ID: "one", Payload: []byte("{}")})
		<-done
		if u.answer(); pinfold.ReasonOf(u.err) != "InstanceGone" {
			t.Errorf("answer: %s", u.answer())
		}
	})
	t.Run("with its answer", func(t *testing.T) {
		p := newPuppet(t)
		u := p.invoke(&pinfold.Invocation{ID: "one"})
		f := p.hears(frameInvoke)
		p.says(frameResponse, f.id, "1")
		p.quit(sandbox.Exit{})
		if u.answer() != "1" {
			t.Errorf("answer: %s", u.answer())
		}
		<-p.Done()
	})
	t.Run("that only closes its link", func(t *testing.T) {
		p := newPuppet(t)
		u := p.invoke(&pinfold.Invocation{ID: "one"})
		p.hears(frameInvoke)
		_ = p.to.Close()
		if want := `signal: killed`; !strings.Contains(u.answer(), want) {
			t.Errorf("answer: %s", u.answer())
		}
	})
}

// TestAnswerAfterItsTime: a process whose time is over may answer yet, and have
// begun with what was sent ahead.
func TestAnswerAfterItsTime(t *testing.T) {
	p := newPuppet(t)
	p.limit = time.Millisecond
	late, end := make(chan struct{}), p.box.end
	p.box.end = func(e sandbox.Exit) { <-late; end(e) }
	one := p.invoke(&pinfold.Invocation{ID: "one"})
	f := p.hears(frameInvoke)
	two := newCall(&pinfold.Invocation{ID: "two"}, func() {})
	two.at, two.limit = 0, time.Hour
	p.mu.Lock() // it may be too late for Invoke
	p.ahead = append(p.ahead, two)
	p.mu.Unlock()
	<-one.done
	p.says(frameResponse, f.id, "late")
	close(late)
	p.quit(sandbox.Exit{})
	if !strings.Contains(one.answer(), "Task timed out") {
		t.Errorf("answer: %s", one.answer())
	}
	if o := <-two.result; o.err != nil {
		t.Errorf("another instance would run it, too: %v", o.err)
	}
}

// TestEndOfNoStream: what it sends makes no sense.
func TestEndOfNoStream(t *testing.T) {
	p := newPuppet(t)
	u := p.invoke(&pinfold.Invocation{ID: "one"})
	p.says(frameEnd, p.hears(frameInvoke).id, "")
	if !strings.Contains(u.answer(), "Runtime.ExitError") {
		t.Errorf("answer: %s", u.answer())
	}
}

// TestDeafInstance sends an invocation that is larger than a pipe to a process
// that does not read. Its time limit ends that.
func TestDeafInstance(t *testing.T) {
	p := newPuppet(t, func(c *pinfold.Config) { c.Timeout = 1 })
	u := p.invoke(&pinfold.Invocation{ID: "one", Payload: make([]byte, 1<<20)})
	<-p.box.done
	p.quit(sandbox.Exit{})
	if !strings.Contains(u.answer(), "Task timed out after 1.00 seconds") {
		t.Errorf("answer: %.200s", u.answer())
	}
}

// sink is a caller who streams.
type sink struct {
	mu    sync.Mutex
	kind  string
	text  strings.Builder
	gate  chan struct{} // a value lets one Write through; nil: all
	fails bool
}

func (s *sink) Begin(kind string) { s.kind = kind }

func (s *sink) Write(p []byte) (int, error) {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails {
		return 0, os.ErrClosed
	}
	return s.text.Write(p)
}

func TestStream(t *testing.T) {
	p := newPuppet(t)
	s := &sink{}
	u := p.invoke(&pinfold.Invocation{ID: "one", Stream: s})
	f := p.hears(frameInvoke)
	p.says(frameStream, f.id, "text/plain")
	want := ""
	for _, part := range []string{"a", strings.Repeat("b", large-2), "cd"} { // credit comes for many at a time
		p.says(frameChunk, f.id, part)
		want += part
	}
	if credit := p.hears(frameCredit); credit.id != f.id || int(binary.BigEndian.Uint32(credit.payload)) < large {
		t.Errorf("credit: %+v", credit)
	}
	p.says(frameChunk, f.id, "e")
	p.says(frameEnd, f.id, "")
	if u.answer() != "" || !u.res.Streamed || s.kind != "text/plain" || s.text.String() != want+"e" {
		t.Errorf("answer: %s, streamed %v: %s, %d bytes", u.answer(), u.res.Streamed, s.kind, s.text.Len())
	}
}

func TestStreamBreaksOff(t *testing.T) {
	p := newPuppet(t)
	s := &sink{}
	u := p.invoke(&pinfold.Invocation{ID: "one", Stream: s})
	f := p.hears(frameInvoke)
	p.says(frameStream, f.id, "")
	p.says(frameChunk, f.id, "a")
	p.says(frameError, f.id, `{"errorType":"E"}`)
	if u.answer() != `Unhandled{"errorType":"E"}` || !u.res.Streamed || s.text.String() != "a" {
		t.Errorf("answer: %s, streamed %v: %s", u.answer(), u.res.Streamed, s.text.String())
	}
}

// TestStreamCollected: a caller who does not stream gets an answer as a whole.
func TestStreamCollected(t *testing.T) {
	p := newPuppet(t)
	for _, test := range []struct{ kind, stream, want string }{
		{"text/plain", "abc", "abc"},
		{pinfold.HTTPIntegration, `{"statusCode":418}` + strings.Repeat("\x00", 8) + "tea", `{"body":"tea","statusCode":418}`},
		{"", strings.Repeat("x", pinfold.MaxPayload+1), "Unhandled" + string(responseTooLarge)},
	} {
		u := p.invoke(&pinfold.Invocation{ID: "one"})
		f := p.hears(frameInvoke)
		p.says(frameStream, f.id, test.kind)
		for rest := test.stream; rest != ""; {
			n := min(len(rest), large)
			p.says(frameChunk, f.id, rest[:n])
			if rest = rest[n:]; n == large {
				p.hears(frameCredit)
			}
		}
		p.says(frameEnd, f.id, "")
		if u.answer() != test.want {
			t.Errorf("%s: %.200s", test.kind, u.answer())
		}
	}
}

// TestStreamToNobody: the function writes on, whether its caller has gone away or
// reads no more.
func TestStreamToNobody(t *testing.T) {
	for name, s := range map[string]*sink{"gone": {}, "fails": {fails: true}} {
		t.Run(name, func(t *testing.T) {
			p := newPuppet(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			u := p.invokeFor(ctx, &pinfold.Invocation{ID: "one", Stream: s})
			f := p.hears(frameInvoke)
			p.says(frameStream, f.id, "")
			if name == "gone" {
				cancel()
				<-u.done
			}
			for range 3 * window / large {
				p.says(frameChunk, f.id, strings.Repeat("x", large))
				p.hears(frameCredit)
			}
			p.says(frameEnd, f.id, "")
			<-u.over
			<-u.done
			if name == "gone" != (pinfold.CodeOf(u.err) == pinfold.Unavailable) {
				t.Errorf("err: %v", u.err)
			}
		})
	}
}

// TestStreamBeyondItsWindow: a process that does not keep to it is ended.
func TestStreamBeyondItsWindow(t *testing.T) {
	p := newPuppet(t)
	s := &sink{gate: make(chan struct{})}
	u := p.invoke(&pinfold.Invocation{ID: "one", Stream: s})
	f := p.hears(frameInvoke)
	p.says(frameStream, f.id, "")
	for {
		if _, err := p.to.Write(encode(frameChunk, f.id, strings.Repeat("x", large))); err != nil {
			break
		}
	}
	close(s.gate)
	if !strings.Contains(u.answer(), "Runtime.ExitError") {
		t.Errorf("answer: %s", u.answer())
	}
}
