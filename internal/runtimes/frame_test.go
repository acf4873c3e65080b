package runtimes

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
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
	for _, kind := range []frameType{0, frameCache + 1, 255} {
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
	c := newCall(&pinfold.Invocation{ID: "id", TraceID: "Root=1", ClientContext: "{\n}"}, nil)
	c.arn, c.limit = "arn:aws:lambda:x", 3*time.Second
	if got, want := string(c.appendHead(nil)), "id\n3000\narn:aws:lambda:x\nRoot=1\n{\n}"; got != want {
		t.Errorf("head: %q\nwant: %q", got, want)
	}
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
