// Package blobtest is the conformance suite of the blob.Store contract: every
// engine passes it. It stands beside the contract and knows no engine.
package blobtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/blob"
)

// Run tests an engine. open returns an empty store that the test owns.
func Run(t *testing.T, open func(t *testing.T) blob.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, blob.Store)
	}{
		{"put, open, delete", putOpenDelete},
		{"sizes", sizes},
		{"a blob is replaced as a whole", replaces},
		{"a failed put leaves what was there", failsWhole},
		{"a cancelled put leaves nothing", cancels},
		{"an open blob stays what it was", staysOpen},
		{"keys", keys},
		{"concurrent puts of one key", concurrent},
		{"list", lists},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

var ctx = context.Background()

func put(t *testing.T, s blob.Store, key, content string) {
	t.Helper()
	if err := s.Put(ctx, key, strings.NewReader(content)); err != nil {
		t.Fatalf("Put(%q): %v", key, err)
	}
}

func want(t *testing.T, s blob.Store, key, content string) {
	t.Helper()
	b, err := s.Open(ctx, key)
	if err != nil {
		t.Errorf("Open(%q): %v", key, err)
		return
	}
	defer b.Close()
	got, err := io.ReadAll(b)
	if err != nil || string(got) != content || b.Size() != int64(len(content)) {
		t.Errorf("%q has %d bytes (Size %d), %v; want %d", key, len(got), b.Size(), err, len(content))
	}
}

func wantNothing(t *testing.T, s blob.Store, key string) {
	t.Helper()
	b, err := s.Open(ctx, key)
	if err == nil {
		b.Close()
	}
	if pinfold.CodeOf(err) != pinfold.NotFound {
		t.Errorf("Open(%q) = %v; want NotFound", key, err)
	}
}

func putOpenDelete(t *testing.T, s blob.Store) {
	wantNothing(t, s, "a/b")
	put(t, s, "a/b", "hello")
	want(t, s, "a/b", "hello")
	wantNothing(t, s, "a")
	wantNothing(t, s, "a/b/c")
	b, err := s.Open(ctx, "a/b")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	part := make([]byte, 3)
	if n, err := b.ReadAt(part, 2); n != 3 || err != nil && err != io.EOF || string(part) != "llo" {
		t.Errorf("ReadAt = %q, %v", part[:n], err)
	}
	for range 2 { // a missing one is not an error
		if err := s.Delete(ctx, "a/b"); err != nil {
			t.Errorf("Delete: %v", err)
		}
	}
	wantNothing(t, s, "a/b")
	if err := s.Delete(ctx, "a/b/c"); err != nil {
		t.Errorf("Delete below nothing: %v", err)
	}
}

func sizes(t *testing.T, s blob.Store) {
	for _, size := range []int{0, 1, 4095, 4096, 1<<20 + 1} {
		content := strings.Repeat("x", size)
		put(t, s, "sized", content)
		want(t, s, "sized", content)
	}
}

func replaces(t *testing.T, s blob.Store) {
	put(t, s, "k", "a long first content")
	put(t, s, "k", "short")
	want(t, s, "k", "short")
}

func failsWhole(t *testing.T, s blob.Store) {
	put(t, s, "k", "before")
	broken := errors.New("the caller hung up")
	for _, key := range []string{"k", "new"} {
		err := s.Put(ctx, key, io.MultiReader(strings.NewReader("half of it"), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("Put with a broken reader = %v; want its error", err)
		}
	}
	want(t, s, "k", "before")
	wantNothing(t, s, "new")
	coded := pinfold.Errorf(pinfold.TooLarge, "too much").WithReason("Why")
	err := s.Put(ctx, "new", iotest.ErrReader(coded))
	if pinfold.CodeOf(err) != pinfold.TooLarge || pinfold.ReasonOf(err) != "Why" {
		t.Errorf("Put = %v; want the code and reason of the reader's error", err)
	}
}

func cancels(t *testing.T, s blob.Store) {
	ctx, cancel := context.WithCancel(ctx)
	endless := readerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
	if err := s.Put(ctx, "k", endless); pinfold.CodeOf(err) != pinfold.Timeout {
		t.Errorf("a cancelled Put = %v; want Timeout", err)
	}
	wantNothing(t, s, "k")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func staysOpen(t *testing.T, s blob.Store) {
	put(t, s, "k", "first")
	b, err := s.Open(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	put(t, s, "k", "second")
	if err := s.Delete(ctx, "k"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); err != nil || string(got) != "first" {
		t.Errorf("the open blob now reads %q, %v", got, err)
	}
}

func keys(t *testing.T, s blob.Store) {
	for _, key := range []string{"a", "0", "a.b-c/d..e/-", "sha256/" + strings.Repeat("ab", 32) + ".zip"} {
		put(t, s, key, key)
		want(t, s, key, key)
	}
	for _, key := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", ".a", "A", "a b", "a\x00", "a\\b", "ä", "_a", strings.Repeat("a/", 600) + "a"} {
		if err := s.Put(ctx, key, strings.NewReader("x")); pinfold.CodeOf(err) != pinfold.Invalid {
			t.Errorf("Put(%q) = %v; want Invalid", key, err)
		}
		if b, err := s.Open(ctx, key); pinfold.CodeOf(err) != pinfold.Invalid {
			t.Errorf("Open(%q) = %v, %v; want Invalid", key, b, err)
		}
		if err := s.Delete(ctx, key); pinfold.CodeOf(err) != pinfold.Invalid {
			t.Errorf("Delete(%q) = %v; want Invalid", key, err)
		}
	}
}

func concurrent(t *testing.T, s blob.Store) {
	contents := []string{strings.Repeat("a", 1<<16), strings.Repeat("b", 1<<15), strings.Repeat("c", 1<<17)}
	var all sync.WaitGroup
	for i := range 12 {
		all.Go(func() {
			if err := s.Put(ctx, "shared/key", strings.NewReader(contents[i%3])); err != nil {
				t.Error(err)
			}
			b, err := s.Open(ctx, "shared/key")
			if err != nil {
				t.Error(err)
				return
			}
			defer b.Close()
			var got bytes.Buffer
			if _, err := got.ReadFrom(b); err != nil || !slices.Contains(contents, got.String()) {
				t.Errorf("a mixture of %d bytes, %v", got.Len(), err)
			}
		})
	}
	all.Wait()
}

func lists(t *testing.T, s blob.Store) {
	l, ok := s.(blob.Lister)
	if !ok {
		t.Skip("the store is not a blob.Lister")
	}
	before := time.Now().Add(-time.Minute) // clocks of files are coarse
	for _, key := range []string{"a/1", "a/2", "ab/1", "b"} {
		put(t, s, key, "x")
	}
	var found []string
	if err := l.List(ctx, "a/", func(key string, put time.Time) error {
		if put.Before(before) || put.After(time.Now().Add(time.Minute)) {
			t.Errorf("%s was put at %v", key, put)
		}
		found = append(found, key)
		return s.Delete(ctx, key)
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	if !slices.Equal(found, []string{"a/1", "a/2"}) {
		t.Errorf("List = %q", found)
	}
	wantNothing(t, s, "a/1")
	want(t, s, "ab/1", "x")
	stop := errors.New("stop")
	calls := 0
	if err := l.List(ctx, "", func(string, time.Time) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("List = %v after %d calls; want the error of fn", err, calls)
	}
}
