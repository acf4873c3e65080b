package pool

import (
	"math"
	"runtime"
	"time"

	"pinfold.dev/pinfold"
)

// How many instances a queue is worth. While a launch takes place the instances
// that there are serve some of those who wait: a launch is for the others alone.
// So callers of a function that takes a second get an instance each at once, as
// on Lambda, and those of one that takes a fraction of a millisecond share a
// few, which is faster than to have as many as callers on a machine with less
// processors than that.
const (
	// shortService is below what a function's time is so short that more
	// instances of it than there are processors are no faster, so that its set
	// grows by one at a time.
	shortService = 5 * time.Millisecond
	// shortHorizon is how long a queue of such a function may be before it is
	// worth a launch.
	shortHorizon = 50 * time.Millisecond
	// growPause is how long such a set is observed before it grows again. The
	// machine's load takes as long to tell.
	growPause = loadWindow
	// shedPause is how long such a set does not grow after it was found to be
	// larger than the machine has use for.
	shedPause = 10 * time.Second
	// lookEvery is how often queues are looked at while anybody waits.
	lookEvery = 5 * time.Millisecond
	// stuckAfter is how long nobody of a queue is served before it is worth a
	// launch whatever the figures say; or two launches long, if that is more.
	stuckAfter = 20 * time.Millisecond
	// persistent is how many launches long all invocations of a second together
	// have to have waited for the set to grow by one.
	persistent = 10
	// quickService and quickPeak are what a function takes at most, usually and of
	// late, that invocations may be sent ahead to.
	quickService = 2 * time.Millisecond
	quickPeak    = 50 * time.Millisecond

	guessFromNothing = 100 * time.Millisecond // what a launch takes before one was measured
	guessFromCell    = 10 * time.Millisecond
)

// origin is what an instance was made of.
type origin int

const (
	fromNothing origin = iota
	fromCell
	origins
)

// figures is what is known about the instances of a version. It outlives them.
type figures struct {
	service float32            // how long an invocation takes, in nanoseconds; 0 before there was one
	peak    float32            // the longest, which is forgotten gradually
	launch  [origins]float32   // how long a launch takes, likewise
	sizeMB  int32              // what an instance holds
	lastEnd pinfold.ColdReason // why the instance that ended last did: ColdEvicted, ColdFailed; "" before one has
}

// average moves an average towards a sample.
func average(old, sample float32) float32 {
	if old == 0 {
		return sample
	}
	return old + (sample-old)/5
}

// served takes in how long an invocation took. One that was the end of its
// instance, or did not even begin, says nothing about how long others take.
func (k *figures) served(took time.Duration, usual bool) {
	sample := float32(max(1, took))
	if usual {
		k.service = average(k.service, sample)
	}
	k.peak = max(sample, k.peak*0.999)
}

// quick reports whether an invocation never takes long.
func (k *figures) quick() bool {
	return k.service > 0 && k.service < float32(quickService) && k.peak < float32(quickPeak)
}

// measures is what was measured of all versions.
type measures struct {
	launch   [origins]float32
	figures  map[key]figures              // of versions that have no instances
	ran      map[pinfold.FunctionRef]bool // functions that have had an instance
	watching bool                         // somebody waits, or did just now
}

// maxFigures bounds what is known about versions without instances: a hundred
// bytes or two for each.
const maxFigures = 20_000

func (m *measures) open() {
	m.figures = map[key]figures{}
	m.ran = map[pinfold.FunctionRef]bool{}
	m.launch = [origins]float32{float32(guessFromNothing), float32(guessFromCell)}
}

func (p *Pool) remember(s *set) {
	if s.known == (figures{}) {
		return
	}
	for k := range p.figures {
		if len(p.figures) < maxFigures {
			break
		}
		delete(p.figures, k)
	}
	p.figures[s.key] = s.known
	if len(p.ran) >= maxFigures {
		clear(p.ran) // the next one of each is the first again
	}
	p.ran[s.key.ref.With("")] = true
}

func (p *Pool) recall(k key) figures {
	known := p.figures[k]
	delete(p.figures, k)
	return known
}

func (p *Pool) noteLaunch(s *set, from origin, took time.Duration) {
	sample := float32(max(1, took))
	s.known.launch[from] = average(s.known.launch[from], sample)
	p.measures.launch[from] = average(p.measures.launch[from], sample)
}

// begin begins to watch a queue that there was not before.
func (q *queueWatch) begin(now time.Duration) {
	q.progress, q.pressure, q.push, q.shed = now, 0, false, false
}

// rested reports whether what was done about the queue last shows by now.
func (q *queueWatch) rested(now time.Duration) bool {
	return now-q.grown >= growPause && (q.shrunk == 0 || now-q.shrunk >= shedPause)
}

// tooMany reports whether a set of short invocations has more busy instances than
// the machine has processors while these have nothing to spare: a burst came
// before anything was known about it. Fewer are faster then.
func (p *Pool) tooMany(s *set) bool {
	now, n := p.now(), len(s.active)
	service := time.Duration(s.known.service)
	return service > 0 && service < shortService && n > runtime.GOMAXPROCS(0) &&
		time.Duration(s.waiters.len)*service < shortHorizon*time.Duration(n-1) &&
		now-max(s.queue.grown, s.queue.shrunk) >= growPause && !p.config.Spare()
}

