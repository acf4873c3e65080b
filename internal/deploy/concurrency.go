package deploy

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/function"
)

// invoked returns what of a function its routes and its URL invoke.
func (d *Deployer) invoked(f app.Function) pinfold.FunctionRef { return f.Invoked(d.ref(f.Name)) }

// compareConcurrency lists in words how the settings of a function's
// concurrency differ, apart from those of its version. changing says that the
// function gets a new version.
func (s *session) compareConcurrency(ctx context.Context, want app.Function, have pinfold.Function, changing bool, seen func(any)) (diffs []string, err error) {
	compare := func(what, old, new string) {
		if old != new {
			diffs = append(diffs, what+" "+old+" -> "+new)
		}
	}
	compare("reserved concurrency", reservedWords(have.ReservedConcurrency), reservedWords(want.ReservedConcurrency))
	compare("queue", queueWords(have.Queue), queueWords(want.Queue))
	compare("loops", loopWords(have.Recursive), loopWords(want.Recursive))

	ref := have.Ref.With(app.ProvisionedAlias)
	provisioned, err := ifThere(s.functions.GetProvisioned(ctx, ref))
	if err != nil {
		return nil, err
	}
	alias, err := ifThere(s.functions.GetAlias(ctx, ref))
	if err != nil {
		return nil, err
	}
	seen(provisioned)
	seen(alias)
	before := s.previous(want.Name)
	if want.Provisioned == nil && (before == nil || before.Provisioned == nil) {
		provisioned, alias = nil, nil // an alias of that name is not the application's
	}
	compare("provisioned", provisionedWords(asWanted(provisioned)), provisionedWords(want.Provisioned))
	if want.Provisioned != nil && alias != nil && !changing {
		newest, err := newestVersion(ctx, s.functions, have.Ref)
		if err != nil {
			return nil, err
		}
		compare("alias "+app.ProvisionedAlias, alias.Version, newest)
		if alias.Additional != "" {
			diffs = append(diffs, "alias "+app.ProvisionedAlias+" -"+alias.Additional)
		}
	}
	if len(diffs) > 0 || changing && want.Provisioned != nil {
		s.step(func(ctx context.Context) error { return s.setConcurrency(ctx, want, have, provisioned) })
	}
	if want.Provisioned == nil && alias != nil { // once no route leads to it
		s.removals = append(s.removals, func(ctx context.Context) error { return s.functions.DeleteAlias(ctx, ref) })
	}
	return diffs, nil
}

// ifThere makes nothing of an error that says there is nothing.
func ifThere[T any](v *T, err error) (*T, error) {
	if pinfold.CodeOf(err) == pinfold.NotFound {
		return nil, nil
	}
	return v, err
}

func asWanted(p *pinfold.Provisioned) *app.Provisioned {
	if p == nil {
		return nil
	}
	return &app.Provisioned{Count: p.Count, Schedule: p.Schedule}
}

// setConcurrency makes the settings of a function's concurrency what the
// application wants. What is provisioned goes first and comes last, so that the
// reservation can shrink and grow with it.
func (s *session) setConcurrency(ctx context.Context, want app.Function, have pinfold.Function, provisioned *pinfold.Provisioned) error {
	same := reflect.DeepEqual(asWanted(provisioned), want.Provisioned)
	if provisioned != nil && !same {
		if err := s.functions.DeleteProvisioned(ctx, provisioned.Ref); err != nil {
			return inFunction(want, err)
		}
	}
	var errs []error
	if !equal(have.ReservedConcurrency, want.ReservedConcurrency) {
		errs = append(errs, s.functions.SetConcurrency(ctx, have.Ref, want.ReservedConcurrency))
	}
	if !reflect.DeepEqual(have.Queue, want.Queue) {
		errs = append(errs, s.functions.SetQueue(ctx, have.Ref, want.Queue))
	}
	if have.Recursive != want.Recursive {
		errs = append(errs, s.functions.SetRecursive(ctx, have.Ref, want.Recursive))
	}
	if want.Provisioned != nil {
		errs = append(errs, s.provision(ctx, want, !same))
	}
	if err := cmp.Or(errs...); err != nil {
		return inFunction(want, err)
	}
	return nil
}

// provision makes the alias of the provisioned instances lead to what is
// deployed and, if put is set, asks for the instances.
func (s *session) provision(ctx context.Context, want app.Function, put bool) error {
	ref := s.d.invoked(want)
	version, err := s.functions.PublishVersion(ctx, ref.With(""), function.Publication{})
	if err != nil {
		return err
	}
	alias, err := ifThere(s.functions.GetAlias(ctx, ref))
	switch number := version.Ref.Qualifier; {
	case err != nil:
	case alias == nil:
		_, err = s.functions.CreateAlias(ctx, ref, number, "", nil)
	case alias.Version != number || alias.Additional != "":
		_, err = s.functions.UpdateAlias(ctx, ref, function.AliasChange{Version: &number, Routing: &map[string]float64{}})
	}
	if err == nil && put {
		_, err = s.functions.PutProvisioned(ctx, ref, want.Provisioned.Count, want.Provisioned.Schedule)
	}
	return err
}

func equal(a, b *int) bool { return a == b || a != nil && b != nil && *a == *b }

// concurrencyDetail says in words how a new function's concurrency differs from
// what it would be without settings.
func concurrencyDetail(f app.Function) []string {
	var detail []string
	add := func(what, words, plain string) {
		if words != plain {
			detail = append(detail, what+" "+words)
		}
	}
	add("concurrency of an instance", instanceWords(f.Config.MaxConcurrency), instanceWords(0))
	add("reserved concurrency", reservedWords(f.ReservedConcurrency), none)
	add("queue", queueWords(f.Queue), none)
	add("loops", loopWords(f.Recursive), loopWords(false))
	add("provisioned", provisionedWords(f.Provisioned), none)
	return detail
}

const none = "(none)"

func instanceWords(n int) string { return fmt.Sprint(max(n, 1)) }

func reservedWords(n *int) string {
	if n == nil {
		return none
	}
	return fmt.Sprint(*n)
}

func queueWords(q *pinfold.Queue) string {
	if q == nil {
		return none
	}
	return fmt.Sprintf("%d for %v", q.Max, q.Wait.Duration())
}

func loopWords(may bool) string {
	return map[bool]string{true: "allowed", false: "stopped"}[may]
}

// provisionedWords is "5", or by the clock `10 at "0 8 * * 1-5" Europe/Berlin and 2 at "0 20 * * *"`.
func provisionedWords(p *app.Provisioned) string {
	if p == nil {
		return none
	}
	if len(p.Schedule) == 0 {
		return fmt.Sprint(p.Count)
	}
	var words []string
	for _, e := range p.Schedule {
		words = append(words, strings.TrimSpace(fmt.Sprintf("%d at %q %s", e.Count, e.Cron, e.Timezone)))
	}
	return strings.Join(words, " and ")
}
