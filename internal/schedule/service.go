package schedule

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
	"pinfold.dev/pinfold/internal/timetable"
)

// Options are what a Service needs.
type Options struct {
	Store  store.Control
	Sender pinfold.EventSender
	Scope  pinfold.Scope // the account and region that it serves
	// Missed is the policy of schedules and rules that have none. "" is MissedOnce.
	Missed pinfold.MissedPolicy
	// Now is the clock that schedules follow, jumps and all. Default: the machine's.
	Now func() time.Time
	Log *slog.Logger
}

// Service keeps schedules, their groups, and rules. It may be used concurrently.
type Service struct {
	o      Options
	shared *shared
}

// shared is what a service and those made of it by Within have in common.
type shared struct {
	zones timetable.Zones
	wake  chan struct{}              // holds one word: that dirty has changed
	kept  atomic.Int64               // schedules and rules that time is kept for
	ended [interrupted]atomic.Uint64 // attempts, by outcomeKind

	mu      sync.Mutex
	dirty   map[ref]struct{}   // what has changed since it was looked at; nil: nobody keeps time
	counted int64              // all changes up to this one are or were in dirty
	ahead   map[int64]struct{} // those beyond it that are, too
	results map[ref]pinfold.ScheduleResult
}

// New returns a service over a store.
func New(o Options) *Service {
	if o.Missed == "" {
		o.Missed = pinfold.MissedOnce
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o, shared: &shared{wake: make(chan struct{}, 1), ahead: map[int64]struct{}{}, results: map[ref]pinfold.ScheduleResult{}}}
}

// Within returns the service bound to a transaction: its changes become part of
// it, and take effect after the commit. It must not be used after the transaction
// has ended.
func (s *Service) Within(tx store.Tx) *Service {
	joined := *s
	joined.o.Store = store.Within(tx)
	return &joined
}

// now returns the time in the precision that records are shown with.
func (s *Service) now() time.Time { return s.o.Now().UTC().Truncate(time.Millisecond) }

// ref names a schedule, or a rule.
type ref struct {
	rule        bool
	group, name string // group is a rule's bus
}

// key returns the key of the record, without a name that of all in its group.
func (s *Service) key(names ...string) store.Key {
	return append(store.Key{s.o.Scope.Account, s.o.Scope.Region}, names...)
}

// update runs fn in a transaction and has those who keep time look at what it
// names, if it is committed.
func (s *Service) update(ctx context.Context, fn func(tx store.Tx) ([]ref, error)) error {
	return s.o.Store.Update(ctx, func(tx store.Tx) error {
		changed, err := fn(tx)
		if err != nil || len(changed) == 0 {
			return err
		}
		n, err := s.number(tx, changed)
		tx.AfterCommit(func() { s.shared.changed(n, changed) })
		return err
	})
}

// number gives a change the next number, and writes it into the rows that it has
// changed: so it is known of each whether the mark was written with it in mind.
func (s *Service) number(tx store.Tx, changed []ref) (int64, error) {
	n, err := s.sequence(tx, changesName)
	if err != nil {
		return 0, err
	}
	n++
	for _, ref := range changed {
		r, err := s.row(tx, ref)
		if pinfold.CodeOf(err) == pinfold.NotFound {
			continue // it was deleted
		} else if err != nil {
			return 0, err
		}
		*r.change() = n
		if err := r.put(s, tx); err != nil {
			return 0, err
		}
	}
	return n, tx.Sequences().Put(s.key(changesName), n)
}

// changed has rows looked at that the change of a number was of; 0 is one that need
// not be counted.
func (s *shared) changed(n int64, refs []ref) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dirty == nil {
		return
	}
	for _, r := range refs {
		s.dirty[r] = struct{}{}
	}
	if n > s.counted {
		s.ahead[n] = struct{}{}
		s.count(s.counted)
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// take returns what has changed since it was called last, nil for nothing, and the
// number up to which that is all.
func (s *shared) take() (taken map[ref]struct{}, counted int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.dirty) == 0 {
		return nil, 0
	}
	taken = s.dirty
	s.dirty = map[ref]struct{}{}
	return taken, s.counted
}

// count notes that all changes up to a number have been told. s.mu is held.
func (s *shared) count(n int64) {
	s.counted = max(s.counted, n)
	for i := range s.ahead {
		if i <= s.counted {
			delete(s.ahead, i)
		}
	}
	for next := s.counted + 1; len(s.ahead) > 0; next++ {
		if _, told := s.ahead[next]; !told {
			return
		}
		delete(s.ahead, next)
		s.counted = next
	}
}

