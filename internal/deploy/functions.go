package deploy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/internal/function"
	"pinfold.dev/pinfold/internal/logs"
)

func (s *session) compareFunctions(ctx context.Context, seen func(any)) error {
	if err := s.checkFunctions(ctx); err != nil {
		return err
	}
	for _, want := range s.want.Functions {
		have, err := s.functions.Get(ctx, s.d.ref(want.Name))
		switch {
		case pinfold.CodeOf(err) == pinfold.NotFound:
			err = s.addFunction(want, seen)
		case err == nil:
			seen(have)
			err = s.updateFunction(ctx, want, have, seen)
		}
		if err != nil {
			return inFunction(want, err)
		}
	}
	for _, old := range s.have.Functions {
		if slices.ContainsFunc(s.want.Functions, func(f app.Function) bool { return f.Name == old.Name }) {
			continue
		}
		if _, err := s.functions.Get(ctx, s.d.ref(old.Name)); pinfold.CodeOf(err) == pinfold.NotFound {
			continue // somebody was quicker
		} else if err != nil {
			return err
		}
		var detail []string
		if s.d.Events != nil {
			if n := s.d.Events(old.Name); n > 0 {
				detail = append(detail, several(n, "event"))
				s.losses = append(s.losses, "function "+old.Name+" has "+detail[0])
			}
		}
		s.change(app.Remove, "function", old.Name, detail...)
		s.removals = append(s.removals, func(ctx context.Context) error { return s.functions.Delete(ctx, s.d.ref(old.Name)) })
	}
	return nil
}

// checkFunctions holds all functions against the registry's rules, so that a plan
// promises nothing that the deployment would refuse. It tells everything that is
// wrong at once. The application's own layers are not looked for: they may be
// yet to come.
func (s *session) checkFunctions(ctx context.Context) error {
	var wrong []error
	for _, want := range s.want.Functions {
		config := want.Config
		config.Layers = nil
		for _, name := range want.Layers {
			if !strings.HasPrefix(name, localLayer) {
				config.Layers = append(config.Layers, pinfold.LayerRef{ARN: name})
			}
		}
		if _, err := s.functions.Check(ctx, function.NewFunction{Ref: s.d.ref(want.Name), Config: config, Tags: want.Tags}); err != nil {
			wrong = append(wrong, inFunction(want, err))
		}
		if err := logs.CheckRetention(want.LogRetentionDays); err != nil {
			wrong = append(wrong, inFunction(want, err))
		}
	}
	if len(wrong) > 1 {
		return pinfold.Errorf(pinfold.CodeOf(wrong[0]), "%w", errors.Join(wrong...))
	}
	return errors.Join(wrong...)
}

// inFunction says which function an error is about, and where it stands.
func inFunction(f app.Function, err error) error {
	where := f.At.FileLine()
	if where != "" {
		where += ": "
	}
	return pinfold.Errorf(pinfold.CodeOf(err), "%sfunction %s: %w", where, f.Key, err).WithReason(pinfold.ReasonOf(err))
}

func (s *session) addFunction(want app.Function, seen func(any)) error {
	// Whether the layers exist is known before anything is changed.
	if _, err := s.layers(want); err != nil {
		return err
	}
	detail := []string{want.Config.Runtime}
	if n := networkWords(want.Config.Network); n != string(pinfold.NetworkOpen) {
		detail = append(detail, "network "+n)
	}
	detail = append(detail, concurrencyDetail(want)...)
	if _, err := s.compareRetention(want, seen); err != nil {
		return err
	}
	if days := want.LogRetentionDays; days > 0 {
		detail = append(detail, "log retention "+retentionWords(days))
	}
	s.change(app.Add, "function", want.Name, detail...)
	s.step(func(ctx context.Context) error {
		config := want.Config
		var err error
		if config.Layers, err = s.layers(want); err != nil {
			return inFunction(want, err)
		}
		ref := s.d.ref(want.Name)
		_, err = s.functions.Create(ctx, function.NewFunction{Ref: ref, Config: config, Code: want.Code, Tags: want.Tags, Publish: want.Publish})
		if err != nil {
			return inFunction(want, err)
		}
		return s.setConcurrency(ctx, want, pinfold.Function{Ref: ref}, nil)
	})
	if want.URL != nil {
		s.addURL(want)
	}
	return nil
}

func (s *session) addURL(want app.Function) {
	s.change(app.Add, "url", nameOf(s.d.invoked(want)))
	s.step(func(ctx context.Context) error { return s.createURL(ctx, want) })
}

