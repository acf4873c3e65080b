package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"pinfold.dev/pinfold/internal/store/log"
)

var reading = []test{
	{"by patterns of subjects", patterns},
	{"from anywhere", fromAnywhere},
	{"to where the end was", toTheEnd},
	{"on when there is more", follows},
	{"on after a context has ended", readsOn},
	{"over gaps", overGaps},
	{"to an end that was removed", removedEnd},
	{"much, slowly", slowly},
	{"no more when it is closed", closedReader},
}

func patterns(b *bench) {
	s := b.stream(log.Limits{})
	b.fill(s, "a", "b", "a.b", "a.c", "a.b.c", "b.b.c", "a.b.c.d")
	for _, test := range []struct {
		pattern string
		want    []string
	}{
		{"", []string{"a", "b", "a.b", "a.c", "a.b.c", "b.b.c", "a.b.c.d"}},
		{">", []string{"a", "b", "a.b", "a.c", "a.b.c", "b.b.c", "a.b.c.d"}},
		{"*", []string{"a", "b"}},
		{"a", []string{"a"}},
		{"a.*", []string{"a.b", "a.c"}},
		{"a.>", []string{"a.b", "a.c", "a.b.c", "a.b.c.d"}},
		{"*.b", []string{"a.b"}},
		{"*.b.c", []string{"a.b.c", "b.b.c"}},
		{"*.b.>", []string{"a.b.c", "b.b.c", "a.b.c.d"}},
		{"a.*.c", []string{"a.b.c"}},
		{"*.*.*", []string{"a.b.c", "b.b.c"}},
		{"A", nil},
		{"c.>", nil},
	} {
		want(b, test.pattern, subjects(b.all(s, log.From{Subjects: test.pattern})), test.want...)
		counts := b.info(s, test.pattern).Subjects
		if test.pattern != "" && len(counts) != len(test.want) {
			b.Errorf("%s: counts %v; want those of %v", test.pattern, counts, test.want)
		}
	}
}

func fromAnywhere(b *bench) {
	s := b.stream(log.Limits{})
	want(b, "nothing", subjects(b.all(s, log.From{})))
	at := b.fill(s, "a", "b", "c")
	first, err := s.Get(b.Context(), at[2])
	b.must(err)
	b.until("the clock stands", func() bool { return time.Now().After(first.Time.Add(time.Millisecond)) })
	at = append(at, b.fill(s, "d", "e")...)
	fourth, err := s.Get(b.Context(), at[3])
	b.must(err)
	b.must(s.Remove(b.Context(), at[1]))
	for _, test := range []struct {
		name string
		from log.From
		want []string
	}{
		{"all", log.From{}, []string{"a", "c", "d", "e"}},
		{"position", log.From{Position: at[2]}, []string{"c", "d", "e"}},
		{"a gap", log.From{Position: at[1]}, []string{"c", "d", "e"}},
		{"the last", log.From{Position: at[4]}, []string{"e"}},
		{"behind the end", log.From{Position: at[4] + 1}, nil},
		{"far behind the end", log.From{Position: at[4] + 1000}, nil},
		{"position before all", log.From{Position: at[3], Time: first.Time, New: true}, []string{"d", "e"}},
		{"time", log.From{Time: fourth.Time}, []string{"d", "e"}},
		{"between", log.From{Time: first.Time.Add(time.Nanosecond)}, []string{"d", "e"}},
		{"long ago", log.From{Time: first.Time.Add(-time.Hour)}, []string{"a", "c", "d", "e"}},
		{"the future", log.From{Time: time.Now().Add(time.Hour)}, nil},
		{"new", log.From{New: true}, nil},
		{"with a pattern", log.From{Position: at[2], Subjects: "e"}, []string{"e"}},
	} {
		want(b, test.name, subjects(b.all(s, test.from)), test.want...)
	}
	fresh := b.reader(s, log.From{New: true, Follow: true})
	behind := b.reader(s, log.From{Position: at[4] + 1, Follow: true})
	b.fill(s, "f")
	want(b, "new", subjects(b.next(fresh, 1)), "f")
	want(b, "behind the end", subjects(b.next(behind, 1)), "f")
}

func toTheEnd(b *bench) {
	s := b.stream(log.Limits{})
	b.fill(s, "a", "b", "a")
	all, some := b.reader(s, log.From{}), b.reader(s, log.From{Subjects: "b"})
	b.fill(s, "c", "b")
	want(b, "all", subjects(b.rest(all)), "a", "b", "a")
	want(b, "some", subjects(b.rest(some)), "b")
	want(b, "again", subjects(b.rest(all)))
}

