package runtimes

import (
	"errors"
	"os"
	"syscall"
	"testing"
)

// TestLinkRefusesFiles sends an open file as an instance would that wants the
// platform to close it.
func TestLinkRefusesFiles(t *testing.T) {
	link, theirs, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	defer link.close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	err = syscall.Sendmsg(int(theirs.Fd()), encode(frameReady, 0, ""), syscall.UnixRights(int(r.Fd())), nil, 0)
	if err == nil {
		t.Skip("Linux before 6.16 lets nobody refuse files")
	}
	if !errors.Is(err, syscall.EPERM) {
		t.Errorf("sending a file: %v, not EPERM", err)
	}
}
