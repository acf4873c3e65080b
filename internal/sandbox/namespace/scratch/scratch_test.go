//go:build linux

package scratch

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

// holdVariable makes the test's program mount folders below the folder it names,
// and hold them until it is killed.
const holdVariable = "PINFOLD_SCRATCH_TEST"

func TestMain(m *testing.M) {
	if dir := os.Getenv(holdVariable); dir != "" {
		fmt.Println(hold(dir))
		select {}
	}
	os.Exit(m.Run())
}

func hold(dir string) string {
	s, err := Open(dir)
	if err != nil {
		return err.Error()
	}
	for range 3 {
		fd, err := s.Mount(16)
		if err == nil {
			err = write(fd, "data", 1)
		}
		if err != nil {
			return err.Error()
		}
	}
	return "held"
}

// open returns a store in a folder of the test, and that folder.
func open(t testing.TB) (*Store, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loop devices need root")
	}
	dir := t.TempDir()
	s, err := Open(dir)
	if err != nil {
		t.Skip("this machine cannot have temporary folders on disk: ", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		nothingLeft(t, dir)
	})
	return s, dir
}

func mustMount(t testing.TB, s *Store, sizeMB int) int {
	t.Helper()
	fd, err := s.Mount(sizeMB)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// write writes megabytes into a file at once, and to the device.
func write(dir int, name string, megabytes int) error {
	fd, err := unix.Openat(dir, name, unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(i%251) + 1 // no empty blocks
	}
	for range megabytes {
		if _, err := f.Write(data); err != nil {
			return err
		}
	}
	return f.Sync()
}

// attached returns the loop devices whose files are in dir, or were.
func attached(t testing.TB, dir string) []string {
	t.Helper()
	names, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range names {
		if file, err := os.ReadFile(name); err == nil && strings.HasPrefix(string(file), dir+"/") {
			found = append(found, name)
		}
	}
	return found
}

// nothingLeft fails a test if something stays of the folders in dir. The kernel
// may take a moment to take down what a killed process had.
func nothingLeft(t testing.TB, dir string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for len(attached(t, dir)) > 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("loop devices stay: %v", attached(t, dir))
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) > 0 {
		t.Errorf("in the store's folder there is still %v (%v)", files, err)
	}
}

func TestFolder(t *testing.T) {
	s, _ := open(t)
	for _, sizeMB := range []int{1, 512, 513, 2048, 10240} {
		t.Run(fmt.Sprint(sizeMB), func(t *testing.T) {
			fd := mustMount(t, s, sizeMB)
			var st unix.Statfs_t
			if err := unix.Fstatfs(fd, &st); err != nil {
				t.Fatal(err)
			}
			if got, want := int64(st.Bavail)*st.Bsize, int64(sizeMB)<<20; got < want || got > want+want/50+(2<<20) {
				t.Errorf("%d bytes are available of %d", got, want)
			}
			if got := int(st.Ffree); got < sizeMB*64 || got > sizeMB*80+128 {
				t.Errorf("%d files can be made", got)
			}
			if want := int64(unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOATIME); int64(st.Flags)&want != want {
				t.Errorf("mounted with flags %#x", st.Flags)
			}
			var stat unix.Stat_t
			if err := unix.Fstat(fd, &stat); err != nil || stat.Mode != unix.S_IFDIR|unix.S_ISVTX|0o777 {
				t.Errorf("mode %#o, %v", stat.Mode, err)
			}
			dir, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			f := os.NewFile(uintptr(dir), ".")
			defer f.Close()
			if names, err := f.Readdirnames(-1); err != nil || len(names) > 0 {
				t.Errorf("not empty: %v, %v", names, err)
			}
		})
	}
}

// A file system can be mounted under several paths, also by its device's number:
// two folders must not be one.
func TestFoldersAreApart(t *testing.T) {
	s, _ := open(t)
	one, other := mustMount(t, s, 16), mustMount(t, s, 16)
	if err := write(one, "secret", 1); err != nil {
		t.Fatal(err)
	}
	if err := unix.Faccessat(other, "secret", unix.F_OK, 0); !errors.Is(err, unix.ENOENT) {
		t.Errorf("a file of one folder in the other: %v", err)
	}
}

