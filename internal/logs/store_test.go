package logs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/logs/segment"
)

var begin = time.Date(2020, 11, 21, 12, 0, 0, 0, time.UTC)

func function(name string) pinfold.FunctionRef {
	return pinfold.FunctionRef{Account: "000000000000", Region: "us-east-1", Name: name}
}

// groupName the group of a function.
func groupName(fn string) GroupRef {
	return GroupRef{Account: "000000000000", Region: "us-east-1", Name: "/aws/lambda/" + fn}
}

func line(fn string, second int, text string) pinfold.LogLine {
	return pinfold.LogLine{Time: begin.Add(time.Duration(second) * time.Second), Function: function(fn).With("$LATEST"), Instance: "i1", Text: text}
}

func open(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// texts collects what a query gives.
func texts(t testing.TB, seq iter.Seq2[pinfold.LogLine, error]) []string {
	t.Helper()
	all := []string{}
	for l, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l.Text)
	}
	return all
}

func expect(t *testing.T, name string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", name, got, want)
	}
}

func TestQuery(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	for i, l := range []pinfold.LogLine{
		line("a", 1, "a1"), line("b", 2, "b2"), line("a", 3, "a3 <&> \x00 ü"), line("b", 4, "b4"), line("a", 5, "a5"),
	} {
		l.RequestID = fmt.Sprint("request-", i)
		l.System = i == 0
		s.Write(l)
	}
	published := line("b", 6, "b6")
	published.Function.Qualifier = "7"
	s.Write(published)
	ctx := t.Context()
	a3 := "a3 <&> \x00 ü"
	expect(t, "all", texts(t, s.Query(ctx, Query{})), "a1", "b2", a3, "b4", "a5", "b6")
	expect(t, "one function", texts(t, s.Query(ctx, Query{Functions: []pinfold.FunctionRef{function("a")}})), "a1", a3, "a5")
	expect(t, "two functions", texts(t, s.Query(ctx, Query{Functions: []pinfold.FunctionRef{function("a"), function("b").With("7")}})), "a1", a3, "a5", "b6")
	expect(t, "one version", texts(t, s.Query(ctx, Query{Functions: []pinfold.FunctionRef{function("b").With("7")}})), "b6")
	expect(t, "no such function", texts(t, s.Query(ctx, Query{Functions: []pinfold.FunctionRef{function("c")}})))
	expect(t, "since", texts(t, s.Query(ctx, Query{Since: begin.Add(4 * time.Second)})), "b4", "a5", "b6")
	expect(t, "until", texts(t, s.Query(ctx, Query{Until: begin.Add(3 * time.Second)})), "a1", "b2")
	expect(t, "until 1970", texts(t, s.Query(ctx, Query{Until: time.Unix(0, 0)})))
	expect(t, "text", texts(t, s.Query(ctx, Query{Text: "<&>"})), a3)
	expect(t, "request", texts(t, s.Query(ctx, Query{Requests: []string{"request-3"}})), "b4")
	expect(t, "first two", texts(t, s.Query(ctx, Query{Limit: 2})), "a1", "b2")
	expect(t, "last two", texts(t, s.Query(ctx, Query{Limit: 2, Tail: true})), "a5", "b6")
	expect(t, "last ten", texts(t, s.Query(ctx, Query{Limit: 10, Tail: true, Text: "b"})), "b2", "b4", "b6")
	expect(t, "last five", texts(t, s.Query(ctx, Query{Limit: 5, Tail: true})), "b2", a3, "b4", "a5", "b6")
	for l, err := range s.Query(ctx, Query{Limit: 1}) {
		want := line("a", 1, "a1")
		want.Name, want.Version, want.RequestID, want.System = "a", "$LATEST", "request-0", true
		if err != nil || l != want {
			t.Errorf("the line came back as %+v, %v", l, err)
		}
	}
}

