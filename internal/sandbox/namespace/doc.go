// Package namespace is the sandbox driver with walls, made of what the Linux
// kernel has: user, mount, pid, network, ipc, uts and cgroup namespaces, cgroups
// for limits, and a system call filter. What each wall holds, and what none
// does, is in docs/isolation.md.
//
// Three kinds of processes take part. The platform starts one keeper, this very
// program under another name, which has a mount namespace (and, if the platform
// is an ordinary user's, a user namespace) in which it may mount. For each
// sandbox the keeper forks an init, which is process 1 in there and starts the
// runtime. The platform speaks to the keeper and to each init; its
// end is theirs.
package namespace
