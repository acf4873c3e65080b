package pool

import (
	"slices"
	"time"

	"pinfold.dev/pinfold"
)

// Reasons for which an invocation is refused. Source: TooManyRequestsException,
// Lambda API reference.
const (
	accountLimit  = "ConcurrentInvocationLimitExceeded"
	reservedLimit = "ReservedFunctionConcurrentInvocationLimitExceeded"
)

// throttled is Lambda's answer at a limit; its text as recorded in
// github.com/HumanCellAtlas/data-store/issues/1118.
func throttled(reason string) error {
	return pinfold.Errorf(pinfold.Throttled, "Rate Exceeded.").WithReason(reason)
}

// admission counts the invocations that run, or wait for an instance.
//
// What a function has reserved is its own, and so is what is provisioned for one
// that has reserved nothing. The rest of the account's limit is for whoever
// comes: shared counts the invocations in it.
type admission struct {
	inFlight int // invocations in all
	queued   int // invocations that wait to be let in
	account  int // the account's limit
	reserved int // what is some function's own
	shared   int
	answered int                    // invocations whose callers have their answers, but that are not over
	limited  map[*function]struct{} // those with invocations that wait to be let in
}

// claim is a function's part in it.
type claim struct {
	inFlight    int
	answered    int // likewise
	provisioned int
	limited     list[*waiter] // wait to be let in
}

func (a *admission) open(account int) {
	a.account, a.limited = account, map[*function]struct{}{}
}

// own is how many invocations of f may run, whatever others do.
func (f *function) own() int {
	if f.settings.Reserved != nil {
		return *f.settings.Reserved
	}
	return f.provisioned
}

// inShared is how many invocations of f are in the shared part.
func (f *function) inShared() int {
	if f.settings.Reserved != nil {
		return 0
	}
	return max(0, f.inFlight-f.provisioned)
}

// limit returns the reason why another invocation of f cannot be let in now, or
// "".
func (p *Pool) limit(f *function) string {
	switch {
	case f.inFlight < f.own():
		return ""
	case f.settings.Reserved != nil:
		return reservedLimit
	case p.shared < p.account-p.reserved:
		return ""
	}
	return accountLimit
}

func (p *Pool) enter(f *function) {
	p.inFlight++
	p.shared -= f.inShared()
	f.inFlight++
	p.shared += f.inShared()
}

func (p *Pool) exit(f *function) {
	p.inFlight--
	p.shared -= f.inShared()
	f.inFlight--
	p.shared += f.inShared()
	if len(p.limited) > 0 {
		p.letIn()
	}
	p.forgetFunction(f)
	p.check()
}

// waitToEnter has an invocation of f that is over a limit wait until it is let
// in, or refuses it. Nobody waits for a function that is stopped. Where the
// caller of another invocation has its answer and the function only tidies up
// after it, one more waits for that: who calls one after the other is never
// over a limit of one.
func (p *Pool) waitToEnter(f *function) (*waiter, error) {
	reason := p.limit(f)
	stopped := f.settings.Reserved != nil && *f.settings.Reserved == 0
	lingering := f.answered
	if reason == accountLimit {
		lingering = p.admission.answered
	}
	q := f.settings.Queue
	switch {
	case stopped:
		return nil, throttled(reason)
	case q != nil && f.limited.len < q.Max:
	case f.limited.len < lingering:
		q = nil
	default:
		return nil, throttled(reason)
	}
	w := p.line(f, nil, &f.limited)
	if w == nil {
		return nil, throttled(reason)
	}
	if q != nil {
		w.patience = max(time.Nanosecond, q.Wait.Duration())
	}
	p.limited[f] = struct{}{}
	p.queued++
	p.catchUp(f)
	return w, nil
}

// letIn lets in who waits at a limit, as far as there is room: of the functions
// that share it, the one whose turn it is.
func (p *Pool) letIn() {
	for {
		var next *function
		for f := range p.limited {
			switch {
			case f.limited.len == 0:
				delete(p.limited, f)
			case p.limit(f) == "" && (next == nil || f.turn.at < next.turn.at):
				next = f
			}
		}
		if next == nil {
			return
		}
		p.takeTurn(next)
		p.enter(next)
		p.grant(next.limited.first.value, nil, nil)
	}
}

// Configure sets what a function may claim; ref's qualifier does not matter. It
// takes effect at once, and may be repeated.
func (p *Pool) Configure(ref pinfold.FunctionRef, s Settings) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.functionOf(ref.With(""))
	p.shared -= f.inShared()
	p.reserved -= f.own()
	f.settings = s
	f.settings.Provisioned = slices.Clone(s.Provisioned)
	f.provisioned = 0
	for _, provision := range s.Provisioned {
		f.provisioned += provision.Count
	}
	p.reserved += f.own()
	p.shared += f.inShared()
	p.setDuties(f)
	p.letIn()
	p.schedule()
	p.forgetFunction(f)
}

func (s *Settings) empty() bool {
	return s.Reserved == nil && s.Queue == nil && len(s.Provisioned) == 0
}
