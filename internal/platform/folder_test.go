package platform

import (
	"strings"
	"testing"

	"pinfold.dev/pinfold"
)

// A server that has the folder and has not said yet who it is, or no longer
// does, keeps others out all the same; nothing is made up about it.
func TestFolderOfAServerThatStarts(t *testing.T) {
	dir := t.TempDir()
	first, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = openFolder(dir)
	if pinfold.CodeOf(err) != pinfold.Conflict || !strings.Contains(err.Error(), "another Pinfold starts or stops on the data folder "+dir) {
		t.Errorf("got %v, want a conflict without a process or an address", err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
}
