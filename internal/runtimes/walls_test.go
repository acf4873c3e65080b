package runtimes

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/sandbox"
)

func layered(c *pinfold.Config) { c.Layers = []pinfold.LayerRef{{}} }

// aLayer has something for every kind of runtime.
var aLayer = map[string]string{
	"bin/greet+":                           "#!/bin/sh\necho \"greetings from $0\"\n",
	"python/shared.py":                     "where = __file__",
	"nodejs/node_modules/shared/index.js":  "module.exports = __filename",
	"data":                                 "in the layer",
	"lib/readme":                           "",
	"nodejs/node_modules/other/index.json": "{}",
}

// What functions find by its path on Lambda they find here. All of it is
// read-only but /tmp. Sources: "Lambda execution environment", "Managing Lambda
// dependencies with layers" and "Defined runtime environment variables" in the
// Lambda developer guide; ids and home are what functions there report.
func TestPlacesAsOnLambda(t *testing.T) {
	const want = `{"task":"in the package","layer":"in the layer","greet":"greetings from /opt/bin/greet","cwd":"/var/task","home":"/home/sbx_user1051",` +
		`"user":"sbx_user1051","uid":993,"gid":990,"root":"/var/task","runtime":"/var/runtime",` +
		`"shared":"SHARED","errors":["EROFS","EROFS","EROFS","EROFS","EROFS"],"tmp":"written"}`
	for runtime, f := range map[string]struct{ handler, file, code, shared string }{
		"nodejs20.x": {"index.handler", "index.js", `
const fs = require("fs"), os = require("os"), { execSync } = require("child_process");
const write = (file) => { try { fs.writeFileSync(file, "written"); return "written"; } catch (err) { return err.code; } };
exports.handler = async () => ({
  task: fs.readFileSync("/var/task/data", "utf8"), layer: fs.readFileSync("/opt/data", "utf8"), greet: execSync("greet", { encoding: "utf8" }).trim(),
  cwd: process.cwd(), home: os.homedir(), user: os.userInfo().username, uid: process.getuid(), gid: process.getgid(),
  root: process.env.LAMBDA_TASK_ROOT, runtime: process.env.LAMBDA_RUNTIME_DIR, shared: require("shared"),
  errors: ["/var/task/x", "/opt/x", "/var/runtime/x", "/etc/x", "/x"].map(write), tmp: write("/tmp/x"),
});`, "/opt/nodejs/node_modules/shared/index.js"},
		"python3.11": {"app.handler", "app.py", `
import errno, os, os.path, pwd, shared, subprocess
def write(file):
    try:
        with open(file, "w") as f: f.write("written")
        return "written"
    except OSError as err: return errno.errorcode[err.errno]
def read(file):
    with open(file) as f: return f.read()
def handler(event, context): return dict(
    task=read("/var/task/data"), layer=read("/opt/data"), greet=subprocess.check_output(["greet"], text=True).strip(),
    cwd=os.getcwd(), home=os.path.expanduser("~"), user=pwd.getpwuid(os.getuid()).pw_name, uid=os.getuid(), gid=os.getgid(),
    root=os.environ["LAMBDA_TASK_ROOT"], runtime=os.environ["LAMBDA_RUNTIME_DIR"], shared=shared.where,
    errors=[write(f) for f in ["/var/task/x", "/opt/x", "/var/runtime/x", "/etc/x", "/x"]], tmp=write("/tmp/x"))
`, "/opt/python/shared.py"},
	} {
		t.Run(runtime, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, namespaces(t))
			l.layers = l.files(aLayer)
			res := l.once(l.version(runtime, f.handler, map[string]string{f.file: f.code, "data": "in the package"}, layered), "{}")
			var got any
			if err := json.Unmarshal(res.Payload, &got); err != nil {
				t.Fatal(err)
			}
			var wanted any
			if err := json.Unmarshal([]byte(strings.Replace(want, "SHARED", f.shared, 1)), &wanted); err != nil {
				t.Fatal(err)
			}
			g, _ := json.Marshal(got)
			w, _ := json.Marshal(wanted)
			if string(g) != string(w) {
				t.Errorf("it sees  %s\nand wants %s\n%s", g, w, res.LogTail)
			}
		})
	}
}

