//go:build linux

// Package mixed loads a platform with all that happens to one at the same time:
// requests, errors, timeouts, crashes, clients that leave, functions that come
// and go, deployments. Then it looks at what has leaked. [Run] is behind
// `make soak`, the part soak of `make bench`, and test/soak.
package mixed

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"pinfold.dev/pinfold/bench/host"
)

// Options say what to load, and for how long.
type Options struct {
	Binary  string                           // pinfold
	Dir     string                           // an empty folder for everything
	Sandbox string                           // driver
	Env     []string                         // settings of the platform
	For     time.Duration                    // length of the load
	Clients int                              // at the same time
	Rest    time.Duration                    // how long the platform may take to let go of everything afterwards
	Say     func(format string, args ...any) // what is going on
}

// Result is what came of it.
type Result struct {
	Done     map[string]int // what was done and came out as it must, by kind
	Failed   int            // what did not
	Failures []string       // the first of them
	Leaked   []Leak         // in the running platform, once the load was over and the application removed
	Left     []string       // on the machine, once the platform had stopped
	Before   int64          // resident memory of the platform in bytes, when it had worked a little
	After    int64          // and when the load was over
}

// Leak is something that there is more of than before the load.
type Leak struct {
	What          string
	Before, After int
	More          []string // what it is, where that can be told
}

// Total is how much was done.
func (r *Result) Total() (n int) {
	for _, done := range r.Done {
		n += done
	}
	return n
}

// Err says what is wrong, if anything is.
func (r *Result) Err() error {
	var all []error
	if r.Failed > 0 {
		all = append(all, fmt.Errorf("%d of %d did not come out as they must, the first of them", r.Failed, r.Failed+r.Total()))
		for _, f := range r.Failures {
			all = append(all, errors.New("  "+f))
		}
	}
	for _, l := range r.Leaked {
		all = append(all, fmt.Errorf("leaked: %s: %d before the load, %d after it %v", l.What, l.Before, l.After, l.More))
	}
	for _, left := range r.Left {
		all = append(all, fmt.Errorf("left on the machine: %s", left))
	}
	return errors.Join(all...)
}

//go:embed app
var application embed.FS

// load is a run under way.
type load struct {
	Options
	*host.Pinfold
	app    string // folder
	census *census

	mu     sync.Mutex
	result Result
}

// Run loads a platform of its own. Its error is one of the machine or of the
// platform as a whole; what else is wrong is in the result.
func Run(ctx context.Context, o Options) (*Result, error) {
	l := &load{Options: o, app: filepath.Join(o.Dir, "app"), result: Result{Done: map[string]int{}}}
	files, err := fs.Sub(application, "app")
	if err != nil {
		return nil, err
	}
	temp := filepath.Join(o.Dir, "tmp")
	if err := errors.Join(os.CopyFS(l.app, files), os.Mkdir(temp, 0o777)); err != nil {
		return nil, err
	}
	l.census = newCensus(filepath.Join(o.Dir, "data"), temp)
	adopted, err := adopt()
	if err != nil {
		return nil, err
	}
	// What is kept on purpose, because it was needed lately, must not look like what
	// was left behind: idle instances go soon, and cells are as many at all times.
	env := append(slices.Clip(o.Env), "TMPDIR="+temp, "PINFOLD_IDLE_TIMEOUT=5s", "PINFOLD_CELLS=1")
	l.Pinfold, err = host.StartPinfold(ctx, host.Options{Binary: o.Binary, Data: l.census.data, Sandbox: o.Sandbox, Env: env})
	if err != nil {
		return nil, err
	}
	err = l.run(ctx)
	if err = errors.Join(err, l.Stop()); err != nil {
		return nil, err
	}
	l.result.Left = l.census.left(ctx, adopted, l.Rest)
	return &l.result, ctx.Err()
}

// run loads the platform a little, to see what it holds at rest, then for the
// whole time, and compares. The same happens before both: what is there only
// because something has happened at all, such as connections to the store, is
// no leak.
func (l *load) run(ctx context.Context) error {
	l.Say("warming up")
	if err := l.round(ctx, min(l.For/4, 10*time.Second)); err != nil {
		return err
	}
	if err := host.Settle(ctx, l.PID(), l.Rest); err != nil {
		return err
	}
	before, err := l.census.least(ctx, l.PID())
	if err != nil {
		return err
	}
	l.result.Before = host.RSS(l.PID())
	l.Say("loading for %s", l.For)
	if err := l.round(ctx, l.For); err != nil {
		return err
	}
	l.Say("waiting for what must go")
	l.result.Leaked, err = l.census.compare(ctx, l.PID(), before, l.Rest)
	l.result.After = host.RSS(l.PID())
	return err
}

// round deploys the application, loads it for a time, and removes it.
func (l *load) round(ctx context.Context, d time.Duration) error {
	if err := l.Deploy(ctx, l.app); err != nil {
		return err
	}
	over, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var wg sync.WaitGroup
	for range l.Clients {
		wg.Go(func() {
			c := l.newClient()
			defer c.http.CloseIdleConnections()
			for over.Err() == nil {
				kind := kinds[rand.IntN(len(kinds))]
				l.note(ctx, kind.name, kind.do(ctx, c))
			}
		})
	}
	wg.Go(func() { l.redeploy(ctx, over) })
	wg.Go(func() { l.change(ctx, over) })
	wg.Go(func() { l.watch(over) })
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	l.census.note(l.PID()) // there are instances now: none need be there when watch looks
	return l.Remove(ctx, "mixed")
}

// note takes down what came of something.
func (l *load) note(ctx context.Context, kind string, err error) {
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.result.Done[kind]++
		return
	}
	l.result.Failed++
	if len(l.result.Failures) < 20 {
		l.result.Failures = append(l.result.Failures, fmt.Sprintf("%s %s: %v", time.Now().Format("15:04:05"), kind, err))
	}
}

// watch tells now and then how far the load is, and notes what groups the
// platform has.
func (l *load) watch(over context.Context) {
	for i := 1; host.Pause(over, time.Second) == nil; i++ {
		l.census.note(l.PID())
		if i%10 == 0 {
			l.mu.Lock()
			done, failed := l.result.Total(), l.result.Failed
			l.mu.Unlock()
			l.Say("%d done, %d failed, %s resident", done, failed, fmt.Sprintf("%d MB", host.RSS(l.PID())>>20))
		}
	}
}
