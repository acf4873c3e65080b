package app

import (
	"path/filepath"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
)

// Blame adds to a refusal of a code package whose package it is, and where that
// stands in the manifest. Other errors come back as they are.
func (a *Application) Blame(pkg pinfold.Package, err error) error {
	if code := pinfold.CodeOf(err); err == nil || code != pinfold.Invalid && code != pinfold.TooLarge {
		return err
	}
	var at Position
	var owners []string
	add := func(kind, key string, s *Source, where Position) {
		if s != nil && s.Artifact != "" {
			key += " (" + filepath.Base(s.Artifact) + ")"
		}
		if owners = append(owners, kind+" "+key); len(owners) == 1 {
			at = where
		}
	}
	for _, f := range a.Functions {
		if f.Code.SHA256 == pkg.SHA256 {
			add("function", f.Key, f.Source, f.At)
		}
	}
	for _, l := range a.Layers {
		if l.Code.SHA256 == pkg.SHA256 {
			add("layer", l.Key, l.Source, l.At)
		}
	}
	owners = slices.Compact(owners)
	if len(owners) == 0 {
		return err
	}
	where := at.FileLine()
	if where != "" {
		where += ": "
	}
	more := ""
	if n := len(owners) - 3; n > 0 {
		owners, more = owners[:3], ", ..."
	}
	return pinfold.Errorf(pinfold.CodeOf(err), "%sthe package of %s%s: %w", where, strings.Join(owners, ", "), more, err).WithReason(pinfold.ReasonOf(err))
}
