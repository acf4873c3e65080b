package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/record/recordtest"
)

func TestConformance(t *testing.T) {
	for _, rows := range []int{7, 100, 0} {
		t.Run(fmt.Sprint("rows=", rows), func(t *testing.T) {
			recordtest.Run(t, func(t *testing.T, dir string) pinfold.RecordStore { return open(t, dir, rows) })
		})
	}
}

func open(t testing.TB, dir string, rows int) *Store {
	t.Helper()
	s, err := Open(Config{Dir: dir, SegmentRows: rows})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var noon = time.Date(2024, 5, 6, 12, 0, 0, 0, time.UTC)

// numbered returns records with the numbers from and on, one a second.
func numbered(from, n int) (all []pinfold.Record) {
	for i := from; i < from+n; i++ {
		all = append(all, pinfold.Record{
			RequestID: fmt.Sprint(i), Trace: pinfold.TraceID{byte(i), byte(i >> 8), 1}, Time: noon.Add(time.Duration(i) * time.Second),
			Function: fmt.Sprint("f", i%5), Status: "ok", Handler: time.Duration(i) * time.Microsecond,
		})
	}
	return all
}

func appendTo(t testing.TB, s *Store, records ...pinfold.Record) {
	t.Helper()
	if err := s.Append(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

// ids returns what a query finds, and its error.
func ids(t testing.TB, s *Store, q pinfold.RecordQuery) (all []string, err error) {
	for r, e := range s.Query(t.Context(), q) {
		if err != nil {
			t.Fatal("something comes after the error")
		}
		if err = e; e == nil {
			all = append(all, r.RequestID)
		}
	}
	return all, err
}

func count(t testing.TB, s *Store, q pinfold.RecordQuery, want int) {
	t.Helper()
	if got, err := ids(t, s, q); err != nil || len(got) != want {
		t.Errorf("%d records, %v; want %d", len(got), err, want)
	}
}

func files(t testing.TB, dir, pattern string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

// Every page of a long query has its turn, across segments and the journal.
func TestLongQueries(t *testing.T) {
	const all = maxPage + 3000
	s := open(t, t.TempDir(), 0)
	for from := 0; from < all; from += 1000 {
		appendTo(t, s, numbered(from, min(1000, all-from))...)
	}
	for _, q := range []pinfold.RecordQuery{{}, {Slowest: true}, {Limit: all - 1}, {Function: "f3"}} {
		want := all - 1
		n := 0
		for r, err := range s.Query(t.Context(), q) {
			for err == nil && q.Function != "" && want%5 != 3 {
				want--
			}
			if err != nil || r.RequestID != fmt.Sprint(want) {
				t.Fatalf("%+v: %q, %v; want %d", q, r.RequestID, err, want)
			}
			want--
			n++
		}
		if q.Function == "" && n != all && n != q.Limit {
			t.Errorf("%+v: %d records", q, n)
		}
	}
}

func TestDamagedSegment(t *testing.T) {
	damage := map[string]func(path string) error{
		"cut off": func(path string) error { return os.Truncate(path, 1000) },
		"empty":   func(path string) error { return os.Truncate(path, 0) },
		"one bit": func(path string) error { return flip(path, 100) },
		"its end": func(path string) error { return flip(path, -20) },
		"no file": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	}
	for name, damage := range damage {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " restart=", restart), func(t *testing.T) {
				dir := t.TempDir()
				s := open(t, dir, 10)
				for from := range 4 {
					appendTo(t, s, numbered(from*10, 10)...)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if !restart {
					s = open(t, dir, 10)
				}
				if err := damage(files(t, dir, "*"+segmentEnd)[1]); err != nil {
					t.Fatal(err)
				}
				if restart {
					s = open(t, dir, 10)
				}
				for _, q := range []pinfold.RecordQuery{{}, {Slowest: true}} {
					got, err := ids(t, s, q)
					if len(got) != 30 || got[0] != "39" || got[29] != "0" {
						t.Errorf("%+v: %q", q, got)
					}
					if err == nil || !strings.Contains(err.Error(), "00000002_") {
						t.Errorf("%+v ends with %v", q, err)
					}
				}
				// It costs nothing that it does not have.
				count(t, s, pinfold.RecordQuery{Since: noon.Add(25 * time.Second)}, 15)
				if got, err := ids(t, s, pinfold.RecordQuery{RequestID: "15"}); len(got) > 0 || err == nil {
					t.Errorf("a record of it: %q, %v; want an error", got, err)
				}
				if err := s.Trim(t.Context(), noon.Add(time.Hour), 0); err != nil {
					t.Error(err)
				}
				count(t, s, pinfold.RecordQuery{}, 0)
			})
		}
	}
}

// flip turns a bit of a file over; a place below 0 counts from the end.
func flip(path string, at int) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if at < 0 {
		at += len(data)
	}
	data[at] ^= 1
	return os.WriteFile(path, data, 0o600)
}

// Whatever byte of a segment is wrong, its records come as they were or not at
// all, and then the query says so; even if the segment has been checked before.
func TestEveryByteOfASegment(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 50)
	appendTo(t, s, numbered(0, 50)...)
	appendTo(t, s, numbered(50, 1)...)
	path := files(t, dir, "*"+segmentEnd)[0]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(data); at += 37 {
		if err := flip(path, at); err != nil {
			t.Fatal(err)
		}
		s.segments[0].checked.Store(false)
		if got, err := ids(t, s, pinfold.RecordQuery{RequestID: "7"}); len(got) > 0 || err == nil {
			t.Fatalf("byte %d is wrong: %q, %v", at, got, err)
		}
		s.segments[0].checked.Store(true)
		for range s.Query(t.Context(), pinfold.RecordQuery{Errors: true}) { // must not panic
		}
		for range s.Query(t.Context(), pinfold.RecordQuery{}) {
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	count(t, s, pinfold.RecordQuery{}, 51)
}

func TestTornJournal(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	appendTo(t, s, numbered(0, 10)...)
	whole := s.journal.size
	appendTo(t, s, numbered(10, 10)...)
	s.Close()
	path := files(t, dir, "*"+journalEnd)[0]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for size := range len(data) {
		if err := os.WriteFile(path, data[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, 0)
		want := 0
		if int64(size) >= whole {
			want = 10
		}
		count(t, s, pinfold.RecordQuery{}, want)
		appendTo(t, s, numbered(20, 1)...)
		s.Close()
		s = open(t, dir, 0)
		count(t, s, pinfold.RecordQuery{}, want+1)
		s.Close()
	}
	// What is damaged while the journal is in use costs what follows it, too.
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, 0)
	if err := flip(path, int(whole)+frameHead+3); err != nil {
		t.Fatal(err)
	}
	if got, err := ids(t, s, pinfold.RecordQuery{}); len(got) != 10 || err == nil || !strings.Contains(err.Error(), journalEnd) {
		t.Errorf("of a damaged journal %q came, %v", got, err)
	}
	s.Close()
	// What is damaged, not torn, costs what follows it.
	data[whole+frameHead+3] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	count(t, open(t, dir, 0), pinfold.RecordQuery{}, 10)
	// A journal of another version is not touched.
	data[len(journalMagic)-1]++
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir}); !errors.Is(err, errOtherForm) {
		t.Errorf("Open: %v", err)
	}
}

