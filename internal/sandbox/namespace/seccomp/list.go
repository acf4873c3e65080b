package seccomp

import "math"

// answer is what a system call gets. Every call of the kernel's tables has one
// here; a call that is newer than the tables is absent.
type answer int

const (
	absent answer = iota // ENOSYS: as if the kernel did not have it, so that libraries fall back
	denied               // EPERM: the error tells that this check answered
	allowed
	skipped // 0: as if it had been done, where what the caller is after holds already
)

// group is a set of system calls that get the same answer for the same reason.
// A name that an architecture does not have is left out there.
type group struct {
	answer answer
	calls  string // names, separated by spaces
	why    string
}

var groups = []group{
	{allowed, `
		read write open openat openat2 close close_range creat lseek pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2
		dup dup2 dup3 fcntl flock pipe pipe2 ioctl
		stat fstat lstat newfstatat fstatat statx access faccessat faccessat2 statfs fstatfs getdents getdents64 getcwd chdir fchdir
		rename renameat renameat2 mkdir mkdirat rmdir link linkat unlink unlinkat symlink symlinkat readlink readlinkat mknod mknodat
		chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat umask utime utimes futimesat utimensat
		truncate ftruncate fallocate fsync fdatasync sync_file_range readahead fadvise64 sendfile splice tee copy_file_range
		setxattr lsetxattr fsetxattr setxattrat getxattr lgetxattr fgetxattr getxattrat
		listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat`,
		"files and paths: what can be reached is the mount namespace's business, what may be written is up to owners and read-only mounts"},
	{allowed, `
		brk mmap munmap mremap mprotect madvise msync mincore mlock mlock2 mlockall munlock munlockall mseal
		pkey_alloc pkey_free pkey_mprotect membarrier map_shadow_stack get_mempolicy set_mempolicy mbind`,
		"memory of the caller's own, JIT compilers included; memory policies only place it, and numpy's and the JVM's libraries ask for them"},
	{allowed, `
		clone fork vfork execve execveat exit exit_group wait4 waitid pidfd_open pidfd_send_signal
		set_tid_address gettid getpid getppid getpgid getpgrp setpgid getsid setsid arch_prctl prctl personality
		futex futex_waitv futex_wait futex_wake futex_requeue set_robust_list rseq uretprobe`,
		"processes and threads, inside the pid namespace; uretprobe is called by the kernel's own trampoline where the machine's owner traces a program"},
	{allowed, `
		getuid geteuid getgid getegid getgroups getresuid getresgid setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups
		capget capset seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self`,
		"identity and giving up rights: tar and package managers call setuid's family, and the user namespace has one uid and no capability to change to; the rest can only restrict"},
	{allowed, `
		kill tkill tgkill rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigqueueinfo rt_tgsigqueueinfo
		rt_sigreturn restart_syscall sigaltstack pause signalfd signalfd4`,
		"signals: the pid namespace holds nobody else to send one to"},
	{allowed, `
		time gettimeofday clock_gettime clock_getres nanosleep clock_nanosleep times alarm getitimer setitimer
		timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime`,
		"reading the time and waiting for it; the kernel bounds timers with the signal queue"},
	{allowed, `
		socket socketpair bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt shutdown
		sendto recvfrom sendmsg recvmsg sendmmsg recvmmsg`,
		"sockets of the kinds below: what they reach is the network namespace's business"},
	{allowed, `
		poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2
		inotify_init inotify_init1 inotify_add_watch inotify_rm_watch memfd_create`,
		"waiting for files, and files that live in memory; watches are counted by uid, memory by the control group"},
	{allowed, `
		shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl
		mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr`,
		"System V and POSIX objects, in an ipc namespace of the sandbox's own"},
	{allowed, `
		sched_yield sched_getaffinity sched_setaffinity sched_getparam sched_setparam sched_getscheduler sched_setscheduler
		sched_getattr sched_setattr sched_get_priority_max sched_get_priority_min sched_rr_get_interval
		getpriority setpriority ioprio_get ioprio_set getcpu`,
		"scheduling within the sandbox's share: without capabilities it only goes down"},
	{allowed, `getrlimit setrlimit prlimit64 getrusage sysinfo uname getrandom`,
		"limits, which only go down, figures of the machine that /proc shows too, and random numbers"},

	{denied, `
		mount umount2 pivot_root chroot open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick mount_setattr
		unshare setns`,
		"the walls: mounts, roots and namespaces; also the way to kernel code that only root was meant to reach"},
	{denied, `open_by_handle_at name_to_handle_at fanotify_init fanotify_mark quotactl quotactl_fd swapon swapoff acct`,
		"file systems as a whole, past the paths of the mount namespace"},
	{denied, `sync syncfs`,
		"they write back file systems that others live on, and make them wait; sync has no error to give, fsync is allowed"},
	{denied, `ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd get_robust_list move_pages migrate_pages`,
		"other processes' memory and files: within a sandbox too, since the init that guards it lives there"},
	{denied, `add_key request_key keyctl`,
		"keyrings: not a namespace of their own, and a long history of holes"},
	{denied, `bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register`,
		"large interfaces of the kernel that exploits are made with; io_uring would also go around this filter"},
	{denied, `kexec_load kexec_file_load init_module finit_module delete_module reboot syslog iopl ioperm modify_ldt lookup_dcookie vhangup`,
		"the machine itself"},
	{denied, `settimeofday clock_settime adjtimex clock_adjtime sethostname setdomainname`,
		"the machine's time and names"},

	{absent, `clone3`,
		"its flags are in memory, where a filter cannot see them; libraries fall back to clone"},
	{absent, `io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents`,
		"kernel aio: its contexts are counted for the whole machine (fs.aio-max-nr), so one sandbox could use up everyone's"},
	{absent, `
		process_madvise process_mrelease set_mempolicy_home_node memfd_secret cachestat vmsplice remap_file_pages
		statmount listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules`,
		"nothing that functions use needs them yet"},
	{absent, `
		_sysctl afs_syscall arch_specific_syscall create_module epoll_ctl_old epoll_wait_old get_kernel_syms get_thread_area getpmsg
		nfsservctl putpmsg query_module security set_thread_area sysfs tuxcall uselib ustat vserver
		clock_adjtime64 clock_getres_time64 clock_gettime64 clock_nanosleep_time64 clock_settime64 futex_time64 io_pgetevents_time64
		mq_timedreceive_time64 mq_timedsend_time64 ppoll_time64 pselect6_time64 recvmmsg_time64 rt_sigtimedwait_time64
		sched_rr_get_interval_time64 semtimedop_time64 timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64`,
		"numbers of the tables that 64-bit kernels have no code for, or that only history used"},
}

