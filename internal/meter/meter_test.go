package meter

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	if do := os.Getenv("PINFOLD_METER_TEST"); do != "" {
		victim(do) // does not return
	}
	os.Exit(m.Run())
}

// quiet opens a meter without a goroutine: tests say what it does when.
func quiet(t testing.TB, c Config) *Meter {
	t.Helper()
	m, err := open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func function(name, version string, memory int) *pinfold.Version {
	return &pinfold.Version{
		Ref:    pinfold.FunctionRef{Account: pinfold.DefaultAccount, Region: pinfold.DefaultRegion, Name: name, Qualifier: version},
		Config: pinfold.Config{MemoryMB: memory},
	}
}

// execution is one of a warm function that took some ms.
func execution(v *pinfold.Version, began time.Time, ms int) *pinfold.Execution {
	return &pinfold.Execution{Version: v, Began: began, Billed: time.Duration(ms) * time.Millisecond, PeakMB: 40, CPU: time.Millisecond, BytesOut: 10}
}

func rows(t testing.TB, m *Meter, q Query) []Usage {
	t.Helper()
	var all []Usage
	for u, err := range m.Usage(t.Context(), q) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	return all
}

var ever = Query{To: lastDay}

// total sums up all that there is.
func total(t testing.TB, m *Meter) Counts {
	t.Helper()
	for _, u := range Sum(rows(t, m, ever), By{}) {
		return u.Counts
	}
	return Counts{}
}

// random makes executions of some functions, versions and sizes in some days.
func random(r *rand.Rand) *pinfold.Execution {
	e := execution(
		function(fmt.Sprint("f", r.IntN(5)), []string{"$LATEST", "1", "2"}[r.IntN(3)], 128<<r.IntN(3)),
		noon.Add(time.Duration(r.IntN(72))*time.Hour), 1+r.IntN(1<<r.IntN(20)))
	e.PeakMB = r.IntN(1 << r.IntN(14))
	e.CPU = time.Duration(r.Int64N(1e9))
	e.BytesOut = r.Int64N(6 << 20)
	if r.IntN(10) == 0 {
		e.Cold, e.Phases.Init = pinfold.ColdFirst, time.Duration(r.IntN(1e6))*time.Microsecond
	}
	if r.IntN(10) == 0 {
		e.Status, e.Failure = "error", "TypeError"
	}
	if r.IntN(2) == 0 {
		e.Version.Config.Architecture = ARM
	}
	return e
}

// aside counts an execution in the simplest way.
func aside(sums map[group]*Usage, e *pinfold.Execution) {
	arch := e.Version.Config.Architecture
	if arch == "" {
		arch = X86
	}
	g := group{day: DayOf(e.Began), function: e.Version.Ref, memory: e.Version.Config.MemoryMB, architecture: arch}
	u := sums[g]
	if u == nil {
		u = &Usage{Function: g.function, Day: g.day, MemoryMB: g.memory, Architecture: arch}
		sums[g] = u
	}
	u.Requests++
	ms := uint64(e.Billed.Milliseconds())
	tenths := (ms + 99) / 100
	u.BilledMS += ms
	u.Billed100MS += tenths * 100
	u.MBMillis += ms * uint64(g.memory)
	u.MBMillis100 += tenths * 100 * uint64(g.memory)
	u.BytesOut += uint64(e.BytesOut)
	u.CPU += e.CPU
	u.Init += e.Phases.Init
	u.PeakMB = max(u.PeakMB, e.PeakMB)
	if e.Status != "" {
		u.Errors++
	}
	if e.Cold != "" {
		u.Cold++
	}
	for i := range u.Durations {
		if ms <= 1<<i || i == durationBuckets-1 {
			u.Durations[i]++
			break
		}
	}
	for i := range u.Peaks {
		if e.PeakMB < peakBound(i) || i == peakBuckets-1 {
			u.Peaks[i]++
			break
		}
	}
}

// TestSums compares 10,000 random executions with what is counted on the side,
// exactly: at once, after a restart, with a part of the days folded, and all.
func TestSums(t *testing.T) {
	const goroutines, each = 8, 1250
	dir := t.TempDir()
	m := quiet(t, Config{Dir: dir})
	var mu sync.Mutex
	want := map[group]*Usage{}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			for i := range each {
				e := random(r)
				m.Executed(e)
				mu.Lock()
				aside(want, e)
				mu.Unlock()
				if i%250 == 0 { // late ones get slots of their own
					if err := m.fold(DayOf(noon) + Day(g%3)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	var expected []Usage
	for _, u := range want {
		expected = append(expected, *u)
	}
	slices.SortFunc(expected, func(a, b Usage) int {
		all := By{Version: true, Day: true, Memory: true, Architecture: true}
		return all.group(&a).compare(all.group(&b))
	})
	same := func(when string) {
		t.Helper()
		got := Sum(rows(t, m, ever), By{Version: true, Day: true, Memory: true, Architecture: true})
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", when, diff)
		}
	}
	same("while it runs")
	reopen := func() {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		m = quiet(t, Config{Dir: dir})
	}
	reopen()
	same("after a restart")
	if err := m.fold(DayOf(noon) + 2); err != nil {
		t.Fatal(err)
	}
	same("with days folded")
	if err := m.fold(lastDay); err != nil {
		t.Fatal(err)
	}
	same("all folded")
	if len(m.live) != 0 || len(m.free) != slotsPerFile*len(m.files) {
		t.Errorf("%d slots are in use and %d free, of %d", len(m.live), len(m.free), slotsPerFile*len(m.files))
	}
	reopen()
	same("all folded, after a restart")
}

// TestSeal has somebody add who takes long.
func TestSeal(t *testing.T) {
	c := &counter{place: place{slot: new(slot)}}
	c.users.Add(1)
	final := make(chan struct{})
	go func() {
		c.seal()
		close(final)
	}()
	for c.users.Load() > 0 {
		runtime.Gosched()
	}
	if c.add(&delta{}) {
		t.Error("a sealed counter can be added to")
	}
	for range 1000 {
		runtime.Gosched()
	}
	select {
	case <-final:
		t.Error("it is final while somebody adds")
	default:
	}
	c.users.Add(-1)
	<-final
}

func TestQuery(t *testing.T) {
	asked := map[string]int{}
	m := quiet(t, Config{Dir: t.TempDir(), Owner: func(ref pinfold.FunctionRef) (string, map[string]string) {
		asked[ref.ARN()]++
		if ref.Name == "c" {
			return "", nil
		}
		return "shop", map[string]string{"team": "team of " + ref.Name}
	}})
	day := DayOf(noon)
	for _, x := range []struct {
		name, version string
		day           int
		ms            int
	}{{"a", "1", 0, 1}, {"a", "1", 0, 10}, {"a", "2", 0, 100}, {"b", "$LATEST", 0, 1000}, {"a", "1", 1, 10000}, {"c", "1", 31, 100000}} {
		m.Executed(execution(function(x.name, x.version, 128), noon.AddDate(0, 0, x.day), x.ms))
	}
	if err := m.fold(day + 1); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		q    Query
		by   By
		want []string
	}{
		{"all", ever, By{}, []string{"111111"}},
		{"functions", ever, By{Function: true}, []string{"a 10111", "b 1000", "c 100000"}},
		{"versions", ever, By{Version: true}, []string{"a:1 10011", "a:2 100", "b:$LATEST 1000", "c:1 100000"}},
		{"applications", ever, By{App: true}, []string{"100000", "shop 11111"}},
		{"a tag", ever, By{Tag: "team"}, []string{"100000", "team of a 10111", "team of b 1000"}},
		{"days", ever, By{Day: true}, []string{"2026-11-21 1111", "2026-11-22 10000", "2026-12-22 100000"}},
		{"one day", Query{From: day, To: day}, By{Function: true}, []string{"a 111", "b 1000"}},
		{"from a day on", Query{From: day + 1, To: lastDay}, By{Function: true}, []string{"a 10000", "c 100000"}},
		{"one function", Query{To: lastDay, Function: "b"}, By{}, []string{"1000"}},
		{"none", Query{To: lastDay, Function: "d"}, By{}, nil},
		{"backwards", Query{From: day, To: day - 1}, By{}, nil},
	} {
		var got []string
		for _, u := range Sum(rows(t, m, test.q), test.by) {
			var words []string
			if u.Day > 0 {
				words = append(words, u.Day.String())
			}
			words = append(words, u.App, u.Tags["team"], strings.TrimSuffix(u.Function.Name+":"+u.Function.Qualifier, ":"), fmt.Sprint(u.BilledMS))
			got = append(got, strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " "))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
	clear(asked)
	rows(t, m, ever)
	if want := 3; len(asked) != want || asked[function("a", "", 0).Ref.ARN()] != 1 {
		t.Errorf("owners were asked for %v, each of %d functions is to be asked for once", asked, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range m.Usage(ctx, Query{To: day}) {
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("a query that was given up ends with %v", err)
		}
	}
}

// TestClock counts what clocks say that are wrong.
func TestClock(t *testing.T) {
	m := quiet(t, Config{Dir: t.TempDir()})
	v := function("a", "1", 128)
	times := []time.Time{{}, time.Unix(-1, 0), noon, noon.AddDate(1, 0, 0), noon, noon.AddDate(0, 0, -1), time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), noon}
	for _, at := range times {
		m.Executed(execution(v, at, 1))
	}
	backwards := execution(v, noon, -5)
	backwards.BytesOut, backwards.CPU, backwards.PeakMB, backwards.Phases.Init = -1, -1, -1, -1
	m.Executed(backwards)
	for range 2 {
		want := []string{"1970-01-01 2", "2026-11-20 1", "2026-11-21 4", "2027-11-21 1", "9999-12-31 1"}
		var got []string
		for _, u := range Sum(rows(t, m, ever), By{Day: true}) {
			got = append(got, fmt.Sprint(u.Day, " ", u.Requests))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if err := m.fold(lastDay); err != nil {
			t.Fatal(err)
		}
	}
}

// TestClockAheadAndBack folds a day while the clock is a year ahead, and counts on
// in it: nothing is lost, and nothing counted twice.
func TestClockAheadAndBack(t *testing.T) {
	dir := t.TempDir()
	m := quiet(t, Config{Dir: dir})
	v := function("a", "1", 128)
	for i, now := range []time.Time{noon, noon.AddDate(1, 0, 0), noon, noon.Add(-time.Hour), noon.AddDate(0, 0, 2)} {
		m.Executed(execution(v, noon, 10))
		if err := m.fold(DayOf(now.Add(-time.Hour))); err != nil {
			t.Fatal(err)
		}
		if all := Sum(rows(t, m, ever), By{}); len(all) != 1 || all[0].Requests != uint64(i+1) || all[0].BilledMS != uint64(10*(i+1)) {
			t.Errorf("after %d: %+v", i+1, all)
		}
	}
}

// TestDamagedSlot changes a bit of a key.
func TestDamagedSlot(t *testing.T) {
	dir := t.TempDir()
	m := quiet(t, Config{Dir: dir})
	for _, name := range []string{"a", "b", "c"} {
		m.Executed(execution(function(name, "1", 128), noon, 10))
	}
	m.Close()
	name := fileName(dir, 1)
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte(`"name":"b"`))+8] ^= 1
	data[3] ^= 1 // of the header, which costs nothing
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	m = quiet(t, Config{Dir: dir, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if got := Sum(rows(t, m, ever), By{Function: true}); len(got) != 2 || got[0].Function.Name != "a" || got[1].Function.Name != "c" {
		t.Errorf("there is %v", got)
	}
	if !strings.Contains(said.String(), "slot=1") || !strings.Contains(said.String(), "header") {
		t.Errorf("said is %s", &said)
	}
	if m.Executed(execution(function("b", "1", 128), noon, 10)); total(t, m).Requests != 3 {
		t.Error("b is not counted any more")
	}
}

func TestNewerFile(t *testing.T) {
	dir := t.TempDir()
	quiet(t, Config{Dir: dir}).Executed(execution(function("a", "1", 128), noon, 10))
	newer := []byte(magic + "\x02\x00\x00\x00\x00\x08\x00\x00")
	newer = binary.LittleEndian.AppendUint32(newer, crc32.Checksum(newer, castagnoli()))
	f, err := os.OpenFile(fileName(dir, 1), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(newer, 0); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := Open(Config{Dir: dir}); pinfold.CodeOf(err) != pinfold.Invalid || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("a file of a newer version opens with %v", err)
	}
}

// TestNoRoom counts in memory where a file cannot be had, says so, and moves
// what it counted when it can.
func TestNoRoom(t *testing.T) {
	dir := t.TempDir()
	var said bytes.Buffer
	m := quiet(t, Config{Dir: dir, Log: slog.New(slog.NewTextHandler(&said, nil))})
	if err := os.Mkdir(fileName(dir, 1), 0o700); err != nil {
		t.Fatal(err)
	}
	v := function("a", "1", 128)
	for range 100 {
		m.Executed(execution(v, noon, 10))
	}
	if got := total(t, m); got.Requests != 100 || got.BilledMS != 1000 {
		t.Errorf("in memory: %+v", got)
	}
	if err := m.Health(); err == nil || strings.Count(said.String(), "trouble") != 1 {
		t.Errorf("health is %v, said is %s", err, &said)
	}
	m.settle() // no better
	if err := os.Remove(fileName(dir, 1)); err != nil {
		t.Fatal(err)
	}
	m.settle()
	if err := m.Health(); err != nil {
		t.Error(err)
	}
	m.Executed(execution(v, noon, 10))
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = quiet(t, Config{Dir: dir})
	if got := total(t, m); got.Requests != 101 || got.BilledMS != 1010 {
		t.Errorf("after a restart: %+v", got)
	}
}

// TestLongNames counts, in memory, what no registry lets in.
func TestLongNames(t *testing.T) {
	m := quiet(t, Config{Dir: t.TempDir()})
	for i := range 3 {
		m.Executed(execution(function(strings.Repeat("x", keySize+i), "1", 128), noon, 1))
	}
	m.settle()
	m.Executed(execution(function("a", "1", 128), noon, 1))
	if got := total(t, m).Requests; got != 4 || m.Health() == nil || len(m.free) != slotsPerFile-1 {
		t.Errorf("%d requests, %d slots are free, health is %v", got, len(m.free), m.Health())
	}
}

// TestCutFile takes the file away from under the mapping: what the kernel does
// with a process that touches it then is to kill it.
func TestCutFile(t *testing.T) {
	dir := t.TempDir()
	m := quiet(t, Config{Dir: dir})
	v := function("a", "1", 128)
	m.Executed(execution(v, noon, 10))
	if err := os.Truncate(fileName(dir, 1), 0); err != nil {
		t.Fatal(err)
	}
	m.Executed(execution(v, noon, 20))
	m.Executed(execution(v, noon, 30))
	if m.Health() == nil {
		t.Error("it is well")
	}
	var counted uint64
	var failed error
	for u, err := range m.Usage(t.Context(), ever) {
		counted += u.BilledMS
		failed = errors.Join(failed, err)
	}
	if counted != 50 || failed == nil {
		t.Errorf("%d ms are left of 10 that are lost and 50 that are not; %v", counted, failed)
	}
	_ = m.Close()
	if m = quiet(t, Config{Dir: dir}); total(t, m).BilledMS != 50 {
		t.Errorf("after a restart there is %+v", total(t, m))
	}
}

// TestManyFunctions needs more than one file.
func TestManyFunctions(t *testing.T) {
	dir := t.TempDir()
	m := quiet(t, Config{Dir: dir})
	const n = slotsPerFile*2 + 1
	for i := range n {
		m.Executed(execution(function(fmt.Sprint("f", i), "1", 128), noon, 1))
	}
	m.Close()
	m = quiet(t, Config{Dir: dir})
	if got := total(t, m).Requests; got != n || len(m.files) != 3 {
		t.Errorf("%d invocations in %d files", got, len(m.files))
	}
	if err := m.fold(lastDay); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		m.Executed(execution(function(fmt.Sprint("f", i), "1", 128), noon.AddDate(0, 0, 1), 1))
	}
	if got := total(t, m).Requests; got != 2*n || len(m.files) != 3 {
		t.Errorf("%d invocations in %d files, slots are to be used again", got, len(m.files))
	}
}

// TestAhead makes room before it is needed, and no more.
func TestAhead(t *testing.T) {
	m := quiet(t, Config{Dir: t.TempDir()})
	for _, test := range [][2]int{{0, 1}, {slotsPerFile / 2, 1}, {slotsPerFile/2 + 1, 2}, {slotsPerFile + slotsPerFile/2, 2}, {slotsPerFile + slotsPerFile/2 + 1, 3}} {
		used, files := test[0], test[1]
		for len(m.live) < used {
			m.Executed(execution(function(fmt.Sprint("f", len(m.live)), "1", 128), noon, 1))
		}
		m.ahead(slotsPerFile / 2)
		if len(m.files) != files {
			t.Errorf("%d slots are in use, of %d files; want %d", used, len(m.files), files)
		}
	}
}

// TestVersionAnew gives the same version in many values, as a registry does
// whose cache is small.
func TestVersionAnew(t *testing.T) {
	m := quiet(t, Config{Dir: t.TempDir()})
	const n = maxVersions + 10
	for range n {
		m.Executed(execution(function("a", "1", 128), noon, 1))
	}
	if size := m.pages[DayOf(noon)].size; total(t, m).Requests != n || len(m.live) != 1 || size > maxVersions {
		t.Errorf("%d counters, %d on the page, %+v", len(m.live), size, total(t, m))
	}
}

// TestKeep lets the meter's own goroutine fold what an earlier day left.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	m := quiet(t, Config{Dir: dir})
	m.Executed(execution(function("a", "1", 128), time.Unix(0, 0), 10))
	m.Close()
	m, err := Open(Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	m.Executed(execution(function("a", "1", 128), time.Now(), 10))
	if err := m.Close(); err != nil { // keep folds before it looks whether to end
		t.Fatal(err)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "usage-*"))
	if len(names) != 1 || filepath.Base(names[0]) != "usage-1970-01.jsonl" {
		t.Errorf("there is %v", names)
	}
	m.Executed(execution(function("a", "1", 128), noon, 10)) // too late, and harmless
}

func TestBuckets(t *testing.T) {
	for ms, want := range map[uint64]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 1000: 10, 900_000: 20, 1 << 40: 20} {
		if got := durationBucket(ms); got != want {
			t.Errorf("%d ms are in bucket %d, want %d", ms, got, want)
		}
	}
	for mb := range uint64(1 << 14) {
		i := peakBucket(mb)
		if int(mb) >= peakBound(i) || i > 0 && int(mb) < peakBound(i-1) {
			t.Fatalf("%d MB are in bucket %d, which is from %d to below %d", mb, i, peakBound(i-1), peakBound(i))
		}
	}
	c := Counts{PeakMB: 100}
	c.Durations[3], c.Durations[10] = 98, 2
	c.Peaks[peakBucket(20)], c.Peaks[peakBucket(100)] = 60, 40
	if c.Duration(98) != 8*time.Millisecond || c.Duration(99) != 1024*time.Millisecond || c.Memory(50) != 24 || c.Memory(99) != 100 {
		t.Errorf("%v %v %v %v", c.Duration(98), c.Duration(99), c.Memory(50), c.Memory(99))
	}
}

// What a folder is called means nothing, though Glob would take it for a pattern.
func TestFolderOfAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[a-b]*")
	for range 2 {
		m := quiet(t, Config{Dir: dir})
		m.Executed(execution(function("f", "1", 128), noon, 5))
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	m := quiet(t, Config{Dir: dir})
	if got := total(t, m).Requests; got != 2 {
		t.Errorf("of 2 requests the counters have %d", got)
	}
	if err := m.fold(DayOf(noon) + 1); err != nil {
		t.Fatal(err)
	}
	if got := total(t, m).Requests; got != 2 {
		t.Errorf("of 2 requests the ledger has %d", got)
	}
}

// TestSyncWhatWasTouched has those files synced alone that something was counted in.
func TestSyncWhatWasTouched(t *testing.T) {
	m := quiet(t, Config{Dir: t.TempDir()})
	now := noon
	for i := range slotsPerFile + 1 {
		m.Executed(execution(function(fmt.Sprint("f", i), "1", 128), now, 1))
	}
	touched := func() (all []bool) {
		for _, f := range m.files {
			all = append(all, f.touched.Load())
		}
		return all
	}
	check := func(after string, want ...bool) {
		t.Helper()
		if got := touched(); !slices.Equal(got, want) {
			t.Errorf("after %s: %v, want %v", after, got, want)
		}
	}
	sync := func() {
		t.Helper()
		if err := m.sync(); err != nil {
			t.Error(err)
		}
	}
	check("counting", true, true)
	sync()
	check("syncing", false, false)
	m.Executed(execution(function("f0", "1", 128), now, 1))
	check("counting in the first", true, false)
	sync()
	if err := m.fold(DayOf(now) + 1); err != nil {
		t.Error(err)
	}
	check("freeing", true, true)
	sync()
	if err := unix.Munmap(m.files[0].data); err != nil {
		t.Fatal(err)
	}
	m.files[0].touch()
	if m.sync() == nil || !m.files[0].touched.Load() {
		t.Error("a sync that failed is not tried again")
	}
	m.files = m.files[1:]
}
