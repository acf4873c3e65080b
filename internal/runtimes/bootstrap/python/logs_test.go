package python

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pinfold.dev/pinfold/internal/runtimes/bootstrap/bootstraptest"
)

// TestLog tells what log events the first invocation makes.
func TestLog(t *testing.T) {
	const stamp = `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`
	tests := map[string]struct {
		py     string
		want   []string // before the answer
		stdout string
	}{
		"lines":           {body(`print('x', 'y'); print('two\rlines'); print(); print('a\nb\r\n', end='')`), []string{`LOG 1 x y`, `LOG 1 two\nlines`, `LOG 1 `, `LOG 1 a`, `LOG 1 b`}, ""},
		"parts of lines":  {body(`print('a', end=''); print('b'); print('c', end=''); print(1, 2, sep='\n', end='')`), []string{`LOG 1 ab`, `LOG 1 c1`, `LOG 1 2`}, ""},
		"both streams":    {"import sys\n" + body(`print('o', end=''); print('e', file=sys.stderr); print('p')`), []string{`LOG 1 e`, `LOG 1 op`}, ""},
		"not UTF-8":       {body(`print('ü\udc80')`), []string{`LOG 1 ü\\udc80`}, ""},
		"closed":          {"import sys\n" + body(`sys.stdout.close(); print('o'); sys.stderr.buffer.close(); print('e', file=sys.stderr)`), []string{`LOG 1 o`, `LOG 1 e`}, ""},
		"detached":        {"import sys\n" + body(`sys.stdout.detach(); print('o')`), []string{`LOG 1 o`}, ""},
		"descriptors":     {"import os\n" + body(`os.close(1); os.close(2); print('o')`), []string{`LOG 1 o`}, ""},
		"replaced":        {"import sys, io\nsys.stdout = io.StringIO()\n" + body(`print('o')`), nil, ""},
		"none":            {"import sys\nsys.stdout = None\n" + body(`print('o')`), nil, ""},
		"raw":             {"import sys, os\n" + body(`sys.stdout.buffer.write(b'a'); sys.stdout.buffer.flush(); os.write(sys.stdout.fileno(), b'b\n')`), nil, "ab\n"},
		"records":         {"import logging\n" + body(`logging.info('hidden'); logging.warning('root %s', 'warns'); logging.getLogger('mine').error('several\nlines')`), []string{`LOG 1 \[WARNING\]\t` + stamp + `\trequest-1\troot warns`, `LOG 1 \[ERROR\]\t` + stamp + `\trequest-1\tseveral\nlines`}, ""},
		"late":            {body(`import logging; logging.error('l'); assert len(logging.root.handlers) == 1`), []string{`LOG 1 \[ERROR\]\t` + stamp + `\trequest-1\tl`}, ""},
		"basicConfig":     {"import logging\nlogging.basicConfig(level='INFO')\n" + body(`logging.info('hidden'); logging.error('l')`), []string{`LOG 1 \[ERROR\]\t.*\tl`}, ""},
		"fork":            {"import os\n" + body("pid = os.fork()\nif pid == 0: print('child'); os._exit(0)\nos.waitpid(pid, 0); print('parent')"), []string{`LOG 1 parent`}, "child\n"},
		"multiprocessing": {"import multiprocessing\n" + body("with multiprocessing.get_context('fork').Pool(1) as p: p.map(print, ['child'])"), nil, "child\n"},
		"child":           {"import subprocess\n" + body("subprocess.run(['echo', 'child'])"), nil, "child\n"},
	}
	everywhere(t, func(t *testing.T, python string) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				p := start(t, python)
				match(t, p.load(map[string]string{"app.py": test.py}, nil), `READY 0 `)
				p.Invoke(1, `{}`, "")
				match(t, p.Frames(1), append(test.want, `RESPONSE 1 null`)...)
				_ = p.In.Close()
				_ = p.Cmd.Wait()
				if p.Past.String() != test.stdout {
					t.Errorf("past the frames: %q, want %q", p.Past.String(), test.stdout)
				}
			})
		}
	})
}

