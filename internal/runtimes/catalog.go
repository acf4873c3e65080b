package runtimes

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"pinfold.dev/pinfold"
)

// Family is a way to run code.
type Family string

// The families of runtimes.
const (
	Node   Family = "node"
	Python Family = "python"
	Custom Family = "custom" // brings its own program, which speaks the Runtime API
)

// identifier is a parsed runtime identifier.
type identifier struct {
	family  Family
	version string // "22", "3.12"; "" if it names none
	retired bool   // so old that no machine has it
}

var (
	nodeID   = regexp.MustCompile(`^nodejs(?:(\d+)(?:\.x|\.\d+)?)?$`)
	pythonID = regexp.MustCompile(`^python(\d+\.\d+)$`)
)

// parse reads a runtime identifier. It accepts those that AWS has retired and
// those it may bring yet, because they only name an interpreter.
func parse(id string) (identifier, bool) {
	if m := nodeID.FindStringSubmatch(id); m != nil {
		major, _ := strconv.Atoi(m[1])
		return identifier{Node, m[1], major < 16}, true
	}
	if m := pythonID.FindStringSubmatch(id); m != nil {
		minor, _ := strconv.Atoi(strings.TrimPrefix(m[1], "3."))
		old := strings.HasPrefix(m[1], "2.")
		return identifier{Python, m[1], old || minor < 8}, old || strings.HasPrefix(m[1], "3.")
	}
	switch id {
	case "provided", "provided.al2", "provided.al2023", "go1.x":
		return identifier{family: Custom}, true
	}
	return identifier{}, false
}

// Supported returns nil if functions with this runtime identifier can be served,
// and otherwise an error with code Unserved that says which can. It does not look
// whether the machine has the interpreter; [Machine.Note] does.
func Supported(id string) error {
	if _, ok := parse(id); ok {
		return nil
	}
	return pinfold.Errorf(pinfold.Unserved, "runtime %q is not served: Pinfold runs nodejs*, python3.*, provided, provided.al2, provided.al2023 and go1.x; "+
		"other languages run on provided.al2023 with a program called bootstrap", id)
}

// Detected is what the machine has to run functions with.
type Detected struct {
	Name    string // "Node.js", "Python"
	Family  Family
	Path    string // of the interpreter, or "" if there is none
	Version string
	Advice  string // what to do if there is none
}

// Detect looks for the interpreters and asks them for their versions.
func Detect(ctx context.Context) []Detected {
	var found []Detected
	for _, family := range []Family{Node, Python} {
		d := Detected{Name: display(family), Family: family, Advice: advice(family)}
		if path, err := new(finder).find(identifier{family: family}); err == nil {
			d.Path = path
			d.Version, _ = askVersion(ctx, family, path)
		}
		found = append(found, d)
	}
	return found
}

func display(f Family) string {
	return map[Family]string{Node: "Node.js", Python: "Python"}[f]
}

func advice(f Family) string {
	return map[Family]string{
		Node:   "install Node.js 18 or newer (apt install nodejs, or https://nodejs.org) to run nodejs* functions",
		Python: "install Python 3.8 or newer (apt install python3, or https://python.org) to run python3.* functions",
	}[f]
}

func evalFlag(f Family) string {
	return map[Family]string{Node: "-p", Python: "-c"}[f]
}

// finder looks for interpreters and remembers what it has found.
type finder struct {
	mu    sync.Mutex
	known map[identifier]finding
}

// finding is what came of looking for an interpreter.
type finding struct {
	path string // "" if there is none
	at   time.Time
}

// missingFor is how long glance does not look again for an interpreter that was
// not found: to look reads every folder of PATH, and the pool's lock waits for it.
const missingFor = 5 * time.Second

// current reports whether there is no need to look again. An upgrade of the
// machine may move an interpreter, or bring it.
func (f finding) current(missingFor time.Duration) bool {
	if f.path == "" {
		return !f.at.IsZero() && time.Since(f.at) < missingFor
	}
	return exists(f.path)
}

// find returns the interpreter that an identifier runs on: one of its exact
// version if the machine has it, else the one that PATH has first.
func (f *finder) find(id identifier) (string, error) { return f.within(id, 0) }

// glance is find for who must not wait often: one that is installed it finds a
// little later.
func (f *finder) glance(id identifier) (string, error) { return f.within(id, missingFor) }

func (f *finder) within(id identifier, missingFor time.Duration) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := f.known[id]
	if !found.current(missingFor) {
		found = finding{look(id), time.Now()}
		if f.known == nil {
			f.known = map[identifier]finding{}
		}
		f.known[id] = found
	}
	if found.path == "" {
		return "", pinfold.Errorf(pinfold.Unavailable, "%s is not installed on this machine: %s", display(id.family), advice(id.family))
	}
	return found.path, nil
}

// look returns the interpreter that an identifier runs on, or "".
func look(id identifier) string {
	names := exactNames(id)
	switch id.family {
	case Node:
		names = append(names, "node", "nodejs")
	case Python:
		names = append(names, "python3")
	}
	for _, name := range names {
		for _, candidate := range allOnPath(name) {
			if path, err := program(id.family, candidate); err == nil {
				return path
			}
		}
	}
	return ""
}

// exactNames are the names under which distributions install one version.
func exactNames(id identifier) []string {
	switch {
	case id.version == "" || id.retired:
		return nil
	case id.family == Node:
		return []string{"node" + id.version, "node-" + id.version, "nodejs" + id.version}
	}
	return []string{"python" + id.version}
}

// program returns the binary behind a candidate. Version managers put scripts
// onto PATH which choose a version on every start; asking once saves that.
func program(family Family, candidate string) (string, error) {
	file, err := os.Open(candidate)
	if err != nil {
		return "", err
	}
	defer file.Close()
	magic := make([]byte, 2)
	if _, err := file.Read(magic); err != nil {
		return "", err
	}
	if string(magic) != "#!" {
		return candidate, nil
	}
	question := map[Family]string{Node: "process.execPath", Python: "import sys; print(sys.executable)"}[family]
	path, err := ask(context.Background(), candidate, evalFlag(family), question)
	if err == nil && !filepath.IsAbs(path) {
		err = errors.New("the interpreter does not know where it is")
	}
	return path, err
}

func askVersion(ctx context.Context, family Family, path string) (string, error) {
	return ask(ctx, path, evalFlag(family), map[Family]string{
		Node: "process.versions.node", Python: "import platform; print(platform.python_version())",
	}[family])
}

// ask runs an interpreter for a moment and returns its first line.
func ask(ctx context.Context, path string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, args...).Output()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line), err
}

// allOnPath returns every executable of that name on PATH, first ones first.
func allOnPath(name string) []string {
	var found []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && filepath.IsAbs(path) {
			found = append(found, path)
		}
	}
	return found
}
