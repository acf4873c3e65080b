package logs

import "time"

// sweepEvery is how often the janitor looks for what may go. AWS takes up to 72
// hours longer; what is too old is not shown in the meantime.
const sweepEvery = time.Hour

// janitor is the goroutine that deletes what is too old, or too much.
func (s *Store) janitor() {
	defer close(s.swept)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := s.sweep(s.config.Now()); err != nil {
			s.config.Log.Error("old logs cannot be deleted", "error", err)
		}
		select {
		case <-tick.C:
		case <-s.done:
			return
		}
	}
}

// sweep deletes what is older than its group keeps it, and then the oldest of all
// groups while there is more than may be. It goes on after an error and returns
// the first.
func (s *Store) sweep(now time.Time) (failed error) {
	note := func(err error) {
		if failed == nil {
			failed = err
		}
	}
	s.files.Lock()
	var groups []*group
	for _, g := range s.groups {
		groups = append(groups, g)
	}
	s.files.Unlock()
	size := int64(0)
	for _, g := range groups {
		s.files.Lock() // for each alone: lines wait meanwhile
		if cutoff := g.cutoff(now); !cutoff.IsZero() && s.groups[g.ref] == g {
			note(g.journal.Trim(cutoff))
		}
		if s.config.KeepAllBytes > 0 {
			size += g.size()
		}
		s.files.Unlock()
	}
	for size > s.config.KeepAllBytes { // which is 0 for both if there is no bound
		freed, err := s.dropOldest(groups)
		if err != nil {
			note(err)
		}
		if freed == 0 {
			break
		}
		size -= freed
	}
	return failed
}

// dropOldest deletes the oldest segment of some groups and returns its size, or
// 0 if there is none to delete.
func (s *Store) dropOldest(groups []*group) (int64, error) {
	s.files.Lock()
	defer s.files.Unlock()
	var oldest *group
	var when time.Time
	for _, g := range groups {
		if at, ok := g.journal.Oldest(); ok && s.groups[g.ref] == g && (oldest == nil || at.Before(when)) {
			oldest, when = g, at
		}
	}
	if oldest == nil {
		return 0, nil
	}
	return oldest.journal.DropOldest()
}