// A custom runtime finds the Runtime API where Lambda has it, and starts from a
// layer as well.
func TestCustomRuntimeAsOnLambda(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("no curl")
	}
	l := newLab(t, namespaces(t))
	l.layers = l.files(map[string]string{"bootstrap+": shellBootstrap, "bin/greet+": "#!/bin/sh\necho hello from $0\n"})
	res := l.once(l.version("provided.al2023", "function.handle", map[string]string{
		"function.sh": `handle() { echo "$AWS_LAMBDA_RUNTIME_API $0 $(pwd) $(greet) $(cat /var/task/function.sh | wc -l) $({ touch /var/task/x /opt/x; } 2>&1 | grep -c 'Read-only file system')"; }`,
	}, layered), "{}")
	if want := "127.0.0.1:9001 /opt/bootstrap /var/task hello from /opt/bin/greet 0 2"; string(res.Payload) != want {
		t.Errorf("it says %s, want %s\n%s", res.Payload, want, res.LogTail)
	}
}

var used = regexp.MustCompile(`Max Memory Used: (\d+) MB`)

// A function over its memory dies as on Lambda. Its neighbour lives, and it
// has used no more than it may.
func TestOutOfMemory(t *testing.T) {
	w := namespaces(t)
	if !w.Capabilities().Memory {
		t.Skip("memory is not bounded here: ", w.Capabilities().Weak)
	}
	for name, f := range map[string]struct{ runtime, file, code string }{
		"Node.js, in the handler": {"nodejs20.x", "app.js", `const all = []; exports.handler = async (e) => { for (let i = 0; e.greedy; i++) all.push(Buffer.alloc(1 << 20, 1)); return "modest" }`},
		"Python, in the handler":  {"python3.11", "app.py", "def handler(e, c):\n    all = []\n    while e['greedy']: all.append(b'x' * (1 << 20))\n    return 'modest'"},
		"Node.js, at load":        {"nodejs20.x", "app.js", `const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1)); exports.handler = async () => 1`},
		"Python, at load":         {"python3.11", "app.py", "all = []\nwhile True: all.append(b'x' * (1 << 20))\ndef handler(e, c): pass"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, w)
			neighbour := l.launch(l.version("nodejs20.x", "app.handler", map[string]string{"app.js": `exports.handler = async () => "well"`}))
			v := l.version(f.runtime, "app.handler", map[string]string{f.file: f.code})
			in := l.launch(v)
			res := l.call(in, `{"greedy":true}`)
			want := `{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: ` + testID + ` Error: Runtime exited with error: signal: killed"}`
			if string(res.Payload) != want || res.FunctionError != "Unhandled" {
				t.Errorf("the caller gets %s %s, want %s", res.FunctionError, res.Payload, want)
			}
			tail := string(res.LogTail)
			for _, text := range []string{
				"RequestId: " + testID + " Error: Runtime exited with error: signal: killed\nRuntime.OutOfMemory\nEND", "\tMemory Size: 128 MB\t", "\tStatus: error\tError Type: Runtime.OutOfMemory\n",
			} {
				if !strings.Contains(tail, text) {
					t.Errorf("the log does not say %q:\n%s", text, tail)
				}
			}
			if m := used.FindStringSubmatch(tail); m == nil {
				t.Errorf("the log has no report:\n%s", tail)
			} else if mb, _ := strconv.Atoi(m[1]); mb > 128 || mb < 100 {
				t.Errorf("it has used %d MB of its 128", mb)
			}
			<-in.Done()
			if in.Reusable() {
				t.Error("a dead instance is called reusable")
			}
			if res := l.call(neighbour, "{}"); string(res.Payload) != `"well"` {
				t.Errorf("its neighbour answers %s", res.Payload)
			}
			if strings.Contains(name, "handler") {
				if res := l.once(v, `{"greedy":false}`); string(res.Payload) != `"modest"` {
					t.Errorf("the next instance answers %s", res.Payload)
				}
			}
		})
	}
}

// A child of a function that is over the memory dies alone: the function may
// live on.
func TestChildOutOfMemory(t *testing.T) {
	w := namespaces(t)
	if !w.Capabilities().Memory {
		t.Skip("memory is not bounded here: ", w.Capabilities().Weak)
	}
	l := newLab(t, w)
	in := l.launch(l.version("python3.11", "app.handler", map[string]string{
		"app.py": "import subprocess, sys\ndef handler(e, c): return subprocess.run([sys.executable, '-c', 'x = b\"x\" * (1 << 30)']).returncode",
	}))
	if res := l.call(in, "{}"); string(res.Payload) != "-9" || !in.Reusable() {
		t.Errorf("the child's end is %s, want -9\n%s", res.Payload, res.LogTail)
	}
}

