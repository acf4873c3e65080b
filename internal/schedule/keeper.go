package schedule

import (
	"container/heap"
	"context"
	"maps"
	"slices"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

const (
	// glance is how often the clock is looked at while something waits for it: a
	// clock that is put right, or a machine that slept, is noticed so much later at
	// most.
	glance = 10 * time.Second
	// maxBack is by how much a clock may be put back before it is taken to have been
	// wrong.
	maxBack = 24 * time.Hour
	// maxWaiting bounds what waits to be sent, for its turn or to be tried again.
	maxWaiting = 100_000
	maxRunning = 64 // messages on their way, in all
	maxSame    = 8  // and to one target
)

// series is a schedule or a rule that is known to whoever keeps time.
type series struct {
	ref
	times
	spec    spec
	sent    time.Time // what was to be sent by then has been, when time began to be kept
	after   time.Time // what is due until then has been taken
	alarm   *alarm    // at the next time that it is due; nil: it is not due any more
	targets []address
	ends    bool // it is to be deleted when it is not due any more
	ever    bool // it has been due, or will be

	jobs  []*job           // what it has not sent
	noted []pinfold.Unsent // what its row says of that
}

// address is a target, as far as has to be known to take turns.
type address struct{ id, arn string }

// job is one message to one target.
type job struct {
	series   *series // nil: it is not wanted any more
	address          // where it goes
	due      time.Time
	attempts int       // that failed
	first    time.Time // attempt
	alarm    *alarm    // when it waits for its time
	open     bool      // its time has come
	letter   *letter
}

// keeper is the state of who keeps time. One goroutine has it.
type keeper struct {
	*Service
	ctx    context.Context
	series map[ref]*series
	alarms alarms
	queues queues
	over   chan outcome // of attempts
	jobs   int          // all there are
	full   bool         // there is no room for more, which has been said

	seen    time.Time            // the latest that the clock has said
	counted int64                // the last change that has been looked at
	touched map[*series]struct{} // whose rows may not say what they should
	news    time.Time            // since when there is something to write; zero: there is nothing
	wrote   time.Time            // when that was done or tried last
	saving  bool
	saved   chan snapshot
	reread  time.Time // when to look at what has changed, because it could not be read; zero: then
}

// Run keeps time until ctx ends: it sends what is due, first what was missed. It
// returns when nothing of that goes on any more; an error means that it did not begin.
// Of those that share a store only one may run.
func (s *Service) Run(ctx context.Context) error {
	s.shared.mu.Lock()
	running := s.shared.dirty != nil
	if !running {
		s.shared.dirty = map[ref]struct{}{}
	}
	s.shared.mu.Unlock()
	if running {
		return pinfold.Errorf(pinfold.Conflict, "time is being kept already")
	}
	defer func() {
		s.shared.mu.Lock()
		s.shared.dirty = nil
		s.shared.mu.Unlock()
	}()
	k := &keeper{
		Service: s, ctx: ctx, series: map[ref]*series{}, touched: map[*series]struct{}{},
		queues: queues{byARN: map[string]*line{}}, over: make(chan outcome), saved: make(chan snapshot),
	}
	if err := k.load(); err != nil {
		return err
	}
	s.shared.mu.Lock()
	s.shared.count(k.counted)
	s.shared.mu.Unlock()
	k.keep()
	return nil
}

// load reads everything.
func (k *keeper) load() error {
	return k.o.Store.View(k.ctx, func(tx store.Tx) error {
		now := k.o.Now()
		mark, change, err := k.readMark(tx)
		if err != nil {
			return err
		}
		if k.counted, err = k.sequence(tx, changesName); err != nil {
			return err
		}
		if mark.After(now.Add(maxBack)) {
			k.o.Log.Warn("schedules were kept by a clock that was ahead: they begin anew", "mark", mark)
			mark = now
		}
		k.seen = mark
		rows, err := k.rows(tx)
		for _, r := range rows {
			x := &series{ref: r.ref}
			if *r.change() <= change {
				x.sent = mark
			}
			k.series[r.ref] = x
			k.resume(x, r, now)
			k.set(x, r)
		}
		return err
	})
}

func (k *keeper) keep() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for k.ctx.Err() == nil {
		now := k.o.Now()
		k.refresh() // before the mark says that all is sent until now
		k.shared.kept.Store(int64(len(k.series)))
		k.tick(now)
		k.dispatch()
		timer.Reset(min(k.save(), k.wait(now)))
		select {
		case <-k.ctx.Done():
		case <-k.shared.wake:
		case o := <-k.over:
			k.finish(o, k.o.Now())
		case r := <-k.saved:
			k.settle(r)
		case <-timer.C:
		}
	}
	for k.queues.running > 0 { // ctx has ended for them, too
		k.finish(<-k.over, k.o.Now())
	}
	if k.saving {
		k.settle(<-k.saved)
	}
	if !k.news.IsZero() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), 5*time.Second)
		defer cancel()
		k.settle(k.write(ctx, k.snapshot()))
	}
}

