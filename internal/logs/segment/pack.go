package segment

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
)

// Records have their names and their request in each line, so that a tail is
// good without what came before it. In a block they are packed, which leaves a
// third of what the platform's own lines are for the compressor to see:
//
//	flags byte; time since the record before and delay, as varints; number of the
//	names in this block as a uvarint, and if it is a new one the stream and the
//	function, each after its length as a uvarint; the request, unless it is that
//	of the record before, as 16 bytes or after its length; where in the text the
//	request is, as a uvarint; length of the text as a uvarint, and the text, both
//	without the request
//
// A record that cannot be made again of that is there as it is.
const (
	packSystem   = 1 << iota
	packAsIs     // a whole record after its length, and nothing else
	packSame     // the request is that of the record before
	packUUID     // the request is a UUID in lower case: 16 bytes
	packContains // the text contains the request
)

// near is how far into a text the request is looked for.
const near = 128

const uuidSize = 36

// packer packs the records of a block.
type packer struct {
	names map[string]uint64 // numbers of streams and functions

	stream, function, request []byte // of the record before
	number                    uint64 // of its names
	time                      int64  // and when it was
}

// pack appends records to b in packed form.
func pack(b, raw []byte) []byte {
	p := packer{names: map[string]uint64{}}
	Records(raw, func(r Record) bool {
		b = p.append(b, r)
		return true
	})
	return b
}

func (p *packer) append(b []byte, r Record) []byte {
	if r[20]&^flagSys != 0 {
		b = append(b, packAsIs)
		b = binary.AppendUvarint(b, uint64(len(r)))
		return append(b, r...)
	}
	at := len(b)
	b = append(b, r[20]&flagSys)
	b = binary.AppendVarint(b, r.Nano()-p.time)
	p.time = r.Nano()
	b = binary.AppendVarint(b, int64(r.delay()))
	b = p.appendNames(b, r)
	request, text := r.Request(), r.Text()
	var id [16]byte
	switch {
	case bytes.Equal(request, p.request):
		b[at] |= packSame
	case parseUUID(&id, request):
		b[at] |= packUUID
		b = append(b, id[:]...)
	default:
		b = append(b, byte(len(request)))
		b = append(b, request...)
	}
	p.request = request
	if n := bytes.Index(text[:min(len(text), near)], request); n >= 0 && len(request) > 0 {
		b[at] |= packContains
		b = binary.AppendUvarint(b, uint64(n))
		b = binary.AppendUvarint(b, uint64(len(text)-len(request)))
		b = append(b, text[:n]...)
		return append(b, text[n+len(request):]...)
	}
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}

// appendNames appends the number of a record's names, and new names themselves.
func (p *packer) appendNames(b []byte, r Record) []byte {
	stream, function := r.Stream(), r.Function()
	if len(p.names) > 0 && bytes.Equal(stream, p.stream) && bytes.Equal(function, p.function) {
		return binary.AppendUvarint(b, p.number)
	}
	p.stream, p.function = stream, function
	both := append(binary.AppendUvarint(nil, uint64(len(stream))), stream...)
	both = append(append(both, byte(len(function))), function...)
	n, known := p.names[string(both)]
	if p.number = n; known {
		return binary.AppendUvarint(b, n)
	}
	p.number = uint64(len(p.names))
	p.names[string(both)] = p.number
	return append(binary.AppendUvarint(b, p.number), both...)
}

var errPacked = errors.New("what is in it is no records")

// unpack appends the records that are packed in data to b, which does not get
// longer than size.
func unpack(b, data []byte, size int) ([]byte, error) {
	b = slices.Grow(b, size)
	u := unpacker{rest: data}
	for len(u.rest) > 0 {
		if b = u.append(b, size); u.bad {
			return b, errPacked
		}
	}
	return b, nil
}

type unpacker struct {
	rest    []byte
	bad     bool
	names   []names
	request []byte
	time    int64
	room    [uuidSize]byte
}

type names struct{ stream, function []byte }

