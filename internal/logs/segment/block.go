package segment

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"math/bits"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// A block is a header, a filter, its streams and its records; the latter two are
// compressed, the streams by zstd, and the records, which are packed, by what the
// byte before them says, after their checksum. The header has a checksum of itself
// and one of the filter, and zstd its own. In blocks of the first version records
// are not packed, and compressed by zstd.
const (
	headerSize = 64
	magic      = "PFL2"
	magicZstd  = "PFL1"
	// maxRaw bounds what a header can have us set aside.
	maxRaw = 4 * MaxRecord
)

// header says what is in a block.
type header struct {
	payload, raw, lines, filter, streams uint32 // bytes, bytes, number, number, bytes
	checksum                             uint32 // of the filter
	sequence                             uint64 // of the first record
	min, max                             int64  // times of records, in nanoseconds since 1970
	written                              int64  // when the block was, in the same
	zstd                                 bool   // it is of the first version

	segment int   // where the block is; 0 is the tail
	offset  int64 // where in it
}

// size returns the size of the whole block.
func (h *header) size() int64 {
	return headerSize + 2*int64(h.filter) + int64(h.streams) + int64(h.payload)
}

// sum returns a checksum.
func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func (h *header) append(b []byte) []byte {
	b = append(b, magic...)
	for _, n := range []uint32{0, h.payload, h.raw, h.lines, h.filter, h.streams, h.checksum} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	for _, n := range []uint64{h.sequence, uint64(h.min), uint64(h.max), uint64(h.written)} {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	binary.LittleEndian.PutUint32(b[4:], sum(b[8:headerSize]))
	return b
}

// parseHeader returns the header that b begins with, and false if that is none.
func parseHeader(b []byte) (header, bool) {
	n := func(i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
	l := func(i int) uint64 { return binary.LittleEndian.Uint64(b[i:]) }
	h := header{
		payload: n(8), raw: n(12), lines: n(16), filter: n(20), streams: n(24), checksum: n(28),
		sequence: l(32), min: int64(l(40)), max: int64(l(48)), written: int64(l(56)), zstd: string(b[:4]) == magicZstd,
	}
	return h, (h.zstd || string(b[:4]) == magic) && sum(b[8:headerSize]) == n(4) && h.raw <= maxRaw && h.payload <= maxRaw && h.streams <= maxRaw && h.filter <= math.MaxUint16+1
}

// StreamStat is what a journal has of one stream.
type StreamStat struct {
	Stream   string
	Function string `json:",omitempty"` // that wrote it
	First    int64  // times of its first and last record, in nanoseconds since 1970
	Last     int64
	Ingested int64 // when its last record came
	Lines    int
	Sequence uint64 // of its last record
}

// Codec compresses and uncompresses blocks. It may be used concurrently.
type Codec struct {
	enc   *zstd.Encoder
	dec   *zstd.Decoder
	rooms sync.Pool // of *[]byte, as long as blocks are while they are made and read
}

// NewCodec returns a codec, which one process needs one of.
func NewCodec() (*Codec, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxRaw))
	return &Codec{enc: enc, dec: dec, rooms: sync.Pool{New: func() any { return new([]byte) }}}, err
}

// room returns memory that somebody had before, and is to be given back.
func (c *Codec) room() *[]byte      { return c.rooms.Get().(*[]byte) }
func (c *Codec) giveBack(b *[]byte) { c.rooms.Put(b) }

// hash returns what a filter keeps of a name. One in a few hundred blocks is
// read in vain for it.
func hash[Text string | []byte](kind byte, name Text) uint16 {
	h := (uint32(2166136261) ^ uint32(kind)) * 16777619 // FNV-1a
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return uint16(h>>16) ^ uint16(h)
}

const (
	ofRequest = 'r'
	ofStream  = 's'
)