func TestQueryStopsWithItsContext(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	for i := range 100 {
		s.Write(line("a", i, "x"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range s.Query(ctx, Query{}) {
		last = err
		if n++; n == 10 {
			cancel()
		}
	}
	if n != 11 || !errors.Is(last, context.Canceled) {
		t.Errorf("%d lines, then %v", n, last)
	}
}

func TestLogsOutliveTheStore(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	s.Write(line("a", 1, "one"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.Write(line("a", 2, "after the end"))
	expect(t, "closed", texts(t, s.Query(t.Context(), Query{})), "one")

	// kill -9 in the middle of a line
	path := filepath.Join(dir, folderName(groupName("a")), "00000000000000000000.tail")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	half := segment.Append(nil, segment.NewOrigin("stream", "a"), begin.UnixNano(), 0, "", false, "torn")
	f.Write(half[:len(half)-2])
	f.Close()
	s = open(t, Config{Dir: dir})
	expect(t, "torn", texts(t, s.Query(t.Context(), Query{})), "one")
	s.Write(line("a", 3, "three"))
	s.Write(line("b", 4, "four"))
	expect(t, "after the torn line", texts(t, s.Query(t.Context(), Query{})), "one", "three", "four")
	data, _ := os.ReadFile(path)
	if strings.Count(string(data), "[$LATEST]i1") != 2 || strings.Contains(string(data), "to") {
		t.Errorf("the file holds %q", data)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the log: %v", info.Mode())
	}
}

func TestSegmentsRotateAndAreBounded(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Config{Dir: dir, BlockBytes: 1000, SegmentBytes: 2000, KeepBytes: 10_000})
	random := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, 80)
	for i := range 1000 {
		for k := range text { // what does not get smaller
			text[k] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[random.IntN(64)]
		}
		s.Write(line("a", i, fmt.Sprintf("%s%d", text, i)))
		if i%5 == 0 { // write in batches of a few lines
			texts(t, s.Query(t.Context(), Query{Limit: 1}))
		}
	}
	got := texts(t, s.Query(t.Context(), Query{}))
	if len(got) < 20 || len(got) > 120 || got[len(got)-1][80:] != "999" {
		t.Errorf("%d lines are left, the last is %q", len(got), got[len(got)-1])
	}
	for i := range got { // what is left is the end, without a hole
		if want := fmt.Sprint(1000 - len(got) + i); got[i][80:] != want {
			t.Fatalf("line %d is %q, want %s", i, got[i], want)
		}
	}
	var total int64
	files, _ := filepath.Glob(filepath.Join(dir, "*", "*.seg"))
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > 10_000 || len(files) < 3 {
		t.Errorf("%d bytes in %d segments", total, len(files))
	}
	// One query is under way while its oldest segments are deleted.
	n := 0
	for range s.Query(t.Context(), Query{}) {
		if n++; n == 1 {
			os.Remove(files[0])
			os.Remove(files[1])
		}
	}
	if n < 10 || n >= len(got) {
		t.Errorf("%d of %d lines after two segments were deleted", n, len(got))
	}
}

func TestWriteNeverWaits(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir(), BufferLines: 10})
	s.files.Lock() // a disk that hangs
	s.Write(line("a", 0, "in flight"))
	for taken := false; !taken; runtime.Gosched() {
		s.mu.Lock()
		taken = len(s.waiting) == 0
		s.mu.Unlock()
	}
	for i := range 25 { // hangs here if Write waits
		s.Write(line("a", 1+i, fmt.Sprint("line ", i)))
	}
	for i := range 8 {
		s.Write(line("b", i, fmt.Sprint("another ", i)))
	}
	s.files.Unlock()
	got := texts(t, s.Query(t.Context(), Query{Functions: []pinfold.FunctionRef{function("a")}}))
	if len(got) != 7 || got[5] != "line 4" || !strings.HasPrefix(got[6], "PINFOLD 20 log lines are missing here: they came faster") {
		t.Errorf("a: %q", got)
	}
	got = texts(t, s.Query(t.Context(), Query{Functions: []pinfold.FunctionRef{function("b")}}))
	if len(got) != 4 || got[2] != "another 2" || !strings.HasPrefix(got[3], "PINFOLD 5 log lines are missing here") {
		t.Errorf("b, beside a's flood: %q", got)
	}
}

func TestDiskThatFailsAndRecovers(t *testing.T) {
	dir := t.TempDir()
	block := filepath.Join(dir, folderName(groupName("a")))
	if err := os.WriteFile(block, nil, 0o600); err != nil { // where the folder should be
		t.Fatal(err)
	}
	s := open(t, Config{Dir: dir})
	s.Write(line("a", 1, "lost"))
	s.Write(line("b", 1, "kept"))
	expect(t, "while it fails", texts(t, s.Query(t.Context(), Query{Functions: []pinfold.FunctionRef{function("b")}})), "kept")
	if err := os.Remove(block); err != nil {
		t.Fatal(err)
	}
	s.Write(line("a", 2, "again"))
	got := texts(t, s.Query(t.Context(), Query{Functions: []pinfold.FunctionRef{function("a")}}))
	expect(t, "recovered", got, "PINFOLD 1 log lines are missing here: the disk did not take them", "again")

	if err := os.RemoveAll(block); err != nil { // somebody tidies up under a running store
		t.Fatal(err)
	}
	s.Write(line("a", 3, "after tidying"))
	expect(t, "tidied", texts(t, s.Query(t.Context(), Query{Functions: []pinfold.FunctionRef{function("a")}})), "after tidying")
}

func TestFunctionNamesAreSafeAsFolders(t *testing.T) {
	folders := map[string]string{}
	for _, name := range []string{"hello", "Hello", "HELLO", "a.b", "..", ".", "a/b", `a\b`, "con", "a_b-c", "%41", "ü", "", "a\x00b", "a:b*?", strings.Repeat("A", 64), strings.Repeat("/", 512), strings.Repeat("/", 511) + "x"} {
		ref := groupName(name)
		folder := folderName(ref)
		if strings.ContainsAny(folder, `/\:*?`+"\x00") || len(folder) > 255 || folder != strings.ToLower(folder) {
			t.Errorf("%q: folder %q", name, folder)
		}
		if other, taken := folders[folder]; taken {
			t.Errorf("%q and %q share %q", name, other, folder)
		}
		folders[folder] = name
		if back, ok := parseFolder(folder); len(ref.Name) < 100 && (!ok || back != ref) {
			t.Errorf("%q comes back as %+v, %v", name, back, ok)
		}
	}
	for _, folder := range []string{"", "a", "a.b", "a.b.c.d", "a.b.%zz", "a.b.C", "lost+found"} {
		if ref, ok := parseFolder(folder); ok {
			t.Errorf("%q is taken for %+v", folder, ref)
		}
	}
}

func TestLongLinesAreCut(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	s.Write(line("a", 1, strings.Repeat("ü", MaxText)))
	s.Write(line("a", 2, strings.Repeat("\x01", MaxText))) // six bytes each on disk
	got := texts(t, s.Query(t.Context(), Query{}))
	if len(got) != 2 || !strings.HasSuffix(got[0], fmt.Sprintf(" [cut: the line has %d bytes]", 2*MaxText)) || len(got[0]) > MaxText+100 || len(got[1]) != MaxText {
		t.Errorf("%d lines", len(got))
	}
}

func TestBinaryLines(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	s.Write(line("a", 1, "\x00\xff\xfe ü \xc3\r\n\t\x1b"))
	expect(t, "binary", texts(t, s.Query(t.Context(), Query{Text: "\xff\xfe"})), "\x00\ufffd ü \ufffd\r\n\t\x1b")
}

func TestConcurrentWriters(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir(), SegmentBytes: 50_000, BufferLines: 1 << 20})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 500 {
				s.Write(line([]string{"a", "b", "c"}[w%3], i, fmt.Sprintf("%d:%d", w, i)))
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	all := texts(t, s.Query(t.Context(), Query{}))
	for _, text := range all {
		seen[text] = true
	}
	if len(seen) != 4000 || len(all) != 4000 {
		t.Errorf("%d of 4000 lines are there, %d in all", len(seen), len(all))
	}
}

