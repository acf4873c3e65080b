package runtimes

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"pinfold.dev/pinfold"
)

// fullLog is a log without room, until it is opened.
type fullLog struct {
	logbook
	asked chan struct{} // closed when somebody waits for room
	once  sync.Once
	room  chan struct{} // closed when there is room
}

func newFullLog() *fullLog { return &fullLog{asked: make(chan struct{}), room: make(chan struct{})} }

func (f *fullLog) Source(common pinfold.LogLine) pinfold.LogSource {
	return fullPage{page{&f.logbook, common}, f}
}

type fullPage struct {
	page
	log *fullLog
}

func (p fullPage) Wait(ctx context.Context) error {
	p.log.once.Do(func() { close(p.log.asked) })
	select {
	case <-p.log.room:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// Whoever logs more than the log takes is who waits, whichever way he logs: what
// is on its way meanwhile is bounded, and nothing is lost. An instance that goes
// waits for nobody.
func TestFloods(t *testing.T) { behind(t, testFloods) }

func testFloods(t *testing.T, w walls) {
	const lines, size = 1000, 4000
	for name, f := range map[string]struct{ runtime, file, code string }{
		"console.log":     {"nodejs20.x", "app.js", "exports.handler = async () => { for (let i = 0; i < %d; i++) console.log('x'.repeat(%d)); return 1; }"},
		"Python's stdout": {"python3.11", "app.py", "def handler(e, c):\n    for i in range(%d): print('x' * %d)\n    return 1"},
		"a descriptor":    {"python3.11", "app.py", "import os\ndef handler(e, c):\n    for i in range(%d): os.write(1, b'x' * %d + b'\\n')\n    return 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, goes := range []bool{false, true} {
				log := newFullLog()
				l := newLab(t, w, func(o *Options) { o.Logs = log })
				in := l.launch(l.version(f.runtime, "app.handler", map[string]string{f.file: fmt.Sprintf(f.code, lines, size)}))
				answered := make(chan string, 1)
				go func() {
					res, err := in.Invoke(t.Context(), &pinfold.Invocation{ID: "one", Payload: []byte("{}")}, func() {})
					if err != nil {
						answered <- err.Error()
						return
					}
					answered <- string(res.Payload)
				}()
				select {
				case <-log.asked:
				case answer := <-answered:
					t.Fatalf("it answered %.300s, and nobody has asked for room", answer)
				}
				if !goes {
					close(log.room)
					if answer := <-answered; answer != "1" {
						t.Errorf("it answers %.300s", answer)
					}
				}
				if err := in.Close(); err != nil {
					t.Error(err)
				}
				if goes {
					<-answered
				}
				come := 0
				for _, line := range log.all() {
					if strings.HasPrefix(line.Text, "xxx") || strings.HasSuffix(line.Text, "xxx") {
						come += strings.Count(line.Text, "x")
					}
				}
				switch {
				case !goes && come != lines*size:
					t.Errorf("%d bytes have come, of %d", come, lines*size)
				case goes && come > 1<<20:
					t.Errorf("%d bytes have come to a log that takes no more", come)
				}
			}
		})
	}
}
