//go:build linux

// Package load sends HTTP requests as fast as they are answered, and takes as
// little of the machine for it as it can. In life a load comes from elsewhere;
// here it shares the machine with what is measured, and every microsecond that
// it spends on a request is one that the platform lacks, which needs more
// processors than a plain server does. So one thread serves all connections
// with epoll, requests are bytes that were made before, and answers are read no
// further than needed to know that they are right. That takes 8 us of processor
// a request at 32 connections beside a raw Node.js server; net/http takes 19.
// Both sides of a comparison are measured with the same generator; [Ordinary] is
// there to see what a client does that spends more.
package load

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Target is what a load is sent to.
type Target struct {
	Addr     string   // host:port
	Requests [][]byte // whole requests, sent in turn
	URL      string   // what the one request gets, if it is a GET
	Want     string   // what every answer must hold
	Status   int      // that every answer must have; 0 is 200
}

// Get returns the target that a URL without a user or a fragment names.
func Get(rawURL, want string) (Target, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return Target{}, err
	}
	req := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n", u.RequestURI(), u.Host)
	return Target{Addr: u.Host, Requests: [][]byte{[]byte(req)}, URL: rawURL, Want: want}, nil
}

// Raw returns a request as bytes, which can be sent again and again.
func Raw(req *http.Request) ([]byte, error) {
	var b bytes.Buffer
	err := req.Write(&b)
	return b.Bytes(), err
}

// Sample is what one run of a load gave.
type Sample struct {
	Elapsed   time.Duration
	CPU       time.Duration   // processor time of the generator itself
	Served    time.Duration   // processor time of whoever answered, if that was looked at
	Latencies []time.Duration // sorted
}

// Requests is the number of answers.
func (s Sample) Requests() int { return len(s.Latencies) }

// Rate is the number of answers a second.
func (s Sample) Rate() float64 { return float64(len(s.Latencies)) / s.Elapsed.Seconds() }

// Quantile is the latency that a share q of the requests did not exceed.
func (s Sample) Quantile(q float64) time.Duration { return Quantile(s.Latencies, q) }

// Quantile is the value in sorted values that a share q of them does not exceed.
func Quantile[T any](sorted []T, q float64) (v T) {
	if len(sorted) == 0 {
		return v
	}
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// Median is the middle value, or 0 of none.
func Median[T ~int64 | ~float64](values []T) T {
	return Quantile(slices.Sorted(slices.Values(values)), .5)
}

// Run sends requests for a time over a number of connections, each with one
// request under way, and waits for the last answers. Any answer that is not
// right is an error.
func Run(ctx context.Context, t Target, connections int, d time.Duration) (Sample, error) {
	end, next := time.Now().Add(d), 0
	return drive(ctx, t, connections, func() []byte {
		if time.Now().After(end) {
			return nil
		}
		next++
		return t.Requests[(next-1)%len(t.Requests)]
	})
}

// Burst sends all requests at once, each over a connection of its own. Elapsed
// is the time until the last answer.
func Burst(ctx context.Context, t Target) (Sample, error) { return Each(ctx, t, len(t.Requests)) }

// Each sends each request once, over a number of connections.
func Each(ctx context.Context, t Target, connections int) (Sample, error) {
	left := t.Requests
	return drive(ctx, t, connections, func() []byte {
		if len(left) == 0 {
			return nil
		}
		req := left[0]
		left = left[1:]
		return req
	})
}

// patience is how long nothing may be answered.
const patience = time.Minute

// drive sends what next returns, which is nil when there is no more.
func drive(ctx context.Context, t Target, connections int, next func() []byte) (s Sample, err error) {
	runtime.LockOSThread() // so that its processor time is this load's
	defer runtime.UnlockOSThread()
	l := &loop{wanted: wanted{cmp.Or(t.Status, http.StatusOK), []byte(t.Want)}}
	defer l.close()
	if err := l.dial(t.Addr, connections); err != nil {
		return s, err
	}
	cpu, began := threadTime(), time.Now()
	waiting := 0
	for _, c := range l.conns {
		if req := next(); req != nil {
			if err := c.send(req); err != nil {
				return s, err
			}
			waiting++
		}
	}
	for last := began; waiting > 0; {
		ready, err := l.wait()
		now := time.Now()
		switch {
		case err != nil:
			return s, err
		case ctx.Err() != nil:
			return s, context.Cause(ctx)
		case len(ready) > 0:
			last = now
		case now.Sub(last) > patience:
			return s, fmt.Errorf("%s has answered nothing for %s, with %d requests under way", t.Addr, patience, waiting)
		}
		for _, c := range ready {
			done, err := c.receive(l.wanted)
			if err != nil {
				return s, err
			}
			if !done {
				continue
			}
			s.Latencies = append(s.Latencies, time.Since(c.sent))
			waiting--
			if req := next(); req != nil {
				if err := c.send(req); err != nil {
					return s, err
				}
				waiting++
			}
		}
	}
	s.Elapsed, s.CPU = time.Since(began), threadTime()-cpu
	slices.Sort(s.Latencies)
	return s, nil
}

func threadTime() time.Duration { return usage(unix.RUSAGE_THREAD) }

func usage(who int) time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(who, &u) // fails for wrong arguments only
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
