package logs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// TestOldLogsAreConverted opens a folder as version 0.4 left it.
func TestOldLogsAreConverted(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "000000000000.us-east-1.%48ello")
	if err := os.Mkdir(old, 0o700); err != nil {
		t.Fatal(err)
	}
	var want []pinfold.LogLine
	for i := range 4 {
		var file []byte
		for k := range 1000 {
			l := line("Hello", 1000*i+k, fmt.Sprintf("<%d> \x00 ü", 1000*i+k))
			l.Name, l.Version, l.RequestID, l.System = "Hello", "7", fmt.Sprint("r", k), k == 5
			l.Function.Qualifier = "7"
			want = append(want, l)
			data, err := json.Marshal(l)
			if err != nil {
				t.Fatal(err)
			}
			file = append(append(file, data...), '\n')
		}
		if i == 3 {
			file = append(file, `{"time":"2020-11-21T12:00:02Z","function":"Hello","text":"to`...)
		}
		if err := os.WriteFile(filepath.Join(old, fmt.Sprintf("%08d.jsonl", i+1)), file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		s := open(t, Config{Dir: dir})
		var got []pinfold.LogLine
		for l, err := range s.Query(t.Context(), Query{Functions: []pinfold.FunctionRef{function("Hello")}}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, l)
		}
		if len(got) != len(want) {
			t.Fatalf("%d of %d lines", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("line %d became %+v, want %+v", i, got[i], want[i])
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the old folder is still there: %v", err)
	}
}

func FuzzReadLines(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-21T12:00:00Z","function":"a","version":"1","instance":"i","text":"x"}`+"\n"), 7)
	f.Add([]byte(`{"time":"2026-11-21T12:00:00Z","text":"torn`), 1)
	f.Add([]byte("\n\n{}\nnull\n[]\n{\"time\":1}\n\x00\x00\x00"), 3)
	f.Add([]byte(strings.Repeat("x", 70_000)+"\n"+`{"time":"2026-11-21T12:00:00Z","text":"y"}`+"\n"), 0)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		read := func(data []byte) (lines []pinfold.LogLine) {
			err := readLines(strings.NewReader(string(data)), func(l pinfold.LogLine) error {
				lines = append(lines, l)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return lines
		}
		// What a crash cuts off costs the line that is cut and no other.
		whole := read(data)
		if cut < 0 || cut > len(data) {
			return
		}
		torn := read(data[:cut])
		if len(torn) > len(whole)+1 {
			t.Fatalf("%d lines, of which a part has %d", len(whole), len(torn))
		}
		for i := range torn[:max(0, len(torn)-1)] {
			if torn[i] != whole[i] {
				t.Fatalf("line %d: %+v became %+v", i, whole[i], torn[i])
			}
		}
	})
}
