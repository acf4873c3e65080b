package logtest

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

var owning = []test{
	{"one at a time", oneOwner},
	{"another log waits", otherLog},
	{"and is lost with the log", lostOwner},
	{"in turns", turns},
}

var closing = []test{
	{"a closed log says so", closed},
	{"who waits is told", waiters},
}

func oneOwner(b *bench) { b.takesOver(b.Log, b.Log) }

func otherLog(b *bench) {
	if !b.Shared {
		b.Skip("one log at a time is open here")
	}
	other := b.open()
	defer other.Close()
	b.takesOver(b.Log, other)
}

// takesOver has a name owned by one, then the other.
func (b *bench) takesOver(one, other log.Log) {
	owned, release, err := one.Own(b.Context(), "some.name", "one", func(holder string) { b.Errorf("it waits for %s", holder) })
	b.must(err)
	if owned.Err() != nil {
		b.Error("it is lost at once")
	}
	if _, _, err := other.Own(b.soon(), "some.name", "two", nil); !errors.Is(err, context.DeadlineExceeded) {
		b.Errorf("a second owner: %v; want that the context has ended", err)
	}
	apart, releaseApart, err := other.Own(b.Context(), "another.name", "two", nil)
	b.must(err)
	holders, second := make(chan string, 1), make(chan context.Context)
	go func() {
		owned, release, err := other.Own(b.Context(), "some.name", "two", func(holder string) { holders <- holder })
		b.must(err)
		second <- owned
		<-owned.Done()
		release()
		close(second)
	}()
	if holder := <-holders; holder != "one" {
		b.Errorf("it waits for %q; want one", holder)
	}
	if owned.Err() != nil {
		b.Error("it is lost while another one waits")
	}
	release()
	release()
	if <-owned.Done(); apart.Err() != nil {
		b.Error("another name is lost with it")
	}
	if owned := <-second; owned.Err() != nil {
		b.Error("the second owner has it and has lost it")
	}
	releaseApart()
	b.must(other.Close())
	<-second
}

func lostOwner(b *bench) {
	owned, release, err := b.Own(b.Context(), "name", "one", nil)
	b.must(err)
	b.must(b.Log.Close())
	<-owned.Done()
	release()
	b.Log = b.open()
	_, release, err = b.Own(b.Context(), "name", "two", nil)
	b.must(err)
	release()
}

func turns(b *bench) {
	logs := []log.Log{b.Log, b.Log}
	if b.Shared {
		logs[1] = b.open()
		defer logs[1].Close()
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, l := range logs {
		all.Go(func() {
			for range 3 {
				_, release, err := l.Own(b.Context(), "name", "holder", nil)
				if err != nil {
					b.Error(err)
					return
				}
				if !mu.TryLock() {
					b.Error("two own it")
					return
				}
				runtime.Gosched()
				mu.Unlock()
				release()
			}
		})
	}
	all.Wait()
}

func closed(b *bench) {
	s := b.stream(log.Limits{})
	b.fill(s, "a")
	c := b.consumer(s, log.ConsumerConfig{})
	r := b.reader(s, log.From{Follow: true})
	d := b.fetch(c, 1)[0]
	b.must(b.Log.Close())
	b.must(b.Log.Close())
	for what, try := range map[string]func() error{
		"Stream":         func() error { _, err := b.Stream(b.Context(), "test", log.Limits{}); return err },
		"Delete":         func() error { return b.Delete(b.Context(), "test") },
		"Own":            func() error { _, _, err := b.Own(b.Context(), "name", "holder", nil); return err },
		"Append":         func() error { return s.Append(b.Context(), log.Entry{Subject: "a"})[0].Err },
		"Get":            func() error { _, err := s.Get(b.Context(), 1); return err },
		"Read":           func() error { _, err := s.Read(b.Context(), log.From{}); return err },
		"Next":           func() error { _, err := r.Next(b.Context(), 1); return err },
		"Remove":         func() error { return s.Remove(b.Context(), 1) },
		"Purge":          func() error { return s.Purge(b.Context(), "", 0) },
		"Info":           func() error { _, err := s.Info(b.Context(), ""); return err },
		"Consumer":       func() error { _, err := s.Consumer(b.Context(), "c", log.ConsumerConfig{}); return err },
		"DeleteConsumer": func() error { return s.DeleteConsumer(b.Context(), "c") },
		"Fetch":          func() error { _, err := c.Fetch(b.Context(), 1); return err },
		"Ack":            func() error { return d.Ack(b.Context()) },
		"Delay":          func() error { return d.Delay(time.Second) },
		"InProgress":     d.InProgress,
	} {
		b.wantCode(what+" of a closed log", try(), pinfold.Unavailable)
	}
}

func waiters(b *bench) {
	s := b.stream(log.Limits{})
	c := b.consumer(s, log.ConsumerConfig{})
	r := b.reader(s, log.From{Follow: true})
	_, release, err := b.Own(b.Context(), "name", "holder", nil)
	b.must(err)
	defer release()
	told := make(chan string)
	waits := make(chan error)
	go func() { _, err := c.Fetch(b.Context(), 1); waits <- err }()
	go func() { _, err := r.Next(b.Context(), 1); waits <- err }()
	go func() {
		_, _, err := b.Own(b.Context(), "name", "other", func(holder string) { told <- holder })
		waits <- err
	}()
	<-told
	b.must(b.Log.Close())
	for range 3 {
		b.wantCode("what waits in a closed log", <-waits, pinfold.Unavailable)
	}
}
