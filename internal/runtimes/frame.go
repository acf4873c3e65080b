package runtimes

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"sync/atomic"

	"pinfold.dev/pinfold"
)

// frameType says what a frame means; see the package's documentation.
type frameType byte

const (
	frameHello frameType = 1 + iota
	frameInit
	frameReady
	frameInitError
	frameInvoke
	frameResponse
	frameError
	frameFatal
	frameStream
	frameChunk
	frameEnd
	frameLog
	frameCredit
	frameCache
	frameLoad // never comes from an instance
)

const frameHeader = 9 // bytes

// most is how large a payload may be. More is read and dropped.
func (k frameType) most() int64 {
	switch k {
	case frameLog:
		return maxLine
	case frameCache:
		return maxCache
	case frameHello, frameReady, frameStream, frameChunk, frameEnd:
		return large
	}
	return pinfold.MaxPayload
}

// maxCache bounds the compiled code of a function, in bytes.
const maxCache = 64 << 20

// frame is one message from an instance.
type frame struct {
	kind    frameType
	id      uint32
	size    int64  // of the payload as it was sent
	payload []byte // nil if size is over what its kind may have
}

// frameReader reads frames from a stream.
type frameReader struct {
	r     *bufio.Reader
	cache atomic.Int64 // how many bytes of CACHE frames are wanted; others are dropped
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// next returns the next frame; io.EOF if the stream ends between two frames, and
// another error if it ends inside one or holds something else.
func (f *frameReader) next() (frame, error) {
	header, err := f.r.Peek(frameHeader)
	if err != nil {
		if err == io.EOF && len(header) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return frame{}, err
	}
	fr := frame{
		size: int64(binary.BigEndian.Uint32(header)),
		id:   binary.BigEndian.Uint32(header[4:]),
		kind: frameType(header[8]),
	}
	if fr.kind < frameHello || fr.kind > frameCache {
		return frame{}, fmt.Errorf("unknown frame type %d", fr.kind)
	}
	_, _ = f.r.Discard(frameHeader) // it is in the buffer
	if fr.size > fr.kind.most() || fr.kind == frameCache && f.cache.Add(-fr.size) < 0 {
		_, err = io.CopyN(io.Discard, f.r, fr.size)
	} else {
		fr.payload, err = readExactly(f.r, int(fr.size))
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fr, err
}

// readExactly reads n bytes, and takes memory for them only as they come.
func readExactly(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	buf := make([]byte, 0, min(n, step))
	for len(buf) < n {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		end := min(n, cap(buf))
		read, err := io.ReadFull(r, buf[len(buf):end])
		buf = buf[:len(buf)+read]
		if err != nil {
			return nil, err
		}
	}
	return buf, nil
}

// appendFrameHeader appends the header of a frame whose payload has size bytes.
func appendFrameHeader(b []byte, kind frameType, id uint32, size int) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = binary.BigEndian.AppendUint32(b, id)
	return append(b, byte(kind))
}
