//go:build linux

package rootfs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Attributes of mounts. A device file can be written to on a read-only mount,
// but not changed.
const (
	ofBinds   = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	ofDevices = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
)

// Build makes the root and moves the calling thread into it. The thread is
// locked, and has just unshared its mount namespace, in which nothing else is
// left afterwards. After an error the thread is good for nothing.
func (r *Root) Build() error {
	// Nothing that happens here is to be seen elsewhere, nor the other way round.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keeping the mounts of a sandbox to itself: %w", err)
	}
	fd, err := r.memory()
	if err != nil {
		return fmt.Errorf("mounting the root of a sandbox: %w", err)
	}
	defer unix.Close(fd)
	b := &builder{root: fd}
	for _, e := range r.entries {
		if err := b.add(e); err != nil {
			return fmt.Errorf("showing a sandbox %s: %w", e.path, err)
		}
	}
	if err := enter(fd); err != nil {
		return fmt.Errorf("entering the root of a sandbox: %w", err)
	}
	return nil
}

// memory mounts an empty file system over / and returns it. The thread does not
// see it there: it stays in the root it has.
func (r *Root) memory() (int, error) {
	size := 1 << 20
	for _, e := range r.entries {
		if e.kind == file {
			size += len(e.text) + os.Getpagesize()
		}
	}
	fs, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fs)
	for _, option := range [][2]string{{"source", "pinfold"}, {"mode", "755"}, {"size", strconv.Itoa(size)}} {
		if err := unix.FsconfigSetString(fs, option[0], option[1]); err != nil {
			return -1, fmt.Errorf("%s: %w", option[0], err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, err
	}
	fd, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV)
	if err != nil {
		return -1, err
	}
	if err := unix.MoveMount(fd, "", unix.AT_FDCWD, "/", unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

// enter makes a mount the root of the namespace, lets go of all others, and ends
// all writing to it.
func enter(fd int) error {
	if err := unix.Fchdir(fd); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil { // which leaves the old root over the new one
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmounting the host's root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if err := endWriting(); err != nil {
		return fmt.Errorf("making it read-only: %w", err)
	}
	return unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY})
}

// endWriting makes the file system read-only as such, and so the folders of it
// that cover others. A file that was open for writing here when another thread
// forked keeps the file system busy until that child executes its program, which
// takes milliseconds: close-on-exec does not help before.
func endWriting() error {
	const patience = 5 * time.Second
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		err := reconfigure("/", "ro")
		if !errors.Is(err, unix.EBUSY) || time.Since(began) > patience {
			return err
		}
	}
}

// reconfigure sets a flag of the file system at a path.
func reconfigure(path, flag string) error {
	fs, err := unix.Fspick(unix.AT_FDCWD, path, unix.FSPICK_CLOEXEC) // anew each time: one that has failed is of no more use
	if err != nil {
		return err
	}
	defer unix.Close(fs)
	if err := unix.FsconfigSetFlag(fs, flag); err != nil {
		return err
	}
	return unix.FsconfigReconfigure(fs)
}

// builder fills a root.
type builder struct {
	root   int // a mount
	covers int
}

// in returns a path relative to the root.
func in(path string) string { return strings.TrimPrefix(path, "/") }

func (b *builder) add(e entry) error {
	if e.kind == cover {
		return b.cover(e.path)
	}
	if err := b.mkdirAll(filepath.Dir(e.path)); err != nil {
		return err
	}
	switch e.kind {
	case folder:
		return b.mkdir(e.path)
	case link:
		return unix.Symlinkat(e.text, b.root, in(e.path))
	case file:
		return b.write(e.path, e.text, e.mode)
	case proc:
		if err := b.mkdir(e.path); err != nil {
			return err
		}
		// With whatever is mounted in it, and as it is: the kernel lets a sandbox
		// mount a proc of its own only where it can see a whole one.
		return b.bind(e.text, e.path, 0)
	case device:
		if err := b.write(e.path, "", 0); err != nil {
			return err
		}
		return b.bind(e.text, e.path, ofDevices)
	case bind:
		if err := b.point(e.text, e.path); err != nil {
			return err
		}
		return b.bind(e.text, e.path, ofBinds)
	}
	return fmt.Errorf("an entry of unknown kind %q", e.kind)
}

// point makes what can be mounted on: a folder or a file as the source is.
func (b *builder) point(source, path string) error {
	var stat unix.Stat_t
	if err := unix.Lstat(source, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		return b.mkdir(path)
	}
	return b.write(path, "", 0)
}

// bind mounts a file or folder of the host, with all that is mounted inside: the
// mounts that a user namespace inherits come together only.
func (b *builder) bind(source, path string, attributes uint64) error {
	tree, err := unix.OpenTree(unix.AT_FDCWD, source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	if attributes != 0 {
		err = unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: attributes})
		if errors.Is(err, unix.ENOSYS) {
			err = fmt.Errorf("%w: Linux 5.12 is the oldest that can", err)
		}
		if err != nil {
			return err
		}
	}
	return unix.MoveMount(tree, "", b.root, in(path), unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// cover mounts an empty folder over one of the host's. It becomes read-only with
// the root: what is asked for inside of it comes first.
func (b *builder) cover(path string) error {
	empty := hidden + "/" + strconv.Itoa(b.covers)
	b.covers++
	if err := b.mkdirAll(empty); err != nil {
		return err
	}
	tree, err := unix.OpenTree(b.root, in(empty), unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return unix.MoveMount(tree, "", b.root, in(path), unix.MOVE_MOUNT_F_EMPTY_PATH)
}

func (b *builder) write(path, content string, mode uint32) error {
	fd, err := unix.Openat(b.root, in(path), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, mode)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), path)
	_, err = f.WriteString(content)
	return errors.Join(err, unix.Fchmod(fd, mode), f.Close())
}

// mkdir makes a folder that may be there, with a mode that does not depend on the umask.
func (b *builder) mkdir(path string) error {
	err := unix.Mkdirat(b.root, in(path), 0o755)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	if err != nil {
		return err
	}
	return unix.Fchmodat(b.root, in(path), 0o755, 0)
}

func (b *builder) mkdirAll(path string) error {
	if path == "/" {
		return nil
	}
	if err := b.mkdirAll(filepath.Dir(path)); err != nil {
		return err
	}
	return b.mkdir(path)
}
