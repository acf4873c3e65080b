package logtest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

var removing = []test{
	{"entries by position", removes},
	{"entries by subject", purges},
	{"by age", byAge},
	{"by size", bySize},
	{"by number of a subject", bySubject},
	{"a stream", deletes},
	{"and count what is left", counts},
}

func removes(b *bench) {
	s := b.stream(log.Limits{})
	at := b.fill(s, "a", "b", "c", "d", "e")
	_, err := s.Get(b.Context(), at[4]+1)
	b.wantCode("get what is not there yet", err, pinfold.NotFound)
	b.must(s.Remove(b.Context()))
	b.must(s.Remove(b.Context(), at[2]))
	b.must(s.Remove(b.Context(), at[0], at[4]))
	b.must(s.Remove(b.Context(), at[0], at[1], at[4]+1, at[4]+1000)) // one is there
	for _, i := range []int{0, 1, 2, 4} {
		_, err := s.Get(b.Context(), at[i])
		b.wantCode("get what is removed", err, pinfold.NotFound)
	}
	for range 2 {
		want(b, "what is left", subjects(b.all(s, log.From{})), "d")
		if info := b.info(s, ""); info.First != at[3] || info.Last != at[4] || info.Entries != 1 || info.Bytes == 0 {
			b.Errorf("%+v; want one entry at %d, and the last at %d", info, at[3], at[4])
		}
		b.reopen()
		s = b.stream(log.Limits{})
	}
	b.must(s.Remove(b.Context(), at[3]))
	if info := b.info(s, ""); info.First != at[4]+1 || info.Last != at[4] || info.Entries != 0 || info.Bytes != 0 {
		b.Errorf("%+v; want nothing behind %d", info, at[4])
	}
	b.reopen()
	s = b.stream(log.Limits{})
	if next := b.fill(s, "f")[0]; next <= at[4] {
		b.Errorf("the next entry is at %d, the last one was at %d", next, at[4])
	}
	var many []uint64
	for range 10 {
		many = append(many, b.fill(s, slices.Repeat([]string{"many"}, 100)...)...)
	}
	b.must(s.Remove(b.Context(), many...))
	want(b, "what is left", subjects(b.all(s, log.From{})), "f")
}

func purges(b *bench) {
	s := b.stream(log.Limits{})
	b.must(s.Purge(b.Context(), "none.>", 0))
	all := []string{"a", "a.b", "a.c", "b.b", "b.c"}
	at := b.fill(s, append(all, all...)...)
	b.must(s.Purge(b.Context(), "a.*", at[7])) // one of a.c is left
	want(b, "a.*", subjects(b.all(s, log.From{})), "a", "b.b", "b.c", "a", "a.c", "b.b", "b.c")
	b.must(s.Purge(b.Context(), "*.b", 0))
	want(b, "*.b", subjects(b.all(s, log.From{})), "a", "b.c", "a", "a.c", "b.c")
	b.must(s.Purge(b.Context(), "", at[5]))
	want(b, "before", subjects(b.all(s, log.From{})), "a", "a.c", "b.c")
	b.must(s.Purge(b.Context(), "", 0))
	want(b, "all", subjects(b.all(s, log.From{})))
	if info := b.info(s, ">"); info.Last != at[9] || info.Entries != 0 || len(info.Subjects) != 0 {
		b.Errorf("%+v; want none, and the last at %d", info, at[9])
	}
	if next := b.fill(s, "a")[0]; next <= at[9] {
		b.Errorf("the next entry is at %d, the last one was at %d", next, at[9])
	}
}

func byAge(b *bench) {
	s := b.stream(log.Limits{Age: 300 * time.Millisecond})
	old := b.fill(s, "a", "b")
	b.until("old entries are there", func() bool { return b.info(s, "").Entries == 0 })
	_, err := s.Get(b.Context(), old[0])
	b.wantCode("get what is old", err, pinfold.NotFound)
	s = b.stream(log.Limits{Age: time.Hour})
	b.fill(s, "c")
	want(b, "what is young", subjects(b.all(s, log.From{})), "c")
}

func bySize(b *bench) {
	s := b.stream(log.Limits{Bytes: 1 << 20})
	for i := range 300 {
		b.append(s, log.Entry{Subject: fmt.Sprint("n", i), Data: make([]byte, 10<<10)})
	}
	left := b.all(s, log.From{})
	if info := b.info(s, ""); info.Bytes > 1<<20 || info.Entries != uint64(len(left)) || len(left) < 50 || len(left) > 103 {
		b.Errorf("%d entries are left, %+v", len(left), info)
	}
	if last := left[len(left)-1].Subject; last != "n299" {
		b.Errorf("the last entry is %s", last)
	}
	s = b.stream(log.Limits{Bytes: 200 << 10})
	b.until("a smaller limit does nothing", func() bool { return b.info(s, "").Bytes <= 200<<10 })
}

func bySubject(b *bench) {
	s := b.stream(log.Limits{PerSubject: 2})
	at := b.fill(s, "a", "b", "a", "a", "b", "c", "a")
	want(b, "left", positions(b.all(s, log.From{})), at[1], at[3], at[4], at[5], at[6])
	s = b.stream(log.Limits{PerSubject: 1})
	b.until("a smaller limit does nothing", func() bool { return b.info(s, "").Entries == 3 })
	want(b, "left", positions(b.all(s, log.From{})), at[4], at[5], at[6])
	s = b.stream(log.Limits{})
	b.fill(s, "a", "a", "a")
	want(b, "without a limit", subjects(b.all(s, log.From{})), "b", "c", "a", "a", "a", "a")
}

func deletes(b *bench) {
	s := b.stream(log.Limits{})
	other, err := b.Stream(b.Context(), "other", log.Limits{})
	b.must(err)
	b.fill(s, "a", "b")
	b.fill(other, "c")
	want(b, "apart", subjects(b.all(other, log.From{})), "c")
	b.must(b.Delete(b.Context(), "test"))
	b.must(b.Delete(b.Context(), "test"))
	if stored := s.Append(b.Context(), log.Entry{Subject: "a"})[0]; stored.Err == nil {
		b.Error("a stream that is deleted takes entries")
	}
	_, err = s.Info(b.Context(), "")
	b.wantCode("info of a stream that is deleted", err, pinfold.NotFound)
	want(b, "the other one", subjects(b.all(other, log.From{})), "c")
	s = b.stream(log.Limits{})
	want(b, "made anew", subjects(b.all(s, log.From{})))
	b.fill(s, "d")
	want(b, "made anew", subjects(b.all(s, log.From{})), "d")
}

func counts(b *bench) {
	s := b.stream(log.Limits{})
	at := b.fill(s, "a.x", "a.y", "a.x", "b.x", "a.x")
	b.must(s.Remove(b.Context(), at[0]))
	for pattern, want := range map[string]map[string]uint64{
		"":    nil,
		">":   {"a.x": 2, "a.y": 1, "b.x": 1},
		"a.*": {"a.x": 2, "a.y": 1},
		"*.x": {"a.x": 2, "b.x": 1},
		"b.x": {"b.x": 1},
		"c":   {},
	} {
		info := b.info(s, pattern)
		if !maps.Equal(info.Subjects, want) || info.Entries != 4 || info.First != at[1] || info.Last != at[4] {
			b.Errorf("%q: %+v; want %v", pattern, info, want)
		}
	}
}
