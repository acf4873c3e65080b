package backlog

// Crash ends a hub as the end of its process does: nothing more is written down.
func (h *Hub) Crash() {
	h.cancel()
	h.owned.Wait()
	for _, b := range h.backlogs {
		b.closeReader()
		if b.alarm != nil {
			b.alarm.Stop()
		}
	}
}

// Hurry has less that was removed stay in the log: until so much is dead, so much of it
// behind older messages, and so much worth a purge of the front.
func (h *Hub) Hurry(bury, dead, front int) {
	h.removals.mu.Lock()
	defer h.removals.mu.Unlock()
	h.removals.limits = limits{bury, dead, front}
}

// AppendRecord is what is written down of a removal.
func AppendRecord(data []byte, id string, positions ...uint64) []byte {
	return removed{id, positions}.append(data)
}

// ParseRecord reads records.
func ParseRecord(data []byte) (ids []string, positions [][]uint64, err error) {
	all, err := parseRecord(data)
	for _, one := range all {
		ids, positions = append(ids, one.id), append(positions, one.positions)
	}
	return ids, positions, err
}
