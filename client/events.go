package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"pinfold.dev/pinfold"
)

// InvokeAsync has a function invoked through Lambda's Invoke operation with the
// type Event. It returns the request id when the event is stored.
func (c *Client) InvokeAsync(ctx context.Context, function string, payload []byte) (requestID string, err error) {
	req := request{
		method: http.MethodPost, service: "lambda",
		path:   "/2015-03-31/functions/" + url.PathEscape(function) + "/invocations",
		header: http.Header{"X-Amz-Invocation-Type": {"Event"}},
	}
	req.setBody(payload)
	resp, err := c.do(ctx, req)
	if err != nil {
		return "", err
	}
	return resp.Header.Get("X-Amzn-Requestid"), resp.Body.Close()
}

// Events returns the events of a function's asynchronous invocations, and how they
// are: at most so many of each kind, 0 being as many as the server likes.
func (c *Client) Events(ctx context.Context, function string, most int) (*pinfold.AsyncEvents, error) {
	query := url.Values{}
	if most > 0 {
		query.Set("limit", strconv.Itoa(most))
	}
	events := new(pinfold.AsyncEvents)
	return events, c.call(ctx, http.MethodGet, eventsPath(function), query, nil, events)
}

// RetryEvents has events tried now, those with the ids or, without any, all. It
// returns how many they are.
func (c *Client) RetryEvents(ctx context.Context, function string, ids ...string) (int, error) {
	return c.selectEvents(ctx, eventsPath(function)+"/retry", ids)
}

// DropEvents has events forgotten, those with the ids or, without any, all. It
// returns how many they are.
func (c *Client) DropEvents(ctx context.Context, function string, ids ...string) (int, error) {
	return c.selectEvents(ctx, eventsPath(function)+"/drop", ids)
}

func (c *Client) selectEvents(ctx context.Context, path string, ids []string) (int, error) {
	var answer struct{ Events int }
	err := c.call(ctx, http.MethodPost, path, nil, map[string]any{"ids": ids, "all": len(ids) == 0}, &answer)
	return answer.Events, err
}

func eventsPath(function string) string {
	return "/_pinfold/v1/functions/" + url.PathEscape(function) + "/events"
}
