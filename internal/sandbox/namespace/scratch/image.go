//go:build linux

package scratch

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"pinfold.dev/pinfold"
)

const blockSize = 4096

// image is an empty file system: what mkfs.ext4 writes is little and far
// between, so it is kept in memory.
type image struct {
	size   int64
	blocks []block
}

type block struct {
	offset int64
	data   []byte
}

// findMkfs looks for mkfs.ext4 where it is, even if PATH is an ordinary user's.
func findMkfs() (string, error) {
	for _, name := range []string{"mkfs.ext4", "/usr/sbin/mkfs.ext4", "/sbin/mkfs.ext4"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", pinfold.Errorf(pinfold.Unavailable, "temporary folders on disk need mkfs.ext4, which is not installed: install e2fsprogs")
}

// fileSize is how large a file is that holds sizeMB usable megabytes: inodes take
// 256 bytes for each 16 KB (1/64), the kernel keeps 2 %, 16 MB at most, for
// itself, and a little is for bitmaps and descriptors of block groups.
func fileSize(sizeMB int) int64 {
	size := int64(sizeMB) << 20
	return (size + size/60 + min(size/48, 16<<20) + 2<<20) &^ (blockSize - 1)
}

// newImage makes an empty file system for sizeMB usable megabytes.
func newImage(mkfs, dir string, sizeMB int) (*image, error) {
	i := &image{size: fileSize(sizeMB)}
	file, err := i.create(dir)
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "making a file for temporary folders in %s: %w; see that the disk has room, and is a local one", dir, err)
	}
	defer file.Close()
	cmd := exec.Command(mkfs, "-q", "-F",
		// No journal: there is no later. Nothing kept for root. 64 inodes for each
		// megabyte, which is what ext4 has by default. Inode tables are holes of a new
		// file, so nothing needs to be written for them.
		"-O", "none,extent,filetype,sparse_super2,large_file,huge_file,flex_bg,dir_index,extra_isize,metadata_csum",
		"-E", "lazy_itable_init=1,nodiscard,packed_meta_blocks=1,num_backup_sb=0",
		"-b", strconv.Itoa(blockSize), "-I", "256", "-i", "16384", "-m", "0", "/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{file}
	cmd.Env = []string{"MKE2FS_CONFIG=/dev/null"} // what this machine's file systems are like is not asked
	if out, err := cmd.CombinedOutput(); err != nil {
		why := strings.TrimSpace(string(out)) // a warning that there is no configuration, and then the reason
		why = why[strings.LastIndexByte(why, '\n')+1:]
		return nil, pinfold.Errorf(pinfold.Unavailable, "making a file system for temporary folders of %d MB in %s: %w: %s", sizeMB, dir, err, why)
	}
	if err := i.read(file); err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "reading a new file system for temporary folders: %w", err)
	}
	return i, nil
}

// read takes the blocks of a file into the image that are not empty.
func (i *image) read(file *os.File) error {
	empty := make([]byte, blockSize)
	for offset := int64(0); ; {
		start, err := file.Seek(offset, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		end, err := file.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		for offset = start; offset < end; offset += blockSize {
			data := make([]byte, blockSize)
			if _, err := file.ReadAt(data, offset); err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			if !bytes.Equal(data, empty) {
				i.add(offset, data)
			}
		}
	}
}

// add adds a block, to the one before if it follows that.
func (i *image) add(offset int64, data []byte) {
	if n := len(i.blocks); n > 0 {
		last := &i.blocks[n-1]
		if last.offset+int64(len(last.data)) == offset {
			last.data = append(last.data, data...)
			return
		}
	}
	i.blocks = append(i.blocks, block{offset, data})
}

// create makes a file of the image that has no name and takes as little room as
// possible.
func (i *image) create(dir string) (*os.File, error) {
	file, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = file.Truncate(i.size)
	for _, b := range i.blocks {
		if err == nil {
			_, err = file.WriteAt(b.data, b.offset)
		}
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
