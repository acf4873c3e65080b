package function

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

const maxTags = 50 // of one resource

// tagPattern is what keys and values are made of. Source: TagKey and TagValue
// in the service description. Compiled when needed: classes of letters are large,
// and this program starts once for each sandbox.
var tagPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`) })

// checkTags holds all tags of a resource against AWS's rules.
func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalid("Number of tags exceeds resource tag limit.")
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value := tags[key]
		switch {
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalid("The tag key %s cannot be used: keys that begin with aws: are reserved for the platform.", key)
		case key == "" || len([]rune(key)) > 128 || !tagPattern().MatchString(key):
			return constraint(key, "tags", `Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*), Member must not be null]`)
		case len([]rune(value)) > 256 || !tagPattern().MatchString(value):
			return constraint(value, "tags", `Map value must satisfy constraint: [Member must have length less than or equal to 256, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*), Member must not be null]`)
		}
	}
	return nil
}

// Tag adds tags to a function or replaces their values.
func (r *Registry) Tag(ctx context.Context, ref pinfold.FunctionRef, tags map[string]string) error {
	if len(tags) == 0 {
		return invalid("An error occurred and the request cannot be processed.")
	}
	return r.changeTags(ctx, ref, func(now map[string]string) { maps.Copy(now, tags) })
}

// Untag removes tags of a function. Keys that it does not have are no error.
func (r *Registry) Untag(ctx context.Context, ref pinfold.FunctionRef, keys []string) error {
	return r.changeTags(ctx, ref, func(now map[string]string) {
		for _, key := range keys {
			delete(now, key)
		}
	})
}

// SetTags makes a function's tags the given ones.
func (r *Registry) SetTags(ctx context.Context, ref pinfold.FunctionRef, tags map[string]string) error {
	return r.changeTags(ctx, ref, func(now map[string]string) {
		clear(now)
		maps.Copy(now, tags)
	})
}

// Tags returns a function's tags.
func (r *Registry) Tags(ctx context.Context, ref pinfold.FunctionRef) (map[string]string, error) {
	if err := r.unqualified(ref, tagsOfVersions); err != nil {
		return nil, err
	}
	f, err := r.function(ctx, ref)
	return f.Tags, err
}

const tagsOfVersions = "Tags on function aliases and versions are not supported. Please specify a function ARN."

func (r *Registry) changeTags(ctx context.Context, ref pinfold.FunctionRef, change func(map[string]string)) error {
	if err := r.unqualified(ref, tagsOfVersions); err != nil {
		return err
	}
	return r.changeFunction(ctx, ref, func(_ store.Tx, f *pinfold.Function) error {
		if f.Tags == nil {
			f.Tags = map[string]string{}
		}
		change(f.Tags)
		return checkTags(f.Tags)
	})
}

// unqualified refuses a reference to a version or alias with AWS's message.
func (r *Registry) unqualified(ref pinfold.FunctionRef, message string) error {
	if ref.Qualifier != "" {
		return invalid("%s", message)
	}
	return r.mine(ref)
}

func (r *Registry) function(ctx context.Context, ref pinfold.FunctionRef) (f pinfold.Function, err error) {
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		f, err = tx.Functions().Get(functionKey(ref))
		return orMissing(err, functionNotFound(ref))
	})
	return f, err
}

// changeFunction changes what belongs to a function as a whole.
func (r *Registry) changeFunction(ctx context.Context, ref pinfold.FunctionRef, change func(store.Tx, *pinfold.Function) error) error {
	return r.update(ctx, ref, func(tx store.Tx) error {
		f, err := tx.Functions().Get(functionKey(ref))
		if err != nil {
			return orMissing(err, functionNotFound(ref))
		}
		if err := change(tx, &f); err != nil {
			return err
		}
		return tx.Functions().Put(functionKey(ref), f)
	})
}
