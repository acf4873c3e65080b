package segment

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var begin = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC).UnixNano()

func config(t testing.TB) Config {
	codec, err := NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	return Config{Codec: codec, BlockBytes: 1000, SegmentBytes: 10_000, KeepBytes: 1 << 30}
}

// put appends a line.
func put(t testing.TB, j *Journal, second int, request, stream, text string) {
	t.Helper()
	r := Append(nil, NewOrigin(stream, "f"), begin+int64(second)*1e9, 0, request, false, text)
	if n, err := j.Append(r); n != 1 || err != nil {
		t.Fatal(n, err)
	}
}

// scanned returns the texts that a scan gives, and the error that it ends with.
func scanned(t testing.TB, j *Journal, f Filter) (texts []string, err error) {
	t.Helper()
	e, err := j.Extent()
	if err != nil {
		t.Fatal(err)
	}
	for entry, e := range e.Scan(t.Context(), f) {
		if err != nil {
			t.Fatalf("%q comes after %v", entry.Record, err)
		}
		if err = e; err == nil {
			texts = append(texts, string(entry.Record.Text()))
		}
	}
	return texts, err
}

func files(t testing.TB, dir, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestRecord(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 123456789, time.UTC)
	long := strings.Repeat("x", 300)
	r := first(Append([]byte{}, NewOrigin("a/b[1]c", "hello"), at.UnixNano(), -90*time.Minute, long, true, []byte("te\x00xt")))
	if !r.Time().Equal(at) || !r.Ingested().Equal(at.Add(-90*time.Minute)) || !r.System() || string(r.Stream()) != "a/b[1]c" ||
		string(r.Function()) != "hello" || string(r.Request()) != long[:MaxName] || string(r.Text()) != "te\x00xt" {
		t.Errorf("%q", r)
	}
}

// TestScan compares what a journal finds with what a list of all lines has, for
// lines whose times jump.
func TestScan(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	dir := t.TempDir()
	c := config(t)
	c.SegmentBytes = 5000
	j := New(dir, c)
	type line struct {
		second                int
		request, stream, text string
	}
	var all []line
	for i := range 1000 {
		second := i
		if i%10 == 0 {
			second = random.IntN(2000) - 500
		}
		l := line{second, fmt.Sprint("r", i/3), fmt.Sprint("s", random.IntN(5)), fmt.Sprint("text ", i)}
		all = append(all, l)
		put(t, j, l.second, l.request, l.stream, l.text)
	}
	slices.SortStableFunc(all, func(a, b line) int { return a.second - b.second })
	check := func(j *Journal, when string) {
		t.Helper()
		for name, f := range map[string]Filter{
			"all":     {},
			"times":   {From: begin + 100e9, To: begin + 200e9},
			"request": {Request: "r77"},
			"stream":  {Stream: "s3", From: begin + 500e9},
			"want":    {Want: func(e Entry) bool { return bytes.HasSuffix(e.Record.Text(), []byte("7")) }},
			"may":     {May: func(raw []byte) bool { return bytes.Contains(raw, []byte("text 5")) }, Want: func(e Entry) bool { return bytes.HasPrefix(e.Record.Text(), []byte("text 5")) }},
			"nothing": {Request: "r999"},
		} {
			var want []string
			for _, l := range all {
				at := begin + int64(l.second)*1e9
				if (f.From == 0 || at >= f.From) && (f.To == 0 || at < f.To) && (f.Request == "" || l.request == f.Request) && (f.Stream == "" || l.stream == f.Stream) &&
					(name != "want" || strings.HasSuffix(l.text, "7")) && (name != "may" || strings.HasPrefix(l.text, "text 5")) {
					want = append(want, l.text)
				}
			}
			for range 2 {
				got, err := scanned(t, j, f)
				if err != nil || !slices.Equal(got, want) {
					t.Errorf("%s, %s, reverse %v: %d lines %.50q, want %d lines %.50q, %v", when, name, f.Reverse, len(got), got, len(want), want, err)
				}
				f.Reverse = true
				slices.Reverse(want)
			}
		}
	}
	if n := len(files(t, dir, "*.seg")); n < 3 {
		t.Errorf("%d segments", n)
	}
	check(j, "written")
	check(New(dir, config(t)), "opened again")
	stats := map[string]*StreamStat{}
	e, _ := j.Extent()
	if err := e.Streams(stats); err != nil || len(stats) != 5 {
		t.Fatal(stats, err)
	}
	for name, s := range stats {
		lines, first, last := 0, int64(1<<62), int64(-1<<62)
		for _, l := range all {
			if at := begin + int64(l.second)*1e9; l.stream == name {
				lines, first, last = lines+1, min(first, at), max(last, at)
			}
		}
		if s.Lines != lines || s.First != first || s.Last != last || s.Function != "f" || s.Ingested != last {
			t.Errorf("stream %s: %+v, want %d lines from %d to %d", name, s, lines, first, last)
		}
	}
}

