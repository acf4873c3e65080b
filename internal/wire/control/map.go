package control

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/callmap"
)

// calls answers with the edges of the map of who calls what as JSON, one a line.
func (h *handler) calls(w http.ResponseWriter, r *http.Request) {
	if err := h.authorize(r, "pinfold:ReadInvocations"); err != nil {
		writeError(w, err)
		return
	}
	q, err := h.mapQuery(r)
	if err != nil {
		writeError(w, err)
		return
	}
	edges, failed := callmap.Of(h.Records.Query(r.Context(), pinfold.RecordQuery{Since: q.since, Until: q.until, Calls: true}), q.until)
	if q.function != "" {
		edges = callmap.Around(edges, q.function, q.depth)
	}
	if len(edges) == 0 && failed == nil {
		failed = q.unknown
	}
	if len(edges) == 0 && failed != nil {
		writeError(w, failed)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	for _, edge := range edges {
		if enc.Encode(edge) != nil {
			return
		}
	}
	if failed != nil {
		writeLast(w, failed)
	}
}

// mapQuery is what is asked of the map.
type mapQuery struct {
	since, until time.Time
	function     string // only what is around it; "": all
	depth        int
	unknown      error // there is no such function, but may have been calls of it
}

func (h *handler) mapQuery(r *http.Request) (q mapQuery, err error) {
	values := r.URL.Query()
	q = mapQuery{function: values.Get("function"), depth: 1}
	if q.function != "" {
		name, err := h.FunctionName(r.Context(), q.function)
		switch {
		case err == nil:
			q.function = name
		case pinfold.CodeOf(err) == pinfold.NotFound:
			q.unknown = err
		default:
			return q, err
		}
	}
	if q.since, err = timeOf(values, "since"); err != nil {
		return q, err
	}
	if q.until, err = timeOf(values, "until"); err != nil {
		return q, err
	}
	if now := time.Now(); q.until.IsZero() || q.until.After(now) {
		q.until = now
	}
	if s := values.Get("depth"); s != "" {
		if q.depth, err = strconv.Atoi(s); err != nil || q.depth < 1 {
			return q, pinfold.Errorf(pinfold.Invalid, "depth=%q is not a number of calls", s)
		}
	}
	return q, nil
}
