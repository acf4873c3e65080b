package runtimes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pinfold.dev/pinfold"
)

// shelf is a CodeCache in a folder.
type shelf struct {
	dir  string
	ends chan error // what KeepCompiled has come to an end with
	mu   sync.Mutex
	full bool // keeps nothing
}

func newShelf(t testing.TB) *shelf { return &shelf{dir: t.TempDir(), ends: make(chan error, 100)} }

func (s *shelf) place(v *pinfold.Version, runtime string) string {
	return filepath.Join(s.dir, v.Ref.Name+" "+filepath.Base(v.Code.SHA256)+" "+runtime)
}

func (s *shelf) Compiled(v *pinfold.Version, runtime string) string {
	if _, err := os.Stat(s.place(v, runtime)); err != nil {
		return ""
	}
	return s.place(v, runtime)
}

func (s *shelf) KeepCompiled(v *pinfold.Version, runtime string, next func() (string, []byte, error)) {
	s.ends <- s.keep(s.place(v, runtime), next)
}

func (s *shelf) keep(dir string, next func() (string, []byte, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return errors.New("there is no room")
	}
	files := map[string][]byte{}
	name, content, err := next()
	for ; err == nil; name, content, err = next() {
		files[name] = content
	}
	if err != io.EOF {
		return err
	}
	for name, content := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o444); err != nil {
			return err
		}
	}
	return nil
}

func cacheFrame(payload string) frame {
	return frame{kind: frameCache, size: int64(len(payload)), payload: []byte(payload)}
}

// What instances send as their compiled code, whether it is kept, and whether the
// next instance is asked.
func TestKeeping(t *testing.T) {
	one, two, last := cacheFrame("v24/a\nA"), cacheFrame("v24/b\nB\nB"), cacheFrame("")
	code := cacheFrame(strings.Repeat("x", leastCompiled))
	many := append(slices.Repeat([]frame{one}, maxCacheFiles+10), last)
	for name, test := range map[string]struct {
		family Family
		frames []frame
		full   bool
		want   string // what is kept
		end    error  // of keeping it
		again  bool
	}{
		"Node.js":                        {Node, []frame{one, two, last}, false, "v24/a=A v24/b=B\nB", nil, false},
		"Node.js, and more":              {Node, []frame{one, last, two, last}, false, "v24/a=A", nil, false},
		"Node.js: not worth it":          {Node, []frame{last}, false, "", nil, false},
		"Node.js: ends before the last":  {Node, []frame{one, two}, false, "", context.Canceled, true},
		"Node.js: never sends it":        {Node, nil, false, "", nil, true},
		"Node.js: a file without a name": {Node, []frame{one, cacheFrame("\nA"), last}, false, "", context.Canceled, false},
		"Node.js: very many":             {Node, many, false, "", context.Canceled, false},
		"Python":                         {Python, []frame{code, code}, false, "code=" + string(code.payload), nil, false},
		"Python: not worth it":           {Python, []frame{one}, false, "", nil, false},
		"no room":                        {Python, []frame{code}, true, "", errors.New("there is no room"), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf(t)
			s.full = test.full
			c := &caches{kept: s}
			v := &pinfold.Version{Ref: pinfold.FunctionRef{Name: "f"}, Code: pinfold.Package{Size: leastCompiled}}
			k := c.ask(v, test.family, "24.1.0")
			if k == nil {
				t.Fatal("the first instance is not asked")
			}
			if c.ask(v, test.family, "24.1.0") != nil {
				t.Error("a second instance is asked at the same time")
			}
			for _, f := range test.frames {
				if !k.take(f) {
					t.Errorf("it is not heard any more at %.20q", f.payload)
				}
			}
			k.close()
			select {
			case err := <-s.ends:
				if fmt.Sprint(err) != fmt.Sprint(test.end) {
					t.Errorf("keeping it ends with %v, want %v", err, test.end)
				}
			default:
				if test.end != nil || test.want != "" {
					t.Error("nothing is to be kept")
				}
			}
			if got := shown(t, c.of(v, runtimeName(test.family, "24.1.0"))); got != test.want {
				t.Errorf("%.100q is kept, want %.100q", got, test.want)
			}
			next := c.ask(v, test.family, "24.1.0")
			if (next != nil) != test.again {
				t.Errorf("the next instance is asked: %v", next != nil)
			}
			if test.want != "" && len(c.asked) > 0 {
				t.Errorf("what is kept is remembered: %v", c.asked)
			}
		})
	}
}

// shown is what is in a folder.
func shown(t *testing.T, dir string) string {
	var all []string
	for _, pattern := range []string{"*", "*/*"} {
		names, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, name := range names {
			if content, err := os.ReadFile(name); err == nil && dir != "" {
				rel, _ := filepath.Rel(dir, name)
				all = append(all, rel+"="+string(content))
			}
		}
	}
	return strings.Join(all, " ")
}

// Small functions are spared the trouble.
func TestNoCacheOfSmallFunctions(t *testing.T) {
	c := &caches{kept: newShelf(t)}
	v := &pinfold.Version{Code: pinfold.Package{Size: leastCompiled - 1}}
	if c.ask(v, Python, "3.11.7") != nil {
		t.Error("a small function is asked for compiled code")
	}
	v.Config.Layers = []pinfold.LayerRef{{Code: pinfold.Package{Size: 1}}}
	if c.ask(v, Python, "3.11.7") == nil {
		t.Error("one with a layer is not")
	}
	if (&caches{}).ask(v, Python, "3.11.7") != nil || (&caches{}).of(v, "python-3.11.7") != "" {
		t.Error("there is compiled code where none is kept")
	}
}