func follows(b *bench) {
	s := b.stream(log.Limits{})
	b.fill(s, "a", "x", "b")
	r := b.reader(s, log.From{Follow: true, Subjects: "*"})
	want(b, "what was there", subjects(b.next(r, 3)), "a", "x", "b")
	got := make(chan []log.Entry)
	for i := range 20 {
		go func() { got <- b.next(r, 1) }()
		at := b.fill(s, "other.subject", fmt.Sprint("n", i))
		want(b, "what came", positions(<-got), at[1])
	}
}

func readsOn(b *bench) {
	s := b.stream(log.Limits{})
	r := b.reader(s, log.From{Follow: true})
	for i := range 5 {
		if _, err := r.Next(b.soon(), 1); !errors.Is(err, context.DeadlineExceeded) {
			b.Errorf("Next of an empty stream: %v; want that the context has ended", err)
		}
		at := b.fill(s, fmt.Sprint("n", i), "x")
		want(b, "what came", positions(b.next(r, 2)), at...)
	}
	b.fill(s, "last")
	ended, cancel := context.WithCancel(b.Context())
	cancel()
	if _, err := r.Next(ended, 1); !errors.Is(err, context.Canceled) {
		b.Errorf("Next by a context that has ended: %v", err)
	}
	want(b, "what is left", subjects(b.next(r, 1)), "last")
}

func overGaps(b *bench) {
	s := b.stream(log.Limits{})
	r := b.reader(s, log.From{Follow: true})
	var at []uint64
	for range 10 {
		at = append(at, b.fill(s, "a", "b", "c", "d")...)
	}
	b.must(s.Remove(b.Context(), at[0], at[5], at[6], at[38]))
	b.must(s.Purge(b.Context(), "d", at[36]))
	var left []uint64
	for i, position := range at {
		if i != 0 && i != 5 && i != 6 && i != 38 && (i%4 != 3 || i > 36) {
			left = append(left, position)
		}
	}
	want(b, "what is left", positions(b.all(s, log.From{})), left...)
	last := b.fill(s, "end")[0]
	read := map[uint64]bool{} // one that follows may have been sent what is gone now
	for position := uint64(0); position != last; read[position] = true {
		next := b.next(r, 1)[0].Position
		if next <= position {
			b.Fatalf("%d was read after %d", next, position)
		}
		position = next
	}
	for _, position := range left {
		if !read[position] {
			b.Errorf("%d was not read", position)
		}
	}
}

func removedEnd(b *bench) {
	s := b.stream(log.Limits{})
	b.append(s, log.Entry{Subject: "a", Data: bytes.Repeat([]byte("a"), log.MaxData)}) // fills what is read ahead
	b.append(s, log.Entry{Subject: "a", Data: bytes.Repeat([]byte("b"), log.MaxData)})
	b.append(s, log.Entry{Subject: "a", Data: bytes.Repeat([]byte("c"), log.MaxData)})
	b.fill(s, "b", "b")
	r := b.reader(s, log.From{})
	b.must(s.Purge(b.Context(), "b", 0))
	if read := b.rest(r); len(read) < 3 || len(read) > 5 {
		b.Errorf("read %v", subjects(read))
	}
	gone := b.reader(s, log.From{})
	b.must(s.Purge(b.Context(), "", 0))
	if read := b.rest(gone); len(read) > 3 {
		b.Errorf("read %v", subjects(read))
	}
	want(b, "an empty stream", subjects(b.all(s, log.From{})))
	b.fill(s, "c")
	want(b, "filled again", subjects(b.all(s, log.From{})), "c")
}

func slowly(b *bench) {
	s := b.stream(log.Limits{})
	var at []uint64
	for range 60 {
		entries := make([]log.Entry, 50)
		for i := range entries {
			entries[i] = log.Entry{Subject: fmt.Sprint("s", i%7), Data: make([]byte, 4<<10)}
		}
		at = append(at, b.append(s, entries...)...)
	}
	r := b.reader(s, log.From{})
	var read []uint64
	for n := 1; len(read) < len(at); n = n%97 + 1 {
		some, err := r.Next(b.Context(), n)
		b.must(err)
		if len(some) > n {
			b.Fatalf("Next(%d) returned %d entries", n, len(some))
		}
		read = append(read, positions(some)...)
	}
	want(b, "read", read, at...)
}

func closedReader(b *bench) {
	s := b.stream(log.Limits{})
	b.fill(s, "a")
	r := b.reader(s, log.From{Follow: true})
	b.must(r.Close())
	if some, err := r.Next(b.Context(), 1); err == nil {
		b.Errorf("a closed reader has read %v", some)
	}
	b.must(r.Close())
}
