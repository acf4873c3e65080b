package deploy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
)

// service is what a session needs of a service to keep one kind of resources as an
// application wants them, and the words for it.
type service[T any] struct {
	noun string
	// id tells one from another. A resource that has another one than under its key
	// before takes the place of that.
	id    func(T) string
	title func(T) string   // what a plan calls it
	brief func(T) []string // what a plan says of a new one; may be nil
	// words say what there is to it that can change.
	words  func(T) map[string]string
	get    func(context.Context, T) (*T, error) // NotFound: there is none
	put    func(ctx context.Context, want T, have *T) error
	remove func(context.Context, T) error
	// check, if it is set, is asked before anything is changed.
	check func(context.Context, T) error
	// holds, if it is set, says what would be lost with one, or "".
	holds func(context.Context, T) (string, error)
	// adopt has one taken over that somebody else has made.
	adopt bool
}

// among reports whether one is among others.
func (k service[T]) among(all []app.Resource[T], id string) bool {
	return slices.ContainsFunc(all, func(r app.Resource[T]) bool { return k.id(r.Want) == id })
}

// see notes what a plan goes by. The rest of a record may change by itself meanwhile.
func (k service[T]) see(have *T, seen func(any)) {
	if have == nil {
		seen(nil)
		return
	}
	seen(k.words(*have))
}

// compareResources compares all resources of a kind. It returns the steps that
// remove what the application no longer has, to be taken when nothing needs it.
func compareResources[T any](ctx context.Context, s *session, k service[T], want, had []app.Resource[T], seen func(any)) (removals []func(context.Context) error, err error) {
	replaced := map[string]bool{}
	for _, w := range want {
		old, err := compareResource(ctx, s, k, w, want, had, seen)
		if err != nil {
			return nil, inResource(k.noun, w, err)
		}
		if old != "" {
			replaced[old] = true
		}
	}
	for _, old := range slices.Backward(had) {
		id := k.id(old.Want)
		if old.Retain || k.among(want, id) {
			continue
		}
		have, err := ifThere(k.get(ctx, old.Want))
		if err != nil {
			return nil, err
		}
		if have == nil {
			continue // somebody was quicker
		}
		k.see(have, seen)
		var detail []string
		if k.holds != nil {
			held, err := k.holds(ctx, old.Want)
			if err != nil {
				return nil, err
			}
			if held != "" {
				s.losses = append(s.losses, fmt.Sprintf("%s %s has %s", k.noun, k.title(old.Want), held))
				detail = append(detail, held)
			}
		}
		if !replaced[id] {
			s.change(app.Remove, k.noun, k.title(old.Want), detail...)
		}
		removals = append(removals, func(ctx context.Context) error { return k.remove(ctx, old.Want) })
	}
	return removals, nil
}

// compareResource compares one resource. It returns the id of another one whose
// place this one takes, or "".
func compareResource[T any](ctx context.Context, s *session, k service[T], w app.Resource[T], want, had []app.Resource[T], seen func(any)) (replaces string, err error) {
	if k.check != nil {
		if err := k.check(ctx, w.Want); err != nil {
			return "", err
		}
	}
	have, err := ifThere(k.get(ctx, w.Want))
	if err != nil {
		return "", err
	}
	k.see(have, seen)
	put := func(ctx context.Context) error {
		if err := k.put(ctx, w.Want, have); err != nil {
			return inResource(k.noun, w, err)
		}
		return nil
	}
	id := k.id(w.Want)
	owned := k.among(had, id)
	if have != nil {
		if !owned && !k.adopt {
			return "", pinfold.Errorf(pinfold.Conflict, "a %s named %s exists already and does not belong to %s (%s): remove it, or give this one another name",
				k.noun, k.title(w.Want), s.want.Name, s.want.Stage)
		}
		if diffs := wordDifferences(k.words(*have), k.words(w.Want)); len(diffs) > 0 {
			s.change(app.Update, k.noun, k.title(w.Want), diffs...)
			s.step(put)
		}
		return "", nil
	}
	s.step(put)
	var brief []string
	if k.brief != nil {
		brief = k.brief(w.Want)
	}
	i := slices.IndexFunc(had, func(old app.Resource[T]) bool {
		return old.Key == w.Key && !old.Retain && !k.among(want, k.id(old.Want))
	})
	if i < 0 || owned {
		s.change(app.Add, k.noun, k.title(w.Want), brief...)
		return "", nil
	}
	s.change(app.Replace, k.noun, k.title(w.Want), append([]string{"in place of " + k.title(had[i].Want)}, brief...)...)
	return k.id(had[i].Want), nil
}

// inResource says which resource an error is about, and where it stands.
func inResource[T any](noun string, r app.Resource[T], err error) error {
	where := r.At.FileLine()
	if where != "" {
		where += ": "
	}
	return pinfold.Errorf(pinfold.CodeOf(err), "%s%s %s: %w", where, noun, r.Key, err).WithReason(pinfold.ReasonOf(err))
}

// wordDifferences lists in words what differs between two things. ARNs are shown by
// their names; what is long, and JSON, which may hold secrets, is not.
func wordDifferences(have, want map[string]string) []string {
	const brief = 60 // characters
	names := slices.AppendSeq(slices.Collect(maps.Keys(have)), maps.Keys(want))
	slices.Sort(names)
	var diffs []string
	for _, name := range slices.Compact(names) {
		if have[name] == want[name] {
			continue
		}
		switch old, new := nameOfTarget(have[name]), nameOfTarget(want[name]); {
		case old == new, len(old)+len(new) > brief, isJSON(old), isJSON(new):
			diffs = append(diffs, name)
		default:
			diffs = append(diffs, fmt.Sprintf("%s %v -> %v", name, blank(old), blank(new)))
		}
	}
	return diffs
}

func isJSON(text string) bool { return strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") }
