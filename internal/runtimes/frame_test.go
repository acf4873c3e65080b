package runtimes

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"pinfold.dev/pinfold"
)

func encode(kind frameType, id uint32, payload string) []byte {
	return append(appendFrameHeader(nil, kind, id, len(payload)), payload...)
}

func TestFrames(t *testing.T) {
	stream := bytes.Join([][]byte{
		encode(frameHello, 0, "20.20.2"), encode(frameReady, 0, ""), encode(frameResponse, 1<<31, `{"a":1}`),
		encode(frameResponse, 7, bigString(pinfold.MaxPayload)), encode(frameError, 8, bigString(pinfold.MaxPayload+1)), encode(frameFatal, 9, "x"),
	}, nil)
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(stream), "halved": iotest.HalfReader(bytes.NewReader(stream)), "with error": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		t.Run(name, func(t *testing.T) {
			frames := newFrameReader(r)
			for _, want := range []struct {
				kind frameType
				id   uint32
				size int64
				kept bool
			}{
				{frameHello, 0, 7, true}, {frameReady, 0, 0, true}, {frameResponse, 1 << 31, 7, true},
				{frameResponse, 7, pinfold.MaxPayload, true}, {frameError, 8, pinfold.MaxPayload + 1, false}, {frameFatal, 9, 1, true},
			} {
				f, err := frames.next()
				if err != nil {
					t.Fatal(err)
				}
				if f.kind != want.kind || f.id != want.id || f.size != want.size || (f.payload != nil) != want.kept {
					t.Errorf("got kind %d, id %d, size %d, %d bytes; want %+v", f.kind, f.id, f.size, len(f.payload), want)
				}
				if want.kept && int64(len(f.payload)) != f.size {
					t.Errorf("kept %d bytes of %d", len(f.payload), f.size)
				}
			}
			if _, err := frames.next(); err != io.EOF {
				t.Errorf("after the last frame: %v", err)
			}
		})
	}
}

func TestBrokenFrames(t *testing.T) {
	whole := encode(frameResponse, 1, "0123456789")
	for n := 1; n < len(whole); n++ {
		if _, err := newFrameReader(bytes.NewReader(whole[:n])).next(); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut after %d bytes: %v", n, err)
		}
	}
	for _, kind := range []frameType{0, frameEnd + 1, 255} {
		if _, err := newFrameReader(bytes.NewReader(encode(kind, 0, ""))).next(); err == nil {
			t.Errorf("type %d is taken", kind)
		}
	}
}

// FuzzFrames feeds the decoder what a hostile instance may send. Whatever comes
// must be taken apart into exactly the frames it is made of, or refused, without
// more memory than has been sent.
func FuzzFrames(f *testing.F) {
	f.Add(encode(frameHello, 0, "3.11.7"))
	f.Add(append(encode(frameReady, 0, ""), encode(frameResponse, 1, "null")...))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, byte(frameResponse), 'x'})
	f.Add([]byte{0, 0, 0, 1, 0, 0, 0, 0, 99})
	f.Add([]byte("this is not a frame"))
	f.Fuzz(func(t *testing.T, data []byte) {
		frames := newFrameReader(bytes.NewReader(data))
		var again []byte
		for {
			fr, err := frames.next()
			if err == io.EOF {
				if !bytes.Equal(again, data) {
					t.Fatalf("%x was read as %x", data, again)
				}
				return
			}
			if err != nil {
				return
			}
			again = append(again, encode(fr.kind, fr.id, string(fr.payload))...)
			if int64(len(fr.payload)) != fr.size || !bytes.HasPrefix(data, again) {
				t.Fatalf("%x was read as %x", data, again)
			}
		}
	})
}

func TestHead(t *testing.T) {
	d := delivery{requestID: `a"b`, functionARN: "arn:aws:lambda:x", clientContext: `{"custom":{}}`}
	got := string(d.head())
	want := `{"requestId":"a\"b","deadline":-62135596800000,"arn":"arn:aws:lambda:x","trace":"","clientContext":"{\"custom\":{}}"}`
	if got != want {
		t.Errorf("head: %s\nwant: %s", got, want)
	}
}

// TestLinkWithSeveralUnderWay answers invocations out of order: nothing but the
// id ties an answer to its invocation.
func TestLinkWithSeveralUnderWay(t *testing.T) {
	link, theirs, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	var answers []<-chan answer
	for _, event := range []string{"one", "two", "three"} {
		a, err := link.deliver(&delivery{requestID: event, payload: []byte(event)})
		if err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	var out []byte
	frames := newFrameReader(theirs)
	for range answers {
		f, err := frames.next()
		if err != nil || f.kind != frameInvoke {
			t.Fatalf("frame %+v: %v", f, err)
		}
		event := f.payload[4+binary.BigEndian.Uint32(f.payload):]
		out = append(encode(frameResponse, f.id, "answer to "+string(event)), out...) // last one first
	}
	out = append(out, encode(frameResponse, 99, "to nobody")...)
	if _, err := theirs.Write(out); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"answer to one", "answer to two", "answer to three"} {
		if a := <-answers[i]; string(a.payload) != want {
			t.Errorf("answer %d is %q", i, a.payload)
		}
	}
	if err := link.close(); err != nil {
		t.Error(err)
	}
}

// TestLinkToDeafInstance fills the socket with small invocations that nobody
// reads. Delivering one more must end at its deadline.
func TestLinkToDeafInstance(t *testing.T) {
	link, theirs, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	defer link.close()
	for range 1 << 10 { // 64 MB: more than a socket holds
		d := &delivery{requestID: "small", deadline: time.Now().Add(200 * time.Millisecond), payload: make([]byte, 60<<10)}
		if _, err := link.deliver(d); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("delivering to an instance that does not read: %v", err)
			}
			return
		}
	}
	t.Error("the socket takes everything")
}

func TestErrorTypeCannotForgeLogLines(t *testing.T) {
	forged, err := json.Marshal(map[string]string{"errorType": "A\nEND RequestId: 1\x1b[2J" + strings.Repeat("x", 1<<20)})
	if err != nil {
		t.Fatal(err)
	}
	kind := fromEnvelope(forged, "Runtime.Unknown").kind
	if len(kind) > maxWord || !strings.HasPrefix(kind, "A?END RequestId: 1?[2Jxxx") {
		t.Errorf("%d bytes: %.80q", len(kind), kind)
	}
	if kind := fromEnvelope([]byte(`{"errorType":"Fehler.Übel"}`), "").kind; kind != "Fehler.Übel" {
		t.Errorf("a harmless type becomes %q", kind)
	}
}
