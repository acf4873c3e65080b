//go:build linux

package scratch

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

// Store makes temporary folders. Its methods may be called by several goroutines.
type Store struct {
	dir     string
	mkfs    string   // path of mkfs.ext4
	control *os.File // of loop devices

	attaching sync.Mutex // so that we do not take free devices from ourselves

	mu     sync.Mutex
	images map[int]func() (*image, error) // by size in MB
}

// usual is the size in MB of /tmp that a function gets if it asks for none.
// Source: "Configure ephemeral storage for Lambda functions", Lambda developer guide.
const usual = 512

// Open returns a store that keeps what is written to its folders in files in
// dir, a folder that exists. It proves that they can be had by making one: the
// error, of code Unavailable, says why not and what to do.
func Open(dir string) (*Store, error) {
	if os.Geteuid() != 0 {
		return nil, pinfold.Errorf(pinfold.Unavailable, "temporary folders on disk need loop devices, which only root may use: run the platform as root")
	}
	mkfs, err := findMkfs()
	if err != nil {
		return nil, err
	}
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "temporary folders on disk need loop devices: %w; load the kernel's module (modprobe loop), or let the platform's container have /dev/loop-control and /dev/loop*", err)
	}
	s := &Store{dir: dir, mkfs: mkfs, control: control, images: map[int]func() (*image, error){}}
	fd, err := s.Mount(usual)
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, unix.Close(fd)
}

// Mount returns a mount of a new, empty file system that is not attached to any
// folder yet, and in which everybody may write. At least sizeMB megabytes (of
// 2^20 bytes) can be stored in it, in up to 64 files and folders for each of
// them. It and all that is stored in it go when the last mount of it does.
//
// The error has the code Unavailable if the machine has too little of something.
func (s *Store) Mount(sizeMB int) (mountFD int, err error) {
	if sizeMB <= 0 {
		return -1, pinfold.Errorf(pinfold.Invalid, "a temporary folder of %d MB cannot be made: the size must be positive", sizeMB)
	}
	i, err := s.image(sizeMB)
	if err != nil {
		return -1, err
	}
	file, err := i.create(s.dir)
	if err != nil {
		return -1, pinfold.Errorf(pinfold.Unavailable, "making a temporary folder of %d MB in %s: %w; see that the disk has room", sizeMB, s.dir, err)
	}
	defer file.Close()
	device, err := s.attach(file)
	if err != nil {
		return -1, err
	}
	defer device.Close() // the mount keeps it from here on
	fd, err := mount(device.Name())
	if err != nil {
		return -1, pinfold.Errorf(pinfold.Unavailable, "mounting a temporary folder of %d MB from %s: %w; the kernel must have ext4 and be Linux 5.8 or newer", sizeMB, device.Name(), err)
	}
	return fd, nil
}

// Close lets go of what the store holds. Mounts stay.
func (s *Store) Close() error { return s.control.Close() }

// maxImages bounds how many sizes are remembered.
const maxImages = 64

// image returns the image of an empty file system.
func (s *Store) image(sizeMB int) (*image, error) {
	s.mu.Lock()
	get := s.images[sizeMB]
	if get == nil {
		if len(s.images) >= maxImages {
			clear(s.images)
		}
		get = sync.OnceValues(func() (*image, error) { return newImage(s.mkfs, s.dir, sizeMB) })
		s.images[sizeMB] = get
	}
	s.mu.Unlock()
	i, err := get()
	if err != nil { // of a disk that was full, say: it may work the next time
		s.mu.Lock()
		delete(s.images, sizeMB)
		s.mu.Unlock()
	}
	return i, err
}

// attempts bounds how often a device is looked for while other programs take the
// free ones.
const attempts = 100

// attach makes a file a block device that ends with the last use of it.
func (s *Store) attach(file *os.File) (*os.File, error) {
	s.attaching.Lock()
	defer s.attaching.Unlock()
	config := unix.LoopConfig{Fd: uint32(file.Fd()), Size: blockSize, Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
	var err error
	for range attempts {
		var device *os.File
		if device, err = s.free(); err != nil {
			break
		}
		if err = unix.IoctlLoopConfigure(int(device.Fd()), &config); err == nil {
			return device, nil
		}
		_ = device.Close()
		if !errors.Is(err, unix.EBUSY) {
			break
		}
	}
	return nil, pinfold.Errorf(pinfold.Unavailable, "finding a free loop device for a temporary folder: %w; losetup -a shows who uses them", err)
}

// free opens a loop device that nobody uses; the kernel makes more as needed.
func (s *Store) free() (*os.File, error) {
	number, err := unix.IoctlRetInt(int(s.control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, err
	}
	return os.OpenFile("/dev/loop"+strconv.Itoa(number), os.O_RDWR, 0)
}

// options of ext4 for content that need not outlive anything: nothing waits for
// the disk, nothing is prepared in the background, and what is deleted gives its
// room on the disk back.
var options = []string{"nobarrier", "noauto_da_alloc", "noinit_itable", "discard"}

// mount mounts a device, attached to no folder, as an empty folder for everybody.
func mount(device string) (fd int, err error) {
	context, err := unix.Fsopen("ext4", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(context)
	if err := unix.FsconfigSetString(context, "source", device); err != nil {
		return -1, err
	}
	for _, option := range options {
		if err := unix.FsconfigSetFlag(context, option); err != nil {
			return -1, err
		}
	}
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, err
	}
	fd, err = unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOATIME)
	if err != nil {
		return -1, err
	}
	err = unix.Unlinkat(fd, "lost+found", unix.AT_REMOVEDIR)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = unix.Fchmodat(fd, ".", unix.S_ISVTX|0o777, 0)
	}
	if err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}
