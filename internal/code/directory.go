package code

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
)

// Signatures and fixed lengths of a zip file's records, from PKWARE's
// APPNOTE.TXT, 4.3.12 to 4.3.16.
const (
	entrySignature, entryLen = "PK\x01\x02", 46
	endSignature, endLen     = "PK\x05\x06", 22
	end64Signature, end64Len = "PK\x06\x06", 56
	locatorSignature         = "PK\x06\x07"
	locatorLen               = 20
	endWithin                = 65 << 10 // where archive/zip looks for the end record: bytes before the end of the file
)

// crowded reports whether the directory of a zip file has more than limit
// entries. It counts them: how many are declared says little, for archive/zip
// compares only the lower 16 bits of that. Where archive/zip may begin to read
// in more than one place, each counts. What is not a zip file is not crowded.
func crowded(r io.ReaderAt, size int64, limit int) bool {
	tail := make([]byte, min(size, endWithin))
	from := size - int64(len(tail))
	if _, err := r.ReadAt(tail, from); err != nil && err != io.EOF {
		return false
	}
	at := bytes.LastIndex(tail[:max(0, len(tail)-endLen+len(endSignature))], []byte(endSignature))
	if at < 0 {
		return false
	}
	end := from + int64(at)
	length, start := uint64(binary.LittleEndian.Uint32(tail[at+12:])), uint64(binary.LittleEndian.Uint32(tail[at+16:]))
	starts := []int64{end - int64(length), int64(start)}
	if end64, length, start, ok := directory64(r, end); ok {
		starts = append(starts, end64-int64(length), int64(start))
	}
	for _, start := range starts {
		if start >= 0 && start < size && longer(io.NewSectionReader(r, start, size-start), limit) {
			return true
		}
	}
	return false
}

// directory64 reads the end record of a zip64 file, which a locator before the
// old end record leads to.
func directory64(r io.ReaderAt, end int64) (end64 int64, length, start uint64, ok bool) {
	locator := make([]byte, locatorLen)
	if _, err := r.ReadAt(locator, end-locatorLen); err != nil || string(locator[:4]) != locatorSignature {
		return 0, 0, 0, false
	}
	end64 = int64(binary.LittleEndian.Uint64(locator[8:]))
	record := make([]byte, end64Len)
	if _, err := r.ReadAt(record, end64); err != nil || string(record[:4]) != end64Signature {
		return 0, 0, 0, false
	}
	return end64, binary.LittleEndian.Uint64(record[40:]), binary.LittleEndian.Uint64(record[48:]), true
}

// longer reports whether a directory has more than limit entries.
func longer(directory io.Reader, limit int) bool {
	b := bufio.NewReader(directory)
	for range limit + 1 {
		head, err := b.Peek(entryLen)
		if err != nil || string(head[:4]) != entrySignature {
			return false
		}
		name, extra, comment := binary.LittleEndian.Uint16(head[28:]), binary.LittleEndian.Uint16(head[30:]), binary.LittleEndian.Uint16(head[32:])
		if _, err := b.Discard(entryLen + int(name) + int(extra) + int(comment)); err != nil {
			return false
		}
	}
	return true
}
