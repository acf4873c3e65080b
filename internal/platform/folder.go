package platform

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"pinfold.dev/pinfold"
)

// RootKeyFile is the name of the root access key's file in the data folder.
const RootKeyFile = "root-key.json"

const (
	runningFile = "running.json"
	lockFile    = "lock"
)

// Running is what a running platform writes into its data folder, so that the
// command line on the same machine finds it.
type Running struct {
	PID       int               `json:"pid"`
	Region    string            `json:"region"`
	Endpoints pinfold.Endpoints `json:"endpoints"`
}

// ReadRunning reads who runs on a data folder; the zero Running if nobody does.
func ReadRunning(data string) (Running, error) {
	var r Running
	content, err := os.ReadFile(filepath.Join(data, runningFile))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, pinfold.Errorf(pinfold.Denied, "looking for a running server: %w", err)
	}
	if err := json.Unmarshal(content, &r); err != nil {
		return r, pinfold.Errorf(pinfold.Internal, "%s is damaged: %w", filepath.Join(data, runningFile), err)
	}
	return r, nil
}

// folder is the data folder, locked for this process.
type folder struct {
	path string
	lock *flock.Flock
}

// openFolder makes the data folder if need be and keeps every other server out
// of it until close. The lock is the kernel's: a killed server leaves none.
func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "making the data folder: %w", err)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Invalid, "data folder: %w", err)
	}
	lock := flock.New(filepath.Join(path, lockFile), flock.SetPermissions(0o600))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "locking the data folder: %w", err)
	}
	if !locked {
		who := "starts or stops" // it says who it is only in between
		if running, err := ReadRunning(path); err == nil && running.PID != 0 {
			who = fmt.Sprintf("(process %d, API %s) runs", running.PID, running.Endpoints.API)
		}
		return nil, pinfold.Errorf(pinfold.Conflict, "another Pinfold %s on the data folder %s: stop it, or choose another folder with --data", who, path)
	}
	f := &folder{path, lock}
	if err := f.fence(); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// fence keeps a package.json that happens to lie above the data folder from
// saying how Node.js reads functions' code: it looks upwards for the nearest one.
func (f *folder) fence() error {
	if err := os.WriteFile(filepath.Join(f.path, "package.json"), []byte("{}\n"), 0o644); err != nil {
		return pinfold.Errorf(pinfold.Unavailable, "writing to the data folder: %w", err)
	}
	return nil
}

// Abandoned tells whether a server has used the data folder and none does now.
func Abandoned(data string) bool {
	lock := filepath.Join(data, lockFile)
	if _, err := os.Stat(lock); err != nil {
		return false
	}
	probe := flock.New(lock)
	free, err := probe.TryLock()
	_ = probe.Unlock()
	return free && err == nil
}

// sub makes and returns a folder inside.
func (f *folder) sub(name string) (string, error) {
	dir := filepath.Join(f.path, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", pinfold.Errorf(pinfold.Unavailable, "making a folder for %s: %w", name, err)
	}
	return dir, nil
}

func (f *folder) announce(r Running) error {
	content, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temp := filepath.Join(f.path, runningFile+".new")
	if err := os.WriteFile(temp, content, 0o600); err != nil {
		return pinfold.Errorf(pinfold.Unavailable, "announcing the server: %w", err)
	}
	return os.Rename(temp, filepath.Join(f.path, runningFile))
}

func (f *folder) close() error {
	_ = os.Remove(filepath.Join(f.path, runningFile))
	return f.lock.Unlock()
}
