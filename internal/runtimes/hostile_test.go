package runtimes

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

// Each of these ends the conversation, and with it the instance.
func TestNonsense(t *testing.T) {
	stream := encode(frameStream, 1, "")
	for name, said := range map[string][]byte{
		"a second HELLO":           bytes.Repeat(encode(frameHello, 0, "24"), 2),
		"READY and an INIT_ERROR":  slices.Concat(encode(frameReady, 0, ""), encode(frameInitError, 0, "{}")),
		"INVOKE":                   encode(frameInvoke, 1, "\x00\x00\x00\x00{}"),
		"INVOKE of another":        encode(frameInvoke, 2, "\x00\x00\x00\x00{}"),
		"CREDIT":                   encode(frameCredit, 1, "\xff\xff\xff\xff"),
		"INIT":                     encode(frameInit, 0, "{}"),
		"CHUNK without STREAM":     encode(frameChunk, 1, "x"),
		"CHUNK that is too large":  slices.Concat(stream, encode(frameChunk, 1, bigString(large+1))),
		"CACHE that nobody wanted": encode(frameCache, 0, "x"),
		"CHUNKs of nothing":        slices.Concat(stream, bytes.Repeat(encode(frameChunk, 1, ""), maxStray+1)),
		"answers to nobody":        bytes.Repeat(encode(frameResponse, 7, ""), maxStray+1),
	} {
		t.Run(name, func(t *testing.T) {
			p := newPuppet(t)
			u := p.invoke(&pinfold.Invocation{ID: "one"})
			p.hears(frameInvoke)
			if _, err := p.to.Write(said); err != nil {
				t.Fatal(err)
			}
			<-p.worker.lost()
			p.quit(sandbox.Exit{Code: 1})
			if !strings.Contains(u.answer(), "Runtime.ExitError") {
				t.Errorf("answer: %.200s", u.answer())
			}
		})
	}
}

// TestAnswersToWhatWasNotRead: who answers without reading gets no more to hold
// than what the pipe is being filled with.
func TestAnswersToWhatWasNotRead(t *testing.T) {
	p := newPuppet(t)
	l := p.worker.(*link)
	awaitQueued := func(n int64) {
		for queued := int64(0); queued < n; runtime.Gosched() {
			l.mu.Lock()
			queued = l.queued
			l.mu.Unlock()
		}
	}
	payload := make([]byte, 1<<20)
	one := p.invoke(&pinfold.Invocation{ID: "one", Payload: payload})
	awaitQueued(1 << 20)
	for n, _ := inPipe(l.out); n == 0; n, _ = inPipe(l.out) {
	}
	p.says(frameResponse, 1, `"guessed"`)
	if one.answer() != `"guessed"` {
		t.Errorf("answer: %.200s", one.answer())
	}
	two := p.invoke(&pinfold.Invocation{ID: "two", Payload: payload})
	awaitQueued(2 << 20)
	p.says(frameResponse, 2, `"guessed"`)
	<-l.lost()
	p.quit(sandbox.Exit{Code: 1})
	if two.answer(); pinfold.ReasonOf(two.err) != "InstanceGone" {
		t.Errorf("answer: %.200s", two.answer())
	}
}

// TestCrumbs streams single bytes to a caller who does not read, without reading
// what the platform says: neither takes much more memory than the bytes.
func TestCrumbs(t *testing.T) {
	p := newPuppet(t)
	s := &sink{gate: make(chan struct{})}
	u := p.invoke(&pinfold.Invocation{ID: "one", Stream: s})
	f := p.hears(frameInvoke)
	p.says(frameStream, f.id, "")
	if _, err := p.to.Write(bytes.Repeat(encode(frameChunk, f.id, "x"), window)); err != nil {
		t.Fatal(err)
	}
	flow := p.find(f.id).flow
	flow.mu.Lock()
	size := 0
	for _, part := range flow.parts {
		size += cap(part)
	}
	if parts := len(flow.parts); parts > 2*window/large || size > 4*window {
		t.Errorf("%d bytes wait in %d parts of %d bytes", flow.waiting, parts, size)
	}
	flow.mu.Unlock()
	close(s.gate)
	p.says(frameEnd, f.id, "")
	if u.answer() != "" || s.text.Len() != window {
		t.Errorf("answer: %s, %d bytes", u.answer(), s.text.Len())
	}
	l := p.worker.(*link)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queued > 1<<10 {
		t.Errorf("%d bytes were to be said", l.queued)
	}
}