// TestReadsLittle counts blocks that a search takes apart.
func TestReadsLittle(t *testing.T) {
	j := New(t.TempDir(), config(t))
	for i := range 5000 {
		put(t, j, i, fmt.Sprint("request-", i/3), fmt.Sprint("stream-", i/50), fmt.Sprint("text ", i))
	}
	for name, f := range map[string]Filter{
		"request": {Request: "request-777"},
		"stream":  {Stream: "stream-77"},
		"time":    {From: begin + 2000e9, To: begin + 2010e9},
	} {
		blocks := 0
		f.May = func([]byte) bool { blocks++; return true }
		if got, err := scanned(t, j, f); len(got) == 0 || err != nil || blocks > 8 {
			t.Errorf("%s: %d lines in %d blocks, %v", name, len(got), blocks, err)
		}
	}
}

func TestLargeBatchesBecomeBlocks(t *testing.T) {
	dir := t.TempDir()
	j := New(dir, config(t))
	put(t, j, 0, "", "s", "first")
	var batch []byte
	for i := range 100 {
		batch = Append(batch, NewOrigin("s", "f"), begin+int64(i+1)*1e9, 0, "", false, fmt.Sprint("text ", i))
	}
	if n, err := j.Append(batch); n != 100 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := j.Append(Append(nil, NewOrigin("s", "f"), begin+200e9, 0, "", false, strings.Repeat("x", 5000))); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	for _, j := range []*Journal{j, New(dir, config(t))} {
		got, err := scanned(t, j, Filter{})
		if len(got) != 102 || got[0] != "first" || got[100] != "text 99" || err != nil {
			t.Errorf("%d lines, %.100q, %v", len(got), got, err)
		}
	}
}

