package schedule

import (
	"context"
	"maps"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// DefaultGroup is the group that is always there, in which schedules are that name
// none. It is in no table.
const DefaultGroup = "default"

// CreateGroup makes a group of schedules, of which the service says account, region
// and times. One that is there already is a Conflict, unless a request with the same
// Token has made it.
func (s *Service) CreateGroup(ctx context.Context, g pinfold.ScheduleGroup) (pinfold.ScheduleGroup, error) {
	g.Account, g.Region = s.o.Scope.Account, s.o.Scope.Region
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		if g.Name == DefaultGroup {
			return invalid("This operation cannot be performed on schedule group default.")
		}
		if err := checkName(g.Name, "name"); err != nil {
			return err
		}
		old, err := tx.ScheduleGroups().Get(s.key(g.Name))
		switch {
		case err == nil && g.Token != "" && g.Token == old.Token:
			g = old
			return nil
		case err == nil:
			return pinfold.Errorf(pinfold.Conflict, "Schedule group %s already exists.", g.Name).WithReason("ConflictException")
		case pinfold.CodeOf(err) != pinfold.NotFound:
			return err
		}
		g.Created = s.now()
		g.Modified = g.Created
		if err := checkTags(g.Tags); err != nil {
			return err
		}
		return tx.ScheduleGroups().Put(s.key(g.Name), g)
	})
	return g, err
}

// DeleteGroup deletes a group with all of its schedules, at once; AWS takes a
// while, in which its state is DELETING.
func (s *Service) DeleteGroup(ctx context.Context, name string) error {
	return s.update(ctx, func(tx store.Tx) (gone []ref, err error) {
		if name == DefaultGroup {
			return nil, invalid("This operation cannot be performed on schedule group default.")
		}
		if err := s.checkGroup(tx, name); err != nil {
			return nil, err
		}
		schedules, err := tx.Schedules().List(s.key(name), nil, 0)
		if err != nil {
			return nil, err
		}
		for _, n := range schedules {
			gone = append(gone, ref{group: name, name: n.Value.Name})
		}
		if err := tx.Schedules().Delete(s.key(name)); err != nil {
			return nil, err
		}
		return gone, tx.ScheduleGroups().Delete(s.key(name))
	})
}

// Group returns a group.
func (s *Service) Group(ctx context.Context, name string) (g pinfold.ScheduleGroup, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		g, err = s.group(tx, name)
		return err
	})
	return g, err
}

func (s *Service) group(tx store.Tx, name string) (pinfold.ScheduleGroup, error) {
	g, err := tx.ScheduleGroups().Get(s.key(name))
	if pinfold.CodeOf(err) == pinfold.NotFound && name == DefaultGroup { // until it has tags
		return pinfold.ScheduleGroup{Account: s.o.Scope.Account, Region: s.o.Scope.Region, Name: name}, nil
	}
	return g, orMissing(err, notFound("Schedule group %s does not exist.", name))
}

func (s *Service) checkGroup(tx store.Tx, name string) error {
	_, err := s.group(tx, name)
	return err
}

// Groups lists the groups whose name has a prefix, by name, the default one among
// them, and returns the token of the next page or "".
func (s *Service) Groups(ctx context.Context, prefix string, p Page) (found []pinfold.ScheduleGroup, next string, err error) {
	err = s.o.Store.View(ctx, func(tx store.Tx) error {
		standard, err := s.group(tx, DefaultGroup)
		if err != nil {
			return err
		}
		records, err := tx.ScheduleGroups().List(s.key(), nil, 0)
		if err != nil {
			return err
		}
		all := []pinfold.ScheduleGroup{standard}
		for _, record := range records {
			if record.Value.Name != DefaultGroup {
				all = append(all, record.Value)
			}
		}
		all = slices.DeleteFunc(all, func(g pinfold.ScheduleGroup) bool { return !strings.HasPrefix(g.Name, prefix) })
		found, next, err = page(all, p, func(g pinfold.ScheduleGroup) string { return g.Name })
		return err
	})
	return found, next, err
}

// TagGroup adds tags to a group or replaces their values.
func (s *Service) TagGroup(ctx context.Context, name string, tags map[string]string) error {
	return s.changeTags(ctx, name, func(now map[string]string) { maps.Copy(now, tags) })
}

// UntagGroup removes tags of a group. Keys that it does not have are no error.
func (s *Service) UntagGroup(ctx context.Context, name string, keys []string) error {
	return s.changeTags(ctx, name, func(now map[string]string) {
		maps.DeleteFunc(now, func(key, _ string) bool { return slices.Contains(keys, key) })
	})
}

// SetGroupTags makes a group's tags the given ones.
func (s *Service) SetGroupTags(ctx context.Context, name string, tags map[string]string) error {
	return s.changeTags(ctx, name, func(now map[string]string) {
		clear(now)
		maps.Copy(now, tags)
	})
}

func (s *Service) changeTags(ctx context.Context, name string, change func(map[string]string)) error {
	return s.o.Store.Update(ctx, func(tx store.Tx) error {
		g, err := s.group(tx, name)
		if err != nil {
			return err
		}
		g.Tags, g.Modified = changed(g.Tags, change), s.now()
		if err := checkTags(g.Tags); err != nil {
			return err
		}
		return tx.ScheduleGroups().Put(s.key(name), g)
	})
}

// changed returns a changed copy of tags.
func changed(tags map[string]string, change func(map[string]string)) map[string]string {
	now := maps.Clone(tags)
	if now == nil {
		now = map[string]string{}
	}
	change(now)
	return now
}
