package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"pinfold.dev/pinfold/internal/platform"
)

// untilSignal returns a context that ends when the process is asked to. Only
// commands that have something to finish take signals; the others end at once,
// as any program. The first signal asks; a second one ends the process.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(parent, signals...)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// serve runs a server in this process until ctx ends, and once it is ready a
// session beside it. A session that fails ends the server.
func (sh *shell) serve(ctx context.Context, cfg platform.Config, log *slog.Logger, session func(context.Context, platform.Facts) error) error {
	if unknown := platform.UnknownVariables(os.Environ()); len(unknown) > 0 {
		log.Warn("these variables are no settings of Pinfold: docs/configuration.md lists what is", "variables", strings.Join(unknown, ", "))
	}
	// The garbage collector runs when as much has been allocated as is held. What
	// a platform holds is a few megabytes, so under load that is all the time; with
	// memory that nobody touches, and so nobody has, it is a tenth as often.
	ballast := make([]byte, 32<<20)
	defer runtime.KeepAlive(ballast)
	p, err := platform.New(ctx, cfg, log)
	if err != nil {
		return err
	}
	serving, stop := context.WithCancel(ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- p.Run(serving)
	}()
	sessionErr := session(serving, p.Facts())
	if ctx.Err() != nil {
		sessionErr = nil // it was told to stop
	}
	if sessionErr != nil {
		stop()
	}
	<-serving.Done()
	if err := sh.drained(served, cfg.DrainTimeout); err != nil {
		return err
	}
	return sessionErr
}

// drained waits for the server's end, and says so if that takes a while.
func (sh *shell) drained(served <-chan error, limit time.Duration) error {
	notice := time.NewTimer(300 * time.Millisecond)
	defer notice.Stop()
	for {
		select {
		case err := <-served:
			return err
		case <-notice.C:
			if !sh.json {
				fmt.Fprintln(sh.err, sh.err.faint(fmt.Sprintf("stopping: running invocations have %v to finish; Ctrl-C again ends them now", limit)))
			}
		}
	}
}

func (sh *shell) logger(verbose bool) *slog.Logger {
	options := &slog.HandlerOptions{}
	if verbose {
		options.Level = slog.LevelDebug
	}
	if sh.json {
		return slog.New(slog.NewJSONHandler(sh.err, options))
	}
	return slog.New(slog.NewTextHandler(sh.err, options))
}
