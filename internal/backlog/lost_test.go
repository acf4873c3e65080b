package backlog_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/backlog"
	"pinfold.dev/pinfold/internal/store/log/jetstream"
	"pinfold.dev/pinfold/internal/store/log/logtest"
	"pinfold.dev/pinfold/internal/store/log/mem"
)

func startNATS(t *testing.T, dir string, port int) (s *server.Server, stop func()) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, MaxPayload: 4 << 20, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	stop = func() {
		s.Shutdown()
		s.WaitForShutdown()
	}
	t.Cleanup(stop)
	return s, stop
}

// TestServersLoseTheEnd: servers that lose what they had acknowledged, as by a power cut, take
// nothing from those who go on: what is in memory is delivered, and so is what comes.
func TestServersLoseTheEnd(t *testing.T) {
	t.Parallel()
	dir, older := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	s, stop := startNATS(t, dir, -1)
	port := s.Addr().(*net.TCPAddr).Port
	l, err := jetstream.Open(t.Context(), jetstream.Options{URL: s.ClientURL(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := openHub(t, l)
	defer h.Close()
	b := h.Backlog("q", backlog.Config{})
	sent := func(texts ...string) {
		for _, text := range texts {
			for stored := b.Send(t.Context(), backlog.Item{Data: []byte(text)}); stored[0].Err != nil; {
				if pinfold.CodeOf(stored[0].Err) != pinfold.Unavailable {
					t.Fatal(stored[0].Err)
				}
				stored = b.Send(t.Context(), backlog.Item{Data: []byte(text)})
			}
		}
	}
	received := func(n int) (ms []backlog.Message) {
		for len(ms) < n {
			some := receive(t, b, n-len(ms), time.Hour, 20*time.Second)
			if len(some) == 0 {
				t.Fatalf("received %d of %d", len(ms), n)
			}
			ms = append(ms, some...)
		}
		return ms
	}
	sent("1", "2")
	stop()
	if err := os.CopyFS(older, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	_, stop = startNATS(t, dir, port)
	sent("3", "4", "5", "6")
	ms := received(4)
	for b.Counts().Visible < 2 { // they are in memory
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(older, dir); err != nil {
		t.Fatal(err)
	}
	startNATS(t, dir, port)
	sent("7", "8", "9")
	ms = append(ms, received(5)...)
	want(t, "all", ms, "1", "2", "3", "4", "5", "6", "7", "8", "9")
	for _, m := range ms[:7] {
		if errs := b.Remove(t.Context(), m.Receipt); errs[0] != nil {
			t.Error(errs[0])
		}
	}
	if c := b.Counts(); c.InFlight != 2 || c.Visible != 0 {
		t.Errorf("%+v; want two in flight", c)
	}
	h.Crash()
	h = openHub(t, l)
	want(t, "after a crash", receive(t, h.Backlog("q", backlog.Config{}), 10, time.Hour, 0), "8", "9")
}

// TestReceiveAtTheEnd: who reads from the log while the hub is closed, or who is gone,
// receives nothing, and that is no error.
func TestReceiveAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		faulty := logtest.NewFaulty(mem.New())
		defer faulty.Close()
		h := openHub(t, faulty)
		send(t, h.Backlog("q", backlog.Config{}), backlog.Item{Data: []byte("1")})
		h.Crash()
		began := time.Now()
		for _, leave := range []bool{false, true} {
			h = openHub(t, faulty)
			ctx, cancel := context.WithCancel(t.Context())
			faulty.Before(logtest.Slow(time.Hour, "Read"))
			go func() {
				if ms, err := h.Backlog("q", backlog.Config{}).Receive(ctx, 1, time.Minute, 20*time.Second); err != nil || len(ms) > 0 {
					t.Errorf("leave %v: %q, %v", leave, texts(ms), err)
				}
			}()
			synctest.Wait()
			if leave {
				cancel()
				synctest.Wait()
			}
			h.Close()
			cancel()
			faulty.Before(nil)
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("it took %v", d)
		}
	})
}
