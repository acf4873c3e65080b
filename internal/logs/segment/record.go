package segment

import (
	"encoding/binary"
	"math"
	"time"
)

// Record is one line in the form that it has on disk and on its way there:
//
//	size of all uint32, time int64, delay int32, length of stream uint16, of
//	function uint8, of request uint8, flags uint8; stream; function; request; text
//
// in little endian. Its methods may be called if it is whole, as all are that
// this package hands out.
type Record []byte

const (
	fixed     = 21
	flagSys   = 1
	MaxName   = math.MaxUint8  // longest function name and request id; more is cut
	MaxStream = math.MaxUint16 // longest stream name
	// MaxRecord is the size of the largest record.
	MaxRecord = 4 << 20
)

// Origin is what all lines of one source have in common.
type Origin struct {
	head  [fixed]byte
	names string
}

// NewOrigin returns the origin of a stream's lines; function is "" for those
// that no function wrote.
func NewOrigin(stream, function string) *Origin {
	stream, function = stream[:min(len(stream), MaxStream)], function[:min(len(function), MaxName)]
	o := &Origin{names: stream + function}
	binary.LittleEndian.PutUint16(o.head[16:], uint16(len(stream)))
	o.head[18] = byte(len(function))
	return o
}

// Append appends a record to b. at is in nanoseconds since 1970, delay how much
// later it came here.
func Append[Text string | []byte](b []byte, o *Origin, at int64, delay time.Duration, request string, system bool, text Text) []byte {
	request = request[:min(len(request), MaxName)]
	start := len(b)
	b = append(b, o.head[:]...)
	h := b[start:]
	binary.LittleEndian.PutUint32(h, uint32(fixed+len(o.names)+len(request)+len(text)))
	binary.LittleEndian.PutUint64(h[4:], uint64(at))
	binary.LittleEndian.PutUint32(h[12:], uint32(int32(delay.Milliseconds())))
	h[19] = byte(len(request))
	if system {
		h[20] = flagSys
	}
	b = append(b, o.names...)
	b = append(b, request...)
	return append(b, text...)
}

// first returns the record that data begins with, or nil if there is no whole
// one.
func first(data []byte) Record {
	if len(data) < fixed {
		return nil
	}
	size := binary.LittleEndian.Uint32(data)
	r := Record(data)
	if uint64(size) > uint64(len(data)) || int(size) < r.textAt() {
		return nil
	}
	return r[:size]
}

// Records calls yield for each record in data, which is whole ones alone.
func Records(data []byte, yield func(Record) bool) {
	for len(data) > 0 {
		r := first(data)
		if r == nil || !yield(r) {
			return
		}
		data = data[len(r):]
	}
}

func (r Record) functionAt() int { return fixed + int(binary.LittleEndian.Uint16(r[16:])) }
func (r Record) requestAt() int  { return r.functionAt() + int(r[18]) }
func (r Record) textAt() int     { return r.requestAt() + int(r[19]) }

// Nano returns the record's time in nanoseconds since 1970.
func (r Record) Nano() int64 { return int64(binary.LittleEndian.Uint64(r[4:])) }

// Time returns the record's time.
func (r Record) Time() time.Time { return time.Unix(0, r.Nano()).UTC() }

// Ingested returns when it came here, to the millisecond.
func (r Record) Ingested() time.Time { return time.Unix(0, r.ingested()).UTC() }

func (r Record) ingested() int64 { return r.Nano() + int64(r.delay())*int64(time.Millisecond) }

// delay is how much later it came here, in milliseconds.
func (r Record) delay() int32 { return int32(binary.LittleEndian.Uint32(r[12:])) }

// System reports whether the platform wrote it.
func (r Record) System() bool { return r[20]&flagSys != 0 }

// Stream returns the name of its stream. Like all the following it is a part of
// the record.
func (r Record) Stream() []byte { return r[fixed:r.functionAt()] }

// Function returns the name of the function that wrote it, or nothing.
func (r Record) Function() []byte { return r[r.functionAt():r.requestAt()] }

// Request returns the id of the request that it belongs to, or nothing.
func (r Record) Request() []byte { return r[r.requestAt():r.textAt()] }

// Text returns what was written.
func (r Record) Text() []byte { return r[r.textAt():] }
