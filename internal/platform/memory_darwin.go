package platform

import "golang.org/x/sys/unix"

// machineMB returns the memory of this machine in MB, or 0 if it does not tell.
func machineMB() int {
	size, _ := unix.SysctlUint64("hw.memsize")
	return int(size >> 20)
}
