package control

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"pinfold.dev/pinfold"
)

// records streams records as JSON, one a line.
func (h *handler) records(w http.ResponseWriter, r *http.Request) {
	if err := h.authorize(r, "pinfold:ReadInvocations"); err != nil {
		writeError(w, err)
		return
	}
	q, err := h.recordQuery(r)
	if err != nil {
		writeError(w, err)
		return
	}
	writeLines(w, h.Records.Query(r.Context(), q), false)
}

func (h *handler) recordQuery(r *http.Request) (q pinfold.RecordQuery, err error) {
	values := r.URL.Query()
	q.RequestID = values.Get("request")
	if name := values.Get("function"); name != "" {
		if q.Function, err = h.FunctionName(r.Context(), name); err != nil {
			return q, err
		}
	}
	if s := values.Get("trace"); s != "" {
		if q.Trace, err = traceOf(s); err != nil {
			return q, err
		}
	}
	for name, at := range map[string]*time.Time{"since": &q.Since, "until": &q.Until} {
		if *at, err = timeOf(values, name); err != nil {
			return q, err
		}
	}
	for name, set := range map[string]*bool{"cold": &q.Cold, "errors": &q.Errors, "calls": &q.Calls, "slowest": &q.Slowest} {
		*set = values.Get(name) == "true"
	}
	if s := values.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil || q.Limit < 0 {
			return q, pinfold.Errorf(pinfold.Invalid, "limit=%q is not a number of invocations", s)
		}
	}
	return q, nil
}

// traceOf reads the id of a trace. One of zeros names none, and would ask for all.
func traceOf(s string) (id pinfold.TraceID, err error) {
	if err := id.UnmarshalText([]byte(s)); err != nil {
		return id, err
	}
	if id == (pinfold.TraceID{}) {
		return id, pinfold.Errorf(pinfold.Invalid, "%q is not the id of a trace: it is all zeros", s)
	}
	return id, nil
}

// timeOf reads a time of the query, which is zero if it is not there.
func timeOf(values url.Values, name string) (time.Time, error) {
	s := values.Get(name)
	if s == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return at, pinfold.Errorf(pinfold.Invalid, "%s=%q is not an RFC 3339 time", name, s)
	}
	return at, nil
}