// What was not asked for is not taken in, and neither is more than there may be.
func TestCacheThatIsNotWanted(t *testing.T) {
	for name, wanted := range map[string]int64{"not asked for": 0, "too much": 2} {
		r, w := io.Pipe()
		frames := newFrameReader(r)
		frames.cache.Store(wanted)
		go func() {
			_, _ = w.Write(append(appendFrameHeader(nil, frameCache, 0, 3), "abc"...))
			_, _ = w.Write(appendFrameHeader(nil, frameReady, 0, 0))
		}()
		f, err := frames.next()
		if err != nil || f.payload != nil {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
		k := &keeping{}
		if k.take(f) {
			t.Errorf("%s: it is taken in", name)
		}
		if f, err := frames.next(); err != nil || f.kind != frameReady {
			t.Errorf("%s: then comes %+v, %v", name, f, err)
		}
	}
}

// TestCompiledCode has one instance of a Python function compile its modules, and
// later ones do without their source.
func TestCompiledCode(t *testing.T) {
	inTurn(t, func(t *testing.T, w walls) {
		s := newShelf(t)
		l := newLab(t, w, func(o *Options) { o.Cache = s })
		files := map[string]string{"app.py": "import m0\n" + strings.Repeat("x = ['a text', 1, 2]\n", 4000) + "def handler(e, c): return m0.x"}
		v := l.version("python3.11", "app.handler", files)
		v.Code.Size = leastCompiled
		m0 := filepath.Join(l.packages[v.Code.SHA256], "m0.py")
		write := func(path, text string) {
			t.Helper()
			_ = os.Remove(path)
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want := func(who string, v *pinfold.Version, answer string) {
			t.Helper()
			if res := l.once(v, "{}"); string(res.Payload) != answer {
				t.Errorf("%s answers %s, want %s", who, res.Payload, answer)
			}
		}
		write(m0, "x = 'first'")
		asked, other := l.launch(v), l.launch(v)
		if asked.worker.(*link).cache == nil || other.worker.(*link).cache != nil {
			t.Error("of two instances it is not the first that is asked for its code")
		}
		l.call(other, "{}")
		l.call(asked, "{}")
		if err := <-s.ends; err != nil {
			t.Fatal(err)
		}
		write(m0, "x = 'second'") // as it never happens: now it shows who compiles
		want("a later instance", v, `"first"`)
		theirs := *v
		theirs.Ref.Name = "another-function"
		want("another function", &theirs, `"second"`)
		if kind := l.launcher.Kind(v); kind != "" {
			cell, err := l.launcher.Boot(t.Context(), kind)
			if err != nil {
				t.Fatal(err)
			}
			defer cell.Close()
			in, err := cell.Assign(t.Context(), v, How{})
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			if res := l.call(in, "{}"); string(res.Payload) != `"first"` {
				t.Errorf("one made of a cell answers %s", res.Payload)
			}
		}
		kept := filepath.Join(s.Compiled(v, runtimeName(Python, asked.body.version)), "code")
		content, err := os.ReadFile(kept)
		if err != nil {
			t.Fatal(err)
		}
		for _, spoiled := range []string{"", "nonsense", string(content[:len(content)/2])} {
			write(kept, spoiled)
			want("with spoiled code it", v, `"second"`)
		}
	})
}

// TestCompiledCodeOfNode does the same with Node.js, which compares what it is
// given with the source, and says so.
func TestCompiledCodeOfNode(t *testing.T) {
	inTurn(t, func(t *testing.T, w walls) {
		s := newShelf(t)
		l := newLab(t, w, func(o *Options) { o.Cache = s })
		var big strings.Builder
		for i := range 4000 {
			fmt.Fprintf(&big, "exports.f%d = (a, b) => { const c = [a, b, %d]; return c.map((x) => x + 'some text that takes room').join('%d') };\n", i, i, i)
		}
		big.WriteString("for (const f of Object.values(exports)) f(1, 2);")
		v := l.version("nodejs24.x", "index.handler", map[string]string{
			"index.js": "const big = require('./big.js'); exports.handler = async () => big.f7(1, 2).length", "big.js": big.String(),
		}, func(c *pinfold.Config) {
			c.MemoryMB, c.Environment = 1024, map[string]string{"NODE_DEBUG_NATIVE": "COMPILE_CACHE"}
		})
		v.Code.Size = leastCompiled
		in := l.launch(v)
		if old := in.body.version; old < "22.10" { // 18 and 20 are before it, too
			t.Skipf("Node.js %s does not keep compiled code", old)
		}
		l.call(in, "{}")
		if err := <-s.ends; err != nil || s.Compiled(v, runtimeName(Node, in.body.version)) == "" {
			t.Fatalf("nothing is kept: %v", err)
		}
		const used = "big.js was accepted"
		if line, err := l.logs.find(used); err == nil {
			t.Fatalf("the first instance finds what it compiles: %s", line.Text)
		}
		if res := l.once(v, "{}"); string(res.Payload) != "80" {
			t.Errorf("a later instance answers %s", res.Payload)
		}
		if _, err := l.logs.find(used); err != nil {
			t.Errorf("a later instance compiles again: %v", err)
		}
	})
}
