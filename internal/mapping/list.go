package mapping

import (
	"context"

	"github.com/google/uuid"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// maxPage is the most mappings that one page has. Source: MaxItems of
// ListEventSourceMappings, Lambda API reference.
const maxPage = 100

// Query says which mappings are wanted. Empty fields say nothing.
type Query struct {
	Source   string               // ARN
	Function *pinfold.FunctionRef // nil: of any; an unqualified one is none of its versions
	Marker   string               // what the page before returned; "": from the start
	Max      int                  // at most so many; 0, or more than AWS's 100: 100
}

// List returns a page of the mappings in order of UUIDs, and the marker of the next
// page or "".
func (r *Registry) List(ctx context.Context, q Query) (found []*Description, next string, err error) {
	limit := q.Max
	if limit <= 0 || limit > maxPage {
		limit = maxPage
	}
	var after store.Key
	if q.Marker != "" {
		if uuid.Validate(q.Marker) != nil {
			return nil, "", invalid("%q is not a Marker: use the NextMarker of the page before", q.Marker)
		}
		after = r.key(q.Marker)
	}
	err = r.o.Store.View(ctx, func(tx store.Tx) error {
		records, err := tx.Mappings().List(r.key(), after, 0)
		if err != nil {
			return err
		}
		for _, record := range records {
			m := record.Value
			if q.Source != "" && m.Source != q.Source || q.Function != nil && m.Function != *q.Function {
				continue
			}
			if len(found) == limit {
				next = found[limit-1].UUID
				return nil
			}
			found = append(found, r.describe(m))
		}
		return nil
	})
	return found, next, err
}
