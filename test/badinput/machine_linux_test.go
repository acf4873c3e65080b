package badinput

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/client"
	"pinfold.dev/pinfold/internal/platform"
	"pinfold.dev/pinfold/platformtest"
)

// another deploys a second application, of one function.
func (h *house) another(t *testing.T, name, code string) string {
	t.Helper()
	deployed, err := h.TryDeploy(t.Context(), t.TempDir(), files(t, name, code))
	if err != nil {
		t.Fatal(err)
	}
	return deployed.Functions[0].Name
}

// without removes it again, and checks that all is as before.
func (h *house) without(t *testing.T, name string) {
	t.Helper()
	if err := h.Client.Remove(t.Context(), name, "dev"); err != nil {
		t.Error(err)
	}
	h.unharmed(t)
}

// serves checks that what ran before answers, while there are others.
func (h *house) serves(t *testing.T) {
	t.Helper()
	h.answers(t, "good-dev-hello", "{}", `{"statusCode":200,"body":"unharmed"}`)
}

// answers checks what a function answers.
func (h *house) answers(t *testing.T, function, payload, want string) {
	t.Helper()
	result, err := h.Client.Invoke(t.Context(), function, []byte(payload), true)
	if err != nil {
		t.Errorf("%s: %v", function, err)
	} else if string(result.Payload) != want {
		t.Errorf("%s answers %s, want %s", function, result.Payload, want)
	}
}

// A runtime that is uninstalled while the server runs takes nothing from
// functions that run. Others learn what is missing, and start once it is back.
func TestRuntimeUninstalled(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no Node.js")
	}
	content, err := os.ReadFile(node)
	if err != nil || !bytes.HasPrefix(content, []byte("\x7fELF")) {
		t.Skipf("%s is not Node.js itself but a script that starts it", node)
	}
	prefix, err := os.MkdirTemp(".", "installed-") // sandboxes have a /tmp of their own
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(prefix) })
	prefix, _ = filepath.Abs(prefix)
	own := filepath.Join(prefix, "bin", "node")
	install := func() {
		t.Helper()
		err := errors.Join(os.Chmod(prefix, 0o755), os.MkdirAll(filepath.Dir(own), 0o755), os.WriteFile(own, content, 0o755))
		if err != nil {
			t.Fatal(err)
		}
	}
	install()
	t.Setenv("PATH", filepath.Dir(own))
	for _, driver := range []string{"auto", "process"} {
		t.Run(driver, func(t *testing.T) {
			h := start(t, func(c *platform.Config) { c.Sandbox = driver })
			const where = `exports.handler = async () => process.execPath;`
			one, two := h.another(t, "one", where), h.another(t, "two", where)
			h.answers(t, one, "{}", `"`+own+`"`)
			if err := os.RemoveAll(filepath.Join(prefix, "bin")); err != nil {
				t.Fatal(err)
			}
			h.serves(t)
			_, err := h.Client.Invoke(t.Context(), two, nil, false)
			wantError(t, err, pinfold.Unavailable, "", "Node.js is not installed on this machine: install Node.js")
			install()
			h.answers(t, two, "{}", `"`+own+`"`)
			for _, name := range []string{"one", "two"} {
				if err := h.Client.Remove(t.Context(), name, "dev"); err != nil {
					t.Error(err)
				}
			}
			h.unharmed(t)
		})
	}
}

var packageName = regexp.MustCompile(`^[0-9a-f]{64}`)

// removeCode removes from a data folder what belongs to a package: its unpacked
// files, or with all also what they come from.
func removeCode(t *testing.T, data, sha256 string, all bool) {
	t.Helper()
	var found []string
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.Contains(d.Name(), sha256) || !d.IsDir() && !all {
			return err
		}
		found = append(found, path)
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
	for _, path := range found {
		err = errors.Join(err, exec.Command("chmod", "-R", "u+w", path).Run(), os.RemoveAll(path))
	}
	if err != nil || len(found) == 0 {
		t.Fatalf("%v of the package was removed: %v", found, err)
	}
}

// A code folder that vanishes is made again from the package; if that is gone as
// well, callers learn that it is lost, and nobody else is harmed.
func TestCodeVanished(t *testing.T) {
	t.Parallel()
	data := platformtest.DataFolder(t)
	h := start(t, func(c *platform.Config) { c.Data = data })
	name := h.another(t, "lost", `exports.handler = async () => "here";`)
	h.answers(t, name, "{}", `"here"`)
	settings := "/2015-03-31/functions/" + name + "/configuration"
	change := func(timeout int) { // the next invocation needs a new instance
		t.Helper()
		status, body := h.send(t, h.signed(t, http.MethodPut, settings, "lambda", []byte(`{"Timeout":`+strconv.Itoa(timeout)+`}`), nil))
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	}
	sha := codeOf(t, data, `"here"`)
	change(7)
	removeCode(t, data, sha, false)
	h.answers(t, name, "{}", `"here"`)
	change(8)
	removeCode(t, data, sha, true)
	_, err := h.Client.Invoke(t.Context(), name, nil, false)
	wantError(t, err, pinfold.Internal, "ServiceException", "the function's code is lost", sha)
	h.without(t, "lost")
}

// codeOf returns the hash of the unpacked package that has a text in it.
func codeOf(t *testing.T, data, text string) (sha string) {
	t.Helper()
	_ = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() != "hello.js" {
			return nil
		}
		content, _ := os.ReadFile(path)
		if name := filepath.Base(filepath.Dir(path)); bytes.Contains(content, []byte(text)) && packageName.MatchString(name) {
			sha = name
		}
		return nil
	})
	if sha == "" {
		t.Fatalf("no code with %s in it in %s", text, data)
	}
	return sha
}

