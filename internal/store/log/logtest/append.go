package logtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

var appending = []test{
	{"entries come back as they were", comesBack},
	{"in the order in which they were appended", inOrder},
	{"an id is stored once", once},
	{"an id is forgotten in time", forgotten},
	{"large entries", large},
	{"what is no entry is refused, and its neighbours are not", refuses},
	{"many at the same time", concurrent},
	{"nothing by a context that has ended", appendEnded},
}

func comesBack(b *bench) {
	s := b.stream(log.Limits{})
	entries := []log.Entry{
		{Subject: "plain", Data: []byte("data")},
		{Subject: "a.b-c.D_9.e", ID: "id: 1!", Meta: `{"some": "meta", "~": 1}`, Data: []byte{0, 255, '\r', '\n', 0}},
		{Subject: "empty"},
		{Subject: strings.Repeat("long", log.MaxSubject/4), ID: strings.Repeat("i", log.MaxID), Meta: strings.Repeat("m", log.MaxMeta)},
	}
	before := time.Now().Add(-time.Second)
	at := b.append(s, entries...)
	after := time.Now().Add(time.Second)
	check := func(how string, i int, got log.Entry) {
		b.Helper()
		e := entries[i]
		if got.Position != at[i] || got.Subject != e.Subject || got.ID != e.ID || got.Meta != e.Meta || !bytes.Equal(got.Data, e.Data) || !got.At.IsZero() {
			b.Errorf("%s: %+v; want %+v at %d", how, got, e, at[i])
		}
		if got.Time.Before(before) || got.Time.After(after) {
			b.Errorf("%s: stored at %v; appended between %v and %v", how, got.Time, before, after)
		}
	}
	for round := range 2 {
		read := b.all(s, log.From{})
		if len(read) != len(entries) {
			b.Fatalf("round %d: read %d entries of %d", round, len(read), len(entries))
		}
		for i := range entries {
			check("read", i, read[i])
			got, err := s.Get(b.Context(), at[i])
			b.must(err)
			check("get", i, got)
		}
		b.reopen()
		s = b.stream(log.Limits{})
	}
}

func inOrder(b *bench) {
	s := b.stream(log.Limits{})
	if stored := s.Append(b.Context()); len(stored) != 0 {
		b.Errorf("appending nothing stored %v", stored)
	}
	var at []uint64
	for call := range 3 {
		entries := make([]log.Entry, 2000)
		for i := range entries {
			entries[i] = log.Entry{Subject: fmt.Sprint("s.", call, ".", i)}
		}
		at = append(at, b.append(s, entries...)...)
	}
	if !slices.IsSorted(at) || len(slices.Compact(slices.Clone(at))) != len(at) {
		b.Error("positions do not ascend")
	}
	read := b.all(s, log.From{})
	if !slices.Equal(positions(read), at) {
		b.Errorf("%d entries were read at other positions than %d were stored at", len(read), len(at))
	}
	for i, e := range read {
		if want := fmt.Sprint("s.", i/2000, ".", i%2000); e.Subject != want {
			b.Fatalf("entry %d is %s; want %s", i, e.Subject, want)
		}
	}
}

func once(b *bench) {
	s := b.stream(log.Limits{Dedup: time.Hour})
	first := b.append(s, log.Entry{Subject: "a", ID: "x"})[0]
	again := func(when string) {
		b.Helper()
		stored := s.Append(b.Context(), log.Entry{Subject: "other", ID: "x"})[0]
		if stored.Err != nil || !stored.Duplicate || stored.Position != first {
			b.Errorf("%s: %+v; want a duplicate of %d", when, stored, first)
		}
	}
	again("at once")
	all := s.Append(b.Context(), log.Entry{Subject: "b", ID: "y"}, log.Entry{Subject: "c", ID: "y"}, log.Entry{Subject: "d"})
	if all[0].Duplicate || !all[1].Duplicate || all[1].Position != all[0].Position || all[2].Duplicate || all[2].Err != nil {
		b.Errorf("twice in one call: %+v", all)
	}
	b.must(s.Remove(b.Context(), first))
	again("when the first one is removed")
	want(b, "stored", subjects(b.all(s, log.From{})), "b", "d")
	b.reopen()
	s = b.stream(log.Limits{Dedup: time.Hour})
	if stored := s.Append(b.Context(), log.Entry{Subject: "e", ID: "y"})[0]; !stored.Duplicate {
		b.Errorf("in a log that was opened anew: %+v; want a duplicate", stored)
	}
}

func forgotten(b *bench) {
	s := b.stream(log.Limits{Dedup: 200 * time.Millisecond})
	b.append(s, log.Entry{Subject: "a", ID: "x"})
	b.until("the id is still known", func() bool {
		return !s.Append(b.Context(), log.Entry{Subject: "a", ID: "x"})[0].Duplicate
	})
}

