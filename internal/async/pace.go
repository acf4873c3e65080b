package async

import "time"

// Waits between attempts to run something that cannot be run. Source: "How Lambda
// handles errors and retries with asynchronous invocation", Lambda developer guide:
// "The retry interval increases exponentially from 1 second after the first attempt
// to a maximum of 5 minutes."
const (
	minWait = time.Second
	maxWait = 5 * time.Minute
)

// waitAfter is how long to wait after so many attempts in a row.
func waitAfter(attempts int) time.Duration {
	return min(maxWait, minWait<<min(max(attempts, 1)-1, 20))
}

const (
	firstLimit = 8                // how many events a function gets at a time to begin with
	slow       = time.Second      // an attempt that takes longer was not refused
	tolerated  = 3                // so many errors of the platform in a row are not those of events
	maxHold    = 30 * time.Second // for how long a limit stands at most before one more is tried
)

// ending is how an attempt ended, as far as it tells how many more there may be.
type ending int

const (
	nothing   ending = iota // the function was not tried
	ran                     // it ran, whatever came of it
	filled                  // likewise, but it had to wait a little for its place
	crowded                 // likewise, and for long
	throttled               // it was refused at a limit
	broken                  // the platform failed
)

// pace is how many attempts there may be at a time. While the function takes all,
// the limit grows with every one that ends, so it doubles in the time of one. Where
// they wait for places it stands, and where they wait for long it shrinks: others
// wait there, too, and more processes run than the machine has use for. Where one is
// refused while others run, that is the limit, and one more is tried later, after
// longer and longer. Where none can run the circuit opens: one probe after each
// wait, until one runs. What takes long holds nobody up: it has not been refused. It
// knows no clock and no lock.
type pace struct {
	most    int
	limit   int
	running int
	hold    time.Duration // for how long the limit stands
	growAt  time.Time     // when that is over
	settled bool          // the limit has not grown since somebody was refused
	careful bool          // there have been too many
	taken   int           // eighths of attempts that ended well since the limit grew
	stale   int           // attempts that will end as they do because of a limit before this one
	begun   time.Time     // when the last attempt began

	open    bool
	probes  int // that run
	wait    time.Duration
	probeAt time.Time
	since   time.Time
	failed  int // attempts in a row that broke
	cause   error
}

// room returns how many attempts may begin now or, if none, when that may change;
// zero: when one ends.
func (p *pace) room(now time.Time) (n int, until time.Time) {
	switch {
	case !p.open:
		return max(0, p.limit-p.running), time.Time{}
	case p.probes >= firstLimit:
		return 0, time.Time{}
	case p.probes > 0 && now.Before(p.begun.Add(slow)):
		return 0, p.begun.Add(slow)
	case p.probes == 0 && now.Before(p.probeAt):
		return 0, p.probeAt
	}
	return 1, time.Time{}
}

// stretch lets more run though none has ended, if all that run have been let in. It
// returns when it may be so next; zero: when one ends.
func (p *pace) stretch(now time.Time) (until time.Time) {
	if p.open || p.running < p.limit || p.limit >= p.most {
		return time.Time{}
	}
	if until = p.begun.Add(slow); until.Before(p.growAt) {
		until = p.growAt
	}
	if now.Before(until) {
		return until
	}
	more := firstLimit
	if p.settled {
		more = 1
	}
	p.limit = min(p.most, p.limit+more)
	p.settled, p.growAt = false, now.Add(p.hold)
	return now
}

// begin notes an attempt for which there is room, and reports whether it is a probe.
func (p *pace) begin(now time.Time) (probe bool) {
	p.running++
	p.begun = now
	if p.open {
		p.probes++
	}
	return p.open
}

// end notes how an attempt has ended.
func (p *pace) end(now time.Time, probe bool, e ending, cause error) {
	p.running--
	if probe {
		p.probes--
	}
	late := p.open && !probe // it began before the circuit opened
	switch {
	case e == ran || e == filled || e == crowded:
		p.failed = 0
		p.close()
		p.adapt(now, e)
	case e == nothing || late:
	case e == throttled && p.running > 0 && !probe:
		p.limit = p.running
		if !p.settled { // or else it is one of many that were refused at once
			p.settled = true
			p.hold = min(maxHold, max(minWait, 2*p.hold))
		}
		p.growAt = now.Add(p.hold)
	case e == broken && !probe && p.failed+1 < tolerated:
		p.failed++
	default:
		p.trip(now, cause)
	}
}

func (p *pace) trip(now time.Time, cause error) {
	if !p.open {
		p.open, p.since, p.wait = true, now, 0
	}
	p.limit, p.cause = 1, cause
	p.wait = min(maxWait, max(minWait, 2*p.wait))
	p.probeAt = now.Add(p.wait)
}

func (p *pace) close() {
	p.open, p.cause = false, nil
}

// adapt lets more run if as many ran as may: one for each that ends, or an eighth in
// the time of one once there were too many. It lets an eighth less run if these are
// too many: once for all that wait in the same queue.
func (p *pace) adapt(now time.Time, e ending) {
	stale := p.stale > 0
	p.stale = max(0, p.stale-1)
	switch {
	case e == crowded && !stale:
		p.limit -= min(p.limit-1, max(1, p.limit/8))
		p.careful, p.stale = true, p.running
	case e == ran && p.running+1 >= p.limit && p.limit < p.most && !now.Before(p.growAt):
		if p.taken += 8; p.careful && p.taken < p.limit {
			return
		}
		p.limit++
		p.taken = 0
		if !p.settled { // the one before was taken
			if p.hold /= 2; p.hold < minWait {
				p.hold = 0
			}
		}
		p.settled = false
		p.growAt = now.Add(p.hold)
	}
}

// kick has the next attempt be at once.
func (p *pace) kick(now time.Time) {
	p.growAt, p.careful = now, false
	if p.open {
		p.probeAt, p.wait = now, 0
	}
}
