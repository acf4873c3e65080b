package logs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pinfold.dev/pinfold"
)

func TestPutEvents(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir()})
	ref := custom("g")
	must(t, s.CreateGroup(ref, "", nil), s.CreateStream(ref, "s"), s.SetRetention(ref, 3))
	now := time.Now()
	put := func(events ...InputEvent) (Rejected, error) { return s.PutEvents(ref, "s", events) }
	const day = 24 * time.Hour
	for name, c := range map[string]struct {
		times []time.Duration
		want  Rejected
	}{
		"fine":           {[]time.Duration{-time.Hour, 0, 119 * time.Minute}, Rejected{-1, -1, -1}},
		"ahead":          {[]time.Duration{0, 119 * time.Minute, 121 * time.Minute, 122 * time.Minute}, Rejected{2, -1, -1}},
		"too old":        {[]time.Duration{-14*day - 20*time.Hour, -14*day - 19*time.Hour, -14*day + time.Hour}, Rejected{-1, 2, 3}},
		"expired":        {[]time.Duration{-3*day - time.Hour, -3*day + time.Hour}, Rejected{-1, -1, 1}},
		"all of it gone": {[]time.Duration{-20 * day}, Rejected{-1, 1, -1}},
		"a long time":    {[]time.Duration{-20 * day, 0, 20 * day}, Rejected{2, 1, -1}}, // of 24 hours are what is taken
	} {
		var events []InputEvent
		for _, d := range c.times {
			events = append(events, InputEvent{now.Add(d), name})
		}
		if got, err := put(events...); got != c.want || err != nil {
			t.Errorf("%s: %+v, want %+v, %v", name, got, c.want, err)
		}
	}
	events, _, err := s.Filter(t.Context(), FilterQuery{Group: ref, Pattern: "ahead"})
	if err != nil || len(events) != 2 || events[0].Stream != "s" || events[0].Ingested.Before(now.Add(-time.Second)) || len(events[0].ID) != 56 {
		t.Errorf("%+v, %v", events, err)
	}
	large := strings.Repeat("x", maxBatch/2-eventOverhead)
	_, err = put(InputEvent{now, large}, InputEvent{now, large})
	must(t, err)
	many := slices.Repeat([]InputEvent{{now, "x"}}, maxEvents+1)
	_, err = put(many[1:]...)
	must(t, err)
	for name, bad := range map[string][]InputEvent{
		"none":         {},
		"too many":     many,
		"too large":    {{now, large + "x"}, {now, large}},
		"out of order": {{now, "a"}, {now.Add(-1), "b"}},
		"24 hours":     {{now.Add(-25 * time.Hour), "a"}, {now, "b"}},
		"no message":   {{now, ""}},
	} {
		_, err := put(bad...)
		if pinfold.ReasonOf(err) != "InvalidParameterException" {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = s.PutEvents(ref, "none", []InputEvent{{now, "x"}})
	refused(t, err, pinfold.NotFound, "ResourceNotFoundException")
	_, err = s.PutEvents(custom("none"), "s", []InputEvent{{now, "x"}})
	refused(t, err, pinfold.NotFound, "ResourceNotFoundException")
}

// TestEventPages walks through a stream forwards and backwards, among the events
// of another, some at the same time.
func TestEventPages(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir(), BlockBytes: 500})
	ref := custom("g")
	must(t, s.CreateGroup(ref, "", nil), s.CreateStream(ref, "s"), s.CreateStream(ref, "other"))
	now := time.Now().Truncate(time.Second)
	var want []string
	put := func(i int) {
		t.Helper()
		for _, stream := range []string{"s", "other"} {
			_, err := s.PutEvents(ref, stream, []InputEvent{{now.Add(time.Duration(i/3) * time.Second), fmt.Sprint(stream, i)}})
			must(t, err)
		}
		want = append(want, fmt.Sprint("s", i))
	}
	for i := range 100 {
		put(i)
	}
	get := func(q EventQuery) EventPage {
		t.Helper()
		q.Group, q.Stream = ref, "s"
		page, err := s.Events(t.Context(), q)
		must(t, err)
		return page
	}
	var got []string
	page := get(EventQuery{FromHead: true, Limit: 7})
	for ; len(page.Events) > 0; page = get(EventQuery{Limit: 7, Token: page.Forward}) {
		got = append(got, messages(page.Events)...)
	}
	expect(t, "forwards", got, want...)
	end := page.Forward
	if again := get(EventQuery{Token: end}); again.Forward != end || len(again.Events) > 0 {
		t.Errorf("at the end: %+v", again)
	}
	put(100)
	expect(t, "what came since", messages(get(EventQuery{Token: end}).Events), "s100")
	got = nil
	for page = get(EventQuery{Limit: 7}); len(page.Events) > 0; page = get(EventQuery{Limit: 7, Token: page.Backward}) {
		got = append(messages(page.Events), got...)
	}
	expect(t, "backwards", got, want...)
	expect(t, "the last ones", messages(get(EventQuery{Limit: 2}).Events), "s99", "s100")
	expect(t, "between", messages(get(EventQuery{From: now.Add(time.Second), To: now.Add(2 * time.Second)}).Events), "s3", "s4", "s5")
	for _, token := range []string{"x", "f/", "f/1/2/3", "n/1/2", "f/01/2"} {
		_, err := s.Events(t.Context(), EventQuery{Group: ref, Stream: "s", Token: token})
		refused(t, err, pinfold.Invalid, "InvalidParameterException")
	}
	_, err := s.Events(t.Context(), EventQuery{Group: ref, Stream: "none"})
	refused(t, err, pinfold.NotFound, "ResourceNotFoundException")

	must(t, s.CreateStream(ref, "empty"))
	empty, err := s.Events(t.Context(), EventQuery{Group: ref, Stream: "empty"})
	must(t, err)
	_, err = s.PutEvents(ref, "empty", []InputEvent{{now, "first"}})
	must(t, err)
	next, err := s.Events(t.Context(), EventQuery{Group: ref, Stream: "empty", Token: empty.Forward})
	must(t, err)
	expect(t, "the first of an empty stream", messages(next.Events), "first")
}

