package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"
)

// sample is what one run of a load gave.
type sample struct {
	requests  int
	elapsed   time.Duration
	latencies []time.Duration // sorted
}

func (s sample) perSecond() float64 { return float64(s.requests) / s.elapsed.Seconds() }

func (s sample) quantile(q float64) time.Duration {
	if len(s.latencies) == 0 {
		return 0
	}
	return s.latencies[min(int(q*float64(len(s.latencies))), len(s.latencies)-1)]
}

// load sends GET requests from a number of clients, each with a connection of
// its own and one request under way, for a time. Any answer but 200 is an error.
func load(ctx context.Context, url string, clients int, d time.Duration) (sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := time.Now().Add(d)
	each := make([][]time.Duration, clients)
	started := time.Now()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for time.Now().Before(end) && ctx.Err() == nil {
				took, err := get(ctx, client, url)
				if err != nil {
					cancel(err)
					return
				}
				each[i] = append(each[i], took)
			}
		})
	}
	wg.Wait()
	s := sample{elapsed: time.Since(started), latencies: slices.Concat(each...)}
	s.requests = len(s.latencies)
	slices.Sort(s.latencies)
	return s, context.Cause(ctx)
}

func get(ctx context.Context, client *http.Client, url string) (time.Duration, error) {
	started := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s answered %s: %s", url, resp.Status, body)
	}
	return time.Since(started), nil
}

func median[T ~int64 | ~float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
