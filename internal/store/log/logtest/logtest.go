// Package logtest is the conformance suite of the contract of the log: every engine
// passes it. [Faulty] is a log that fails as it is told to, for the tests of what
// stands on one. It knows no engine.
package logtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// Place is where the logs of one test are.
type Place struct {
	// Open opens a log on what the ones before it left behind.
	Open func() (log.Log, error)
	// Shared says that several may be open at the same time.
	Shared bool
}

// Run tests an engine. place makes an empty place.
func Run(t *testing.T, place func(t *testing.T) Place) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"append", appending}, {"read", reading}, {"remove", removing}, {"later", later}, {"consumer", consuming}, {"own", owning}, {"close", closing},
	} {
		for _, test := range group.tests {
			t.Run(group.name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				b := &bench{T: t, Place: place(t)}
				b.Log = b.open()
				t.Cleanup(func() { b.Log.Close() })
				test.run(b)
			})
		}
	}
}

type test struct {
	name string
	run  func(*bench)
}

// bench is a log under test.
type bench struct {
	*testing.T
	Place
	log.Log
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// wantCode checks the code of an error.
func (b *bench) wantCode(what string, err error, want pinfold.Code) {
	b.Helper()
	if err == nil || pinfold.CodeOf(err) != want {
		b.Errorf("%s: %v; want an error with code %s", what, err, want)
	}
}

func (b *bench) open() log.Log {
	b.Helper()
	l, err := b.Place.Open()
	b.must(err)
	return l
}

func (b *bench) reopen() {
	b.Helper()
	b.must(b.Log.Close())
	b.Log = b.open()
}

func (b *bench) stream(limits log.Limits) log.Stream {
	b.Helper()
	s, err := b.Stream(b.Context(), "test", limits)
	b.must(err)
	return s
}

// append appends and returns the positions.
func (b *bench) append(s log.Stream, entries ...log.Entry) (positions []uint64) {
	b.Helper()
	for i, stored := range s.Append(b.Context(), entries...) {
		if stored.Err != nil {
			b.Fatalf("append %s: %v", entries[i].Subject, stored.Err)
		}
		positions = append(positions, stored.Position)
	}
	return positions
}

// fill appends an entry under each subject, whose data is its subject and its number.
func (b *bench) fill(s log.Stream, subjects ...string) []uint64 {
	b.Helper()
	entries := make([]log.Entry, len(subjects))
	for i, subject := range subjects {
		entries[i] = log.Entry{Subject: subject, Data: fmt.Append(nil, subject, " ", i)}
	}
	return b.append(s, entries...)
}

func (b *bench) reader(s log.Stream, from log.From) log.Reader {
	b.Helper()
	r, err := s.Read(b.Context(), from)
	b.must(err)
	b.Cleanup(func() { r.Close() })
	return r
}

// next reads so many entries, however they come.
func (b *bench) next(r log.Reader, n int) (all []log.Entry) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	for len(all) < n {
		some, err := r.Next(ctx, n-len(all))
		if err != nil {
			b.Fatalf("%d entries of %d were read, then: %v", len(all), n, err)
		}
		if len(some) == 0 || len(some) > n-len(all) {
			b.Fatalf("Next returned %d entries; asked for 1 to %d", len(some), n-len(all))
		}
		all = append(all, some...)
	}
	return all
}

// all reads to the end.
func (b *bench) all(s log.Stream, from log.From) []log.Entry {
	b.Helper()
	return b.rest(b.reader(s, from))
}

func (b *bench) rest(r log.Reader) (all []log.Entry) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	for {
		some, err := r.Next(ctx, 1000)
		if errors.Is(err, io.EOF) {
			return all
		}
		b.must(err)
		all = append(all, some...)
	}
}

func subjects(entries []log.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Subject)
	}
	return all
}

func positions(entries []log.Entry) (all []uint64) {
	for _, e := range entries {
		all = append(all, e.Position)
	}
	return all
}

func want[T comparable](b *bench, what string, got []T, want ...T) {
	b.Helper()
	if !slices.Equal(got, want) {
		b.Errorf("%s: %v; want %v", what, got, want)
	}
}

func (b *bench) info(s log.Stream, subjects string) log.Info {
	b.Helper()
	info, err := s.Info(b.Context(), subjects)
	b.must(err)
	return info
}

// until waits until something that takes its time has happened.
func (b *bench) until(what string, happened func() bool) {
	b.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("after a minute, %s", what)
		}
	}
}

// soon is a context for what is expected to wait in vain.
func (b *bench) soon() context.Context {
	ctx, cancel := context.WithTimeout(b.Context(), 50*time.Millisecond)
	b.Cleanup(cancel)
	return ctx
}
