// Package scratch makes the temporary folders of sandboxes: file systems of a
// bounded size whose content is on disk, and so does not count as the function's
// memory, and of which nothing stays. It belongs to the keeper.
//
// Each is an ext4 file system on a loop device, in a sparse file that has no name
// in any folder: it ends with the loop device, which ends with the last mount of
// it, however the processes that use it end. It needs root and Linux 5.8.
package scratch