// A server that was there before starts on a disk that has become full since, or
// says what is missing; with room again it is as before.
func TestStartAgainOnAFullDisk(t *testing.T) {
	t.Parallel()
	data := small(t, "24m")
	var before *app.Deployed
	t.Run("with room", func(t *testing.T) {
		p := platformtest.Start(t, func(c *platform.Config) { c.Data = data })
		before = p.Deploy(t, platformtest.Files(t, good()))
	})
	empty := fill(t, data)
	refusesToStart(t, data)
	empty()
	again := platformtest.Start(t, func(c *platform.Config) { c.Data = data })
	if result, err := again.Client.Invoke(t.Context(), before.Functions[0].Name, nil, false); err != nil || !bytes.Contains(result.Payload, []byte("unharmed")) {
		t.Errorf("with room again: %+v, %v", result, err)
	}
}

// named lists the processes of this test that go by a name of the driver's.
func named(t *testing.T, name string) (pids []int) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		content, _ := os.ReadFile(line)
		if bytes.HasPrefix(content, []byte(name+"\x00")) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(line)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// walled starts a platform with walls, or skips the test.
func walled(t *testing.T) *house {
	t.Helper()
	// Without cells a process's environment, as it started, says whose it is.
	h := start(t, func(c *platform.Config) { c.Cells = 0 })
	if h.Sandbox != "namespace" {
		t.Skip("no walls can be built here: ", h.Weak)
	}
	return h
}

// parentOf returns the parent of a process, or 0.
func parentOf(pid int) int {
	stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

// Whoever kills the process that makes sandboxes stops nothing that runs, and
// the next instance has another one to make it.
func TestKeeperKilled(t *testing.T) {
	h := walled(t)
	app := "next-" + strings.ToLower(rand.Text()) // nobody else's processes are looked for
	name := h.another(t, app, `exports.handler = async (e) => { if (e.wait) await new Promise((r) => { process.once("SIGUSR2", r); setTimeout(r, 20000); console.log("begun"); }); return "done"; };`)
	running := make(chan error, 1)
	go func() {
		result, err := h.Client.Invoke(t.Context(), name, []byte(`{"wait":true}`), false)
		if err == nil && string(result.Payload) != `"done"` {
			err = errors.New(string(result.Payload))
		}
		running <- err
	}()
	untilLogged(t, h, name, "begun")
	working := platformtest.Processes(t, name)
	killed := 0
	for _, keeper := range named(t, "pinfold-keeper") {
		if parentOf(keeper) == os.Getpid() {
			killed++
			if err := syscall.Kill(keeper, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if killed != 1 {
		t.Fatalf("%d keepers were killed, want one", killed)
	}
	h.answers(t, name, "{}", `"done"`) // in a new instance: the other is at work
	h.serves(t)
	for _, pid := range working {
		if err := syscall.Kill(pid, syscall.SIGUSR2); err != nil {
			t.Error(err)
		}
	}
	if err := <-running; err != nil {
		t.Errorf("what ran meanwhile: %v", err)
	}
	h.without(t, app)
}

// untilLogged waits until a function's log has a text in it.
func untilLogged(t *testing.T, h *house, function, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range h.Client.Logs(ctx, client.LogQuery{Functions: []string{function}, Filter: text, Follow: true}) {
		return
	}
	t.Fatalf("the log of %s does not say %q", function, text)
}

// Whoever kills the first process of a sandbox ends that instance, and no more:
// its caller is told, and the next one is served.
func TestInitKilled(t *testing.T) {
	h := walled(t)
	app := "killed-" + strings.ToLower(rand.Text())
	name := h.another(t, app, `exports.handler = async (e) => { if (e.wait) { console.log("begun"); await new Promise((r) => setTimeout(r, 20000)); } return "done"; };`)
	type answer struct {
		result *pinfold.Result
		err    error
	}
	running := make(chan answer, 1)
	go func() {
		result, err := h.Client.Invoke(t.Context(), name, []byte(`{"wait":true}`), false)
		running <- answer{result, err}
	}()
	untilLogged(t, h, name, "begun")
	for _, pid := range platformtest.Processes(t, name) {
		if err := syscall.Kill(parentOf(pid), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	a := <-running
	if a.err != nil || a.result.FunctionError != "Unhandled" || !bytes.Contains(a.result.Payload, []byte(`"errorType":"Runtime.ExitError"`)) ||
		!bytes.Contains(a.result.Payload, []byte("Runtime exited with error: signal: killed")) {
		t.Errorf("the caller is told %+v", a)
	}
	h.answers(t, name, "{}", `"done"`)
	h.without(t, app)
}

// A function that takes all its memory harms neither itself for long nor others.
func TestOverItsMemory(t *testing.T) {
	t.Parallel()
	h := start(t)
	if h.Sandbox != "namespace" || strings.Contains(strings.Join(h.Weak, "\n"), "no limits on memory") {
		t.Skip("memory is not bounded here: ", h.Weak)
	}
	name := h.another(t, "greedy", `const all = []; exports.handler = async (e) => { for (let i = 0; e.greedy; i++) all.push(Buffer.alloc(1 << 20, 1)); return "modest"; };`)
	for range 2 {
		result, err := h.Client.Invoke(t.Context(), name, []byte(`{"greedy":true}`), true)
		if err != nil || result.FunctionError != "Unhandled" || !bytes.Contains(result.Payload, []byte(`{"errorType":"Runtime.OutOfMemory","errorMessage":"RequestId: `)) ||
			!bytes.Contains(result.Payload, []byte("Runtime exited with error: signal: killed")) {
			t.Errorf("the caller is told %+v, %v", result, err)
		}
		h.serves(t)
		h.answers(t, name, "{}", `"modest"`)
	}
	h.without(t, "greedy")
}
