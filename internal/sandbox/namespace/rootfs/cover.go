//go:build linux

package rootfs

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Cover runs mount, which mounts something over the folder at of a sandbox, such
// as /tmp, and then shows again what the plan has inside of that folder: a data
// folder may well be in /tmp. It does so in the mount namespace of the calling
// thread. What is mounted must be writable if there is something to show.
func (r *Root) Cover(at string, mount func() error) error {
	trees := map[string]int{}
	defer func() {
		for _, tree := range trees {
			_ = unix.Close(tree)
		}
	}()
	for _, path := range r.inside(at) {
		tree, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			return fmt.Errorf("keeping %s visible in a sandbox: %w", path, err)
		}
		trees[path] = tree
	}
	if err := mount(); err != nil {
		return err
	}
	for path, tree := range trees {
		err := unix.Mkdir(path, 0o755)
		if err == nil {
			err = unix.MoveMount(tree, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
		}
		if err != nil {
			return fmt.Errorf("showing %s in a sandbox, whose %s is in the way: %w; install what is in there elsewhere", path, at, err)
		}
	}
	return nil
}

// inside returns the paths directly inside of a folder that lead to something
// the plan shows.
func (r *Root) inside(dir string) []string {
	var found []string
	for _, e := range r.entries {
		if rest, ok := strings.CutPrefix(e.path, dir+"/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			found = append(found, filepath.Join(dir, name))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
