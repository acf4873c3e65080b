package pool

import (
	"cmp"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"pinfold.dev/pinfold"
)

// Config bounds a pool. A zero field takes its default.
type Config struct {
	// Concurrency is how many instances there may be, and so how many
	// invocations run at a time. Default 1,000, as a new AWS account has.
	Concurrency int
	// MemoryMB bounds the number of instances too: one for each [InstanceMB].
	// Default is the machine's memory, where it can be told.
	MemoryMB int
	// MaxLaunches is how many instances may be starting at a time. Default is
	// four for each processor.
	MaxLaunches int
	// MaxWaiting is how many invocations may wait for an instance. Default
	// 10,000.
	MaxWaiting int
	// IdleTimeout is how long an instance is kept without work. Default 10
	// minutes.
	IdleTimeout time.Duration
	Log         *slog.Logger
}

// InstanceMB is what an instance is taken to need at least, in megabytes: about
// the resident memory of a Node.js or Python that does little.
const InstanceMB = 64

func (c Config) withDefaults() Config {
	c.Concurrency = cmp.Or(c.Concurrency, 1000)
	c.MemoryMB = cmp.Or(c.MemoryMB, machineMB())
	if c.MemoryMB > 0 {
		c.Concurrency = max(1, min(c.Concurrency, c.MemoryMB/InstanceMB))
	}
	c.MaxLaunches = cmp.Or(c.MaxLaunches, 4*runtime.GOMAXPROCS(0))
	c.MaxWaiting = cmp.Or(c.MaxWaiting, 10_000)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 10*time.Minute)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// machineMB is the machine's memory in megabytes, or 0 where Linux does not say.
func machineMB() int {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "MemTotal:" {
			kb, _ := strconv.Atoi(fields[1])
			return kb / 1024
		}
	}
	return 0
}

// want asks for a launch, unless as many as there are waiters are on their way.
func (p *Pool) want(s *set) {
	if s.count[Starting]+s.wanted < len(s.waiters) {
		s.wanted++
		p.wanted = append(p.wanted, s)
	}
}

// schedule starts the launches that are asked for, first come first served, as
// far as the limits allow. Where all places are taken it makes room.
func (p *Pool) schedule() {
	for len(p.wanted) > 0 && p.launching < p.config.MaxLaunches {
		s := p.wanted[0]
		if s.count[Starting] < len(s.waiters) && len(p.instances) >= p.config.Concurrency {
			p.makeRoom(min(len(p.wanted), p.config.MaxLaunches-p.launching))
			return
		}
		p.wanted[0] = nil
		p.wanted = p.wanted[1:]
		s.wanted--
		if s.count[Starting] < len(s.waiters) {
			p.start(s)
		} else {
			p.forget(s) // who asked was served meanwhile
		}
	}
}

// makeRoom retires idle instances, the one that idles longest first, until n
// places are about to become free.
func (p *Pool) makeRoom(n int) {
	for p.draining < n {
		var victim *instance
		for _, s := range p.sets {
			if len(s.idle) > 0 && (victim == nil || s.idle[0].idleSince.Before(victim.idleSince)) {
				victim = s.idle[0]
			}
		}
		if victim == nil {
			return
		}
		p.retire(victim)
	}
}

// expireIdle is the janitor: it retires who has idled for long enough.
func (p *Pool) expireIdle() {
	ticker := time.NewTicker(max(time.Millisecond, min(p.config.IdleTimeout/10, time.Minute)))
	defer ticker.Stop()
	for {
		select {
		case <-p.life.Done():
			return
		case now := <-ticker.C:
			p.mu.Lock()
			for _, s := range p.sets {
				for len(s.idle) > 0 && now.Sub(s.idle[0].idleSince) >= p.config.IdleTimeout {
					p.retire(s.idle[0])
				}
			}
			p.mu.Unlock()
		}
	}
}

// Stats counts the instances of one version, and the invocations that wait for
// one.
type Stats struct {
	Function pinfold.FunctionRef `json:"function"` // Qualifier is the version
	Starting int                 `json:"starting"`
	Ready    int                 `json:"ready"`
	Busy     int                 `json:"busy"`
	Draining int                 `json:"draining"`
	Waiting  int                 `json:"waiting"`
}

// Stats returns the counts of every version that has any, sorted by ARN.
func (p *Pool) Stats() []Stats {
	p.mu.Lock()
	byRef := map[pinfold.FunctionRef]Stats{}
	for k, s := range p.sets {
		n := byRef[k.ref] // there may be old content beside new
		n.Function = k.ref
		n.Starting += s.count[Starting]
		n.Ready += s.count[Ready]
		n.Busy += s.count[Busy]
		n.Draining += s.count[Draining]
		n.Waiting += len(s.waiters)
		byRef[k.ref] = n
	}
	p.mu.Unlock()
	all := make([]Stats, 0, len(byRef))
	for _, n := range byRef {
		all = append(all, n)
	}
	slices.SortFunc(all, func(a, b Stats) int { return cmp.Compare(a.Function.ARN(), b.Function.ARN()) })
	return all
}

// Limit is how many instances there may be at a time.
func (p *Pool) Limit() int { return p.config.Concurrency }
