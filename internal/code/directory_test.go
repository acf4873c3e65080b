package code

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
)

// directoryOf makes a zip file that is nothing but a directory of n entries
// without names, and says that it has fewer; behind it, what is needed for zip64.
func directoryOf(n int, zip64 bool) []byte {
	entry := make([]byte, entryLen)
	copy(entry, entrySignature)
	file := bytes.Repeat(entry, n)
	size, little := uint64(len(file)), binary.LittleEndian
	records, length, start := uint16(n), uint32(size), uint32(0) // as archive/zip wants it: the lower 16 bits
	if zip64 {
		end64 := make([]byte, end64Len)
		copy(end64, end64Signature)
		little.PutUint64(end64[32:], uint64(uint16(n)))
		little.PutUint64(end64[40:], size)
		locator := make([]byte, locatorLen)
		copy(locator, locatorSignature)
		little.PutUint64(locator[8:], size)
		little.PutUint32(locator[16:], 1)
		file = append(append(file, end64...), locator...)
		records, length, start = 0xffff, 0xffffffff, 0xffffffff
	}
	end := make([]byte, endLen)
	copy(end, endSignature)
	little.PutUint16(end[10:], records)
	little.PutUint32(end[12:], length)
	little.PutUint32(end[16:], start)
	return append(file, end...)
}

// A directory of a million entries is small, but a million objects are not.
func TestACrowdedDirectoryCostsNothing(t *testing.T) {
	for name, zip64 := range map[string]bool{"zip": false, "zip64": true} {
		file := directoryOf(1<<20+1, zip64)
		if len(file) > int(DefaultLimits.Zipped) {
			t.Fatal("the file is too large to be a danger")
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := inspect(bytes.NewReader(file), int64(len(file)), DefaultLimits, false)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.HasPrefix(err.Error(), awsText+"It has more than 200000 files and folders.") {
			t.Errorf("%s: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%s: finding that out took %d bytes", name, used)
		}
	}
}

func TestCrowdedCountsWhatArchiveZipReads(t *testing.T) {
	const n = 70_000 // more than 16 bits hold
	plain := directoryOf(n, false)
	moved := append(bytes.Repeat([]byte("#"), 1000), plain...) // a self-extracting file
	absolute := bytes.Clone(moved)
	binary.LittleEndian.PutUint32(absolute[len(absolute)-6:], 1000) // that knows where it is
	for name, test := range map[string]struct {
		file  []byte
		found int
	}{
		"plain":               {plain, n},
		"zip64":               {directoryOf(n, true), n},
		"moved":               {moved, n},
		"moved, and knows it": {absolute, n},
		"a comment":           {withComment(plain, 65_535), n},
		"more behind it":      {append(bytes.Clone(plain), make([]byte, 65<<10-endLen)...), n},
		"too much behind it":  {append(bytes.Clone(plain), make([]byte, 65<<10)...), 0},
	} {
		if found := wantCounted(t, name, test.file); found != test.found {
			t.Errorf("%s: archive/zip finds %d entries; the test expects %d", name, found, test.found)
		}
	}
}

func withComment(file []byte, n int) []byte {
	file = append(bytes.Clone(file), make([]byte, n)...)
	binary.LittleEndian.PutUint16(file[len(file)-n-2:], uint16(n))
	return file
}

// wantCounted makes sure that no fewer entries are counted than archive/zip
// makes objects of, and returns how many those are.
func wantCounted(t *testing.T, name string, file []byte) int {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(file), int64(len(file)))
	if err != nil || len(z.File) == 0 {
		return 0
	}
	if !crowded(bytes.NewReader(file), int64(len(file)), len(z.File)-1) {
		t.Errorf("%s: archive/zip finds %d entries, crowded fewer", name, len(z.File))
	}
	return len(z.File)
}

func FuzzCrowded(f *testing.F) {
	for _, test := range refused(f) {
		f.Add(test.file)
	}
	f.Add(directoryOf(3, false))
	f.Add(directoryOf(3, true))
	f.Add(append([]byte("#!"), directoryOf(3, false)...))
	f.Add(withComment(directoryOf(3, false), 2000))
	f.Fuzz(func(t *testing.T, file []byte) { wantCounted(t, "", file) })
}