// A temporary folder has the size that the function asks for, on disk: a
// function of 128 MB can fill it. It is empty for every new instance.
func TestTemporaryFolder(t *testing.T) {
	w := namespaces(t)
	onDisk := !strings.Contains(strings.Join(w.Capabilities().Weak, "\n"), "/tmp is in memory")
	for _, size := range []int{512, 1024} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, w)
			v := l.version("python3.11", "app.handler", map[string]string{"app.py": `
import errno, os
def handler(mb, c):
    found = os.listdir("/tmp")
    s = os.statvfs("/tmp")
    with open("/tmp/x", "wb") as f:
        try:
            for i in range(mb): f.write(b"x" * (1 << 20))
            f.flush()
        except OSError as err: return [found, errno.errorcode[err.errno], os.path.getsize("/tmp/x") >> 20]
    return [found, s.f_bavail * s.f_frsize >> 20, os.path.getsize("/tmp/x") >> 20]
`}, func(c *pinfold.Config) { c.EphemeralMB, c.MemoryMB = size, 128 })
			for _, mb := range []int{1, 400} { // much more than its memory
				if mb > 1 && (!onDisk || size > 512) {
					continue
				}
				var found []string
				var free any
				var written int
				in := l.launch(v)
				res := l.call(in, strconv.Itoa(mb))
				if err := json.Unmarshal(res.Payload, &[]any{&found, &free, &written}); err != nil {
					t.Fatalf("%s: %v\n%s", res.Payload, err, res.LogTail)
				}
				if free, _ := free.(float64); len(found) > 0 || int(free) < size || int(free) > size+size/20 || written != mb {
					t.Errorf("the temporary folder has %v in it, and %v MB free; %d MB were written of %d", found, free, written, mb)
				}
				if mb == 1 {
					continue
				}
				res = l.call(in, strconv.Itoa(2*size)) // too much, and it lives
				if err := json.Unmarshal(res.Payload, &[]any{&found, &free, &written}); err != nil || free != "ENOSPC" || written < size || len(found) != 1 {
					t.Errorf("a temporary folder of %d MB takes %d: %s", size, 2*size, res.Payload)
				}
			}
		})
	}
}

// sharing counts when sandboxes are held to their share of the processor.
type sharing struct {
	sandbox.Driver
	held atomic.Int32
}

type sharingBox struct {
	sandbox.Sandbox
	driver *sharing
}

func (d *sharing) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Sandbox, error) {
	box, err := d.Driver.Create(ctx, spec)
	return &sharingBox{box, d}, err
}

func (b *sharingBox) Throttle(ctx context.Context, on bool) error {
	if on {
		b.driver.held.Add(1)
	}
	return b.Sandbox.(sandbox.Throttler).Throttle(ctx, on)
}

// A function has the whole processor while it loads, and its share from then on.
func TestLoadingIsNotThrottled(t *testing.T) {
	w := namespaces(t)
	d := &sharing{Driver: w.Driver}
	w.Driver = d
	l := newLab(t, w)
	v := l.version("nodejs20.x", "index.handler", map[string]string{"index.mjs": `
import fs from "node:fs";
console.log("loading");
while (!fs.existsSync("/var/task/go")) await new Promise((r) => setTimeout(r, 1));
export const handler = async () => 1;
`})
	launched := make(chan *Instance, 1)
	go func() {
		in, err := l.launcher.Launch(t.Context(), v, How{})
		if err != nil {
			t.Error(err)
		}
		launched <- in
	}()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := l.logs.find("loading"); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the function does not load")
		}
	}
	if n := d.held.Load(); n != 0 {
		t.Error("a function that loads is held to its share already")
	}
	if err := os.WriteFile(filepath.Join(v.Code.SHA256, "go"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	in := <-launched
	if in == nil {
		return
	}
	defer in.Close()
	if n := d.held.Load(); n != 1 {
		t.Errorf("a function that has loaded was held to its share %d times, want once", n)
	}
	if res := l.call(in, "{}"); string(res.Payload) != "1" {
		t.Errorf("answer: %s", res.Payload)
	}
}
