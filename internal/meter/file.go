package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

const (
	headerSize   = 4096
	slotsPerFile = 256
	fileSize     = headerSize + slotsPerFile*slotSize
	version      = 1
	magic        = "pinfold counters"
)

// file is a mapped file of slots.
type file struct {
	name    string
	data    []byte
	touched atomic.Bool // since it was synced
}

func (f *file) slot(i int) *slot {
	return (*slot)(unsafe.Pointer(&f.data[headerSize+i*slotSize]))
}

// header returns the beginning of every file: magic, version, size of a slot and
// a checksum.
func header() []byte {
	b := append(make([]byte, 0, 32), magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, slotSize)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli()))
}

func fileName(dir string, n int) string {
	return filepath.Join(dir, fmt.Sprintf("counters-%04d.map", n))
}

// fileNumber is the inverse of fileName; 0 if it is not one.
func fileNumber(name string) (n int) {
	_, _ = fmt.Sscanf(filepath.Base(name), "counters-%d.map", &n)
	return n
}

// mapFile maps a file, which is made if it is missing. damage says what had to
// be repaired.
func mapFile(name string) (f *file, damage string, err error) {
	fd, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, "", pinfold.Errorf(pinfold.Unavailable, "opening counters: %w", err)
	}
	defer fd.Close()
	if damage, err = prepare(fd); err != nil {
		return nil, "", pinfold.Errorf(pinfold.CodeOf(err), "opening counters in %s: %w", name, err)
	}
	data, err := unix.Mmap(int(fd.Fd()), 0, fileSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, "", pinfold.Errorf(pinfold.Unavailable, "mapping counters in %s: %w", name, err)
	}
	f = &file{name: name, data: data}
	f.touch()
	return f, damage, nil
}

// prepare gives a file its size and its header. Zeros are written and not left
// out, so that a disk that is full says so here and not when a counter is touched.
func prepare(fd *os.File) (damage string, err error) {
	info, err := fd.Stat()
	if err != nil {
		return "", err
	}
	if size := info.Size(); size < fileSize {
		if _, err := fd.WriteAt(make([]byte, fileSize-size), size); err != nil {
			if size == 0 {
				_ = os.Remove(fd.Name())
			}
			return "", pinfold.Errorf(pinfold.Unavailable, "%w", err)
		}
		if size > headerSize {
			damage = fmt.Sprintf("it was cut to %d bytes", size)
		}
	}
	want := header()
	have := make([]byte, len(want))
	if _, err := fd.ReadAt(have, 0); err != nil {
		return "", err
	}
	if string(have) == string(want) {
		return damage, nil
	}
	sum := len(have) - 4
	if string(have[:len(magic)]) == magic && binary.LittleEndian.Uint32(have[sum:]) == crc32.Checksum(have[:sum], castagnoli()) {
		return "", pinfold.Errorf(pinfold.Invalid, "the file has version %d and slots of %d bytes, this Pinfold knows version %d with %d: use the Pinfold that wrote it",
			binary.LittleEndian.Uint32(have[len(magic):]), binary.LittleEndian.Uint32(have[len(magic)+4:]), version, slotSize)
	}
	if string(have) != string(make([]byte, len(have))) {
		damage = "its header was damaged" // slots have checksums of their own
	}
	_, err = fd.WriteAt(want, 0)
	return damage, err
}

// touch is called after something was written. A load is cheaper where many do it.
func (f *file) touch() {
	if !f.touched.Load() {
		f.touched.Store(true)
	}
}

// sync returns when what is in the file survives a loss of power. One that nothing
// was written to is left alone: even so the disk would write out what it has in its
// cache, for each file, and everything else that is written would wait for that.
func (f *file) sync() error {
	if !f.touched.Swap(false) {
		return nil
	}
	if err := unix.Msync(f.data, unix.MS_SYNC); err != nil {
		f.touch() // to be tried again
		return pinfold.Errorf(pinfold.Unavailable, "syncing %s: %w", f.name, err)
	}
	return nil
}

func (f *file) unmap() error { return unix.Munmap(f.data) }

// guard runs do, which touches mapped memory. Where the file behind it cannot be
// read or written any more, the kernel says so with a signal; that ends do and
// becomes an error.
func guard(do func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if fault := faultOf(recover()); fault != nil {
			err = pinfold.Errorf(pinfold.Unavailable, "a file of counters cannot be read or written (%w): is its disk full or broken, or was the file cut?", fault)
		}
	}()
	return do()
}

// faultOf returns what is recovered from a panic if it is a fault of memory, and
// panics again if it is anything else.
func faultOf(recovered any) error {
	if recovered == nil {
		return nil
	}
	err, _ := recovered.(error)
	if fault := interface{ Addr() uintptr }(nil); !errors.As(err, &fault) {
		panic(recovered)
	}
	return err
}
