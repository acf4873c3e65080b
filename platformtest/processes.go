package platformtest

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Processes returns the processes on this machine that work for functions whose
// names begin with prefix, seen from outside, whatever walls are around them:
// those of their instances, and what these have started. It knows them by the
// environment that they started with, which only Linux shows (elsewhere it finds
// none), so the prefix must be one that no other test has, and an instance that
// was made of a cell is not among them: let there be none, or give the function a
// variable that keeps it from one, such as NODE_OPTIONS.
func Processes(t testing.TB, prefix string) (pids []int) {
	t.Helper()
	mark := []byte("AWS_LAMBDA_FUNCTION_NAME=" + prefix)
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		environ, _ := os.ReadFile(filepath.Join(name, "environ")) // empty if it has ended
		for kv := range bytes.SplitSeq(environ, []byte{0}) {
			if bytes.HasPrefix(kv, mark) {
				pid, _ := strconv.Atoi(filepath.Base(name))
				pids = append(pids, pid)
			}
		}
	}
	return pids
}