// A journal whose segment is there already has been killed before it was removed.
func TestSealedJournalThatIsLeft(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 10)
	appendTo(t, s, numbered(0, 10)...)
	journal := files(t, dir, "*"+journalEnd)[0]
	data, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	appendTo(t, s, numbered(10, 1)...)
	s.Close()
	unfinished := filepath.Join(dir, "x"+unfinishedEnd)
	if err := errors.Join(os.WriteFile(journal, data, 0o600), os.WriteFile(unfinished, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, 10)
	count(t, s, pinfold.RecordQuery{}, 11)
	if _, err := os.Stat(unfinished); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a segment that was not finished: %v", err)
	}
}

// full is a disk that is full for a file whose name ends so.
type full struct {
	file
	full *bool
}

func (f full) Write(b []byte) (int, error) {
	if *f.full {
		n, _ := f.file.Write(b[:len(b)/2])
		return n, syscall.ENOSPC
	}
	return f.file.Write(b)
}

func (f full) WriteAt(b []byte, at int64) (int, error) {
	if *f.full {
		n, _ := f.file.WriteAt(b[:len(b)/2], at)
		return n, syscall.ENOSPC
	}
	return f.file.WriteAt(b, at)
}

func TestDiskFull(t *testing.T) {
	for _, end := range []string{journalEnd, unfinishedEnd} {
		t.Run(end, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, 10)
			isFull := false
			s.create = func(path string) (file, error) {
				f, err := createFile(path)
				if err == nil && strings.HasSuffix(path, end) {
					return full{f, &isFull}, nil
				}
				return f, err
			}
			appendTo(t, s, numbered(0, 10)...)
			isFull = true
			for range 3 {
				if err := s.Append(t.Context(), numbered(10, 10)); pinfold.CodeOf(err) != pinfold.Unavailable {
					t.Fatalf("Append: %v; want an error with code Unavailable", err)
				}
				if end == journalEnd { // the segment is made, a journal is not
					count(t, s, pinfold.RecordQuery{}, 10)
				}
			}
			count(t, s, pinfold.RecordQuery{}, 10)
			isFull = false
			appendTo(t, s, numbered(10, 5)...)
			isFull = true
			if err := s.Append(t.Context(), numbered(15, 5)); end == journalEnd && pinfold.CodeOf(err) != pinfold.Unavailable {
				t.Errorf("Append: %v; want an error with code Unavailable", err)
			}
			isFull = false
			if end == journalEnd {
				appendTo(t, s, numbered(15, 5)...)
			}
			count(t, s, pinfold.RecordQuery{}, 20)
			s.Close()
			count(t, open(t, dir, 10), pinfold.RecordQuery{}, 20)
			if left := files(t, dir, "*"+unfinishedEnd); len(left) > 0 {
				t.Errorf("%q are left", left)
			}
		})
	}
}

