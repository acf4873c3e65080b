package serverless

import (
	"fmt"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
	"pinfold.dev/pinfold/internal/cron"
)

const (
	maxConcurrency = 1_000_000 // more than any account has
	maxSchedule    = 100       // entries, as the registry has it
)

// concurrency reads how many invocations of a function run at a time, and how
// many instances are ready for them.
func (r *reader) concurrency(f *function) {
	ours := r.settingsOf(f)
	f.app.Config.MaxConcurrency, f.app.Queue = ours.concurrency, ours.queue
	if f.value("reservedConcurrency") != nil {
		reserved := f.whole("reservedConcurrency", 0, maxConcurrency, 0)
		f.app.ReservedConcurrency = &reserved
	}
	f.app.Recursive = f.oneOf("recursiveLoop", "Terminate", "Allow", "Terminate") == "Allow"
	count := f.whole("provisionedConcurrency", 0, maxConcurrency, 0)
	if count > 0 || len(ours.provisioned) > 0 {
		f.app.Provisioned = &app.Provisioned{Count: count, Schedule: ours.provisioned}
		f.app.Publish = true // as the framework does, whatever versionFunction says
	}
}

// invoked returns what of a function its routes and its URL invoke. It is asked
// for before values can be evaluated, so it goes by what is written.
func (r *reader) invoked(f *function) pinfold.FunctionRef {
	provisioned := false
	if n := f.get("provisionedConcurrency"); n != nil {
		text, scalar := n.Text()
		provisioned = !scalar || text != "0"
	}
	ours := r.root.sub("custom").sub("pinfold")
	own := ours.sub("functions").sub(f.key)
	if own.m.Get("provisioned") != nil {
		ours = own
	}
	if n := ours.get("provisioned"); n != nil && len(n.List()) > 0 {
		provisioned = true
	}
	if provisioned {
		return r.ref(f.name).With(app.ProvisionedAlias)
	}
	return r.ref(f.name)
}

// queue reads how invocations wait at a limit: true, or how many and how long.
func (s section) queue(key string) *pinfold.Queue {
	n := s.value(key)
	if n == nil || n.Value == false {
		return nil
	}
	q := section{r: s.r, name: s.label(key), m: doc.NewMap()}
	if n.Value != true {
		if n.Map() == nil {
			s.r.problem(n.At, "%s must be true, false, or a map with max and wait, not %s", s.label(key), n.What())
			return nil
		}
		q.m = n.Map()
	}
	q.only("max", "wait")
	return &pinfold.Queue{Max: q.whole("max", 1, 100_000, 1000), Wait: pinfold.Seconds(q.whole("wait", 1, 900, 30))}
}

// schedule reads numbers of instances by time.
func (s section) schedule(key string) []pinfold.ScheduledCount {
	n := s.value(key)
	if n == nil {
		return nil
	}
	switch list := n.List(); {
	case list == nil:
		s.r.problem(n.At, "%s must be a list of maps with cron, timezone and count, not %s", s.label(key), n.What())
	case len(list) > maxSchedule:
		s.r.problem(n.At, "%s has %d entries, and %d are allowed", s.label(key), len(list), maxSchedule)
	}
	var schedule []pinfold.ScheduledCount
	for i, item := range n.List() {
		e, ok := s.r.section(item, fmt.Sprintf("entry %d of %s", i+1, s.label(key)))
		if !ok {
			continue
		}
		schedule = append(schedule, e.scheduledCount())
	}
	return schedule
}

func (s section) scheduledCount() pinfold.ScheduledCount {
	s.only("cron", "timezone", "count")
	for _, key := range []string{"cron", "count"} {
		if s.value(key) == nil {
			s.r.problem(s.at, "%s has no %s: write such as {cron: '0 8 * * 1-5', count: 10}%s", s.name, key, s.meant(key))
			return pinfold.ScheduledCount{}
		}
	}
	c := pinfold.ScheduledCount{Cron: s.text("cron"), Timezone: s.text("timezone"), Count: s.whole("count", 0, maxConcurrency, 0)}
	if _, err := cron.Parse("* * * * *", c.Timezone); err != nil {
		s.r.problem(s.m.Get("timezone").At, "%s: %v", s.label("timezone"), err)
	} else if _, err := cron.Parse(c.Cron, c.Timezone); err != nil {
		s.r.problem(s.m.Get("cron").At, "%s: %v", s.label("cron"), err)
	}
	return c
}