// block returns the block of some records, the first of which has this sequence
// number.
func (c *Codec) block(raw []byte, sequence uint64) (header, []byte, error) {
	h := header{raw: uint32(len(raw)), sequence: sequence, min: math.MaxInt64, max: math.MinInt64, written: time.Now().UnixNano()}
	var hashes [1 << 16 / 64]uint64 // a bit for each
	var request []byte
	Records(raw, func(r Record) bool {
		h.min, h.max = min(h.min, r.Nano()), max(h.max, r.Nano())
		h.lines++
		if id := r.Request(); string(id) != string(request) {
			request = id
			n := hash(ofRequest, id)
			hashes[n/64] |= 1 << (n % 64)
		}
		return true
	})
	stats := map[string]*StreamStat{}
	collect(raw, sequence, stats)
	streams := make([]*StreamStat, 0, len(stats))
	for _, s := range stats {
		streams = append(streams, s)
		n := hash(ofStream, s.Stream)
		hashes[n/64] |= 1 << (n % 64)
	}
	text, err := json.Marshal(streams)
	if err != nil {
		return h, nil, err
	}
	b := make([]byte, headerSize, headerSize+len(raw)/8)
	for i, some := range hashes {
		for ; some != 0; some &= some - 1 {
			b = binary.LittleEndian.AppendUint16(b, uint16(64*i+bits.TrailingZeros64(some)))
			h.filter++
		}
	}
	body := len(b)
	b = c.enc.EncodeAll(text, b)
	h.streams = uint32(len(b) - body)
	b = c.appendRecords(b, raw)
	h.payload = uint32(len(b)-body) - h.streams
	h.checksum = sum(b[headerSize:body])
	h.append(b[:0])
	return h, b, nil
}

// collect adds what raw has of streams.
func collect(raw []byte, sequence uint64, stats map[string]*StreamStat) {
	var last *StreamStat
	Records(raw, func(r Record) bool {
		at, came := r.Nano(), r.ingested()
		if last == nil || string(r.Stream()) != last.Stream {
			if last = stats[string(r.Stream())]; last == nil {
				last = &StreamStat{Stream: string(r.Stream()), Function: string(r.Function()), First: at, Last: at}
				stats[last.Stream] = last
			}
		}
		last.First, last.Last, last.Ingested = min(last.First, at), max(last.Last, at), max(last.Ingested, came)
		last.Sequence = max(last.Sequence, sequence)
		last.Lines++
		sequence++
		return true
	})
}

func (s *StreamStat) merge(o *StreamStat) {
	s.First, s.Last = min(s.First, o.First), max(s.Last, o.Last)
	s.Ingested, s.Sequence = max(s.Ingested, o.Ingested), max(s.Sequence, o.Sequence)
	s.Lines += o.Lines
}

// How packed records are compressed. S2 takes a fifth of the time of zstd, and
// leaves nothing worth it where packing has taken out what is in every line: that
// is so of the platform's own lines, of which each invocation has three. What
// functions write is less alike, and there is more of it.
const (
	byS2   = 0
	byZstd = 1
)

// payloadHead is the size of what is before the compressed records: how, and their
// checksum.
const payloadHead = 1 + 4

// appendRecords appends records as they are in a block.
func (c *Codec) appendRecords(b, raw []byte) []byte {
	packed, room := c.room(), c.room()
	defer c.giveBack(packed)
	defer c.giveBack(room)
	*packed = pack((*packed)[:0], raw)
	at := len(b) + payloadHead
	b = append(b, make([]byte, payloadHead)...)
	if len(*packed) > len(raw)/2 {
		b[at-payloadHead] = byZstd
		b = c.enc.EncodeAll(*packed, b)
	} else {
		*room = s2.Encode((*room)[:cap(*room)], *packed)
		b = append(b, *room...)
	}
	binary.LittleEndian.PutUint32(b[at-4:], sum(b[at:]))
	return b
}

