package jetstream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// tmpfs returns a folder in a file system of some MB.
func tmpfs(t *testing.T, mb int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mb)); err != nil {
		t.Skip("mounting a tmpfs needs root: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill fills a file system to the last byte, and returns what gives it back.
func fill(t *testing.T, dir string) (empty func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// acknowledge appends until something fails, and returns what did not.
func acknowledge(t *testing.T, s log.Stream, most int) (positions []uint64, err error) {
	t.Helper()
	for len(positions) < most {
		for _, stored := range s.Append(t.Context(), log.Entry{Subject: "a", Data: make([]byte, 100<<10)}, log.Entry{Subject: "b", Data: make([]byte, 10)}) {
			if err = stored.Err; err != nil {
				if pinfold.CodeOf(err) != pinfold.Unavailable {
					t.Errorf("on a full disk: %v", err)
				}
				return positions, err
			}
			positions = append(positions, stored.Position)
		}
	}
	return positions, nil
}

// follow reads all of these.
func follow(t *testing.T, r log.Reader, positions []uint64) {
	t.Helper()
	want, last := map[uint64]bool{}, uint64(0)
	for _, position := range positions {
		want[position] = true
	}
	for len(want) > 0 {
		entries, err := r.Next(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Position <= last {
				t.Fatalf("%d was read after %d", e.Position, last)
			}
			last = e.Position
			delete(want, last)
		}
	}
}

// A disk that fills up has entries refused, and nothing breaks.
func TestFullDisk(t *testing.T) {
	dir := tmpfs(t, 100)
	l, s := open(t, Options{Dir: filepath.Join(dir, "log")})
	r, err := s.Read(t.Context(), log.From{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	stored, err := acknowledge(t, s, 10000)
	t.Logf("%d entries fit, then: %v", len(stored), err)
	if len(stored) < 500 || err == nil {
		t.Fatal("the disk does not fill up as expected")
	}
	empty := fill(t, dir) // others take the rest
	if more, err := acknowledge(t, s, 1); err == nil {
		t.Errorf("a disk without a byte has taken %v", more)
	}
	if why := l.server.ill(); why != "" {
		t.Errorf("the server has given up: %s", why)
	}
	if _, err := s.Get(t.Context(), stored[0]); err != nil {
		t.Error(err)
	}
	empty()
	for _, position := range stored[:300] { // makes room by itself
		if err := s.Remove(t.Context(), position); err != nil {
			t.Fatal(err)
		}
	}
	var more []uint64
	for len(more) < 100 { // as soon as the free space is looked at again
		some, _ := acknowledge(t, s, 100-len(more))
		more = append(more, some...)
	}
	follow(t, r, append(stored[300:], more...))
}

// A server that gave up all the same, because a write failed, is brought back.
func TestWriteError(t *testing.T) {
	dir := tmpfs(t, 50)
	_, s := open(t, Options{Dir: filepath.Join(dir, "log"), space: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 40, nil }})
	r, err := s.Read(t.Context(), log.From{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	stored, err := acknowledge(t, s, 20)
	if err != nil {
		t.Fatal(err)
	}
	empty := fill(t, dir)
	for range 3 {
		some, err := acknowledge(t, s, 100000)
		t.Logf("%d entries, then: %v", len(some), err)
		stored = append(stored, some...)
	}
	if _, err := s.Get(t.Context(), stored[0]); err != nil && pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("get on a full disk: %v", err)
	}
	if err := s.Remove(t.Context(), stored[0]); err == nil {
		stored = stored[1:]
	} else if pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("remove on a full disk: %v", err)
	}
	empty()
	var more []uint64
	for len(more) < 10 {
		some, _ := acknowledge(t, s, 10)
		more = append(more, some...)
	}
	follow(t, r, append(stored, more...))
}
