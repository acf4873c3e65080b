package sandboxtest

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold/internal/sandbox"
)

func assignThenStart(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	paths := assign(t, box)
	out := sh(t, box, "cat "+paths.Task+"/hello; pwd -P")
	if got := line(t, out); got != "hello from the code" {
		t.Errorf("the code reads %q", got)
	}
	want := paths.Tmp
	if host, err := filepath.EvalSymlinks(want); err == nil && !driver.Capabilities().Filesystem {
		want = host
	}
	if got := line(t, out); got != want {
		t.Errorf("without Dir the process works in %q, not in its temporary folder %q", got, want)
	}
	if paths.Opt != "" {
		t.Errorf("there are no layers, but Opt is %q", paths.Opt)
	}
	if exit := ended(t, box); exit != (sandbox.Exit{}) {
		t.Errorf("exit: %+v", exit)
	}
}

func startThenAssign(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	out := sh(t, box, `echo up; read file <&3; cat "$file"`, r)
	r.Close()
	if got := line(t, out); got != "up" {
		t.Fatalf("the cell says %q", got)
	}
	paths := assign(t, box)
	if _, err := io.WriteString(w, paths.Task+"/hello\n"); err != nil {
		t.Fatal(err)
	}
	if got := line(t, out); got != "hello from the code" {
		t.Errorf("the code reads %q", got)
	}
}

