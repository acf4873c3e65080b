package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// UsageQuery asks what functions have used.
type UsageQuery struct {
	From, To string // days, like 2026-01-31, both included; "": this month until today
	By       string // "function", "version", "app", "day" or "tag:KEY"
}

// Usage is what functions have used, and what that costs.
type Usage struct {
	From     string     `json:"from"`
	To       string     `json:"to"`
	Currency string     `json:"currency"`
	Cost     string     `json:"cost"` // a decimal number
	Rows     []UsageRow `json:"rows"`
}

// UsageRow is what has been used by one of what was asked for.
type UsageRow struct {
	Name     string `json:"name"` // of the function, application, tag's value or day; "" where there is none
	Requests uint64 `json:"requests"`
	Errors   uint64 `json:"errors"`
	Cold     uint64 `json:"coldStarts"`
	BilledMS uint64 `json:"billedMs"` // in the price table's blocks
	// MBMilliseconds is billed time times memory; 1,024,000 of them are a GB-second.
	MBMilliseconds uint64 `json:"mbMilliseconds"`
	BytesOut       uint64 `json:"bytesOut"`
	Cost           string `json:"cost"`
}

// Usage asks what functions have used in a span of days.
func (c *Client) Usage(ctx context.Context, q UsageQuery) (*Usage, error) {
	u := new(Usage)
	return u, c.call(ctx, http.MethodGet, "/_pinfold/v1/usage", url.Values{"from": {q.From}, "to": {q.To}, "by": {q.By}}, nil, u)
}

// Advice says how much memory would do for a version of a function.
type Advice struct {
	Function string        `json:"function"`
	Version  string        `json:"version"`
	MemoryMB int           `json:"memoryMB"`
	AdviseMB int           `json:"adviseMB"`
	PeakMB   int           `json:"peakMB"`
	Requests uint64        `json:"requests"`
	Duration time.Duration `json:"meanDurationNs"`
	Expected time.Duration `json:"expectedDurationNs"`
	Saving   string        `json:"saving"` // of what it cost in the last 30 days
	Currency string        `json:"currency"`
	Reason   string        `json:"reason"`
}

// Advice asks how much memory would do for the functions, by what they have used
// in the last 30 days.
func (c *Client) Advice(ctx context.Context) ([]Advice, error) {
	var all []Advice
	return all, c.call(ctx, http.MethodGet, "/_pinfold/v1/advice", nil, nil, &all)
}
