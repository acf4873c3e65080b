package crash

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/platformtest"
)

// edition is an application of which every part says its number: the code and
// the environment of functions that stay, functions and routes that come and go.
type edition struct {
	n     int
	dir   string
	paths []string // of all its routes
}

func newEdition(t *testing.T, n int) edition {
	manifest := "service: app\nprovider: {name: aws, runtime: nodejs22.x}\nfunctions:\n"
	e := edition{n: n}
	for _, key := range []string{"first", "second", "third", fmt.Sprintf("only%d", n)} {
		manifest += fmt.Sprintf("  %s:\n    handler: index.handler\n    environment: {EDITION: '%d'}\n    events:\n      - httpApi: 'GET /%s'\n      - httpApi: 'GET /%s/%d'\n", key, n, key, key, n)
		e.paths = append(e.paths, "/"+key, fmt.Sprintf("/%s/%d", key, n))
	}
	noise := make([]byte, 100<<10) // so that an upload takes a moment
	_, _ = rand.Read(noise)
	e.dir = platformtest.Files(t, map[string]string{
		"serverless.yml": manifest, "noise": string(noise),
		"index.js": fmt.Sprintf("exports.handler = async () => ({ statusCode: 200, body: process.env.EDITION + '/%d' });\n", n),
	})
	return e
}

// stands reports whether this edition is what is deployed, by the plan's account.
func (s *server) stands(e edition) bool {
	s.t.Helper()
	a, _ := s.application(e.dir)
	plan, err := s.client.Plan(s.t.Context(), a)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(plan.Changes) == 0 && len(plan.Missing) == 0
}

// answers checks every route of an edition, and that nothing else is left.
func (s *server) answers(e edition) {
	s.t.Helper()
	for _, path := range e.paths {
		if status, body := s.get(path); status != http.StatusOK || body != fmt.Sprintf("%d/%d", e.n, e.n) {
			s.t.Errorf("edition %d: GET %s: %d %s", e.n, path, status, body)
		}
	}
	functions, err := s.client.Functions(s.t.Context())
	if err != nil || len(functions) != 4 {
		s.t.Errorf("edition %d: functions %+v, %v", e.n, functions, err)
	}
	apps, err := s.client.Apps(s.t.Context())
	if err != nil || len(apps) != 1 || len(apps[0].Routes) != len(e.paths) || len(apps[0].Functions) != 4 {
		s.t.Errorf("edition %d: applications %+v, %v", e.n, apps, err)
	}
}

// A server killed while a deployment is under way comes back with what was
// there before or with all of the new, never with a mix, and with the new if
// it had said so.
func TestKilledWhileDeploying(t *testing.T) {
	s := newServer(t)
	s.start()
	old := newEdition(t, 0)
	// How long the phases take when nothing happens to them.
	var began, applying time.Time
	err := s.deploy(t.Context(), old.dir, func() { began = time.Now() }, func() { applying = time.Now() })
	if err != nil {
		t.Fatal(err)
	}
	whole, apply := time.Since(began), time.Since(applying)
	s.answers(old)

	outcomes := map[string]int{}
	for i := range times(t, 15) {
		next := newEdition(t, i+1)
		var killed func()
		upload, transaction := func() { killed = s.killSoon(whole) }, func() {}
		if i%3 > 0 { // two of three times the transaction is what is hit
			upload, transaction = func() {}, func() { killed = s.killSoon(apply * 3 / 2) }
		}
		err := s.deploy(t.Context(), next.dir, upload, transaction)
		if killed == nil {
			t.Fatalf("it did not get so far: %v", err)
		}
		killed()
		s.start()
		isOld, isNew := s.stands(old), s.stands(next)
		switch {
		case isOld == isNew:
			t.Fatalf("round %d: old %t, new %t; the deployment said %v", i, isOld, isNew, err)
		case err == nil && !isNew:
			t.Fatalf("round %d: a deployment that was acknowledged is lost", i)
		case isNew:
			old = next
		}
		outcomes[fmt.Sprintf("acknowledged %t, there %t", err == nil, isNew)]++
		s.answers(old)
	}
	t.Log(outcomes)
	// And the next one works, whatever happened before.
	last := newEdition(t, 1_000_000)
	s.mustDeploy(last.dir)
	s.answers(last)
}

// A server killed while a package is uploaded has the package as a whole or
// not at all.
func TestKilledWhileUploading(t *testing.T) {
	s := newServer(t)
	s.start()
	var took time.Duration
	for i := range times(t, 6) {
		noise := make([]byte, 4<<20)
		_, _ = rand.Read(noise)
		dir := platformtest.Files(t, map[string]string{
			"serverless.yml": "service: app\nprovider: {name: aws, runtime: nodejs22.x}\nfunctions:\n  f:\n    handler: index.handler\n    events:\n      - httpApi: 'GET /f'\n",
			"index.js":       "exports.handler = async () => require('fs').readFileSync('noise').length;\n", "noise": string(noise),
		})
		a, built := s.application(dir)
		pkg := a.Functions[0].Code
		file, err := os.Open(built[pkg.SHA256])
		if err != nil {
			t.Fatal(err)
		}
		killed := func() {}
		start := time.Now()
		if i > 0 { // the first one shows how long it takes
			killed = s.killSoon(took * 11 / 10)
		}
		err = s.client.PutPackage(t.Context(), pkg, file)
		file.Close()
		took = max(took, time.Since(start))
		killed()
		if s.process == nil {
			s.start()
		}
		there := !s.missing(a, pkg)
		if err == nil && !there {
			t.Fatalf("round %d: an upload that was acknowledged is lost", i)
		}
		s.packagesAreWhole()
		t.Logf("round %d: acknowledged %t, there %t", i, err == nil, there)
		s.mustDeploy(dir)
		if status, body := s.get("/f"); status != http.StatusOK || body != fmt.Sprint(len(noise)) {
			t.Errorf("round %d: %d %s", i, status, body)
		}
	}
}

func (s *server) missing(a *app.Application, pkg pinfold.Package) bool {
	s.t.Helper()
	plan, err := s.client.Plan(s.t.Context(), a)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range plan.Missing {
		if m == pkg {
			return true
		}
	}
	return false
}

// packagesAreWhole checks that what is stored under a hash has it.
func (s *server) packagesAreWhole() {
	s.t.Helper()
	root := filepath.Join(s.data, "packages")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		hash, isPackage := strings.CutSuffix(entry.Name(), ".zip")
		if !isPackage {
			s.t.Errorf("%s was left behind", path)
			return nil
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		sum := sha256.New()
		if _, err := io.Copy(sum, file); err != nil {
			return err
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != hash {
			s.t.Errorf("%s has the hash %s", path, got)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}