func TestSizeIsHeld(t *testing.T) {
	s, _ := open(t)
	fd := mustMount(t, s, 16)
	if err := write(fd, "fits", 16); err != nil {
		t.Errorf("16 MB do not fit into 16 MB: %v", err)
	}
	if err := write(fd, "more", 16); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("writing more gives %v", err)
	}
	if err := unix.Unlinkat(fd, "fits", 0); err != nil {
		t.Fatal(err)
	}
	if err := write(fd, "again", 15); err != nil {
		t.Errorf("after a deletion: %v", err)
	}
}

func TestInodesEnd(t *testing.T) {
	s, _ := open(t)
	fd := mustMount(t, s, 8)
	for n := range 10_000 {
		f, err := unix.Openat(fd, fmt.Sprint(n), unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
		if errors.Is(err, unix.ENOSPC) {
			if n < 8*64 {
				t.Errorf("ended at %d", n)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(f)
	}
	t.Error("there is no end")
}

func TestDeletionGivesRoomBack(t *testing.T) {
	s, dir := open(t)
	i, err := s.image(16)
	if err != nil {
		t.Fatal(err)
	}
	file, err := i.create(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, i.size-blockSize, blockSize) != nil {
		t.Skip("the file system of ", dir, " cannot punch holes into files")
	}
	device, err := s.attach(file)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	fd, err := mount(device.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	megabytes := func() int64 {
		sync, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(sync)
		var stat unix.Stat_t
		if err := errors.Join(unix.Syncfs(sync), file.Sync(), unix.Fstat(int(file.Fd()), &stat)); err != nil {
			t.Fatal(err)
		}
		return stat.Blocks * 512 >> 20
	}
	if got := megabytes(); got > 0 {
		t.Errorf("empty it takes %d MB", got)
	}
	if err := write(fd, "data", 12); err != nil {
		t.Fatal(err)
	}
	if got := megabytes(); got < 12 {
		t.Errorf("with 12 MB in it it takes %d MB", got)
	}
	if err := unix.Unlinkat(fd, "data", 0); err != nil {
		t.Fatal(err)
	}
	if got := megabytes(); got > 1 {
		t.Errorf("after the deletion it takes %d MB", got)
	}
}

// Two stores take free devices from each other, as other programs do.
func TestMany(t *testing.T) {
	one, _ := open(t)
	other, _ := open(t)
	var all sync.WaitGroup
	for n := range 16 {
		for _, s := range []*Store{one, other} {
			all.Go(func() {
				fd, err := s.Mount(16 + n%2)
				if err != nil {
					t.Error(err)
					return
				}
				if err := write(fd, "data", 1); err != nil {
					t.Error(err)
				}
				unix.Close(fd)
			})
		}
	}
	all.Wait()
}

func TestKilled(t *testing.T) {
	_, dir := open(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{holdVariable + "=" + dir}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "held\n" || len(attached(t, dir)) != 3 {
		t.Errorf("the child says %q and has %v", line, attached(t, dir))
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	nothingLeft(t, dir)
}

func TestFullDisk(t *testing.T) {
	open(t)
	for _, size := range []string{"4k", "40k"} { // too little for mkfs, or for a second one
		context, err := unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(context)
		if err := errors.Join(unix.FsconfigSetString(context, "size", size), unix.FsconfigCreate(context)); err != nil {
			t.Fatal(err)
		}
		disk, err := unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(disk)
		_, err = Open(fmt.Sprintf("/proc/self/fd/%d", disk))
		if pinfold.CodeOf(err) != pinfold.Unavailable {
			t.Errorf("on a disk of %s: %v", size, err)
		}
		t.Log(err)
	}
}

func TestBadInput(t *testing.T) {
	s, dir := open(t)
	for _, sizeMB := range []int{0, -1} {
		if _, err := s.Mount(sizeMB); pinfold.CodeOf(err) != pinfold.Invalid {
			t.Errorf("%d MB: %v", sizeMB, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "missing")); pinfold.CodeOf(err) != pinfold.Unavailable {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestOrdinaryUser(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("needs an ordinary user")
	}
	if _, err := Open(t.TempDir()); pinfold.CodeOf(err) != pinfold.Unavailable || !strings.Contains(err.Error(), "root") {
		t.Errorf("without root: %v", err)
	}
}

func BenchmarkMount(b *testing.B) {
	s, _ := open(b)
	for b.Loop() {
		fd, err := s.Mount(usual)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		unix.Close(fd)
		b.StartTimer()
	}
}
