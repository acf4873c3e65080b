package client

import (
	"context"
	"net/http"

	"pinfold.dev/pinfold"
)

// Schedules lists every schedule, and every rule with one, with how it is doing.
func (c *Client) Schedules(ctx context.Context) ([]pinfold.ScheduleStatus, error) {
	var all []pinfold.ScheduleStatus
	return all, c.call(ctx, http.MethodGet, "/_pinfold/v1/schedules", nil, nil, &all)
}