// rule narrows an allowed system call: it passes if all tests of one of the
// alternatives hold, and gets another answer otherwise.
type rule struct {
	call      string
	any       []alternative
	otherwise answer
	why       string
}

type alternative []test

// test looks at the lower half of an argument: the calls with rules take 32-bit
// values, of which the kernel ignores the upper half, so that a test of all 64
// bits could be passed by setting one there.
type test struct {
	arg  uint32 // from 0; with upperHalf, of a pointer, that half of it
	mask uint32 // the bits that count
	is   bool   // whether the value must be one of values, or none of them
	in   []uint32
}

// Values of Linux's user space headers, the same on amd64 and arm64. They are
// here since a list that compiles on every system cannot take them from there.
const (
	every     = math.MaxUint32
	upperHalf = 8

	cloneNamespaces = 0x7e020000 // CLONE_NEWNS|NEWCGROUP|NEWUTS|NEWIPC|NEWUSER|NEWPID|NEWNET; clone knows no NEWTIME

	afUnix, afInet, afInet6, afNetlink = 1, 2, 10, 16
	sockStream, sockDgram, sockRaw     = 1, 2, 3
	sockSeqpacket, sockTypes           = 5, 0xf
	ipprotoTCP, ipprotoUDP             = 6, 17
	solTCP, tcpULP                     = 6, 31
	rlimitCore                         = 4

	fileType, regular, fifo, unixSocket = 0o170000, 0o100000, 0o010000, 0o140000
)

const noDumps = "the limit of core dumps stays 1 byte, which the kernel takes for none: with 0 the host's own collector would get them through its pipe. GnuPG and ssh-agent set 0 and end where that fails"

