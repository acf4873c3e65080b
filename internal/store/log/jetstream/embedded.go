package jetstream

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"pinfold.dev/pinfold"
)

// embedded is a NATS server in this process. It listens nowhere: who wants to speak
// to it asks for a connection.
type embedded struct {
	opts   Options
	room   *room
	stop   context.CancelFunc
	ended  sync.WaitGroup
	mu     sync.Mutex
	server *server.Server
}

const (
	// maxPayload is what the server takes: MaxData, and headers.
	maxPayload = 4 << 20
	// checkEvery is how often the server is asked whether it is well.
	checkEvery = time.Second
	// startWait is how long opening may take: millions of entries are read.
	startWait = 10 * time.Minute
)

// startEmbedded starts the server. What is in the folder is read before it returns.
func startEmbedded(o Options) (*embedded, error) {
	e := &embedded{opts: o, room: newRoom(o.Dir, o.space)}
	return e, e.start()
}

func (e *embedded) start() error {
	opts := &server.Options{
		ServerName:             "pinfold",
		DontListen:             true,
		NoSigs:                 true,
		MaxPayload:             maxPayload,
		JetStream:              true,
		StoreDir:               e.opts.Dir,
		SyncAlways:             e.opts.SyncAlways,
		SyncInterval:           cmp.Or(e.opts.SyncInterval, time.Second),
		DisableJetStreamBanner: true,
		JetStreamMaxMemory:     1 << 40, // no limit of its own: room watches the disk, and in memory are only positions of readers
		JetStreamMaxStore:      1 << 60,
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return pinfold.Errorf(pinfold.Internal, "open the log in %s: %w", e.opts.Dir, err)
	}
	words := &serverLog{logger: e.opts.Logger}
	s.SetLoggerV2(words, false, false, false)
	s.Start()
	if !s.ReadyForConnections(startWait) || !s.JetStreamEnabled() {
		s.Shutdown()
		s.WaitForShutdown()
		return pinfold.Errorf(pinfold.Unavailable, "open the log in %s: %s", e.opts.Dir, cmp.Or(words.lastFatal(), "it did not start"))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.server = s
	return nil
}

// InProcessConn returns a connection to the server that runs now.
func (e *embedded) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "the log in %s is closed for now", e.opts.Dir)
	}
	return e.server.InProcessConn()
}

func (e *embedded) shutdown() {
	e.mu.Lock()
	s := e.server
	e.server = nil
	e.mu.Unlock()
	if s != nil {
		s.Shutdown()
		s.WaitForShutdown()
	}
}

// watch looks after the server until close.
func (e *embedded) watch() {
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.ended.Go(func() {
		every := time.NewTicker(checkEvery)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				e.check()
			case <-ctx.Done():
				return
			}
		}
	})
}

// check brings the server back if it has given up: after a write that failed, it
// writes to that stream no more, or stores nothing at all. What it has acknowledged
// is on the disk.
func (e *embedded) check() {
	why := e.ill()
	if why == "" || e.room.take(0) != nil {
		return
	}
	e.opts.Logger.Warn("open the log anew", "folder", e.opts.Dir, "because", why)
	e.shutdown()
	if err := e.start(); err != nil {
		e.opts.Logger.Error("open the log anew: will be tried again", "error", err)
		return
	}
	e.opts.Logger.Info("the log is open again", "folder", e.opts.Dir)
}

// ill says what is wrong with the server, "" for nothing.
func (e *embedded) ill() string {
	e.mu.Lock()
	s := e.server
	e.mu.Unlock()
	if s == nil {
		return "it could not be opened"
	}
	if !s.JetStreamEnabled() {
		return "JetStream is shut down"
	}
	health := s.Healthz(&server.HealthzOptions{Details: true})
	for _, e := range health.Errors {
		if strings.Contains(e.Error, "write error") {
			return e.Error
		}
	}
	return ""
}

func (e *embedded) close() {
	if e.stop != nil {
		e.stop()
	}
	e.ended.Wait()
	e.shutdown()
}

// serverLog takes what the server says into the platform's log. Its notices are of
// no use to who runs a platform.
type serverLog struct {
	logger *slog.Logger
	mu     sync.Mutex
	fatal  string
}

func (l *serverLog) say(level slog.Level, format string, args []any) {
	if l.logger.Enabled(context.Background(), level) {
		l.logger.Log(context.Background(), level, "the log's server: "+strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}

func (l *serverLog) lastFatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// Noticef and those that follow implement server.Logger.
func (l *serverLog) Noticef(format string, args ...any) { l.say(slog.LevelDebug, format, args) }
func (l *serverLog) Debugf(format string, args ...any)  { l.say(slog.LevelDebug, format, args) }
func (l *serverLog) Tracef(format string, args ...any)  { l.say(slog.LevelDebug, format, args) }
func (l *serverLog) Warnf(format string, args ...any) {
	level := slog.LevelWarn
	if strings.Contains(format, "outdated") { // indexes, after a crash: they are made anew, and nobody has to do anything
		level = slog.LevelDebug
	}
	l.say(level, format, args)
}
func (l *serverLog) Errorf(format string, args ...any) { l.say(slog.LevelError, format, args) }
func (l *serverLog) Fatalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fatal = fmt.Sprintf(format, args...)
}
