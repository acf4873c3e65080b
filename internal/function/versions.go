package function

import (
	"context"
	"reflect"
	"strconv"

	"github.com/google/uuid"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// Publication asks for a version of $LATEST.
type Publication struct {
	Description *string // nil: that of $LATEST
	CodeSHA256  string  // what $LATEST must have, if not ""; lower-case hex
	RevisionID  string  // likewise
}

// PublishVersion makes a numbered, immutable version of $LATEST and returns
// it. If nothing has changed since the newest one was published, it returns
// that one.
func (r *Registry) PublishVersion(ctx context.Context, ref pinfold.FunctionRef, p Publication) (published *pinfold.Version, err error) {
	if err := r.mine(ref); err != nil {
		return nil, err
	}
	if p.Description != nil {
		if err := checkLength(*p.Description, "description", maxDescription); err != nil {
			return nil, err
		}
	}
	err = r.update(ctx, ref, func(tx store.Tx) error {
		latest, err := r.latest(tx, ref, p.RevisionID)
		if err != nil {
			return err
		}
		if p.CodeSHA256 != "" && p.CodeSHA256 != latest.Code.SHA256 {
			given, current := base64Hash(p.CodeSHA256), base64Hash(latest.Code.SHA256)
			return invalid("CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", given, current)
		}
		published, err = r.publish(tx, latest, p.Description)
		return err
	})
	if err != nil {
		return nil, err
	}
	return published, nil
}

// publish makes a version of latest, which is stored already.
func (r *Registry) publish(tx store.Tx, latest *pinfold.Version, description *string) (*pinfold.Version, error) {
	ref := latest.Ref.With("")
	newest, err := newestVersion(tx, ref)
	if err != nil {
		return nil, err
	}
	if newest != nil && unchanged(newest, latest) {
		return newest, nil
	}
	if err := r.checkStorage(tx, latest.Code.Size); err != nil {
		return nil, err
	}
	number, err := next(tx, versionSequence(ref))
	if err != nil {
		return nil, err
	}
	v := *latest
	v.Ref = ref.With(strconv.FormatInt(number, 10))
	v.RevisionID = publishedRevision(latest)
	set(&v.Config.Description, description)
	return &v, tx.Versions().Put(versionKey(ref, v.Ref.Qualifier), v)
}

// newestVersion returns the published version with the highest number, or nil.
func newestVersion(tx store.Tx, ref pinfold.FunctionRef) (*pinfold.Version, error) {
	highest, err := tx.Sequences().Get(versionSequence(ref))
	for ; err == nil && highest > 0; highest-- { // the highest may have been deleted
		v, err := tx.Versions().Get(versionKey(ref, strconv.FormatInt(highest, 10)))
		if pinfold.CodeOf(err) != pinfold.NotFound {
			return &v, err
		}
	}
	return nil, orMissing(err, nil)
}

// unchanged reports whether publishing latest would repeat a version: it was
// made of this very revision, or is the same in content.
func unchanged(published, latest *pinfold.Version) bool {
	return published.RevisionID == publishedRevision(latest) ||
		published.Code == latest.Code && reflect.DeepEqual(published.Config, latest.Config)
}

// publishedRevision returns the revision of a version that is published from
// latest. It follows from latest's, so that a version tells what it was made of.
func publishedRevision(latest *pinfold.Version) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte("published from "+latest.RevisionID)).String()
}

// ListVersions returns a function's versions, $LATEST first and then ascending,
// and the marker of the next page or "".
func (r *Registry) ListVersions(ctx context.Context, ref pinfold.FunctionRef, p Page) (versions []*pinfold.Version, next string, err error) {
	return listOf(ctx, r, ref, p, store.Tx.Versions, nil)
}

// listOf reads a page of what belongs to a function.
func listOf[T any](ctx context.Context, r *Registry, ref pinfold.FunctionRef, p Page, table func(store.Tx) store.Table[T], keep func(T) bool) (found []*T, next string, err error) {
	if err := r.mine(ref); err != nil {
		return nil, "", err
	}
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		if _, err := tx.Functions().Get(functionKey(ref)); err != nil {
			return orMissing(err, functionNotFound(ref.With("")))
		}
		values, marker, err := list(table(tx), functionKey(ref), p, keep)
		found, next = pointers(values), marker
		return err
	})
	return found, next, err
}
