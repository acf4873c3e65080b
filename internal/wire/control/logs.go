package control

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
)

// LogQuery selects log lines; see client.LogQuery.
type LogQuery struct {
	Functions    []string // names; empty is all
	Since, Until time.Time
	Filter       string
	Requests     []string // ids; empty is all
	Level        string
	Pattern      string
	Tail         int
	Follow       bool
}

// Logs reads what functions wrote.
type Logs interface {
	Lines(ctx context.Context, q LogQuery) iter.Seq2[pinfold.LogLine, error]
}

// logs streams lines as JSON, one a line, each sent as soon as it is there.
func (h *handler) logs(w http.ResponseWriter, r *http.Request) {
	if err := h.authorize(r, "pinfold:ReadLogs"); err != nil {
		writeError(w, err)
		return
	}
	q, err := h.logQuery(r)
	if err != nil {
		writeError(w, err)
		return
	}
	writeLines(w, h.Logs.Lines(r.Context(), q), q.Follow)
}

func (h *handler) logQuery(r *http.Request) (q LogQuery, err error) {
	values := r.URL.Query()
	q = LogQuery{Filter: values.Get("filter"), Level: values.Get("level"), Pattern: values.Get("pattern"), Follow: values.Get("follow") == "true"}
	for _, name := range values["function"] {
		if name, err = h.FunctionName(r.Context(), name); err != nil {
			return q, err
		}
		q.Functions = append(q.Functions, name)
	}
	if q.Since, err = timeOf(values, "since"); err != nil {
		return q, err
	}
	if q.Until, err = timeOf(values, "until"); err != nil {
		return q, err
	}
	if s := values.Get("tail"); s != "" {
		if q.Tail, err = strconv.Atoi(s); err != nil || q.Tail < 0 {
			return q, pinfold.Errorf(pinfold.Invalid, "tail=%q is not a number of lines", s)
		}
	}
	if name := values.Get("app"); name != "" {
		if q.Functions, err = h.functionsOf(r, name); err != nil {
			return q, err
		}
	}
	if id := values.Get("request"); id != "" {
		q.Requests = []string{id}
	}
	if values.Get("trace") != "" {
		err = h.ofTrace(r.Context(), values, &q)
	}
	return q, err
}

// maxOfTrace is how many invocations a trace may have whose lines are asked for.
const maxOfTrace = 10_000

// ofTrace has a query be about the invocations of a trace that there are records of.
func (h *handler) ofTrace(ctx context.Context, values url.Values, q *LogQuery) error {
	if q.Follow || len(q.Requests) > 0 {
		return pinfold.Errorf(pinfold.Invalid, "a trace cannot be followed, nor asked for together with a request: its invocations are those that there are records of")
	}
	trace, err := traceOf(values.Get("trace"))
	if err != nil {
		return err
	}
	records := pinfold.RecordQuery{Trace: trace, Limit: maxOfTrace + 1}
	anywhere, oldest := len(q.Functions) == 0, time.Time{}
	for record, err := range h.Records.Query(ctx, records) {
		if err != nil {
			return err
		}
		q.Requests = append(q.Requests, record.RequestID)
		if anywhere && !slices.Contains(q.Functions, record.Function) {
			q.Functions = append(q.Functions, record.Function)
		}
		oldest = record.Time
	}
	if oldest = oldest.Add(-time.Second); oldest.After(q.Since) { // nothing else needs to be looked at
		q.Since = oldest
	}
	switch {
	case len(q.Requests) == 0:
		return pinfold.Errorf(pinfold.NotFound, "there is no record of an invocation in the trace %s", trace)
	case len(q.Requests) > maxOfTrace:
		return pinfold.Errorf(pinfold.TooLarge, "the trace %s has more than %d invocations: ask for the lines of functions, or of requests", trace, maxOfTrace)
	}
	return nil
}

func (h *handler) functionsOf(r *http.Request, name string) ([]string, error) {
	apps, err := h.Deployer.List(r.Context())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(apps, func(d app.Deployed) bool { return d.App+"/"+d.Stage == name })
	if i < 0 {
		return nil, pinfold.Errorf(pinfold.NotFound, "no application %s is deployed", name)
	}
	var names []string
	for _, f := range apps[i].Functions {
		names = append(names, f.Name)
	}
	return names, nil
}
