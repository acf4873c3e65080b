package jetstream

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"pinfold.dev/pinfold/internal/store/log"
	"pinfold.dev/pinfold/internal/store/log/logtest"
)

func TestEmbedded(t *testing.T) {
	logtest.Run(t, func(t *testing.T) logtest.Place {
		o := Options{Dir: t.TempDir(), Logger: testLogger(t)}
		return logtest.Place{Open: func() (log.Log, error) { return Open(t.Context(), o) }}
	})
}

// The same over a connection, several platforms sharing the server.
func TestExternal(t *testing.T) {
	s := startServer(t, &server.Options{})
	var n atomic.Int32
	logtest.Run(t, func(t *testing.T) logtest.Place {
		o := Options{URL: s.ClientURL(), Prefix: fmt.Sprint("p", n.Add(1)), Logger: testLogger(t)}
		return logtest.Place{Open: func() (log.Log, error) { return Open(t.Context(), o) }, Shared: true}
	})
}

// startServer starts a server of its own, with JetStream and room for large entries.
func startServer(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	s := beginServer(t, o)
	if !s.ReadyForConnections(startWait) {
		t.Fatal("the server did not start")
	}
	return s
}

func beginServer(t *testing.T, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.JetStream, o.NoSigs = "127.0.0.1", true, true
	o.JetStreamMaxStore, o.JetStreamMaxMemory = 1<<40, 1<<40
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	if o.MaxPayload == 0 {
		o.MaxPayload = maxPayload
	}
	if o.StoreDir == "" {
		o.StoreDir = t.TempDir()
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.SetLoggerV2(&serverLog{logger: testLogger(t)}, false, false, false)
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s
}

// testLogger keeps what is said for the case that the test fails.
func testLogger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// A log that is closed leaves no goroutine behind.
func TestNothingLeft(t *testing.T) {
	running := func() string {
		stacks := make([]byte, 1<<20)
		return string(stacks[:runtime.Stack(stacks, true)])
	}
	for range 3 {
		l, s := open(t, Options{Dir: t.TempDir()})
		r, err := s.Read(t.Context(), log.From{Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		s.Append(t.Context(), log.Entry{Subject: "a"})
		if _, err := r.Next(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(time.Minute); strings.Contains(running(), "nats-io"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(running())
		}
	}
}