// cache makes sure that compiled code of earlier instances appears in a process
// that runs already, for it to read.
func cache(t *testing.T, driver sandbox.Driver) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "code"), []byte("compiled\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	box := create(t, driver)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	out := sh(t, box, `read dir <&3; cat "$dir/code"; (echo x > "$dir/new") 2>/dev/null; echo $?`, r)
	r.Close()
	paths, err := box.Assign(t.Context(), sandbox.Assignment{Code: t.TempDir(), Cache: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, paths.Cache+"\n"); err != nil {
		t.Fatal(err)
	}
	if got := line(t, out); got != "compiled" {
		t.Errorf("in %q it reads %q", paths.Cache, got)
	}
	if got := line(t, out); got == "0" && driver.Capabilities().Filesystem {
		t.Error("it can write there")
	}
}

func noCache(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	if paths := assign(t, box); paths.Cache != "" {
		t.Errorf("there is no cache, but Cache is %q", paths.Cache)
	}
	if !driver.Capabilities().Filesystem {
		return
	}
	out := sh(t, box, `ls `+sandbox.CacheDir+`; grep -c `+sandbox.CacheDir+` /proc/self/mounts`)
	if got := line(t, out); got != "0" {
		t.Errorf("without a cache, %s has %q, or something is mounted there", sandbox.CacheDir, got)
	}
}

func exitStatus(t *testing.T, driver sandbox.Driver) {
	for script, want := range map[string]sandbox.Exit{
		"exit 0":     {},
		"exit 7":     {Code: 7},
		"kill -9 $$": {Code: -1, Signal: "killed"},
	} {
		t.Run(script, func(t *testing.T) {
			box := create(t, driver)
			assign(t, box)
			sh(t, box, script)
			if exit := ended(t, box); exit != want {
				t.Errorf("%s: got %+v, want %+v", script, exit, want)
			}
		})
	}
}

func environment(t *testing.T, driver sandbox.Driver) {
	t.Setenv("LEAK", "a secret of the platform")
	box := create(t, driver)
	assign(t, box)
	out := start(t, box, sandbox.Command{
		Path: "/bin/sh", Args: []string{"-c", `echo "[$LEAK][$GIVEN]"; echo err >&2`}, Env: []string{"GIVEN=a b"}, Dir: "/",
	})
	if got := line(t, out); got != "[][a b]" {
		t.Errorf("environment: %s", got)
	}
	if got := line(t, out); got != "err" {
		t.Errorf("standard error reads %q: it belongs into Output too", got)
	}
}

func files(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	assign(t, box)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out := sh(t, box, "echo three >&3; cat", w) // standard input is empty
	w.Close()
	if got := line(t, bufio.NewReader(r)); got != "three" {
		t.Errorf("descriptor 3 reads %q", got)
	}
	eof(t, out)
}

func readOnlyFolders(t *testing.T, driver sandbox.Driver) {
	dir := visible(t)
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte("same path\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	box := create(t, driver, dir)
	assign(t, box)
	if got := line(t, sh(t, box, "cat "+dir+"/bootstrap")); got != "same path" {
		t.Errorf("a folder of Spec.ReadOnly reads %q", got)
	}
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

func onlyOnce(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	assign(t, box)
	if _, err := box.Assign(t.Context(), sandbox.Assignment{Code: t.TempDir()}); err == nil {
		t.Error("a second Assign succeeds")
	}
	sh(t, box, "read forever <&3; sleep 60")
	if err := box.Start(t.Context(), sandbox.Command{Path: "/bin/true"}); err == nil {
		t.Error("a second Start succeeds")
	}
	if _, err := driver.Create(t.Context(), sandbox.Spec{ID: box.ID()}); err == nil {
		t.Error("a second sandbox of the same name succeeds")
	}
}

func startFails(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	paths := assign(t, box)
	err := box.Start(t.Context(), sandbox.Command{Path: paths.Task + "/missing"})
	if err == nil {
		t.Fatal("a program that does not exist starts")
	}
	if !strings.Contains(err.Error(), "missing") {
		t.Errorf("the error does not name the program: %v", err)
	}
}

func listen(t *testing.T, driver sandbox.Driver) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := visible(t)
	inside := filepath.Join(dir, "helper")
	if err := copyFile(exe, inside); err != nil {
		t.Fatal(err)
	}
	box := create(t, driver, dir)
	assign(t, box)
	listener, err := box.Listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	out := start(t, box, sandbox.Command{Path: inside, Env: []string{helperVar + "=" + listener.Addr().String()}})
	go func() { // ends with the process: a failed dial must not leave Accept waiting
		<-box.Done()
		time.AfterFunc(time.Second, func() { listener.Close() })
	}()
	conn, err := listener.Accept()
	if err != nil {
		said, _ := io.ReadAll(out)
		t.Fatalf("nobody dials from inside: %v; it says %q", err, said)
	}
	defer conn.Close()
	if got := line(t, bufio.NewReader(conn)); got != "from inside" {
		t.Errorf("the process sent %q", got)
	}
}

func closeKillsAll(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	assign(t, box)
	out := sh(t, box, "trap '' TERM INT HUP; (trap '' TERM INT HUP; echo grandchild; sleep 60) & wait; sleep 60")
	if got := line(t, out); got != "grandchild" {
		t.Fatalf("output: %q", got)
	}
	for range 2 {
		if err := box.Close(); err != nil {
			t.Fatal(err)
		}
	}
	eof(t, out)
	if exit := ended(t, box); exit.Signal != "killed" {
		t.Errorf("exit: %+v", exit)
	}
	if err := box.Start(t.Context(), sandbox.Command{Path: "/bin/true"}); err == nil {
		t.Error("a closed sandbox starts a process")
	}
}

func exitKillsChildren(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	assign(t, box)
	out := sh(t, box, "(trap '' TERM INT HUP; sleep 60) & echo leaving; exit 4")
	if got := line(t, out); got != "leaving" {
		t.Fatalf("output: %q", got)
	}
	if exit := ended(t, box); exit.Code != 4 {
		t.Errorf("exit: %+v", exit)
	}
	eof(t, out)
}

func closeUnstarted(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	ended(t, box)
}

func closeRemovesTmp(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	paths := assign(t, box)
	sh(t, box, "cd "+paths.Tmp+" && mkdir -p a/b && echo x > a/b/c && chmod 0 a/b a")
	if exit := ended(t, box); exit.Code != 0 {
		t.Fatalf("the temporary folder is not writable: %+v", exit)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(paths.Tmp); err == nil && !driver.Capabilities().Filesystem {
		t.Errorf("%s is still there", paths.Tmp)
	}
}

func usage(t *testing.T, driver sandbox.Driver) {
	box := create(t, driver)
	assign(t, box)
	out := sh(t, box, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done; read forever")
	line(t, out)
	ended(t, box)
	if u := box.Usage(); u.PeakMemoryMB <= 0 || u.CPU <= 0 {
		t.Errorf("after its end the sandbox has used %+v", u)
	}
}

func sweepOfNothing(t *testing.T, driver sandbox.Driver) {
	if err := driver.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	box := create(t, driver) // and it works after
	assign(t, box)
	if got := line(t, sh(t, box, "echo fine")); got != "fine" {
		t.Errorf("output: %q", got)
	}
}
