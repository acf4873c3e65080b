package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"pinfold.dev/pinfold"
)

// Queues lists all queues.
func (c *Client) Queues(ctx context.Context) ([]pinfold.QueueStatus, error) {
	var all []pinfold.QueueStatus
	return all, c.call(ctx, http.MethodGet, "/_pinfold/v1/queues", nil, nil, &all)
}

// Messages returns the oldest messages of a queue, a name or an ARN, without receiving
// them: at most so many, 0 being as many as the server likes.
func (c *Client) Messages(ctx context.Context, queue string, most int) ([]pinfold.QueueMessage, error) {
	query := url.Values{}
	if most > 0 {
		query.Set("limit", strconv.Itoa(most))
	}
	var all []pinfold.QueueMessage
	return all, c.call(ctx, http.MethodGet, queuePath(queue, "messages"), query, nil, &all)
}

// SendMessage sends a message and returns its id when it is stored.
func (c *Client) SendMessage(ctx context.Context, queue string, m pinfold.QueueMessage) (id string, err error) {
	var answer struct{ ID string }
	err = c.call(ctx, http.MethodPost, queuePath(queue, "messages"), nil, m, &answer)
	return answer.ID, err
}

// Redrive has the messages of a dead-letter queue moved to another queue, or for ""
// back to where each came from, at most rate a second; 0 is as fast as it goes. It
// returns when that has begun; QueueStatus.Move tells how it goes.
func (c *Client) Redrive(ctx context.Context, queue, to string, rate int) error {
	return c.call(ctx, http.MethodPost, queuePath(queue, "redrive"), nil, map[string]any{"to": to, "rate": rate}, nil)
}

// Purge removes all messages of a queue, those in flight, too.
func (c *Client) Purge(ctx context.Context, queue string) error {
	return c.call(ctx, http.MethodPost, queuePath(queue, "purge"), nil, nil, nil)
}

func queuePath(queue, what string) string {
	return "/_pinfold/v1/queues/" + url.PathEscape(queue) + "/" + what
}
