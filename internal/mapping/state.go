package mapping

import (
	"time"

	"pinfold.dev/pinfold"
)

// State is what a mapping is going through. Source: State of
// EventSourceMappingConfiguration, Lambda API reference.
type State string

// The states.
const (
	Creating  State = "Creating"
	Enabling  State = "Enabling"
	Enabled   State = "Enabled"
	Disabling State = "Disabling"
	Disabled  State = "Disabled"
	Updating  State = "Updating"
	Deleting  State = "Deleting"
)

// userInitiated is the StateTransitionReason of mappings of queues; every change of
// theirs begins with a call.
const userInitiated = "USER_INITIATED"

// live is what the process knows of a mapping beside its record.
type live struct {
	state    State
	changed  time.Time // of the state
	modified time.Time // of the record that the state is about
	result   string
	deleted  *pinfold.EventSourceMapping // a record that is not in the store any more
}

// of returns what is known of a mapping. The caller holds the lock.
func (s *shared) of(id string) *live {
	l := s.live[id]
	if l == nil {
		l = &live{}
		s.live[id] = l
	}
	return l
}

// begin notes that a change has been stored and has yet to take effect. The caller
// holds the lock.
func (s *shared) begin(m *pinfold.EventSourceMapping, state State) {
	l := s.of(m.UUID)
	l.state, l.changed, l.modified, l.deleted = state, m.Modified, m.Modified, nil
	if state == Deleting {
		l.deleted = m
	}
}

// leaving returns a deleted mapping that still has batches out, or nil.
func (s *shared) leaving(id string) *pinfold.EventSourceMapping {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.live[id]; l != nil {
		return l.deleted
	}
	return nil
}

// Settled is for who runs mappings to tell that m has taken effect: it is polled as
// it says or, if it is not enabled, no batch of it is out any more.
func (r *Registry) Settled(m pinfold.EventSourceMapping) {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	l := r.shared.of(m.UUID)
	if l.deleted != nil || l.modified.After(m.Modified) {
		return // has changed again
	}
	if state := settled(m.Enabled); l.state != state {
		l.state, l.changed = state, now()
	}
}

func settled(enabled bool) State {
	if enabled {
		return Enabled
	}
	return Disabled
}

// Gone is for who runs mappings to tell that nothing is left of a deleted one.
func (r *Registry) Gone(id string) {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	if l := r.shared.live[id]; l != nil && l.deleted != nil { // else it has been made again
		delete(r.shared.live, id)
	}
}

// Processed is for who runs mappings to tell what came of a batch: "OK", or what
// kind of problem there was.
func (r *Registry) Processed(id, result string) {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	r.shared.of(id).result = result
}

// describe adds to a record what the process knows of it. A mapping of which it
// knows nothing yet was there before the process, and is about to be polled.
func (r *Registry) describe(m pinfold.EventSourceMapping) *Description {
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	d := &Description{EventSourceMapping: m, State: Disabled, Reason: userInitiated, Changed: m.Modified}
	if m.Enabled {
		d.State = Enabling
	}
	l := r.shared.live[m.UUID]
	if l == nil {
		return d
	}
	d.Result = l.result
	if l.state != "" {
		d.State = l.state
	}
	if l.changed.After(d.Changed) {
		d.Changed = l.changed
	}
	return d
}
