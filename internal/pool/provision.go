package pool

import (
	"time"

	"pinfold.dev/pinfold"
)

// settledAfter is how long a provisioned instance must have lived for the next
// to be launched at once when it is gone.
const settledAfter = 10 * time.Second

// duties are the instances that are kept whether or not they are needed.
type duties struct {
	all   map[key]*duty
	unmet bool // some duty may lack an instance
}

// duty is what all targets of a function together ask for of one version.
type duty struct {
	version  *pinfold.Version
	count    int
	failures int // since an instance came up and stayed
	retryAt  time.Duration
	reason   string // why the last launch failed
}

// setDuties makes a function's duties what its settings say. Instances that are
// too many become like any other.
func (p *Pool) setDuties(f *function) {
	wanted := map[key]*duty{}
	for _, provision := range f.settings.Provisioned {
		k := keyOf(provision.Version)
		d := wanted[k]
		if d == nil {
			d = &duty{version: provision.Version}
			if old := p.duties.all[k]; old != nil {
				d.failures, d.retryAt, d.reason = old.failures, old.retryAt, old.reason
			}
			wanted[k] = d
		}
		d.count += provision.Count
	}
	for k := range p.duties.all {
		if k.ref.With("") == f.ref && wanted[k] == nil {
			p.dropDuty(k)
		}
	}
	for k, d := range wanted {
		p.duties.all[k] = d
		p.let(k, d.count)
	}
	p.duties.unmet = true
	p.keeper.ring()
}

func (p *Pool) dropDuty(k key) {
	delete(p.duties.all, k)
	p.let(k, 0)
}

// let keeps no more than n instances of a set as provisioned ones.
func (p *Pool) let(k key, n int) {
	s := p.sets[k]
	if s == nil {
		return
	}
	for in := range p.instances {
		if s.kept <= n {
			return
		}
		if in.set == s && in.kept {
			in.kept = false
			s.kept--
		}
	}
}

// launchDuties starts the launches that duties lack, where nobody waits for any.
// It leaves half of the launches that may be under way to who does.
func (p *Pool) launchDuties() {
	if !p.duties.unmet || p.closing {
		return
	}
	p.duties.unmet = false
	for k, d := range p.duties.all {
		kept := 0
		if s := p.sets[k]; s != nil {
			kept = s.kept
		}
		for ; kept < d.count; kept++ {
			if p.now() < d.retryAt || p.launching >= max(1, p.config.MaxLaunches/2) || !p.startDuty(d) {
				p.duties.unmet = true
				break
			}
		}
	}
}

func (p *Pool) startDuty(d *duty) bool {
	s := p.setOf(d.version)
	if !p.room(s) {
		p.forget(s)
		return false
	}
	p.start(s, true)
	return true
}

// unkeep takes notice of a provisioned instance that is on its way out.
func (p *Pool) unkeep(in *instance, from State) {
	if !in.kept {
		return
	}
	in.kept = false
	in.set.kept--
	p.duties.unmet = true
	p.keeper.ring()
	d := p.duties.all[in.set.key]
	switch {
	case d == nil || from == Starting: // its launch tells
	case p.now()-in.began < settledAfter:
		d.setBack(p.now())
	default:
		d.failures = 0
	}
}

func (d *duty) setBack(now time.Duration) {
	d.failures++
	d.retryAt = now + backoff(d.failures)
}

// provided takes notice of what came of the launch of a provisioned instance.
func (p *Pool) provided(in *instance, err error) {
	d := p.duties.all[in.set.key]
	switch {
	case d == nil:
	case err == nil:
		d.reason = ""
	default:
		d.reason = err.Error()
		d.setBack(p.now())
	}
}

// Provisioned returns how far the provisioned instances of a target are: an alias
// or a version number of a function.
func (p *Pool) Provisioned(ref pinfold.FunctionRef, target string) Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	status := Status{State: ProvisionInProgress}
	f := p.functions[ref.With("")]
	if f == nil {
		return status
	}
	for _, provision := range f.settings.Provisioned {
		if provision.Target != target {
			continue
		}
		k := keyOf(provision.Version)
		up := 0
		for in := range p.instances {
			if in.set.key == k && in.kept && in.state != Starting {
				up++
			}
		}
		status.Requested += provision.Count
		status.Allocated += min(up, provision.Count)
		if d := p.duties.all[k]; d != nil && d.reason != "" {
			status.Reason = d.reason
		}
	}
	status.Available = status.Allocated
	switch {
	case status.Requested > 0 && status.Allocated >= status.Requested:
		status.State, status.Reason = ProvisionReady, ""
	case status.Reason != "":
		status.State = ProvisionFailed
	}
	return status
}
