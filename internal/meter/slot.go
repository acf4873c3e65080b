package meter

import (
	"crypto/rand"
	"encoding/json"
	"hash/crc32"
	"math/bits"
	"sync/atomic"
	"time"
	"unsafe"

	"pinfold.dev/pinfold"
)

// Histograms are the same for everybody and for ever: they can be added up.
const (
	durationBuckets = 21 // bucket i: up to 2^i ms
	peakBuckets     = 41 // bucket 0: under 16 MB; then four for each doubling
)

// What a slot is there for.
const (
	slotFree    = 0
	slotUsed    = 1
	slotFolding = 2 // its line may be in the ledger already
)

const (
	slotSize = 1024
	keySize  = 432
)

// slot is a slot as it is in a mapped file, in the byte order of the machine. It
// lies within one page. Everything but counts is written before state says that
// it is used, and not changed until it is free again.
type slot struct {
	state  atomic.Uint64
	sum    uint32 // of what follows up to the end of the key
	length uint32 // of the key
	id     [16]byte
	key    [keySize]byte // a key as JSON
	counts tally
}

// A slot that is not of this size does not compile.
var _ [slotSize]byte = [unsafe.Sizeof(slot{})]byte{}

// tally is what is counted. The number of requests is the sum of durations.
type tally struct {
	billed, billed100 atomic.Uint64 // ms, in blocks of 1 ms and of 100 ms
	bytesOut          atomic.Uint64
	errors, cold      atomic.Uint64
	init              atomic.Uint64 // us
	cpu               atomic.Uint64 // ns
	peak              atomic.Uint64 // MB; the highest
	durations         [durationBuckets]atomic.Uint64
	peaks             [peakBuckets]atomic.Uint64
}

// key says what a slot counts.
type key struct {
	Day          Day    `json:"day"`
	Account      string `json:"account"`
	Region       string `json:"region"`
	Name         string `json:"name"`
	Version      string `json:"version"`
	MemoryMB     int    `json:"memoryMB"`
	Architecture string `json:"architecture"`
}

func keyOf(v *pinfold.Version, day Day) key {
	arch := v.Config.Architecture
	if arch == "" {
		arch = X86
	}
	return key{day, v.Ref.Account, v.Ref.Region, v.Ref.Name, v.Ref.Qualifier, v.Config.MemoryMB, arch}
}

// fill makes a slot that nobody uses one of a key. It reports false if the key
// is too long, which no valid function's is.
func (s *slot) fill(k key) bool {
	text, err := json.Marshal(k)
	if err != nil || len(text) > keySize {
		return false
	}
	s.counts.clear()
	_, _ = rand.Read(s.id[:]) // never fails
	s.length = uint32(copy(s.key[:], text))
	s.sum = s.checksum()
	s.state.Store(slotUsed)
	return true
}

// read returns what a slot in use is of. It reports false if it is damaged.
func (s *slot) read() (k key, ok bool) {
	if state := s.state.Load(); state != slotUsed && state != slotFolding || s.length > keySize || s.sum != s.checksum() {
		return k, false
	}
	err := json.Unmarshal(s.key[:s.length], &k)
	return k, err == nil
}

func (s *slot) checksum() uint32 {
	sum := crc32.Checksum(s.id[:], castagnoli())
	return crc32.Update(sum, castagnoli(), s.key[:min(s.length, keySize)])
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) } // made once, by the library

// delta is what one execution adds.
type delta struct {
	billed, billed100, bytesOut, init, cpu, peak uint64
	failed, cold                                 bool
}

func deltaOf(e *pinfold.Execution) delta {
	ms := amount(e.Billed+time.Millisecond-1) / uint64(time.Millisecond)
	return delta{
		billed:    ms,
		billed100: (ms + 99) / 100 * 100,
		bytesOut:  amount(e.BytesOut),
		init:      amount(e.Phases.Init) / uint64(time.Microsecond),
		cpu:       amount(e.CPU),
		peak:      amount(e.PeakMB),
		failed:    e.Status != "" || e.Failure != "",
		cold:      e.Cold != pinfold.Warm,
	}
}

// amount returns n, or 0 if a clock or a sensor went backwards.
func amount[N ~int | ~int64](n N) uint64 { return uint64(max(n, 0)) }

// add adds one execution. What is paid for comes first.
func (t *tally) add(d *delta) {
	t.billed.Add(d.billed)
	t.billed100.Add(d.billed100)
	t.durations[durationBucket(d.billed)].Add(1)
	t.peaks[peakBucket(d.peak)].Add(1)
	if d.bytesOut > 0 {
		t.bytesOut.Add(d.bytesOut)
	}
	if d.cpu > 0 {
		t.cpu.Add(d.cpu)
	}
	if d.init > 0 {
		t.init.Add(d.init)
	}
	if d.failed {
		t.errors.Add(1)
	}
	if d.cold {
		t.cold.Add(1)
	}
	for old := t.peak.Load(); d.peak > old && !t.peak.CompareAndSwap(old, d.peak); old = t.peak.Load() {
	}
}

// all returns the counters, for what is done to each of them.
func (t *tally) all() *[unsafe.Sizeof(tally{}) / 8]atomic.Uint64 {
	return (*[unsafe.Sizeof(tally{}) / 8]atomic.Uint64)(unsafe.Pointer(t))
}

func (t *tally) clear() {
	for i := range t.all() {
		t.all()[i].Store(0)
	}
}

func (t *tally) copyTo(to *tally) {
	for i := range t.all() {
		to.all()[i].Store(t.all()[i].Load())
	}
}

// read returns what has been counted for so much memory.
func (t *tally) read(memoryMB int) Counts {
	c := Counts{
		Errors: t.errors.Load(), Cold: t.cold.Load(),
		BilledMS: t.billed.Load(), Billed100MS: t.billed100.Load(),
		BytesOut: t.bytesOut.Load(), PeakMB: int(t.peak.Load()),
		Init: time.Duration(t.init.Load()) * time.Microsecond, CPU: time.Duration(t.cpu.Load()),
	}
	for i := range t.durations {
		c.Durations[i] = t.durations[i].Load()
	}
	for i := range t.peaks {
		c.Peaks[i] = t.peaks[i].Load()
	}
	c.derive(memoryMB)
	return c
}

func durationBucket(ms uint64) int {
	return min(bits.Len64(max(ms, 1)-1), durationBuckets-1)
}

func peakBucket(mb uint64) int {
	if mb < 16 {
		return 0
	}
	octave := bits.Len64(mb) - 1
	return min((octave-4)*4+int(mb>>(octave-2)&3)+1, peakBuckets-1)
}

// peakBound returns the memory in MB that no peak in a bucket reaches.
func peakBound(bucket int) int {
	if bucket == 0 {
		return 16
	}
	octave, quarter := (bucket-1)/4+4, (bucket-1)%4
	return (5 + quarter) << (octave - 2)
}