// diskUse returns the bytes of all files in a folder.
func diskUse(t testing.TB, dir string) (sum int64) {
	for _, path := range files(t, dir, "*") {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		sum += info.Size()
	}
	return sum
}

func TestTrimFreesDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 1000)
	for from := range 10 {
		appendTo(t, s, numbered(from*1000, 1000)...)
	}
	before := diskUse(t, dir)
	if err := s.Trim(t.Context(), noon.Add(5500*time.Second), 0); err != nil {
		t.Fatal(err)
	}
	count(t, s, pinfold.RecordQuery{}, 4500)
	after := diskUse(t, dir)
	if len(s.segments) != 4 || after > before*6/10 {
		t.Errorf("%d segments are left, %d bytes of %d", len(s.segments), after, before)
	}
	if err := s.Trim(t.Context(), time.Time{}, before/5); err != nil {
		t.Fatal(err)
	}
	if after = diskUse(t, dir); after > before/5 {
		t.Errorf("%d bytes are left of %d", after, before)
	}
	got, err := ids(t, s, pinfold.RecordQuery{})
	if err != nil || len(got) == 0 || got[0] != "9999" {
		t.Errorf("%d records are left, %v; want the newest", len(got), err)
	}
}

// What is old goes from a disk that is full, too: that is what makes room.
func TestTrimOnAFullDisk(t *testing.T) {
	s := open(t, t.TempDir(), 10)
	appendTo(t, s, numbered(0, 10)...)
	appendTo(t, s, numbered(10, 10)...)
	appendTo(t, s, numbered(20, 5)...)
	isFull := true
	s.create = func(path string) (file, error) {
		f, err := createFile(path)
		return full{f, &isFull}, err
	}
	if err := s.Trim(t.Context(), noon.Add(22*time.Second), 1); pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("Trim: %v; want it to say that the disk is full", err)
	}
	if len(s.segments) > 0 {
		t.Errorf("%d segments are left", len(s.segments))
	}
	count(t, s, pinfold.RecordQuery{}, 3)
}