func (s *session) createURL(ctx context.Context, want app.Function) error {
	_, err := s.functions.CreateURL(ctx, s.d.invoked(want), want.URL.AuthType, want.URL.InvokeMode, want.URL.CORS)
	if err != nil {
		return inFunction(want, err)
	}
	return nil
}

func (s *session) updateFunction(ctx context.Context, want app.Function, have *function.Description, seen func(any)) error {
	if s.previous(want.Name) == nil {
		return pinfold.Errorf(pinfold.Conflict, "a function named %s exists already and does not belong to %s (%s): remove it, or give this one another name",
			want.Name, s.want.Name, s.want.Stage)
	}
	layers, err := s.layers(want)
	if err != nil {
		return err
	}
	config := want.Config
	config.Layers = layers
	config = function.Defaults(want.Name, config)
	diffs := differences(have.Version, config, want.Code)
	if len(diffs) > 0 {
		s.step(func(ctx context.Context) error { return s.changeVersion(ctx, want, have) })
	}
	if d := mapDifferences(have.Tags, want.Tags); d != "" {
		diffs = append(diffs, "tags "+d)
		s.step(func(ctx context.Context) error { return s.functions.SetTags(ctx, have.Ref, maps.Clone(want.Tags)) })
	}
	more, err := s.compareConcurrency(ctx, want, have.Function, len(diffs) > 0, seen)
	if err != nil {
		return err
	}
	retention, err := s.compareRetention(want, seen)
	if err != nil {
		return err
	}
	if diffs = append(append(diffs, more...), retention...); len(diffs) > 0 {
		s.change(app.Update, "function", want.Name, diffs...)
	}
	return s.updateURL(ctx, want, seen)
}

// changeVersion makes $LATEST what the application wants, code and settings at
// once, and publishes it.
func (s *session) changeVersion(ctx context.Context, want app.Function, have *function.Description) error {
	layers, err := s.layers(want)
	if err != nil {
		return inFunction(want, err)
	}
	config := want.Config
	config.Layers = layers
	config = function.Defaults(want.Name, config)
	_, err = s.functions.UpdateCode(ctx, have.Ref, function.CodeUpdate{
		Code: want.Code, Architecture: config.Architecture, Config: function.Replace(config), Publish: want.Publish,
	})
	if err != nil {
		return inFunction(want, err)
	}
	return nil
}

func (s *session) updateURL(ctx context.Context, want app.Function, seen func(any)) error {
	ref := s.d.invoked(want)
	if before := s.previous(want.Name); before != nil && s.d.invoked(*before) != ref {
		if err := s.removeURL(ctx, s.d.invoked(*before), seen); err != nil {
			return err
		}
	}
	have, err := s.functions.GetURL(ctx, ref)
	if err != nil && pinfold.CodeOf(err) != pinfold.NotFound {
		return err
	}
	exists := err == nil
	seen(have)
	switch {
	case !exists && want.URL != nil:
		s.addURL(want)
	case exists && want.URL == nil:
		return s.removeURL(ctx, ref, seen)
	case exists && (have.AuthType != want.URL.AuthType || have.InvokeMode != want.URL.InvokeMode || !sameCORS(have.CORS, want.URL.CORS)):
		s.change(app.Update, "url", nameOf(ref))
		s.step(func(ctx context.Context) error {
			_, err := s.functions.UpdateURL(ctx, ref, function.URLChange{AuthType: &want.URL.AuthType, InvokeMode: &want.URL.InvokeMode, CORS: &want.URL.CORS})
			return err
		})
	}
	return nil
}

// removeURL removes a URL if it is there.
func (s *session) removeURL(ctx context.Context, ref pinfold.FunctionRef, seen func(any)) error {
	have, err := s.functions.GetURL(ctx, ref)
	if pinfold.CodeOf(err) == pinfold.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	seen(have)
	s.change(app.Remove, "url", nameOf(ref))
	s.step(func(ctx context.Context) error { return s.functions.DeleteURL(ctx, ref) })
	return nil
}

// previous returns a function as it was last deployed, or nil.
func (s *session) previous(name string) *app.Function {
	if i := slices.IndexFunc(s.have.Functions, func(f app.Function) bool { return f.Name == name }); i >= 0 {
		return &s.have.Functions[i]
	}
	return nil
}

// nameOf names what a route or URL leads to: "NAME", or "NAME:QUALIFIER".
func nameOf(ref pinfold.FunctionRef) string {
	if ref.Qualifier == "" {
		return ref.Name
	}
	return ref.Name + ":" + ref.Qualifier
}
