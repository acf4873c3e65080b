//go:build linux

package keeper

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold/internal/sandbox/namespace/egress"
	"pinfold.dev/pinfold/internal/sandbox/namespace/message"
)

// furnish opens listeners and the network device in a sandbox's network
// namespace and mounts its temporary folder. Without a device it says why.
func (k *keeper) furnish(f *message.Furnish) (files []*os.File, noTap string, err error) {
	err = k.inNetwork(f.PID, func() error {
		tap, err := egress.Configure("eth0")
		if errors.Is(err, egress.ErrNoDevice) {
			noTap = err.Error()
		} else if err != nil {
			return err
		}
		for _, port := range f.Ports {
			l, err := listen(port)
			if err != nil {
				message.CloseAll(append(files, tap))
				return fmt.Errorf("listening on port %d inside the sandbox: %w", port, err)
			}
			files = append(files, l)
		}
		if tap != nil {
			files = append(files, tap)
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	err = errors.Join(k.show(f.PID, f.Runtime, "/var/runtime"), k.mountTmp(f.PID, f.EphemeralMB))
	if err != nil {
		message.CloseAll(files)
		return nil, "", err
	}
	return files, noTap, nil
}

func listen(port int) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	err = unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err == nil {
		err = unix.Listen(fd, 128)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), "listener"), nil
}

const tmpFlags = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOATIME

// mountTmp mounts an empty folder of a bounded size over a sandbox's /tmp.
func (k *keeper) mountTmp(pid, sizeMB int) error {
	if sizeMB == 0 {
		return nil
	}
	if k.scratch == nil {
		return k.over(pid, "/tmp", func() error {
			size := "mode=1777,size=" + strconv.Itoa(sizeMB) + "m,nr_inodes=" + strconv.Itoa(sizeMB*64)
			if err := unix.Mount("tmpfs", "/tmp", "tmpfs", tmpFlags, size); err != nil {
				return fmt.Errorf("mounting a temporary folder of %d MB: %w", sizeMB, err)
			}
			return nil
		})
	}
	tree, err := k.scratch.Mount(sizeMB)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return k.appear(pid, tree, "/tmp")
}

// place makes code, layers and a temporary folder of another size appear.
func (k *keeper) place(p *message.Place) error {
	return errors.Join(
		k.show(p.PID, p.Code, "/var/task"),
		k.show(p.PID, p.Layers, "/opt"),
		k.show(p.PID, p.Cache, "/var/cache/pinfold"),
		k.mountTmp(p.PID, p.EphemeralMB))
}

// show makes a host folder appear in a sandbox, read-only.
func (k *keeper) show(pid int, dir, at string) error {
	if dir == "" {
		return nil
	}
	tree, err := readOnly(dir)
	if err != nil {
		return err
	}
	defer unix.Close(tree)
	return k.appear(pid, tree, at)
}

// readOnly returns a detached mount of a folder that is read-only already, so
// that it is never anything else where it appears.
func readOnly(dir string) (int, error) {
	tree, err := unix.OpenTree(unix.AT_FDCWD, dir, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("taking the folder %s into a sandbox: %w", dir, err)
	}
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		_ = unix.Close(tree)
		return -1, fmt.Errorf("making the folder %s read-only for a sandbox: %w", dir, err)
	}
	return tree, nil
}

// appear moves a detached mount into a running sandbox.
func (k *keeper) appear(pid, tree int, at string) error {
	return k.over(pid, at, func() error {
		if err := unix.MoveMount(tree, "", unix.AT_FDCWD, at, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
			return fmt.Errorf("making %s appear in the sandbox: %w", at, err)
		}
		return nil
	})
}
