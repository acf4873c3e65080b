package serverless

import (
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app/doc"
)

// settings are what custom.pinfold says of a function: what Lambda and the
// framework have no words for. A new one is a field here, a name in
// settingKeys and a line in [section.settings].
type settings struct {
	network     pinfold.Network
	concurrency int // of one instance; 0: not said
	queue       *pinfold.Queue
	provisioned []pinfold.ScheduledCount
}

// settingKeys can stand in custom.pinfold, for every function of the service,
// and in custom.pinfold.functions.KEY, for one.
var settingKeys = []string{"network", "concurrency", "queue", "provisioned"}

// readPinfold reads custom.pinfold. It is ours, so what is not known there is a
// mistake and not somebody else's.
func (r *reader) readPinfold() {
	const name = "custom.pinfold"
	s, _ := r.section(r.root.sub("custom").m.Get("pinfold"), name)
	s.only(append(slices.Clip(settingKeys), "schedules", "functions")...)
	r.ours = s.settings(settings{})
	schedules, _ := r.section(s.m.Get("schedules"), name+".schedules")
	schedules.only("missed")
	r.missed = pinfold.MissedPolicy(schedules.oneOf("missed", "", string(pinfold.MissedOnce), string(pinfold.MissedSkip)))
	r.oursOf = map[string]settings{}
	functions, _ := r.section(s.m.Get("functions"), name+".functions")
	keys := r.root.maps("functions").Map().Names()
	for _, k := range functions.keys() {
		if !slices.Contains(keys, k.Name) {
			r.problem(k.At, "%s of %s: there is no function of that name%s", k.Name, functions.name, doc.DidYouMean(k.Name, keys))
			continue
		}
		f, _ := r.section(functions.m.Get(k.Name), functions.name+"."+k.Name)
		f.only(settingKeys...)
		r.oursOf[k.Name] = f.settings(r.ours)
	}
}

// settings returns the settings of a section. What it does not name is as in base.
func (s section) settings(base settings) settings {
	if s.m.Get("network") != nil {
		base.network = s.network("network")
	}
	if s.m.Get("concurrency") != nil {
		base.concurrency = s.whole("concurrency", 1, 1000, 0)
	}
	if s.m.Get("queue") != nil {
		base.queue = s.queue("queue")
	}
	if s.m.Get("provisioned") != nil {
		base.provisioned = s.schedule("provisioned")
	}
	return base
}

// settingsOf returns what custom.pinfold says of a function.
func (r *reader) settingsOf(f *function) settings {
	if s, ok := r.oursOf[f.key]; ok {
		return s
	}
	return r.ours
}

// only tells of keys that nobody reads, as mistakes.
func (s section) only(keys ...string) {
	for _, k := range s.unknown(keys...) {
		hint := doc.DidYouMean(k.Name, keys)
		if hint == "" {
			hint = ": it knows " + strings.Join(keys, ", ")
		}
		s.r.problem(k.At, "%s is not known%s", s.label(k.Name), hint)
	}
}

// network reads what a function may reach. A value that comes out empty is a
// mistake: it must not open what somebody meant to close.
func (s section) network(key string) pinfold.Network {
	const forms = "open, none or a list of destinations"
	written := s.m.Get(key)
	n, err := s.r.resolve(written)
	switch {
	case err != nil:
		s.r.fail(written.At, err)
		return pinfold.Network{}
	case n.IsNull():
		s.r.problem(written.At, "%s holds nothing: write %s", s.label(key), forms)
		return pinfold.Network{}
	}
	list := n.List()
	if list == nil {
		list = doc.List{n} // one destination
	}
	words, wrong := []string{}, false
	for _, item := range list {
		word, ok := item.Value.(string)
		if !ok {
			s.r.problem(item.At, "%s must be %s, each a text, not %s", s.label(key), forms, item.What())
			wrong = true
		}
		words = append(words, word)
	}
	if wrong {
		return pinfold.Network{}
	}
	network, err := pinfold.ParseNetwork(words)
	if err == nil {
		return network
	}
	for i, item := range list {
		if _, err := pinfold.ParseDestination(words[i]); err != nil {
			s.r.problem(item.At, "%s: %v", s.label(key), err)
			wrong = true
		}
	}
	if !wrong { // the list as a whole is
		s.r.problem(n.At, "%s: %v", s.label(key), err)
	}
	return pinfold.Network{}
}