// records returns those that are in the payload of a block, in buf if it is large
// enough.
func (c *Codec) records(h *header, payload, buf []byte) (raw []byte, err error) {
	if buf = slices.Grow(buf[:0], int(h.raw)); h.zstd {
		raw, err = c.dec.DecodeAll(payload, buf)
	} else {
		raw, err = c.unpacked(payload, buf, int(h.raw))
	}
	if err == nil && len(raw) != int(h.raw) {
		err = fmt.Errorf("%d bytes instead of %d", len(raw), h.raw)
	}
	return raw, err
}

// unpacked appends to buf the records of a payload, which are so many bytes.
func (c *Codec) unpacked(payload, buf []byte, size int) ([]byte, error) {
	if len(payload) < payloadHead || binary.LittleEndian.Uint32(payload[1:]) != sum(payload[payloadHead:]) {
		return buf, errSum
	}
	room := c.room()
	defer c.giveBack(room)
	packed, err := c.uncompressed(payload[0], payload[payloadHead:], (*room)[:0], 2*size) // packed is less, but for records that nobody writes
	if err != nil {
		return buf, err
	}
	*room = packed
	return unpack(buf, packed, size)
}

// uncompressed returns what was compressed in a way, at most so many bytes, in
// buf if it is large enough.
func (c *Codec) uncompressed(way byte, data, buf []byte, most int) (_ []byte, err error) {
	switch way {
	case byZstd:
		buf, err = c.dec.DecodeAll(data, buf)
	case byS2:
		var n int
		if n, err = s2.DecodedLen(data); err == nil && n <= most {
			buf, err = s2.Decode(buf[:cap(buf)], data)
		}
	default:
		err = errPacked
	}
	return buf, err
}

var (
	errSum     = errors.New("its checksum is wrong")
	errTorn    = errors.New("its last block is not whole")
	errCorrupt = errors.New("the head of a block is corrupt")
)

// walk calls yield for the header and filter of each block of a segment, until
// that returns false. A filter that is corrupt is nil. It does not read the blocks
// themselves.
func walk(f io.ReaderAt, size int64, yield func(h header, filter []byte) bool) error {
	var room [4096]byte
	buf := room[:]
	for at := int64(0); at < size; {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), size-at)], at)
		if err != nil && err != io.EOF {
			return err
		}
		if n < headerSize {
			return errTorn
		}
		h, ok := parseHeader(buf)
		if !ok {
			return fmt.Errorf("%w, at byte %d", errCorrupt, at)
		}
		if at+h.size() > size {
			return errTorn
		}
		head := headerSize + 2*int(h.filter)
		if head > n {
			if cap(buf) < head {
				buf = make([]byte, head)
			}
			if _, err := f.ReadAt(buf[:head], at); err != nil {
				return err
			}
		}
		h.offset = at
		filter := buf[headerSize:head]
		if sum(filter) != h.checksum {
			filter = nil
		}
		if !yield(h, filter) {
			return nil
		}
		at += h.size()
	}
	return nil
}

// has reports whether a block with this filter may have a name.
func has(filter []byte, n uint16) bool {
	if filter == nil {
		return true
	}
	for i := 0; i+1 < len(filter); i += 2 {
		if binary.LittleEndian.Uint16(filter[i:]) == n {
			return true
		}
	}
	return false
}

// blockStreams adds the streams of a block.
func (e Extent) blockStreams(h header, stats map[string]*StreamStat) error {
	data := make([]byte, h.streams)
	path := filepath.Join(e.dir, segmentName(h.segment))
	err := readAt(path, data, h.offset+headerSize+2*int64(h.filter))
	if err == nil {
		data, err = e.codec.dec.DecodeAll(data, nil)
	}
	var streams []StreamStat
	if err == nil {
		err = json.Unmarshal(data, &streams)
	}
	if err != nil {
		return fmt.Errorf("%s: the streams of the block at byte %d: %w", path, h.offset, err)
	}
	for _, s := range streams {
		if known := stats[s.Stream]; known != nil {
			known.merge(&s)
		} else {
			stats[s.Stream] = &s
		}
	}
	return nil
}
