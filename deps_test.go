package pinfold_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "pinfold.dev/pinfold"

// room is one class of packages and what it may import of this module. The
// lattice reads from the ground up; a package may always import the root.
type room struct {
	name    string   // path below the module; "/*" matches one more element, "/..." any number
	imports []string // rooms it may import
	why     string   // why no more than these
}

var services = []string{
	"internal/function", "internal/code", "internal/httpapi", "internal/invoke", "internal/pool",
	"internal/runtimes", "internal/logs", "internal/iam", "internal/provision", "internal/trace", "internal/record",
	"internal/meter", "internal/metrics", "internal/callmap", "internal/backlog", "internal/queue", "internal/queue/policy", "internal/async", "internal/mapping", "internal/schedule",
}

var house = []room{
	{"", nil, "the ground knows nothing: every package stands on it"},
	{"app", nil, "the model of an application knows neither who reads it nor who deploys it"},
	{"app/doc", []string{"app"}, "documents are read before anyone knows what they say"},
	{"app/files", []string{"app"}, "what belongs into a package is found before anyone builds it"},
	{"app/cfn", []string{"app", "app/doc", "internal/timetable", "internal/eventpattern"}, "intrinsic functions and resources are the same in every kind of manifest, and held to the rules that they are kept by"},
	{"app/*", []string{"app", "app/doc", "app/cfn", "app/files", "internal/cron", "internal/timetable"}, "a reader turns files into the model; it meets no server and no other reader"},
	{"client/draw", nil, "what is drawn comes as records: neither how they were fetched nor who made them is known"},
	{"client", []string{"app"}, "the client knows the server by its protocol alone"},

	{"internal/cron", nil, "what an expression means depends on nobody"},
	{"internal/timetable", nil, "what an expression means depends on nobody"},
	{"internal/eventpattern", nil, "which events a pattern means depends on nobody: buses, queues and topics ask it"},

	{"internal/store", nil, "a contract names no engine"},
	{"internal/store/storetest", []string{"internal/store"}, "a conformance suite tests any engine"},
	{"internal/store/sql", []string{"internal/store", "internal/store/storetest"}, "an engine knows its contract, no service"},
	{"internal/store/blob", []string{"internal/store/blob/blobtest"}, "a contract names no engine but its own folder"},
	{"internal/store/blob/blobtest", []string{"internal/store/blob"}, "a conformance suite tests any engine"},
	{"internal/store/log", nil, "a contract names no engine"},
	{"internal/store/log/logtest", []string{"internal/store/log"}, "a conformance suite tests any engine"},
	{"internal/store/log/*", []string{"internal/store/log", "internal/store/log/logtest"}, "an engine knows its contract, no service and no other engine"},
	{"internal/backlog", []string{"internal/store/log", "internal/store/log/mem"}, "a line of messages stands on the contract of the log: what the messages are is for services to know"},
	{"internal/sandbox", nil, "a contract names no driver"},
	{"internal/sandbox/sandboxtest", []string{"internal/sandbox"}, "a conformance suite tests any driver"},
	{"internal/sandbox/procfs", []string{"internal/sandbox"}, "what the kernel says of a process is the same for every driver"},
	{"internal/sandbox/process", []string{"internal/sandbox", "internal/sandbox/sandboxtest", "internal/sandbox/procfs"}, "a driver knows its contract, no service and no other driver"},

	{"internal/sandbox/namespace/keeper", []string{"internal/sandbox/namespace/message", "internal/sandbox/namespace/rootfs", "internal/sandbox/namespace/scratch", "internal/sandbox/namespace/egress", "internal/sandbox/namespace/initproc"}, "the process that makes sandboxes furnishes them and forks their inits; limits and filters are not its business"},
	{"internal/sandbox/namespace/initproc", []string{"internal/sandbox/namespace/message", "internal/sandbox/namespace/seccomp", "internal/sandbox/namespace/rootfs"}, "the first process of a sandbox knows no more than it needs to give up its rights"},
	{"internal/sandbox/namespace/*", []string{"internal/sandbox/namespace/message"}, "the parts of the walls know each other's messages at most"},
	{"internal/sandbox/namespace", []string{"internal/sandbox", "internal/sandbox/sandboxtest", "internal/sandbox/procfs", "internal/sandbox/namespace/*"}, "the driver puts its parts together"},

	{"internal/function", []string{"internal/store", "internal/cron"}, "services are siblings: the composition root plugs them together"},
	{"internal/code", []string{"internal/store/blob"}, "services are siblings: the composition root plugs them together"},
	{"internal/httpapi", []string{"internal/store"}, "services are siblings: the composition root plugs them together"},
	{"internal/invoke", nil, "the invoker sees functions and instances through its own two small ports"},
	{"internal/pool", nil, "the pool sees workers, not how they talk or are walled in"},
	{"internal/runtimes/bootstrap/*", nil, "a bootstrap is tested alone, frame by frame"},
	{"internal/runtimes", []string{"internal/sandbox"}, "a runtime speaks to an instance behind any walls"},
	{"internal/provision", []string{"internal/cron"}, "services are siblings: the composition root plugs them together"},
	{"internal/trace", nil, "invocations are wrapped and records handed on by contracts of the root and one small port: who runs and who stores them is not known"},
	{"internal/record", nil, "a store of records knows what a record is, not what it is of"},
	{"internal/record/recordtest", nil, "a conformance suite tests any engine"},
	{"internal/callmap", nil, "a map is made of records, wherever they come from"},
	{"internal/logs", []string{"internal/logs/segment", "internal/logs/pattern"}, "services are siblings: the composition root plugs them together"},
	{"internal/logs/segment", nil, "an engine keeps lines, and knows neither functions nor groups"},
	{"internal/logs/pattern", nil, "what a filter pattern means depends on no log"},
	{"internal/meter", nil, "services are siblings: the composition root plugs them together"},
	{"internal/metrics", nil, "services are siblings: the composition root plugs them together"},
	{"internal/iam", nil, "services are siblings: the composition root plugs them together"},

	{"internal/queue/policy", nil, "what a policy says depends on no queue"},
	{"internal/queue", []string{"internal/queue/policy", "internal/store", "internal/backlog", "internal/store/log", "internal/store/log/mem"}, "services are siblings: the composition root plugs them together"},
	{"internal/async", []string{"internal/store", "internal/backlog", "internal/store/log", "internal/store/log/mem"}, "services are siblings: the composition root plugs them together"},
	{"internal/mapping", []string{"internal/store", "internal/eventpattern"}, "services are siblings: the composition root plugs them together"},
	{"internal/schedule", []string{"internal/store", "internal/timetable", "internal/eventpattern"}, "services are siblings: the composition root plugs them together"},
	{"internal/source/*", append([]string{"internal/eventpattern"}, services...), "a source takes from one service and has another invoke; it knows no wire and no other source"},
	{"internal/gateway", services, "the public door speaks to services; it knows no AWS service protocol"},
	{"internal/deploy", append([]string{"app", "internal/store"}, services...), "the deployer applies an application through the services that the wire uses"},
	{"internal/wire/protocol/...", []string{"internal/wire/protocol/..."}, "encodings know no service"},
	{"internal/wire/awsgen", []string{"internal/wire/protocol", "internal/wire/lambda", "internal/wire/logs", "internal/wire/sqs", "internal/wire/sts"}, "the generator writes code, it is not used by it"},
	{"internal/wire/sigv4", []string{"internal/iam"}, "signatures are checked before any service is known"},
	{"internal/wire/mux", []string{"internal/wire/protocol", "internal/wire/sigv4", "internal/trace"}, "the listener is handed the services it serves; what trace headers mean is the same at every door"},
	{"internal/wire/*", append([]string{"app", "internal/wire/protocol", "internal/wire/mux"}, services...), "an adapter knows its service and the wire, no other adapter"},
	{"internal/platform", []string{"..."}, ""},
	{"platformtest", []string{"internal/platform", "client", "app", "app/*"}, "tests start the same platform that production does"},
	{"cli", []string{"app", "app/*", "client", "client/draw", "internal/platform"}, "commands talk to the server through its client; only up, dev and doctor start one"},
	{"cmd/pinfold", []string{"cli"}, "main is tiny"},
	{"test/...", []string{"..."}, ""},
	{"bench/...", []string{"..."}, ""},
}