var rules = []rule{
	{"clone", []alternative{{{0, cloneNamespaces, true, []uint32{0}}}}, denied,
		"a new user namespace has all capabilities, and with them the kernel code that they open"},
	{"socket", []alternative{
		{{0, every, true, []uint32{afUnix}}, {1, sockTypes, true, []uint32{sockStream, sockDgram, sockSeqpacket}}},
		{{0, every, true, []uint32{afInet, afInet6}}, {1, sockTypes, true, []uint32{sockStream, sockDgram}}, {2, every, true, []uint32{0, ipprotoTCP, ipprotoUDP}}},
		{{0, every, true, []uint32{afNetlink}}, {1, sockTypes, true, []uint32{sockRaw, sockDgram}}, {2, every, true, []uint32{0}}},
	}, denied, "TCP, UDP, unix sockets, and NETLINK_ROUTE, with which libraries list interfaces. No raw and packet sockets, no vsock (a hypervisor's way around the network namespace), and no protocols that make the kernel load modules"},
	{"socketpair", []alternative{{{0, every, true, []uint32{afUnix}}, {1, sockTypes, true, []uint32{sockStream, sockDgram, sockSeqpacket}}}}, denied,
		"as socket; only unix sockets come in pairs"},
	{"setsockopt", []alternative{{{1, every, false, []uint32{solTCP}}}, {{2, every, false, []uint32{tcpULP}}}}, denied,
		"no protocols on top of TCP in the kernel (TCP_ULP): it makes the kernel load modules, and TLS in the kernel has had many holes. Libraries do without"},
	{"mknod", []alternative{{{1, fileType, true, []uint32{0, regular, fifo, unixSocket}}}}, denied, "no device nodes"},
	{"mknodat", []alternative{{{2, fileType, true, []uint32{0, regular, fifo, unixSocket}}}}, denied, "no device nodes"},
	{"ioctl", []alternative{{{1, every, false, []uint32{
		0x5412, // TIOCSTI types into the terminal of whoever shares it
		0x541c, // TIOCLINUX does so by selection
		0x541d, // TIOCCONS takes the console's output
		0x5423, // TIOCSETD loads line disciplines, kernel modules of little care
	}}}}, denied, "devices are few in a sandbox, and a terminal may have been inherited"},
	{"setrlimit", []alternative{{{0, every, false, []uint32{rlimitCore}}}}, skipped, noDumps},
	{"prlimit64", []alternative{
		{{1, every, false, []uint32{rlimitCore}}},
		{{2, every, true, []uint32{0}}, {2 | upperHalf, every, true, []uint32{0}}}, // a question
	}, skipped, noDumps},
	{"personality", []alternative{{{0, every, true, []uint32{0, every}}}}, denied,
		"the usual one, and asking which; others switch off protections of memory and addresses"},
	{"prctl", []alternative{{{0, every, true, []uint32{
		1, 2, // PR_SET_PDEATHSIG, GET
		3, 4, // PR_GET_DUMPABLE, SET
		7, 8, // PR_GET_KEEPCAPS, SET
		15, 16, // PR_SET_NAME, GET
		21, 22, // PR_GET_SECCOMP, SET
		23, 24, // PR_CAPBSET_READ, DROP
		25, 26, // PR_GET_TSC, SET
		27,     // PR_GET_SECUREBITS
		29, 30, // PR_SET_TIMERSLACK, GET
		36, 37, // PR_SET_CHILD_SUBREAPER, GET
		38, 39, // PR_SET_NO_NEW_PRIVS, GET
		40,     // PR_GET_TID_ADDRESS
		41, 42, // PR_SET_THP_DISABLE, GET
		47,     // PR_CAP_AMBIENT
		50, 51, // PR_SVE_SET_VL, GET
		52,     // PR_GET_SPECULATION_CTRL
		54,     // PR_PAC_RESET_KEYS
		55, 56, // PR_SET_TAGGED_ADDR_CTRL, GET
		60, 61, // PR_PAC_SET_ENABLED_KEYS, GET
		63, 64, // PR_SME_SET_VL, GET
		65, 66, // PR_SET_MDWE, GET
		0x41555856, // PR_GET_AUXV
		0x53564d41, // PR_SET_VMA names memory
		0x59616d61, // PR_SET_PTRACER, of crash reporters
	}}}}, denied, "about the caller itself. Not: speculation control, core scheduling, same-page merging, the memory map's own fields"},
}