// Page asks for a part of a list.
type Page struct {
	Token string // what the page before returned; empty: from the start
	Max   int    // at most so many; 0, or more than 100: 100
}

// pageMax is the most that one page has. Source: MaxResults of ListSchedules,
// Limit of ListRules.
const pageMax = 100

func (p Page) limit() int {
	if p.Max <= 0 || p.Max > pageMax {
		return pageMax
	}
	return p.Max
}

// after is the key that the page starts behind, nil for the first page.
func (p Page) after() (key store.Key, err error) {
	if p.Token == "" {
		return nil, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(p.Token)
	if err == nil {
		err = json.Unmarshal(text, &key)
	}
	if err != nil || len(key) == 0 {
		return nil, badToken
	}
	return key, nil
}

var badToken = invalid("Invalid NextToken: use the one that the page before returned.")

// token makes a page's last key opaque. It stays right whatever is added or
// removed between two pages.
func token(last store.Key) string {
	text, _ := json.Marshal(last) // strings always encode
	return base64.RawURLEncoding.EncodeToString(text)
}

// list reads one page of a table below prefix, keeping what keep wants, and
// returns the token of the next page or "".
func list[T any](table store.Table[T], prefix store.Key, p Page, keep func(T) bool) (found []T, next string, err error) {
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	if after != nil && len(after) <= len(prefix) {
		return nil, "", badToken
	}
	var last store.Key
	for limit := p.limit(); ; {
		records, err := table.List(prefix, after, limit+1) // one more says whether there is a next page
		if err != nil {
			return nil, "", err
		}
		for _, record := range records {
			if !keep(record.Value) {
				continue
			}
			if len(found) == limit {
				return found, token(last), nil
			}
			found, last = append(found, record.Value), record.Key
		}
		if len(records) <= limit {
			return found, "", nil
		}
		after = records[len(records)-1].Key
	}
}

// page returns one page of what is not many, in the order of names, and the token
// of the next page or "".
func page[T any](all []T, p Page, name func(T) string) (found []T, next string, err error) {
	after, err := p.after()
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(name(a), name(b)) })
	if after != nil {
		i, exact := slices.BinarySearchFunc(all, after[len(after)-1], func(t T, last string) int { return strings.Compare(name(t), last) })
		if exact {
			i++
		}
		all = all[i:]
	}
	if limit := p.limit(); len(all) > limit {
		return all[:limit], token(store.Key{name(all[limit-1])}), nil
	}
	return all, "", nil
}

// AWS's exception names, as Reason of errors.
const (
	validation = "ValidationException"
	missing    = "ResourceNotFoundException"
)

func invalid(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, format, args...).WithReason(validation)
}

func notFound(format string, args ...any) error {
	return pinfold.Errorf(pinfold.NotFound, format, args...).WithReason(missing)
}

// unserved is the error for what AWS has and Pinfold does not.
func unserved(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Unserved, format, args...).WithReason(validation)
}

// orMissing replaces an error with code NotFound by a better one.
func orMissing(err, missing error) error {
	if pinfold.CodeOf(err) == pinfold.NotFound {
		return missing
	}
	return err
}

// constraint is the error for a value that breaks a constraint of its shape. The
// wire checks shapes before it calls; this holds the rule for everyone else.
func constraint(value any, member, rule string) error {
	return invalid("1 validation error detected: Value '%v' at '%s' failed to satisfy constraint: %s", value, member, rule)
}

// checkName holds a name to Name of CreateSchedule, or RuleName, which are alike.
func checkName(name, member string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."
	switch {
	case name == "":
		return constraint(name, member, "Member must have length greater than or equal to 1")
	case len(name) > 64:
		return constraint(name, member, "Member must have length less than or equal to 64")
	case strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune(letters, r) }):
		return constraint(name, member, "Member must satisfy regular expression pattern: ^[0-9a-zA-Z-_.]+$")
	}
	return nil
}

const (
	maxTags        = 50  // of one resource
	maxDescription = 512 // characters
)

// checkTags holds all tags of a resource against AWS's rules.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalid("A resource can have at most %d tags.", maxTags)
	}
	for key, value := range tags {
		switch {
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("The tag key %s cannot be used: keys that begin with aws: are reserved for the platform.", key)
		case key == "" || len([]rune(key)) > 128:
			return constraint(key, "tags", "Member must have length between 1 and 128")
		case len([]rune(value)) > 256:
			return constraint(value, "tags", "Member must have length less than or equal to 256")
		}
	}
	return nil
}