// TestCrashes cuts off more and more of what is on disk, and puts back a
// tail that is in a block already.
func TestCrashes(t *testing.T) {
	dir := t.TempDir()
	j := New(dir, config(t))
	put(t, j, 0, "", "s", "text 0")
	tail := files(t, dir, "*.tail")[0]
	old, err := os.ReadFile(tail)
	if err != nil {
		t.Fatal(err)
	}
	n := 1
	for ; len(files(t, dir, "*.seg")) == 0; n++ {
		put(t, j, n, "", "s", fmt.Sprint("text ", n))
	}
	for range 3 {
		put(t, j, n, "", "s", fmt.Sprint("text ", n))
		n++
	}
	if err := os.WriteFile(tail, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := scanned(t, New(dir, config(t)), Filter{}); len(got) != n || err != nil {
		t.Errorf("with an old tail: %d lines, want %d, %v", len(got), n, err)
	}
	tail = files(t, dir, "*.tail")[0]
	whole, err := os.ReadFile(tail)
	if err != nil {
		t.Fatal(err)
	}
	for size := len(whole) - 1; size >= 0; size -= 3 {
		if err := os.WriteFile(tail, whole[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		j := New(dir, config(t))
		want := n - 3 + size*3/len(whole)
		if got, err := scanned(t, j, Filter{}); len(got) != want || err != nil {
			t.Fatalf("with %d of %d bytes of the tail: %d lines, want %d, %v", size, len(whole), len(got), want, err)
		}
		put(t, j, n, "", "s", "after")
		if got, err := scanned(t, New(dir, config(t)), Filter{}); len(got) != want+1 || err != nil {
			t.Fatalf("and another line: %d lines, want %d, %v", len(got), want+1, err)
		}
	}
}

// TestTornBlock ends while a block is being written: its lines are still in the
// tail.
func TestTornBlock(t *testing.T) {
	dir := t.TempDir()
	j := New(dir, config(t))
	n := 0
	var tail []byte
	for ; len(files(t, dir, "*.seg")) == 0; n++ {
		if n > 0 {
			tail, _ = os.ReadFile(files(t, dir, "*.tail")[0])
		}
		put(t, j, n, "", "s", fmt.Sprint("text ", n))
	}
	segment := files(t, dir, "*.seg")[0]
	whole, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	for size := 0; size < len(whole); size += 7 {
		for _, path := range files(t, dir, "*") {
			os.Remove(path)
		}
		if err := errors.Join(os.WriteFile(segment, whole[:size], 0o600), os.WriteFile(filepath.Join(dir, tailName(0)), tail, 0o600)); err != nil {
			t.Fatal(err)
		}
		j := New(dir, config(t))
		for i := range 5 {
			if i > 0 {
				put(t, j, n, "", "s", "after")
			}
			if got, err := scanned(t, j, Filter{}); len(got) != n-1+i || err != nil {
				t.Fatalf("%d of %d bytes: %d lines, want %d, %v", size, len(whole), len(got), n-1+i, err)
			}
		}
	}
}

// TestCorruptByte changes bytes of a segment, one at a time: that costs a block, or what
// follows a head, and is said, or, in a filter, nothing; the other segments are whole.
func TestCorruptByte(t *testing.T) {
	dir := t.TempDir()
	c := config(t)
	c.SegmentBytes = 1500
	j := New(dir, c)
	const lines = 500
	for i := range lines {
		put(t, j, i, "", "s", fmt.Sprint("text ", i))
	}
	all := files(t, dir, "*.seg")
	if len(all) < 3 {
		t.Fatalf("%d segments", len(all))
	}
	data, err := os.ReadFile(all[1])
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(data); i += 3 {
		data[i] ^= 0x55
		if err := os.WriteFile(all[1], data, 0o600); err != nil {
			t.Fatal(err)
		}
		data[i] ^= 0x55
		for _, j := range []*Journal{j, New(dir, c)} {
			got, err := scanned(t, j, Filter{})
			if len(got) == 0 || got[0] != "text 0" || got[len(got)-1] != fmt.Sprint("text ", lines-1) || err == nil && len(got) < lines {
				t.Fatalf("byte %d of %d: %d lines, %v", i, len(data), len(got), err)
			}
			if err != nil && !strings.Contains(err.Error(), filepath.Base(all[1])) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	}
}

func TestWritesAfterCorruption(t *testing.T) {
	dir := t.TempDir()
	j := New(dir, config(t))
	for i := range 50 {
		put(t, j, i, "", "s", fmt.Sprint("text ", i))
	}
	last := files(t, dir, "*.seg")[0]
	data, _ := os.ReadFile(last)
	data[10] ^= 1
	if err := os.WriteFile(last, data, 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := scanned(t, New(dir, config(t)), Filter{})
	if err == nil {
		t.Error("the corrupt head is not told")
	}
	j = New(dir, config(t))
	for i := range 50 {
		put(t, j, 100+i, "", "s", fmt.Sprint("after ", i))
	}
	after, err := scanned(t, New(dir, config(t)), Filter{})
	if len(after) != len(before)+50 || err == nil {
		t.Errorf("%d lines, before there were %d, %v", len(after), len(before), err)
	}
}

// TestReadsWhileItGoesOn takes an extent, after which its tail becomes a block and
// its segments go.
func TestReadsWhileItGoesOn(t *testing.T) {
	dir := t.TempDir()
	c := config(t)
	j := New(dir, c)
	n := 0
	for ; n < 35; n++ {
		put(t, j, n, "", "s", fmt.Sprint("text ", n))
	}
	e, err := j.Extent()
	if err != nil {
		t.Fatal(err)
	}
	count := func() (n int) {
		for _, err := range e.Scan(t.Context(), Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	for ; n < 300; n++ {
		put(t, j, n, "", "s", fmt.Sprint("text ", n))
		if got := count(); got != 35 {
			t.Fatalf("%d lines after %d are written", got, n)
		}
	}
	j.config.KeepBytes = 1
	for ; n < 2000; n++ {
		put(t, j, n, "", "s", fmt.Sprint("text ", n))
	}
	if got := count(); got != 0 {
		t.Errorf("%d lines of segments that are gone", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e, _ = j.Extent()
	for _, err := range e.Scan(ctx, Filter{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

func TestTrim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		j := New(dir, config(t))
		day := func(i int) time.Time { return time.Date(2000, 1, 1+i, 0, 0, 0, 0, time.UTC) }
		for d := range 10 {
			for i := range 30 {
				at := time.Now().Add(time.Duration(i) * time.Second)
				if _, err := j.Append(Append(nil, NewOrigin("s", "f"), at.UnixNano(), 0, "", false, fmt.Sprintf("day %d", d))); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(24*time.Hour + time.Minute)
		}
		before, err := j.Size()
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Trim(day(5)); err != nil {
			t.Fatal(err)
		}
		size, _ := j.Size()
		got, err := scanned(t, j, Filter{})
		if err != nil || got[0] != "day 4" || got[len(got)-1] != "day 9" || size > before*2/3 {
			t.Errorf("%d lines from %q, %d of %d bytes, %v", len(got), got[0], size, before, err)
		}
		for range 3 {
			if err := j.Trim(day(20)); err != nil {
				t.Fatal(err)
			}
		}
		if size, err := j.Size(); size != 0 || err != nil || len(files(t, dir, "*")) > 0 {
			t.Errorf("%d bytes are left, %v", size, err)
		}
		put(t, j, 1, "", "s", "and on")
		if got, err := scanned(t, j, Filter{}); len(got) != 1 || err != nil {
			t.Error(got, err)
		}
	})
}

// FuzzWalk reads what is no segment.
func FuzzWalk(f *testing.F) {
	codec, err := NewCodec()
	if err != nil {
		f.Fatal(err)
	}
	_, block, err := codec.block(Append(nil, NewOrigin("s", "f"), 1, 0, "r", false, "text"), 7)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(block)
	f.Add(block[:len(block)-1])
	f.Add(append(slices.Clone(block), block...))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)), data, 0o600); err != nil {
			t.Fatal(err)
		}
		j := New(dir, Config{Codec: codec, BlockBytes: 1000, SegmentBytes: 10_000, KeepBytes: 1 << 30})
		before, _ := scanned(t, j, Filter{})
		put(t, j, 1, "", "s", "after")
		if after, _ := scanned(t, j, Filter{}); len(after) != len(before)+1 {
			t.Errorf("%q and then %q", before, after)
		}
	})
}

// TestVersion1 reads a journal as it was before records were packed, and goes on
// with it.
func TestVersion1(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/version1")); err != nil {
		t.Fatal(err)
	}
	j := New(dir, config(t))
	for round := range 2 {
		n := 0
		extent, err := j.Extent()
		if err != nil {
			t.Fatal(err)
		}
		for e, err := range extent.Scan(t.Context(), Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			if i := n / 2; n < 120 {
				want := fmt.Sprintf("START RequestId: %s Version: $LATEST", e.Record.Request())
				if n%2 == 1 {
					want = fmt.Sprintf("line %d, broken \xff, of %s", i, e.Record.Request())
				}
				if string(e.Record.Text()) != want || string(e.Record.Function()) != fmt.Sprint("f", i%2) || e.Sequence != uint64(n) {
					t.Errorf("%d: %q", e.Sequence, e.Record)
				}
			}
			n++
		}
		if want := 120 + 100*round; n != want {
			t.Errorf("%d lines, want %d", n, want)
		}
		for i := range 100 { // some of which become blocks, with what was in the old tail
			put(t, j, 10_000_000+i, "r", "s", "later")
		}
	}
}

// FuzzPack packs and unpacks what may be records, and unpacks what was not packed.
func FuzzPack(f *testing.F) {
	o := NewOrigin("s", "f")
	id := "766369b9-a2b7-459d-9eb6-924d06879992"
	records := Append(nil, o, 1<<60, time.Second, id, true, "START RequestId: "+id+" Version: $LATEST")
	records = Append(records, o, 1<<60-5, 0, id, false, "of "+strings.ToUpper(id)+" and "+id+id)
	records = Append(records, NewOrigin("sf", ""), math.MinInt64, -time.Second, "766369b9-a2b7-459D-9eb6-924d06879992", true, "")
	records = Append(records, NewOrigin("", "sf"), math.MaxInt64, 0, "", false, id)
	records = Append(records, o, 0, 0, "r", false, "rrr")
	f.Add(records)
	odd := Append(nil, o, 1, 0, id, false, "with a flag that nobody knows")
	odd[20] |= 64
	f.Add(append(odd, records...))
	f.Add(pack(nil, records))
	f.Fuzz(func(t *testing.T, data []byte) {
		size := 0
		Records(data, func(r Record) bool { size += len(r); return true })
		raw := data[:size]
		packed := pack(nil, raw)
		if len(packed) > 2*size {
			t.Errorf("%d bytes became %d", size, len(packed))
		}
		if got, err := unpack(nil, packed, size); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%q came back as\n%q, %v", raw, got, err)
		}
		got, err := unpack(nil, data, 1000)
		n := 0
		Records(got, func(r Record) bool { n += len(r); return true })
		if len(got) > 1000 || n != len(got) {
			t.Errorf("%d bytes, %v, %q", len(got), err, got)
		}
	})
}

// FuzzRecords reads what are no records.
func FuzzRecords(f *testing.F) {
	f.Add(Append(Append(nil, NewOrigin("s", "f"), 1, 0, "r", false, "text"), NewOrigin("", ""), 2, 0, "", true, ""))
	f.Add(make([]byte, 100))
	f.Fuzz(func(t *testing.T, data []byte) {
		n := 0
		Records(data, func(r Record) bool {
			if n += len(r); len(r) != len(r.Stream())+len(r.Function())+len(r.Request())+len(r.Text())+fixed {
				t.Errorf("%q", r)
			}
			return true
		})
		if n > len(data) {
			t.Errorf("%d of %d bytes", n, len(data))
		}
	})
}