// groundForbids are standard packages that the nouns have no business with.
var groundForbids = map[string]string{
	"net/http":     "the nouns know no protocol",
	"database/sql": "the nouns know no store",
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

// TestImportLattice holds the house together: see "The house" in ARCHITECTURE.md.
func TestImportLattice(t *testing.T) {
	for _, pkg := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(pkg.ImportPath, module), "/")
		i := slices.IndexFunc(house, func(r room) bool { return matches(r.name, name) })
		if i < 0 {
			t.Errorf("%s has no place in the house: give it a line in deps_test.go, with its reason", pkg.ImportPath)
			continue
		}
		for _, imported := range pkg.Imports {
			if why, bad := groundForbids[imported]; bad && name == "" {
				t.Errorf("the root package imports %s: %s", imported, why)
			}
			target, ours := strings.CutPrefix(imported, module+"/")
			if !ours || slices.ContainsFunc(house[i].imports, func(p string) bool { return matches(p, target) }) {
				continue
			}
			t.Errorf("%s must not import %s: %s", pkg.ImportPath, imported, house[i].why)
		}
	}
}

// TestGroundIsStandardLibrary keeps foreign code out of the nouns and the model.
func TestGroundIsStandardLibrary(t *testing.T) {
	for _, pkg := range list(t) {
		if pkg.ImportPath != module && pkg.ImportPath != module+"/internal/store" && pkg.ImportPath != module+"/internal/sandbox" {
			continue
		}
		for _, imported := range pkg.Imports {
			first, _, _ := strings.Cut(imported, "/")
			if strings.Contains(first, ".") && !strings.HasPrefix(imported, module) {
				t.Errorf("%s imports %s: the ground and the contracts use the standard library alone", pkg.ImportPath, imported)
			}
		}
	}
}

func matches(pattern, name string) bool {
	if pattern == "..." || pattern == name {
		return true
	}
	if prefix, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == prefix || strings.HasPrefix(name, prefix+"/")
	}
	if prefix, ok := strings.CutSuffix(pattern, "/*"); ok {
		rest, below := strings.CutPrefix(name, prefix+"/")
		return below && !strings.Contains(rest, "/")
	}
	return false
}

func list(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg goPackage
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, pkg)
	}
}