func TestLongEvents(t *testing.T) {
	everywhere(t, func(t *testing.T, python string) {
		p := start(t, python)
		match(t, p.load(map[string]string{"app.py": "import sys\n" + body("exec(e)")}, nil), `READY 0 `)
		for i, test := range []struct{ py, sizes string }{
			{`print('x' * 600000)`, "262144 262144 75712"},
			{`for i in range(600000): sys.stdout.write('x')`, "262144 262144 75712"},
			{`print('ü' * 200000)`, "262144 137856"},
			{`print('€' * 100000)`, "262143 37857"}, // a character is in one event
		} {
			event, _ := json.Marshal(test.py)
			p.Invoke(uint32(i+1), string(event), "")
			var sizes []string
			for _, f := range p.Frames(1) {
				if f.Kind == bootstraptest.Log {
					sizes = append(sizes, fmt.Sprint(len(f.Payload)))
				}
			}
			if got := strings.Join(sizes, " "); got != test.sizes {
				t.Errorf("%s: %s, want %s", test.py, got, test.sizes)
			}
		}
	})
}

func TestJSONLog(t *testing.T) {
	everywhere(t, func(t *testing.T, python string) {
		p := start(t, python)
		match(t, p.load(map[string]string{"app.py": "import logging\n" + body("logging.info('hidden'); logging.warning('w', extra={'a': 1})\ntry: 1/0\nexcept Exception: logging.exception('e')\nraise ValueError('z')")},
			map[string]any{"env": map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "WARN"}}), `READY 0 `)
		p.Invoke(1, `{}`, "")
		match(t, p.Frames(1),
			`LOG 1 \{"timestamp": "[^"]+Z", "level": "WARNING", "message": "w", "logger": "root", "requestId": "request-1", "a": 1\}`,
			`LOG 1 \{.*"level": "ERROR", "message": "e", .*"errorType": "ZeroDivisionError", "errorMessage": "division by zero".*\}`,
			`LOG 1 \{.*"level": "ERROR", "errorMessage": "z", "errorType": "ValueError", "requestId": "request-1", .*\}`,
			`ERROR 1 .*`)
	})
}

// TestWholeFrames has others interfere with what is written: threads, and a
// signal's handler that prints, or raises.
func TestWholeFrames(t *testing.T) {
	tests := map[string]struct{ py, last string }{
		"threads": {"import threading\n" + body("def work(n):\n    for i in range(300): print(str(n) * 9000)\nall = [threading.Thread(target=work, args=(n,)) for n in range(4)]\nfor one in all: one.start()\nfor one in all: one.join()"), `RESPONSE 1 null`},
		"signals": {"import signal\nsignal.signal(signal.SIGALRM, lambda *a: print('tick'))\n" + body("signal.setitimer(signal.ITIMER_REAL, .001, .001)\nfor i in range(300): print('x' * 70000)\nsignal.setitimer(signal.ITIMER_REAL, 0)"), `RESPONSE 1 null`},
		"raise":   {"import signal\nclass T(Exception): pass\ndef late(*a): raise T('late')\nsignal.signal(signal.SIGALRM, late)\n" + body("signal.setitimer(signal.ITIMER_REAL, .05)\nwhile True: print('y' * 70000)"), `ERROR 1 .*"errorType": "T".*`},
	}
	everywhere(t, func(t *testing.T, python string) {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				p := start(t, python)
				match(t, p.load(map[string]string{"app.py": test.py}, nil), `READY 0 `)
				p.Invoke(1, `{}`, "")
				all := p.Frames(1)
				match(t, all[len(all)-1:], test.last)
			})
		}
	})
}

func TestThreadThatPrintsAfterTheAnswer(t *testing.T) {
	everywhere(t, func(t *testing.T, python string) {
		p := start(t, python)
		match(t, p.load(map[string]string{"app.py": "import threading\nanswered = threading.Event()\n" +
			body("def late():\n    answered.wait(); print('late')\nthreading.Thread(target=late).start()\nthreading.Timer(.1, answered.set).start()")}, nil), `READY 0 `)
		p.Invoke(1, `{}`, "")
		match(t, append(p.Frames(1), p.Next()), `RESPONSE 1 null`, `LOG 0 late`)
	})
}
