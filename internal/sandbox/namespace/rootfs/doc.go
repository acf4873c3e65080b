// Package rootfs makes the read-only root of sandboxes from what the host has:
// its interpreters, libraries, certificates and zone data, and nothing that
// could be somebody's secret. [Plan] decides what a sandbox sees, and only reads;
// [Root.Build] mounts it, in the mount namespace of one thread. It belongs to the
// keeper, which keeps one built root for each set of folders and clones
// sandboxes from it.
//
// It needs Linux 5.12, the first kernel with mount_setattr(2).
package rootfs
