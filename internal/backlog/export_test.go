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