func (u *unpacker) append(b []byte, size int) []byte {
	flags := u.byte()
	if flags == packAsIs {
		r := u.bytes(u.uvarint())
		if u.bad = u.bad || len(b)+len(r) > size || len(first(r)) != len(r); u.bad {
			return b
		}
		return append(b, r...)
	}
	u.time += u.varint()
	delay, n := u.varint(), u.uvarint()
	if n == uint64(len(u.names)) {
		u.names = append(u.names, names{u.bytes(u.uvarint()), u.bytes(uint64(u.byte()))})
	}
	if n >= uint64(len(u.names)) {
		u.bad = true
		return b
	}
	who := u.names[n]
	switch {
	case flags&packSame != 0:
	case flags&packUUID != 0:
		id := u.bytes(16)
		if u.bad {
			return b
		}
		u.request = formatUUID(&u.room, id)
	default:
		u.request = u.bytes(uint64(u.byte()))
	}
	before, request := uint64(0), []byte(nil)
	if flags&packContains != 0 {
		before, request = u.uvarint(), u.request
	}
	text := u.bytes(u.uvarint())
	whole := fixed + len(who.stream) + len(who.function) + len(u.request) + len(request) + len(text)
	if u.bad = u.bad || len(b)+whole > size || len(who.stream) > MaxStream || before > uint64(len(text)); u.bad {
		return b
	}
	r := b[len(b) : len(b)+whole]
	binary.LittleEndian.PutUint32(r, uint32(whole))
	binary.LittleEndian.PutUint64(r[4:], uint64(u.time))
	binary.LittleEndian.PutUint32(r[12:], uint32(int32(delay)))
	binary.LittleEndian.PutUint16(r[16:], uint16(len(who.stream)))
	r[18], r[19], r[20] = byte(len(who.function)), byte(len(u.request)), flags&packSystem
	at := fixed
	for _, piece := range [...][]byte{who.stream, who.function, u.request, text[:before], request, text[before:]} {
		at += copy(r[at:], piece)
	}
	return b[:len(b)+whole]
}

func (u *unpacker) bytes(n uint64) []byte {
	if n > uint64(len(u.rest)) {
		u.bad = true
		return nil
	}
	b := u.rest[:n]
	u.rest = u.rest[n:]
	return b
}

func (u *unpacker) byte() byte {
	if b := u.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (u *unpacker) uvarint() uint64 {
	n, size := binary.Uvarint(u.rest)
	if size <= 0 {
		u.bad = true
		return 0
	}
	u.rest = u.rest[size:]
	return n
}

func (u *unpacker) varint() int64 {
	n, size := binary.Varint(u.rest)
	if size <= 0 {
		u.bad = true
		return 0
	}
	u.rest = u.rest[size:]
	return n
}

// parseUUID reads a UUID as this platform writes it, and reports false if it is
// not one, or written otherwise.
func parseUUID(id *[16]byte, text []byte) bool {
	if len(text) != uuidSize || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return false
	}
	var digits [32]byte
	copy(digits[:8], text)
	copy(digits[8:12], text[9:])
	copy(digits[12:16], text[14:])
	copy(digits[16:20], text[19:])
	copy(digits[20:], text[24:])
	for i := range 4 {
		n, ok := unhex(binary.LittleEndian.Uint64(digits[8*i:]))
		if !ok {
			return false
		}
		binary.LittleEndian.PutUint32(id[4*i:], n)
	}
	return true
}

// unhex reads eight hexadecimal digits in lower case at once, a byte of x each.
func unhex(x uint64) (n uint32, ok bool) {
	const each = 0x0101010101010101
	v := x&(0x0f*each) + x>>6&each*9
	again := v + '0'*each + (v+6*each)>>4&each*('a'-'9'-1)
	ok = again == x && v&(0xf0*each) == 0
	v = (v<<4 | v>>8) & 0x00ff00ff00ff00ff
	v = (v | v>>8) & 0x0000ffff0000ffff
	return uint32(v | v>>16), ok
}

func formatUUID(room *[uuidSize]byte, id []byte) []byte {
	hex.Encode(room[:], id[:4])
	hex.Encode(room[9:], id[4:6])
	hex.Encode(room[14:], id[6:8])
	hex.Encode(room[19:], id[8:10])
	hex.Encode(room[24:], id[10:])
	room[8], room[13], room[18], room[23] = '-', '-', '-', '-'
	return room[:]
}
