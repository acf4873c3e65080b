package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"pinfold.dev/pinfold"
)

// Records yields the records of invocations, the newest first or the slowest.
// The function of the query may be an ARN.
func (c *Client) Records(ctx context.Context, q pinfold.RecordQuery) iter.Seq2[pinfold.Record, error] {
	return stream[pinfold.Record](ctx, c, "/_pinfold/v1/invocations", recordValues(q))
}

func recordValues(q pinfold.RecordQuery) url.Values {
	values := url.Values{}
	for name, text := range map[string]string{"function": q.Function, "request": q.RequestID} {
		if text != "" {
			values.Set(name, text)
		}
	}
	if q.Trace != (pinfold.TraceID{}) {
		values.Set("trace", q.Trace.String())
	}
	for name, at := range map[string]time.Time{"since": q.Since, "until": q.Until} {
		if !at.IsZero() {
			values.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	for name, set := range map[string]bool{"cold": q.Cold, "errors": q.Errors, "calls": q.Calls, "slowest": q.Slowest} {
		if set {
			values.Set(name, "true")
		}
	}
	if q.Limit > 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	return values
}

// stream yields the JSON values that an answer consists of.
func stream[T any](ctx context.Context, c *Client, path string, query url.Values) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var zero T
		resp, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query})
		if err != nil {
			yield(zero, err)
			return
		}
		defer resp.Body.Close()
		dec := json.NewDecoder(bufio.NewReader(resp.Body))
		for {
			var line json.RawMessage
			if err := dec.Decode(&line); err != nil {
				if !errors.Is(err, io.EOF) && ctx.Err() == nil {
					yield(zero, pinfold.Errorf(pinfold.Unavailable, "the answer broke off: %w", err))
				}
				return
			}
			value, err := lineOf[T](line)
			if !yield(value, err) || err != nil {
				return
			}
		}
	}
}

// lineOf reads a line of a stream. The last may be an error.
func lineOf[T any](line json.RawMessage) (value T, err error) {
	if bytes.HasPrefix(line, []byte(`{"code":`)) {
		failed := new(pinfold.Error)
		if err := json.Unmarshal(line, failed); err != nil {
			return value, err
		}
		return value, failed
	}
	return value, json.Unmarshal(line, &value)
}
