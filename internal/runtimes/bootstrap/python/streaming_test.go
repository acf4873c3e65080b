package python

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pinfold.dev/pinfold/internal/runtimes/bootstrap/bootstraptest"
)

func TestStream(t *testing.T) {
	tests := map[string]struct {
		py   string
		want []string
	}{
		"parts":            {body("yield b'a'; yield 'ü'; yield {'x': 1}; yield ''; yield 3"), []string{`STREAM 1 `, `CHUNK 1 a`, `CHUNK 1 ü`, `CHUNK 1 \{"x": 1\}`, `CHUNK 1 3`, `END 1 `}},
		"HTTP":             {body("yield {'statusCode': 201}; yield 'body'"), []string{`STREAM 1 application/vnd.awslambda.http-integration-response`, `CHUNK 1 \{"statusCode": 201\}\x00{8}`, `CHUNK 1 body`, `END 1 `}},
		"nothing":          {body("return\nyield"), []string{`STREAM 1 `, `END 1 `}},
		"large part":       {body("yield b'x' * 150000"), []string{`STREAM 1 `, `CHUNK 1 x{1000}.*`, `CHUNK 1 x+`, `CHUNK 1 x+`, `END 1 `}},
		"log between":      {body("print('1'); yield 'a'; print('2'); yield 'b'"), []string{`LOG 1 1`, `STREAM 1 `, `CHUNK 1 a`, `LOG 1 2`, `CHUNK 1 b`, `END 1 `}},
		"fails at once":    {body("raise ValueError('x')\nyield"), failure("ValueError", "x")},
		"fails midway":     {body("yield 'a'; raise ValueError('x')"), append([]string{`STREAM 1 `, `CHUNK 1 a`}, failure("ValueError", "x")...)},
		"no JSON":          {body("yield 'a'; yield object()"), append([]string{`STREAM 1 `, `CHUNK 1 a`}, failure(`Runtime\.MarshalError`, "Unable to marshal response: .*")...)},
		"returned":         {body("return (str(i) for i in range(2))"), []string{`STREAM 1 `, `CHUNK 1 0`, `CHUNK 1 1`, `END 1 `}},
		"async":            {"import asyncio\nasync " + body("yield 'a'; await asyncio.sleep(0); yield 'b'"), []string{`STREAM 1 `, `CHUNK 1 a`, `CHUNK 1 b`, `END 1 `}},
		"async that fails": {"async " + body("yield 'a'; raise ValueError('x')"), append([]string{`STREAM 1 `, `CHUNK 1 a`}, failure("ValueError", "x")...)},
	}
	everywhere(t, func(t *testing.T, python string) {
		for name, test := range tests {
			for _, most := range []int{1, 4} {
				t.Run(fmt.Sprint(name, most), func(t *testing.T) {
					p := start(t, python)
					match(t, p.load(map[string]string{"app.py": test.py}, map[string]any{"concurrency": most}), `READY 0 `)
					p.Invoke(1, `{}`, "")
					match(t, p.Frames(1), test.want...)
					p.Invoke(2, `{}`, "")
					if all := p.Frames(1); all[len(all)-1].ID != 2 {
						t.Errorf("a second invocation: %v", all)
					}
				})
			}
		}
	})
}

// TestCredit takes a stream of 5 MB: never more than 1 MB comes that has not been
// asked for, and an invocation that was sent ahead comes after it.
func TestCredit(t *testing.T) {
	everywhere(t, func(t *testing.T, python string) {
		for name, test := range map[string]struct {
			def  string
			most int
		}{"one": {"", 1}, "one, async": {"async ", 1}, "threads": {"", 4}, "loop": {"async ", 4}} {
			t.Run(name, func(t *testing.T) {
				p := start(t, python)
				match(t, p.load(map[string]string{"app.py": test.def + body("for i in range(100 if e == {} else 0): yield b'x' * 50000")}, map[string]any{"concurrency": test.most}), `READY 0 `)
				p.Invoke(1, `{}`, "")
				if test.most == 1 {
					p.Invoke(2, `1`, "")
				}
				taken, total := 0, 0
				for f := p.Next(); f.Kind != bootstraptest.End; f = p.Next() {
					total += len(f.Payload)
					if f.Kind == bootstraptest.EOF || f.Kind == bootstraptest.Error || f.ID != 1 || total-taken > 1<<20 {
						t.Fatalf("%v %d after %d bytes, of which %d are taken", f.Kind, f.ID, total, taken)
					}
					if total-taken > 1<<20-50000 { // it must wait now
						p.Send(bootstraptest.Credit, 1, string(binary.BigEndian.AppendUint32(nil, uint32(total-taken))))
						taken = total
					}
				}
				if total != 5000000 {
					t.Errorf("%d bytes", total)
				}
				if test.most == 1 {
					match(t, p.Frames(1), `STREAM 2 `, `END 2 `)
				}
			})
		}
	})
}

func TestStreamThatIsTooLarge(t *testing.T) {
	everywhere(t, func(t *testing.T, python string) {
		p := start(t, python)
		match(t, p.load(map[string]string{"app.py": body("while True: yield b'x' * (1 << 20)")}, nil), `READY 0 `)
		p.Invoke(1, `{}`, "")
		for total := 0; ; {
			f := p.Next()
			if f.Kind == bootstraptest.Chunk {
				total += len(f.Payload)
				p.Send(bootstraptest.Credit, 1, string(binary.BigEndian.AppendUint32(nil, uint32(len(f.Payload)))))
			}
			if f.Kind == bootstraptest.Error {
				match(t, []bootstraptest.Frame{f}, `ERROR 1 .*Function.ResponseSizeTooLarge.*`)
				if total != 200<<20 {
					t.Errorf("%d bytes came before", total)
				}
				return
			}
		}
	})
}

// TestStreamWithoutAPlatform: a generator that waits for a platform that is gone
// is closed.
func TestStreamWithoutAPlatform(t *testing.T) {
	everywhere(t, func(t *testing.T, python string) {
		p := start(t, python)
		match(t, p.load(map[string]string{"app.py": body("try:\n    while True: yield b'x' * 65536\nfinally: open('closed', 'w').close()")}, nil), `READY 0 `)
		p.Invoke(1, `{}`, "")
		for range 1 + 16 {
			p.Next()
		}
		_ = p.In.Close()
		if err := p.Cmd.Wait(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(p.Dir, "closed")); err != nil {
			t.Error(err)
		}
	})
}
