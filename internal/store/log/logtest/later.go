package logtest

import (
	"errors"
	"fmt"
	"io"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

var later = []test{
	{"is not now", notNow},
	{"is now if it is past", past},
	{"survives reopening", survives},
	{"can be taken back", takenBack},
}

func notNow(b *bench) {
	s := b.stream(log.Limits{Age: time.Hour})
	r := b.reader(s, log.From{Follow: true})
	c, err := s.Consumer(b.Context(), "c", log.ConsumerConfig{})
	b.must(err)
	entry := log.Entry{Subject: "a.late", ID: "id", Meta: "meta", Data: []byte("data")}
	entry.At = time.Now().Add(300 * time.Millisecond)
	far := log.Entry{Subject: "a.late", At: time.Now().Add(30 * time.Minute)} // of the same subject
	at := b.append(s, entry, far, log.Entry{Subject: "a.now"})
	if stored := s.Append(b.Context(), entry)[0]; !stored.Duplicate {
		b.Errorf("the same id again: %+v; want a duplicate", stored)
	}
	want(b, "now", subjects(b.next(r, 1)), "a.now")
	if _, err := s.Get(b.Context(), at[1]); pinfold.CodeOf(err) != pinfold.NotFound {
		b.Errorf("get what waits: %v", err)
	}
	if info := b.info(s, ">"); info.Subjects["a.now"] != 1 || info.Subjects["a.late"] > 1 || info.Entries != 3 {
		b.Errorf("%+v; want one of a.now, and three in all", info)
	}
	got := b.next(r, 1)[0]
	if now := time.Now(); now.Before(entry.At) {
		b.Errorf("it came at %v, before %v", now, entry.At)
	}
	if got.Subject != entry.Subject || got.ID != entry.ID || got.Meta != entry.Meta || string(got.Data) != "data" || !got.At.IsZero() || got.Position <= at[2] || got.Time.Before(entry.At) {
		b.Errorf("came as %+v; want %+v behind %d", got, entry, at[2])
	}
	again, err := s.Get(b.Context(), got.Position)
	b.must(err)
	if again.ID != "id" || again.Meta != "meta" {
		b.Errorf("get: %+v", again)
	}
	want(b, "read", subjects(b.all(s, log.From{})), "a.now", "a.late")
	want(b, "by pattern", subjects(b.all(s, log.From{Subjects: "a.late"})), "a.late")
	var delivered []string
	for len(delivered) < 2 {
		all, err := c.Fetch(b.Context(), 10)
		b.must(err)
		for _, d := range all {
			delivered = append(delivered, d.Entry().Subject)
			b.must(d.Ack(b.Context()))
		}
	}
	want(b, "delivered", delivered, "a.now", "a.late")
}

func past(b *bench) {
	s := b.stream(log.Limits{})
	at := b.append(s, log.Entry{Subject: "a", At: time.Now().Add(-time.Hour)}, log.Entry{Subject: "b", At: time.Unix(0, 0)}, log.Entry{Subject: "c"})
	want(b, "read", positions(b.all(s, log.From{})), at...)
}

func survives(b *bench) {
	s := b.stream(log.Limits{})
	due := time.Now().Add(500 * time.Millisecond)
	for i := range 5 {
		b.append(s, log.Entry{Subject: "a", Data: fmt.Append(nil, i), At: due}, log.Entry{Subject: "b", At: due.Add(time.Hour)})
	}
	b.reopen()
	s = b.stream(log.Limits{})
	r := b.reader(s, log.From{Follow: true})
	for i, e := range b.next(r, 5) {
		if string(e.Data) != fmt.Sprint(i) || e.Subject != "a" || e.Time.Before(due) {
			b.Errorf("entry %d came as %+v", i, e)
		}
	}
	if info := b.info(s, ""); info.Entries != 10 {
		b.Errorf("%d entries; want 10, 5 of which wait", info.Entries)
	}
	b.reopen()
	want(b, "read", subjects(b.all(b.stream(log.Limits{}), log.From{})), "a", "a", "a", "a", "a")
}

func takenBack(b *bench) {
	s := b.stream(log.Limits{})
	due := time.Now().Add(300 * time.Millisecond)
	at := b.append(s,
		log.Entry{Subject: "x.1", At: due}, log.Entry{Subject: "x.1", At: due}, log.Entry{Subject: "y.2", At: due},
		log.Entry{Subject: "x", At: due}, log.Entry{Subject: "z", At: due})
	b.must(s.Purge(b.Context(), "x.>", 0))
	b.must(s.Remove(b.Context(), at[2]))
	r := b.reader(s, log.From{Follow: true})
	want(b, "what is left", subjects(b.next(r, 2)), "x", "z")
	b.append(s, log.Entry{Subject: "end", At: time.Now().Add(time.Millisecond)})
	want(b, "after it", subjects(b.next(r, 1)), "end")
	if _, err := b.reader(s, log.From{New: true}).Next(b.Context(), 1); !errors.Is(err, io.EOF) {
		b.Error(err)
	}
}
