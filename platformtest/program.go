package platformtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Program builds the program that users have in dir, for tests that start or kill
// it, and returns its path. All build it with these flags, so its parts are compiled
// once; what debuggers need is left out.
func Program(dir string) (path string, err error) {
	path = filepath.Join(dir, "pinfold")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "pinfold.dev/pinfold/cmd/pinfold")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building pinfold: %w\n%s", err, out)
	}
	return path, nil
}
