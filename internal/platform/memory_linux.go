package platform

import "golang.org/x/sys/unix"

// machineMB returns the memory of this machine in MB, or 0 if it does not tell.
func machineMB() int {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int(uint64(info.Totalram) * uint64(info.Unit) >> 20)
}
