package meter

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// TestDamagedLine changes a byte of a line: the others come, and then it is said.
func TestDamagedLine(t *testing.T) {
	dir := t.TempDir()
	m := quiet(t, Config{Dir: dir})
	for _, name := range []string{"a", "b", "c"} {
		m.Executed(execution(function(name, "1", 128), noon, 10))
	}
	if err := m.fold(lastDay); err != nil {
		t.Fatal(err)
	}
	name := m.ledger.name("2026-11")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte(`"name":"b"`))+8] = 'x'
	data = append(data, strings.Repeat("z", 3*maxLine)+"\nhalf a line"...)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	var said []string
	for u, err := range m.Usage(t.Context(), ever) {
		if err != nil {
			said = append(said, err.Error())
		} else if n++; u.Function.Name == "x" {
			t.Error("the damaged line counts")
		}
	}
	if n != 2 || len(said) != 1 || !strings.Contains(said[0], "2 lines") {
		t.Errorf("%d rows and %q", n, said)
	}
	m.Executed(execution(function("d", "1", 128), noon, 10))
	if err := m.fold(lastDay); err != nil {
		t.Fatal(err)
	}
	n = 0
	for _, err := range m.Usage(t.Context(), ever) {
		if err == nil {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d rows with another", n)
	}
}

// FuzzEntry reads lines: what can be read is written the same.
func FuzzEntry(f *testing.F) {
	c := Counts{BilledMS: 2, Billed100MS: 100, BytesOut: 3, CPU: 4, Init: 5000, Errors: 6, Cold: 7, PeakMB: 8}
	c.Durations[1], c.Peaks[0] = 1, 1
	e := newEntry([16]byte{1}, keyOf(function("a", "$LATEST", 128), DayOf(noon)), &c)
	f.Add(bytes.TrimSuffix(appendEntry(nil, &e), []byte("\n")))
	f.Add([]byte("00000000 {}"))
	f.Add([]byte("a3a1e43b {}"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, line []byte) {
		e, err := parseEntry(line)
		if err != nil {
			if pinfold.CodeOf(err) != pinfold.Internal {
				t.Errorf("%v is no error of ours", err)
			}
			return
		}
		counts := e.counts()
		again := newEntry([16]byte{}, e.key, &counts)
		again.ID = e.ID
		read, err := parseEntry(bytes.TrimSuffix(appendEntry(nil, &again), []byte("\n")))
		if err != nil || !reflect.DeepEqual(read, again) {
			t.Errorf("%+v is read as %+v, %v", again, read, err)
		}
	})
}
