// Package cgroup holds sandboxes to their limits with the kernel's control
// groups: version 2, version 1, and mixtures of both. It is the part of the
// namespace driver that runs in the platform's own process, as root or not.
//
// A [Tree] is the platform's place in each mounted hierarchy that it needs,
// a [Group] a sandbox's folder in each of them. What a machine lacks is not an
// error as long as something is left: [Tree.Can] says what holds, and what to
// do about the rest. Where version 2 is mounted without controllers beside
// version 1, it still freezes, kills and counts processor time, better than
// version 1 does.
//
// Source of what files mean and when the kernel refuses:
// Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ in the kernel. Why
// this is no library: docs/adr/0007-who-writes-the-cgroups.md.
package cgroup
