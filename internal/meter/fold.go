package meter

import (
	"encoding/hex"
	"errors"
	"maps"
	"slices"

	"pinfold.dev/pinfold"
)

// fold moves the slots of days before one to the ledger, and frees them. It may
// be interrupted anywhere:
//
//	retire   nobody adds any more: what is counted for the day from now on
//	         gets a slot of its own
//	mark     the slots say that they are folding, on disk, too
//	append   lines with their ids are in the ledger, on disk, too
//	free     the slots are
//
// A slot that is found folding may have its line already: that is looked up. So
// one that has is not written again, and who reads both takes an id once.
func (m *Meter) fold(before Day) error {
	m.folding.Lock()
	defer m.folding.Unlock()
	months := map[string][]*counter{}
	for _, c := range m.over(before) {
		months[c.key.Day.Month()] = append(months[c.key.Day.Month()], c)
	}
	var failed error
	for _, month := range slices.Sorted(maps.Keys(months)) {
		failed = errors.Join(failed, guard(func() error { return m.foldMonth(month, months[month]) }))
	}
	return failed
}

// over retires what is in files and of days before one.
func (m *Meter) over(before Day) (over []*counter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for c := range m.live {
		if c.key.Day < before && c.file != nil && !c.broken.Load() {
			m.retire(c)
			over = append(over, c)
		}
	}
	for day := range m.pages {
		if day < before {
			delete(m.pages, day)
		}
	}
	if p := m.today.Load(); p != nil && p.day < before {
		m.today.Store(nil)
	}
	return over
}

func (m *Meter) foldMonth(month string, over []*counter) error {
	known, err := m.appended(month, over)
	if err != nil {
		return err
	}
	touched := map[*file]bool{}
	for _, c := range over {
		c.slot.state.Store(slotFolding)
		c.file.touch()
		touched[c.file] = true
	}
	for f := range touched {
		if err := f.sync(); err != nil {
			return err
		}
	}
	m.step("marked")
	var lines []byte
	for _, c := range over {
		if !known[hex.EncodeToString(c.id[:])] {
			counts := c.slot.counts.read(c.key.MemoryMB)
			e := newEntry(c.id, c.key, &counts)
			lines = appendEntry(lines, &e)
		}
	}
	if len(lines) > 0 {
		if err := m.ledger.append(month, lines); err != nil {
			return err
		}
	}
	m.step("appended")
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range over {
		c.slot.state.Store(slotFree)
		c.file.touch()
		delete(m.live, c)
		m.free = append(m.free, c.place)
		m.step("freed")
	}
	return nil
}

// appended returns the ids that have a line already, if any can.
func (m *Meter) appended(month string, over []*counter) (map[string]bool, error) {
	known := map[string]bool{}
	folding := func(c *counter) bool { return c.slot.state.Load() == slotFolding }
	if !slices.ContainsFunc(over, folding) {
		return known, nil
	}
	for e, err := range m.ledger.entries(month) {
		if pinfold.CodeOf(err) == pinfold.Internal {
			break // damaged lines, at the end: what nobody can read counts again
		}
		if err != nil {
			return nil, err
		}
		known[e.ID] = true
	}
	return known, nil
}