// A search in many logs opens those alone that may have what comes next.
func TestMergeOpensLittle(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	for i := range 100 {
		s.Write(line(fmt.Sprintf("f%02d", i), 2*i, fmt.Sprint("first of ", i)))
		s.Write(line(fmt.Sprintf("f%02d", i), 2*i+3, fmt.Sprint("second of ", i)))
	}
	must(t, s.flush(t.Context()))
	places, err := s.places(func(*group) bool { return true })
	must(t, err)
	for _, reverse := range []bool{false, true} {
		opened := 0
		filter := func(*place) segment.Filter {
			opened++
			return segment.Filter{Reverse: reverse}
		}
		var last time.Time
		n := 0
		for f, err := range merge(t.Context(), places, filter, reverse) {
			must(t, err)
			if at := f.Record.Time(); n > 0 && at.Before(last) != reverse && !at.Equal(last) {
				t.Fatalf("reverse %v: %s comes after %v", reverse, f.Record.Text(), last)
			}
			last = f.Record.Time()
			if n++; n == 5 && opened > 6 {
				t.Errorf("reverse %v: for 5 lines %d logs were opened", reverse, opened)
			}
		}
		if n != 200 || opened != 100 {
			t.Errorf("reverse %v: %d lines of %d logs", reverse, n, opened)
		}
	}
}