// sheds reports whether an instance is the one of its set that is to go.
func (p *Pool) sheds(in *instance) bool {
	q := &in.set.queue
	if !q.shed || in.kept {
		return false
	}
	q.shed = false
	return true
}

// launchTime is how long a launch for s will take.
func (p *Pool) launchTime(s *set) time.Duration {
	from := fromNothing
	if p.hasCell(s) {
		from = fromCell
	}
	if known := s.known.launch[from]; known > 0 {
		return time.Duration(known)
	}
	return time.Duration(p.measures.launch[from])
}

// queueWatch is what is observed of a set's queue.
type queueWatch struct {
	progress time.Duration // when somebody was served last, or the queue began
	grown    time.Duration // when a launch was begun last
	pressure float64       // seconds that were waited in about the last second
	push     bool          // one launch is called for, whatever the figures say
	shed     bool          // one instance is to go, the next that is free
	shrunk   time.Duration // when one was to go last; 0: never
}

// lack is how many launches more the queue of s is worth.
func (p *Pool) lack(s *set) int {
	places := max(1, s.version.Config.MaxConcurrency)
	waiters, starting := s.waiters.len, s.count[Starting]*places
	worth := func(n int) int { return (n + places - 1) / places }
	switch {
	case waiters <= starting:
		return 0
	case s.queue.push:
		return 1
	case s.known.service == 0 && s.justBegun(p.now()):
		return 0 // it will be known in a moment
	case s.known.service == 0:
		return worth(waiters - starting)
	}
	service, launch := time.Duration(s.known.service), p.launchTime(s)
	short := service < shortService
	horizon := launch
	if short {
		horizon = max(horizon, shortHorizon)
	}
	now := p.now()
	served := starting
	if short { // after the launch they have time left
		served += starting * int((horizon-launch)/service)
	}
	for _, in := range s.active {
		if served >= waiters {
			return 0
		}
		served += in.serves(now, service, horizon)
	}
	switch {
	case served >= waiters:
		return 0
	case served == 0 || !short:
		return worth(waiters - served)
	case !s.queue.rested(now) || !p.config.Spare():
		return 0
	}
	return 1
}

// justBegun reports whether an instance may be done in a moment, for all that is
// known.
func (s *set) justBegun(now time.Duration) bool {
	for _, in := range s.active {
		if now-in.since < lookEvery {
			return true
		}
	}
	return false
}

// serves is how many of those who wait an instance will have begun with within
// the horizon. One that has run for longer than is usual may go on as long again.
func (in *instance) serves(now, service, horizon time.Duration) int {
	age := now - in.since
	left := service - age
	if left < 0 {
		left = age
	}
	free := max(0, in.places-in.running) // it is being thawed, or else nobody would wait
	if left > horizon {
		return free
	}
	ahead := max(0, in.running-in.places)
	n := float64(in.places) * (1 + math.Floor(float64(horizon-left)/float64(service)))
	return max(free, int(min(n, math.MaxInt32))-ahead)
}

// thaws reports whether an instance is being thawed that has places for who waits:
// on a busy machine that may take longer than nobody should be served for.
func (s *set) thaws(now time.Duration) bool {
	for _, in := range s.active {
		if in.state == Thawing && in.running < in.places && now-in.since < freezeLimit {
			return true
		}
	}
	return false
}

// want asks for launches if the queue of s is worth any.
func (p *Pool) want(s *set) {
	if s.waiters.len > 0 && p.lack(s) > 0 {
		p.queueUp(s.function)
	}
}

// watchQueues has the queues looked at until nobody waits any more.
func (p *Pool) watchQueues() {
	if !p.watching {
		p.watching = true
		p.scaler.ring()
	}
}

// scale is the goroutine that looks at the queues while anybody waits: time
// alone can make them worth a launch.
func (p *Pool) scale() {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	const patience = 20
	every, quiet := time.Duration(0), 0
	for p.rest(p.scaler, timer, every) {
		p.mu.Lock()
		every = lookEvery
		if quiet++; p.waiting > 0 {
			quiet = 0
			p.look()
		}
		if quiet >= patience { // it is not worth falling asleep for each pause
			p.watching, every = false, 0
		}
		p.mu.Unlock()
	}
}

// look asks for the launches that queues have become worth.
func (p *Pool) look() {
	for f := range p.queues {
		for _, s := range f.sets {
			if s.waiters.len > 0 {
				p.observe(s)
				p.want(s)
			}
		}
	}
	p.schedule()
}

// observe finds queues that nobody of is served, and those that do not go away.
func (p *Pool) observe(s *set) {
	now, launch := p.now(), p.launchTime(s)
	q := &s.queue
	const share = float64(lookEvery) / float64(time.Second)
	q.pressure += float64(s.waiters.len)*share - q.pressure*share
	switch {
	case s.count[Starting] > 0, s.thaws(now):
	case p.tooMany(s):
		q.shed, q.shrunk = true, now
	case now-q.progress > max(stuckAfter, 2*launch):
		q.push = true
	case q.pressure > persistent*launch.Seconds() && now-q.grown >= launch && q.rested(now) && p.config.Spare():
		q.push = true
	}
}