func TestFilterPages(t *testing.T) {
	s := open(t, Config{Dir: t.TempDir(), BlockBytes: 500})
	ref := custom("g")
	must(t, s.CreateGroup(ref, "", nil))
	now := time.Now().Truncate(time.Second)
	var want []string
	for _, stream := range []string{"a1", "a2", "b"} {
		must(t, s.CreateStream(ref, stream))
		for i := range 50 {
			_, err := s.PutEvents(ref, stream, []InputEvent{{now.Add(time.Duration(i) * time.Second), fmt.Sprintf(`{"stream":"%s","i":%d}`, stream, i)}})
			must(t, err)
		}
	}
	for i := 40; i < 50; i++ {
		for _, stream := range []string{"a1", "a2"} {
			want = append(want, fmt.Sprintf(`{"stream":"%s","i":%d}`, stream, i))
		}
	}
	for name, q := range map[string]FilterQuery{
		"prefix":  {Prefix: "a", Pattern: "{ $.i >= 40 }"},
		"streams": {Streams: []string{"a1", "a2"}, From: now.Add(40 * time.Second)},
		"both":    {Pattern: `{ $.stream = "a*" && $.i > 30 }`, From: now.Add(40 * time.Second), To: now.Add(49 * time.Second)},
	} {
		q.Group, q.Limit = ref, 3
		var got []string
		pages := 0
		for {
			events, token, err := s.Filter(t.Context(), q)
			must(t, err)
			got = append(got, messages(events)...)
			pages++
			if q.Token = token; token == "" {
				break
			}
		}
		expect(t, name, got, want...)
		if pages != 7 {
			t.Errorf("%s: %d pages", name, pages)
		}
	}
	one, _, err := s.Filter(t.Context(), FilterQuery{Group: ref, Streams: []string{"b"}, Pattern: `"i\":7}"`})
	must(t, err)
	expect(t, "one stream", messages(one), `{"stream":"b","i":7}`)
	for _, q := range []FilterQuery{{Pattern: "a-b"}, {Streams: []string{"a1"}, Prefix: "a"}, {Token: "x"}, {Limit: -1}} {
		q.Group = ref
		_, _, err := s.Filter(t.Context(), q)
		refused(t, err, pinfold.Invalid, "InvalidParameterException")
	}
	_, _, err = s.Filter(t.Context(), FilterQuery{Group: custom("none")})
	refused(t, err, pinfold.NotFound, "ResourceNotFoundException")
}

func TestLiveTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: t.TempDir()})
		must(t, err)
		ref := custom("g")
		must(t, s.CreateGroup(ref, "", nil), s.CreateStream(ref, "one"), s.CreateStream(ref, "two"), s.CreateGroup(custom("other"), "", nil), s.CreateStream(custom("other"), "one"))
		put := func(ref GroupRef, stream string, n int) {
			for i := range n {
				_, err := s.PutEvents(ref, stream, []InputEvent{{time.Now(), fmt.Sprint("event ", i)}})
				must(t, err)
			}
		}
		updates, err := s.LiveTail(t.Context(), TailQuery{Groups: []GroupRef{ref}, Prefixes: []string{"o"}, Pattern: `-"event 1"`})
		must(t, err)
		go func() {
			for i := range 4 {
				time.Sleep(100 * time.Millisecond)
				switch i {
				case 1:
					put(ref, "one", 5)
					put(ref, "two", 5)
					put(custom("other"), "one", 5)
				case 2:
					put(ref, "one", 700)
				}
				time.Sleep(900 * time.Millisecond)
			}
		}()
		var sizes []string
		for u := range updates {
			sizes = append(sizes, fmt.Sprint(len(u.Events), u.Sampled))
			if len(u.Events) == 4 && (u.Events[0].Group != ref || u.Events[0].Stream != "one" || u.Events[3].Message != "event 4") {
				t.Errorf("%+v", u)
			}
			if len(sizes) == 5 {
				break
			}
		}
		expect(t, "updates", sizes, "0 false", "0 false", "4 false", "500 true", "0 false")
		for _, q := range []TailQuery{{}, {Groups: []GroupRef{ref, custom("other")}, Streams: []string{"one"}}, {Groups: []GroupRef{ref}, Pattern: "["}} {
			_, err := s.LiveTail(t.Context(), q)
			refused(t, err, pinfold.Invalid, "InvalidParameterException")
		}
		if len(s.followers) > 0 {
			t.Error("the tail is still registered")
		}
		s.Close()
	})
}

// An update has to fit a message of the event stream, however long events are.
func TestLiveTailOfLongEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{Dir: t.TempDir()})
		must(t, err)
		ref := custom("g")
		must(t, s.CreateGroup(ref, "", nil), s.CreateStream(ref, "one"))
		updates, err := s.LiveTail(t.Context(), TailQuery{Groups: []GroupRef{ref}})
		must(t, err)
		n := 0
		for u := range updates {
			size := 0
			for _, e := range u.Events {
				size += len(e.Message)
			}
			if size > maxTailBytes || n == 1 && (size == 0 || !u.Sampled) {
				t.Errorf("update %d has %d bytes, sampled %v", n, size, u.Sampled)
			}
			switch n++; n {
			case 1:
				for range 20 {
					_, err := s.PutEvents(ref, "one", []InputEvent{{time.Now(), strings.Repeat("x", 300_000)}})
					must(t, err)
				}
				continue
			case 2:
				continue
			}
			break
		}
		s.Close()
	})
}
