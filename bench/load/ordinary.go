//go:build linux

package load

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Ordinary is [Run] with the client that Go programs have, net/http, for GET
// requests: what a caller sees who spends as much on his side.
func Ordinary(ctx context.Context, t Target, connections int, d time.Duration) (Sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	each := make([][]time.Duration, connections)
	cpu, began := ProcessTime(), time.Now()
	var wg sync.WaitGroup
	for i := range connections {
		wg.Go(func() {
			transport := &http.Transport{MaxIdleConnsPerHost: 1, DisableCompression: true}
			defer transport.CloseIdleConnections()
			client := &http.Client{Transport: transport}
			for ctx.Err() == nil && time.Since(began) < d {
				took, err := get(ctx, client, t)
				if err != nil {
					cancel(err)
					return
				}
				each[i] = append(each[i], took)
			}
		})
	}
	wg.Wait()
	s := Sample{Elapsed: time.Since(began), CPU: ProcessTime() - cpu, Latencies: slices.Concat(each...)}
	slices.Sort(s.Latencies)
	return s, context.Cause(ctx)
}

func get(ctx context.Context, client *http.Client, t Target) (time.Duration, error) {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.URL, nil)
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(body), t.Want)) {
		err = wanted{http.StatusOK, []byte(t.Want)}.wrong(resp.Status, body)
	}
	return time.Since(began), err
}

// ProcessTime is the processor time that this program has taken so far.
func ProcessTime() time.Duration { return usage(unix.RUSAGE_SELF) }
