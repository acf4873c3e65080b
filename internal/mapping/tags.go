package mapping

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// Limits of tags. Source: TagResource, Lambda API reference.
const (
	maxTags     = 50 // of one mapping
	maxTagKey   = 128
	maxTagValue = 256
)

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalid("Number of tags exceeds resource tag limit.")
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		switch {
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("The tag key %s cannot be used: keys that begin with aws: are reserved for the platform.", key)
		case key == "" || utf8.RuneCountInString(key) > maxTagKey:
			return invalid("A tag key has 1 to %d characters, %q has not.", maxTagKey, key)
		case utf8.RuneCountInString(tags[key]) > maxTagValue:
			return invalid("The value of tag %s is longer than %d characters.", key, maxTagValue)
		}
	}
	return nil
}

// IDOf returns the UUID of the mapping that an ARN names, or false.
func IDOf(arn string) (id string, ok bool) {
	a, ok := pinfold.ParseARN(arn)
	if !ok || a.Service != "lambda" {
		return "", false
	}
	return strings.CutPrefix(a.Resource, "event-source-mapping:")
}

// Tags returns the tags of a mapping.
func (r *Registry) Tags(ctx context.Context, id string) (map[string]string, error) {
	d, err := r.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return d.Tags, nil
}

// Tag adds tags to a mapping or replaces their values.
func (r *Registry) Tag(ctx context.Context, id string, tags map[string]string) error {
	return r.changeTags(ctx, id, func(now map[string]string) { maps.Copy(now, tags) })
}

// Untag removes tags of a mapping. Keys that it does not have are no error.
func (r *Registry) Untag(ctx context.Context, id string, keys []string) error {
	return r.changeTags(ctx, id, func(now map[string]string) {
		for _, key := range keys {
			delete(now, key)
		}
	})
}

// SetTags makes a mapping's tags the given ones.
func (r *Registry) SetTags(ctx context.Context, id string, tags map[string]string) error {
	return r.changeTags(ctx, id, func(now map[string]string) {
		clear(now)
		maps.Copy(now, tags)
	})
}

// changeTags changes tags. Nobody is told: nothing runs differently.
func (r *Registry) changeTags(ctx context.Context, id string, change func(map[string]string)) error {
	return r.o.Store.Update(ctx, func(tx store.Tx) error {
		m, err := r.stored(tx, id, "tag")
		if err != nil {
			return err
		}
		if m.Tags = maps.Clone(m.Tags); m.Tags == nil {
			m.Tags = map[string]string{}
		}
		change(m.Tags)
		if err := checkTags(m.Tags); err != nil {
			return err
		}
		return tx.Mappings().Put(r.key(id), m)
	})
}