// wait returns how long nothing has to be done as far as the clock is concerned.
func (k *keeper) wait(now time.Time) time.Duration {
	wait := time.Hour
	if len(k.alarms) > 0 {
		wait = min(glance, k.alarms[0].at.Sub(now))
	}
	if !k.reread.IsZero() {
		wait = min(wait, time.Until(k.reread))
	}
	return max(0, wait)
}

// tick does what it is time for.
func (k *keeper) tick(now time.Time) {
	if now.Before(k.seen.Add(-maxBack)) {
		k.o.Log.Warn("the clock was put back by more than a day: schedules begin anew", "was", k.seen, "is", now)
		k.anew(now)
	}
	if now.After(k.seen) {
		k.seen = now
	}
	for len(k.alarms) > 0 && !k.alarms[0].at.After(now) {
		a := heap.Pop(&k.alarms).(*alarm)
		if a.job != nil {
			a.job.alarm = nil
			k.ready(a.job)
		} else {
			k.advance(a.series, now)
		}
	}
}

// anew forgets when series were due last: the clock was wrong.
func (k *keeper) anew(now time.Time) {
	k.seen = now
	for _, x := range k.series {
		x.sent, x.after = now, now
		k.unset(&x.alarm)
		if x.spec.expression != "" { // it is not disabled
			k.next(x)
		}
		for _, j := range x.jobs {
			if j.alarm != nil {
				k.unset(&j.alarm)
				k.setJob(j, now)
			}
		}
	}
	k.tell()
}

// advance takes what is due of a series.
func (k *keeper) advance(x *series, now time.Time) {
	moments, after, skipped := x.take(x.after, x.sent, now)
	x.after = after
	if skipped {
		k.o.Log.Info("what a schedule has missed is skipped", "schedule", x.key, "due", after)
	}
	for _, m := range moments {
		for _, to := range x.targets {
			k.add(x, &job{address: to, due: m.due, first: later(m.at, now)}, m.at, now)
		}
	}
	k.next(x)
	k.ended(x)
	k.tell()
}

// next sets the alarm of a series.
func (k *keeper) next(x *series) {
	x.alarm = nil
	if due := x.plan.Next(x.after); !due.IsZero() {
		x.alarm = &alarm{at: due, series: x}
		heap.Push(&k.alarms, x.alarm)
	}
}

// add has a job done at its time, which may have come.
func (k *keeper) add(x *series, j *job, at, now time.Time) {
	if k.jobs >= maxWaiting {
		if !k.full {
			k.o.Log.Error("too much waits to be sent: what is due is dropped until there is room", "waiting", k.jobs)
		}
		k.full = true
		k.shared.ended[lost].Add(1)
		k.shared.result(x.ref, pinfold.ScheduleResult{At: now, Due: j.due, Error: "it was dropped: too much waited to be sent"})
		return
	}
	k.full = false
	k.jobs++
	j.series = x
	x.jobs = append(x.jobs, j)
	if at.After(now) {
		k.setJob(j, at)
	} else {
		k.ready(j)
	}
}

func (k *keeper) setJob(j *job, at time.Time) {
	j.alarm = &alarm{at: at, job: j}
	heap.Push(&k.alarms, j.alarm)
}

// ready puts a job at the end of the line of its target.
func (k *keeper) ready(j *job) {
	j.open = true
	k.touch(j.series)
	k.queues.put(j)
}

// tell has the mark written before long.
func (k *keeper) tell() {
	if k.news.IsZero() {
		k.news = time.Now()
	}
}