// Records of a clock that was ahead go with those that came before them, and
// those of a clock that was behind take nobody with them.
func TestTrimWithAClockThatJumps(t *testing.T) {
	s := open(t, t.TempDir(), 10)
	ahead, behind := numbered(10, 10), numbered(20, 10)
	for i := range ahead {
		ahead[i].Time = time.Now().AddDate(1, 0, 0)
		behind[i].Time = time.Unix(0, 0)
	}
	for _, records := range [][]pinfold.Record{numbered(0, 10), ahead, behind, numbered(30, 10), numbered(40, 10)} {
		appendTo(t, s, records...)
	}
	if err := s.Trim(t.Context(), noon.Add(-time.Hour), 0); err != nil {
		t.Fatal(err)
	}
	count(t, s, pinfold.RecordQuery{}, 40) // without those behind
	if err := s.Trim(t.Context(), noon.Add(35*time.Second), 0); err != nil {
		t.Fatal(err)
	}
	count(t, s, pinfold.RecordQuery{}, 15)
	if err := s.Trim(t.Context(), time.Time{}, s.size()-1); err != nil {
		t.Fatal(err)
	}
	if got, _ := ids(t, s, pinfold.RecordQuery{}); len(got) != 10 || got[0] != "49" {
		t.Errorf("%q are left; want those that came last", got)
	}
}

// A query opens no segment that it is not about.
func TestBoundedWork(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 10)
	for from := range 20 {
		appendTo(t, s, numbered(from*10, 10)...)
	}
	for _, path := range files(t, dir, "*"+segmentEnd)[:18] {
		if err := os.Truncate(path, 0); err != nil { // who opens it has an error
			t.Fatal(err)
		}
	}
	count(t, s, pinfold.RecordQuery{Limit: 15}, 15)
	count(t, s, pinfold.RecordQuery{Since: noon.Add(182 * time.Second), Until: noon.AddDate(1000, 0, 0)}, 18)
	count(t, s, pinfold.RecordQuery{Since: noon.AddDate(-1000, 0, 0), Until: noon}, 0)
	count(t, s, pinfold.RecordQuery{Since: noon.AddDate(1, 0, 0)}, 0)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range s.Query(ctx, pinfold.RecordQuery{Until: noon.Add(185 * time.Second)}) {
		cancel()
		if err != nil {
			break
		}
		n++
	}
	if n > 10 {
		t.Errorf("%d records came", n)
	}
}

// A journal that is damaged before it is sealed is not sealed in part, however
// often that is tried.
func TestJournalDamagedBeforeItIsSealed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, 0)
	appendTo(t, s, numbered(0, 9)...)
	last := numbered(9, 1)[0]
	last.Instance = strings.Repeat("x", 100)
	appendTo(t, s, last)
	path := files(t, dir, "*"+journalEnd)[0]
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(data, []byte(strings.Repeat("x", 100)))
	bad := slices.Clone(data)
	bad[at-2], bad[at-1] = 0xff, 0xff // a length that cannot be, in a frame whose checksum is right
	head := len(data) - len(frameOf(data, 1))
	binary.LittleEndian.PutUint32(bad[head+4:], castagnoli(bad[head+frameHead:]))
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Trim(t.Context(), time.Time{}, 1); err == nil || len(files(t, dir, "*"+segmentEnd)) > 0 {
			t.Errorf("sealed: %v", err)
		}
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.seal(); err != nil {
		t.Fatal(err)
	}
	if got, err := ids(t, s, pinfold.RecordQuery{}); len(got) != 10 || err != nil {
		t.Errorf("found %v, %v", got, err)
	}
}

// frameOf returns a journal from its n-th frame on.
func frameOf(journal []byte, n int) []byte {
	rest := journal[len(journalMagic):]
	for range n {
		rest = rest[frameHead+int(binary.LittleEndian.Uint32(rest)):]
	}
	return rest
}
