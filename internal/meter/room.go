package meter

import (
	"maps"

	"pinfold.dev/pinfold"
)

// house gives a counter a slot in a file. It reports false if there is none to
// be had. mu is held.
func (m *Meter) house(c *counter) bool {
	if m.closed {
		return false
	}
	for {
		if len(m.free) == 0 && (m.troubles["growing"] != nil || m.grow() != nil) {
			return false
		}
		p := m.free[0]
		m.free = m.free[1:]
		filled := false
		if guard(func() error { filled = p.slot.fill(c.key); return nil }) != nil {
			m.failed(p.file)
			continue
		}
		p.file.touch()
		if !filled {
			m.free = append(m.free, p)
			m.say("naming", pinfold.Errorf(pinfold.Internal, "the name of %s is too long for a counter: what it uses is in memory alone", c.key.Name))
			return false
		}
		c.place = p
		return true
	}
}

// ahead adds a file if fewer slots than so many are free, so that nobody who
// counts waits for that.
func (m *Meter) ahead(least int) {
	m.mu.Lock()
	if len(m.free) >= least {
		m.mu.Unlock()
		return
	}
	m.last++
	n := m.last
	m.mu.Unlock()
	f, _, err := mapFile(fileName(m.config.Dir, n))
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.adopt(n, f, err) // said
}

// grow adds a file for who cannot go on without. mu is held.
func (m *Meter) grow() error {
	m.last++
	f, _, err := mapFile(fileName(m.config.Dir, m.last))
	return m.adopt(m.last, f, err)
}

// adopt takes the slots of a new file, or says why there are none. mu is held.
func (m *Meter) adopt(n int, f *file, err error) error {
	m.say("growing", err)
	if err != nil {
		if m.last == n {
			m.last-- // the next one tries it again
		}
		return err
	}
	m.files = append(m.files, f)
	for i := range slotsPerFile {
		m.free = append(m.free, place{f, f.slot(i)})
	}
	return nil
}

// settle moves counters from memory to files, as far as these can be had.
func (m *Meter) settle() {
	m.mu.Lock()
	homeless := m.homeless
	m.mu.Unlock()
	if homeless == 0 {
		return
	}
	m.ahead(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range maps.Clone(m.live) {
		to := &counter{key: c.key}
		if c.file != nil || !m.house(to) {
			continue
		}
		m.retire(c)
		if guard(func() error { c.slot.counts.copyTo(&to.slot.counts); return nil }) != nil {
			continue // with another slot, next time
		}
		to.file.touch()
		m.homeless--
		delete(m.live, c)
		to.id = to.slot.id
		m.live[to] = true
		if m.counters[c.key] == nil {
			m.counters[c.key] = to
		}
	}
}
