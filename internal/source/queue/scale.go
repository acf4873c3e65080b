package queue

import "time"

// How the number of batches that may be out at a time is found. Lambda begins with
// five and adds up to 300 a minute, up to 1,250 ("Configuring scaling behavior for
// SQS event source mappings", Lambda developer guide). Here too it is five at first;
// more are tried by doubling, and kept if they help: on a machine of one's own they
// often do not.
const (
	firstPlaces = 5
	mostPlaces  = 1250
	round       = time.Second // how long at least a number of places is tried
	worth       = 1.2         // how much more must get done with twice as many
	content     = time.Minute // for how long no more are tried after it did not help
)

// scale says how many batches may be out at a time. It has no lock and no clock of
// its own.
type scale struct {
	places int
	// What follows is of the time since which there has always been more to do than
	// places; since is zero where there has not.
	since time.Time
	done  int // batches
	// before is the number of places before the last ones were added, which did rate
	// batches a second; 0 if that is settled.
	before int
	rate   float64
	until  time.Time // when more may be tried again
}

func newScale() scale { return scale{places: firstPlaces} }

// over notes that a batch is over.
func (s *scale) over() { s.done++ }

// full notes that all places are taken and that there is more to do, and adds places
// up to most, or takes back those that did not help.
func (s *scale) full(now time.Time, most int) {
	if s.since.IsZero() {
		s.since, s.done = now, 0
		return
	}
	took := now.Sub(s.since)
	if took < round || s.done < s.places {
		return
	}
	rate := float64(s.done) / took.Seconds()
	switch {
	case s.before > 0 && rate < s.rate*worth:
		s.places, s.before, s.until = s.before, 0, now.Add(content)
	case s.places < min(most, mostPlaces) && now.After(s.until):
		s.before, s.rate = s.places, rate
		s.places = min(2*s.places, most, mostPlaces)
	default:
		s.before = 0
	}
	s.since, s.done = now, 0
}

// calm notes that there was no more to do than places.
func (s *scale) calm() { s.since, s.before = time.Time{}, 0 }

// idle notes that there was nothing to do at all.
func (s *scale) idle() { *s = newScale() }

// throttled notes that no more could run than n others.
func (s *scale) throttled(now time.Time, n int) {
	s.calm()
	s.places, s.until = max(1, n), now.Add(round)
}