func large(b *bench) {
	s := b.stream(log.Limits{})
	data := make([]byte, log.MaxData)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	stored := s.Append(b.Context(),
		log.Entry{Subject: "a", Data: data, Meta: strings.Repeat("m", log.MaxMeta)},
		log.Entry{Subject: "b", Data: make([]byte, log.MaxData+1)},
		log.Entry{Subject: "c", Data: data[1:]})
	if stored[0].Err != nil || stored[2].Err != nil {
		b.Errorf("the largest entries: %v, %v", stored[0].Err, stored[2].Err)
	}
	b.wantCode("an entry that is too large", stored[1].Err, pinfold.TooLarge)
	read := b.all(s, log.From{})
	want(b, "stored", subjects(read), "a", "c")
	if !bytes.Equal(read[0].Data, data) || !bytes.Equal(read[1].Data, data[1:]) {
		b.Error("the data of large entries has changed")
	}
	many := make([]log.Entry, 40) // more than may be on their way
	for i := range many {
		many[i] = log.Entry{Subject: fmt.Sprint("many.", i), Data: data}
	}
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for _, stored := range s.Append(b.Context(), many...) {
				if stored.Err != nil {
					b.Error(stored.Err)
				}
			}
		})
	}
	all.Wait()
}

func refuses(b *bench) {
	s := b.stream(log.Limits{Age: time.Hour})
	bad := []log.Entry{
		{}, {Subject: "."}, {Subject: "a..b"}, {Subject: "a."}, {Subject: ".a"}, {Subject: "a b"}, {Subject: "a.*"}, {Subject: "a.>"}, {Subject: "ä"}, {Subject: "a/b"}, {Subject: "$a"},
		{Subject: strings.Repeat("l", log.MaxSubject+1)},
		{Subject: "a", Meta: "line\nbreak"}, {Subject: "a", Meta: "\x00"}, {Subject: "a", Meta: "ä"}, {Subject: "a", Meta: " a"}, {Subject: "a", Meta: strings.Repeat("m", log.MaxMeta+1)},
		{Subject: "a", ID: "line\rbreak"}, {Subject: "a", ID: "a "}, {Subject: "a", ID: strings.Repeat("i", log.MaxID+1)},
		{Subject: "a", At: time.Now().Add(2 * time.Hour)}, // would be dropped before
	}
	entries := []log.Entry{{Subject: "first"}}
	for _, e := range bad {
		entries = append(entries, e, log.Entry{Subject: "neighbour"})
	}
	for i, stored := range s.Append(b.Context(), entries...) {
		if i%2 == 0 {
			b.must(stored.Err)
		} else {
			b.wantCode(fmt.Sprintf("%.40v", entries[i]), stored.Err, pinfold.Invalid)
		}
	}
	if n := len(b.all(s, log.From{})); n != len(bad)+1 {
		b.Errorf("%d entries were stored; want %d", n, len(bad)+1)
	}
	for _, name := range []string{"", "a.b", "a b", "a*", "ä"} {
		_, err := b.Stream(b.Context(), name, log.Limits{})
		b.wantCode(fmt.Sprintf("stream %q", name), err, pinfold.Invalid)
		_, err = s.Consumer(b.Context(), name, log.ConsumerConfig{})
		b.wantCode(fmt.Sprintf("consumer %q", name), err, pinfold.Invalid)
	}
	for _, pattern := range []string{".", "a.", ">.a", "a>", "a b", "a.*b"} {
		_, err := s.Read(b.Context(), log.From{Subjects: pattern})
		b.wantCode("read "+pattern, err, pinfold.Invalid)
		_, err = s.Info(b.Context(), pattern)
		b.wantCode("info "+pattern, err, pinfold.Invalid)
		b.wantCode("purge "+pattern, s.Purge(b.Context(), pattern, 0), pinfold.Invalid)
		_, err = s.Consumer(b.Context(), "c", log.ConsumerConfig{Subjects: pattern})
		b.wantCode("consumer of "+pattern, err, pinfold.Invalid)
	}
}

func concurrent(b *bench) {
	const writers, calls, batch = 8, 20, 25
	s := b.stream(log.Limits{})
	var all sync.WaitGroup
	seen := make([][]log.Entry, 3)
	for i := range seen {
		r := b.reader(s, log.From{Follow: true})
		all.Go(func() { seen[i] = b.next(r, writers*calls*batch) })
	}
	for w := range writers {
		all.Go(func() {
			for call := range calls {
				entries := make([]log.Entry, batch)
				for i := range entries {
					entries[i] = log.Entry{Subject: fmt.Sprint("w.", w), Data: fmt.Append(nil, call*batch+i)}
				}
				at := b.append(s, entries...)
				if !slices.IsSorted(at) {
					b.Errorf("writer %d: positions %d do not ascend", w, at)
				}
			}
		})
	}
	all.Wait()
	for i, entries := range seen {
		if !slices.Equal(positions(entries), positions(seen[0])) {
			b.Errorf("reader %d has read other positions than reader 0", i)
		}
		next := map[string]int{}
		for _, e := range entries {
			if want := fmt.Sprint(next[e.Subject]); string(e.Data) != want {
				b.Fatalf("reader %d: %s of %s; want %s", i, e.Data, e.Subject, want)
			}
			next[e.Subject]++
		}
	}
}

func appendEnded(b *bench) {
	s := b.stream(log.Limits{})
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	for _, stored := range s.Append(ctx, log.Entry{Subject: "a"}, log.Entry{Subject: "b"}) {
		if !errors.Is(stored.Err, context.Canceled) {
			b.Errorf("append: %v; want that the context was cancelled", stored.Err)
		}
	}
	want(b, "stored", subjects(b.all(s, log.From{})))
}
