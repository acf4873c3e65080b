package client

import (
	"context"
	"iter"
	"net/url"
	"strconv"
	"time"

	"pinfold.dev/pinfold"
)

// LogQuery selects log lines. A zero field asks for all.
type LogQuery struct {
	Functions []string        // names or ARNs
	App       string          // "name/stage": only functions of this application
	Since     time.Time       // not before
	Until     time.Time       // before; not with Follow
	Filter    string          // only lines that contain this text
	Pattern   string          // only lines that match this CloudWatch filter pattern
	Level     string          // only lines that say this level of themselves or a higher one: "debug", "warn", ...
	RequestID string          // only lines of this request
	Trace     pinfold.TraceID // only lines of the recorded invocations of this trace; not with Follow
	Tail      int             // only the last so many lines of history
	Follow    bool            // go on with lines as they are written
}

// Logs yields the log lines of a query, oldest first. With Follow it ends when
// ctx does.
func (c *Client) Logs(ctx context.Context, q LogQuery) iter.Seq2[pinfold.LogLine, error] {
	values := url.Values{}
	if len(q.Functions) > 0 {
		values["function"] = q.Functions
	}
	for name, text := range map[string]string{"app": q.App, "filter": q.Filter, "pattern": q.Pattern, "level": q.Level, "request": q.RequestID} {
		if text != "" {
			values.Set(name, text)
		}
	}
	for name, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			values.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	if q.Trace != (pinfold.TraceID{}) {
		values.Set("trace", q.Trace.String())
	}
	if q.Tail > 0 {
		values.Set("tail", strconv.Itoa(q.Tail))
	}
	if q.Follow {
		values.Set("follow", "true")
	}
	return stream[pinfold.LogLine](ctx, c, "/_pinfold/v1/logs", values)
}
