package client

import (
	"context"
	"iter"
	"strconv"
	"time"

	"pinfold.dev/pinfold"
)

// MapQuery says of what a map of calls is wanted.
type MapQuery struct {
	Since, Until time.Time // zero: no bound
	Function     string    // only what is around it, a name or an ARN; "": all
	Depth        int       // how many calls away from the function; 0: one
}

// Map yields who calls what: the edges of a graph by caller, from the records of
// invocations and of the calls that functions made.
func (c *Client) Map(ctx context.Context, q MapQuery) iter.Seq2[pinfold.CallEdge, error] {
	values := recordValues(pinfold.RecordQuery{Function: q.Function, Since: q.Since, Until: q.Until})
	if q.Depth > 0 {
		values.Set("depth", strconv.Itoa(q.Depth))
	}
	return stream[pinfold.CallEdge](ctx, c, "/_pinfold/v1/map", values)
}
