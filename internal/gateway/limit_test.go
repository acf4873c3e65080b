package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

type key struct{}

func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		request, leave := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		began := time.Now()
		inTime := func() *limit { return &limit{Context: request, at: began.Add(time.Minute)} }

		asked, waited, child := inTime(), inTime(), inTime()
		derived, cancel := context.WithTimeout(child, time.Hour)
		defer cancel()
		leave()
		if asked.Err() != nil || asked.Value(key{}) != "value" {
			t.Errorf("the request has gone: %v, %v", asked.Err(), asked.Value(key{}))
		}
		if at, ok := asked.Deadline(); !ok || at != began.Add(time.Minute) {
			t.Errorf("its end is %v", at)
		}
		<-waited.Done()
		<-derived.Done()
		if time.Since(began) != time.Minute || !errors.Is(waited.Err(), context.DeadlineExceeded) || !errors.Is(derived.Err(), context.DeadlineExceeded) {
			t.Errorf("ended after %v with %v, %v", time.Since(began), waited.Err(), derived.Err())
		}
		if !errors.Is(asked.Err(), context.DeadlineExceeded) {
			t.Errorf("who only asks is told %v", asked.Err())
		}
		<-asked.Done()

		over := &limit{Context: request, at: time.Now().Add(time.Minute)}
		done := over.Done()
		over.end(context.Canceled)
		<-done
		if over.end(context.DeadlineExceeded); !errors.Is(over.Err(), context.Canceled) {
			t.Errorf("it ended with %v", over.Err())
		}
	})
}

func TestLimitWithoutATimer(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		l := &limit{Context: t.Context(), at: time.Now().Add(time.Minute)}
		_ = l.Err()
		l.end(context.Canceled)
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}