// touch has the row of a series written, if it does not say what it should.
func (k *keeper) touch(x *series) {
	k.touched[x] = struct{}{}
	k.tell()
}

func (k *keeper) unset(a **alarm) {
	if *a != nil {
		heap.Remove(&k.alarms, (*a).index)
		*a = nil
	}
}

// refresh looks at what has changed.
func (k *keeper) refresh() {
	if time.Until(k.reread) > 0 {
		return
	}
	changed, counted := k.shared.take()
	if changed == nil {
		return
	}
	err := k.o.Store.View(k.ctx, func(tx store.Tx) error {
		for r := range changed {
			row, err := k.row(tx, r)
			switch {
			case err == nil:
				x := k.series[r]
				if x == nil {
					x = &series{ref: r}
					k.series[r] = x
				}
				k.set(x, row)
			case pinfold.CodeOf(err) == pinfold.NotFound:
				k.forget(r)
			default:
				return err
			}
		}
		return nil
	})
	k.reread = time.Time{}
	if err == nil {
		k.counted = counted
	}
	if err == nil || k.ctx.Err() != nil {
		return
	}
	k.o.Log.Error("changed schedules cannot be read; it is tried again", "error", err)
	k.reread = time.Now().Add(time.Second)
	k.shared.mu.Lock()
	defer k.shared.mu.Unlock()
	maps.Copy(k.shared.dirty, changed)
}

// resume takes up what a row says has not been sent.
func (k *keeper) resume(x *series, r row, now time.Time) {
	x.noted = *r.unsent()
	for _, u := range x.noted {
		to := address{id: u.Target}
		if t, ok := r.target(u.Target); ok {
			to.arn = t.ARN
		}
		k.add(x, &job{address: to, due: u.Due, attempts: u.Attempts, first: u.First}, now, now)
	}
}

// set makes a series what its row says. What it has taken already it does not take
// again unless its times are others.
func (k *keeper) set(x *series, r row) {
	x.targets = nil
	for _, t := range r.targets() {
		x.targets = append(x.targets, address{t.ID, t.ARN})
	}
	x.ends = r.schedule != nil && r.schedule.DeleteAfter
	was := x.spec
	x.spec = r.spec()
	if x.spec == was && !r.disabled() {
		x.skip = k.skips(r)
		k.ended(x)
		return
	}
	k.unset(&x.alarm)
	x.ever = false
	k.drop(x, func(j *job) bool { return !j.open || was != (spec{}) && was.created != x.spec.created })
	if r.disabled() {
		x.spec = spec{created: x.spec.created}
		return
	}
	var err error
	if x.times, err = k.times(r); err != nil {
		k.o.Log.Error("a schedule cannot be read and is not kept", "schedule", r.arn(), "error", err)
		return
	}
	x.after = later(x.from, x.sent.Add(-x.window))
	x.ever = !x.plan.Next(x.from).IsZero() // by the time that it is due no more
	k.next(x)
	k.ended(x)
}

// drop forgets jobs of a series.
func (k *keeper) drop(x *series, which func(*job) bool) {
	x.jobs = slices.DeleteFunc(x.jobs, func(j *job) bool {
		if !which(j) {
			return false
		}
		k.unset(&j.alarm)
		j.series = nil
		k.jobs--
		return true
	})
}

// forget forgets a series that has been deleted.
func (k *keeper) forget(r ref) {
	x := k.series[r]
	if x == nil {
		return
	}
	k.unset(&x.alarm)
	k.drop(x, func(*job) bool { return true })
	delete(k.touched, x)
	delete(k.series, r)
	k.shared.forget(r)
}

// ended has a schedule deleted that is not due any more, has been, and wants to be.
func (k *keeper) ended(x *series) {
	if x.ends && x.ever && x.alarm == nil && len(x.jobs) == 0 {
		k.touch(x)
	}
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// alarm is the time of a series or of a job: one of both is there.
type alarm struct {
	at     time.Time
	index  int
	series *series
	job    *job
}

// alarms implements heap.Interface.
type alarms []*alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i]; a[i].index, a[j].index = i, j }
func (a *alarms) Push(x any) {
	x.(*alarm).index = len(*a)
	*a = append(*a, x.(*alarm))
}
func (a *alarms) Pop() any {
	last := (*a)[len(*a)-1]
	*a = slices.Delete(*a, len(*a)-1, len(*a))
	return last
}
