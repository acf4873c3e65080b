package jetstream

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store/log"
)

// forgetful is a server that can be had lose what came since it was asked to remember.
type forgetful struct {
	t           *testing.T
	server      *server.Server
	dir, backup string
	port        int
}

func newForgetful(t *testing.T) *forgetful {
	f := &forgetful{t: t, dir: filepath.Join(t.TempDir(), "a"), backup: filepath.Join(t.TempDir(), "b")}
	f.server = startServer(t, &server.Options{StoreDir: f.dir})
	f.port = f.server.Addr().(*net.TCPAddr).Port
	return f
}

func (f *forgetful) stop() {
	f.server.Shutdown()
	f.server.WaitForShutdown()
}

func (f *forgetful) start() {
	f.server = startServer(f.t, &server.Options{StoreDir: f.dir, Port: f.port})
}

func (f *forgetful) remember() {
	f.stop()
	if err := os.CopyFS(f.backup, os.DirFS(f.dir)); err != nil {
		f.t.Fatal(err)
	}
	f.start()
}

func (f *forgetful) forget() {
	f.stop()
	if err := os.RemoveAll(f.dir); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.backup, f.dir); err != nil {
		f.t.Fatal(err)
	}
	f.start()
}

// said keeps what is logged.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) has(words string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.text.String(), words)
}

// appended appends entries one by one, each until it is stored, and returns where.
func appended(t *testing.T, s log.Stream, texts ...string) (at []uint64) {
	t.Helper()
	for _, text := range texts {
		for {
			stored := s.Append(t.Context(), log.Entry{Subject: "s", ID: text, Meta: "m", Data: []byte(text)})[0]
			if stored.Err == nil {
				at = append(at, stored.Position)
				break
			}
			if pinfold.CodeOf(stored.Err) != pinfold.Unavailable {
				t.Fatal(stored.Err)
			}
		}
	}
	return at
}

// reads reads that many entries, and returns their texts.
func reads(t *testing.T, r log.Reader, n int) (texts []string) {
	t.Helper()
	for len(texts) < n {
		entries, err := r.Next(t.Context(), n-len(texts))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			texts = append(texts, string(e.Data))
		}
	}
	return texts
}

// A server that has lost what it had acknowledged gives no position again; who follows
// misses nothing that comes.
func TestLostEnd(t *testing.T) {
	t.Parallel()
	f := newForgetful(t)
	words := &said{}
	l, err := Open(t.Context(), Options{URL: f.server.ClientURL(), Logger: slog.New(slog.NewTextHandler(words, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := l.Stream(t.Context(), "test", log.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := l.Stream(t.Context(), "other", log.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Read(t.Context(), log.From{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	appended(t, s, "a", "b")
	appended(t, other, "a")
	f.remember()
	appended(t, s, "c", "d")
	batch := make([]log.Entry, 2*skipStep)
	for i := range batch {
		batch[i] = log.Entry{Subject: "s", Data: fmt.Append(nil, i)}
	}
	last := uint64(0)
	for _, stored := range s.Append(t.Context(), batch...) {
		if stored.Err != nil {
			t.Fatal(stored.Err)
		}
		last = stored.Position
	}
	reads(t, r, 4+len(batch))
	f.forget()
	if at := appended(t, s, "e", "c"); at[0] <= last || at[1] <= at[0] {
		t.Errorf("behind %d came %d", last, at)
	}
	if got := fmt.Sprint(reads(t, r, 2)); got != "[e c]" {
		t.Errorf("read %s", got)
	}
	for position := uint64(3); position <= last; position += last - 3 {
		if e, err := s.Get(t.Context(), position); pinfold.CodeOf(err) != pinfold.NotFound {
			t.Errorf("at %d: %s %v", position, e.Data, err)
		}
		if err := s.Remove(t.Context(), position); err != nil {
			t.Error(err)
		}
	}
	if info, err := s.Info(t.Context(), ""); err != nil || info.Entries != 4 {
		t.Errorf("%+v %v; want the first two and the last two", info, err)
	}
	if want := fmt.Sprintf("stream=test servers=%s from=3 to=%d moved=0", l.where(), last); !words.has(want) || words.has("stream=other") {
		t.Errorf("it said %s; want %s", words.text.String(), want)
	}
}

// Where the connection is not lost, as of a cluster whose other servers lose
// something, the next acknowledgement shows it.
func TestLostEndElsewhere(t *testing.T) {
	t.Parallel()
	words := &said{}
	l, err := Open(t.Context(), Options{Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(words, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := l.Stream(t.Context(), "test", log.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	at := appended(t, s, "a", "b")
	const had = 50
	s.(*stream).extent.reach(had)
	r, err := s.Read(t.Context(), log.From{Position: had + 1, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i, stored := range s.Append(t.Context(), log.Entry{Subject: "s", ID: "c", Meta: "m", Data: []byte("c")}, log.Entry{Subject: "s", Data: []byte("d")}) {
		if pinfold.CodeOf(stored.Err) != pinfold.Unavailable {
			t.Errorf("%d: %+v; it is at a position that was given before", i, stored)
		}
	}
	if again := s.Append(t.Context(), log.Entry{Subject: "s", ID: "c"})[0]; !again.Duplicate || again.Err != nil {
		t.Errorf("%+v; want a duplicate", again)
	}
	appended(t, s, "e")
	if got := fmt.Sprint(reads(t, r, 3)); got != "[c d e]" {
		t.Errorf("read %s", got)
	}
	for position := at[1] + 1; position <= had; position++ {
		if e, err := s.Get(t.Context(), position); pinfold.CodeOf(err) != pinfold.NotFound {
			t.Errorf("at %d: %s %v", position, e.Data, err)
		}
	}
	if !words.has("from=3 to=50 moved=2") {
		t.Errorf("it said %s", words.text.String())
	}
}
