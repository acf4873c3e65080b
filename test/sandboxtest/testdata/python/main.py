"""A hostile function in Python. It does what the event names, and answers with
what came of each of its tries: the name of an error, or "got it"."""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import resource
import signal
import socket
import stat
import struct
import sys
import tempfile
import threading
import time

GOT = "got it"
libc = ctypes.CDLL(None, use_errno=True)


def attempt(fn):
    """Calls fn and says what came of it."""
    try:
        return fn() or GOT
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))


def in_child(fn):
    """Calls fn in a child with a single thread, since some calls are refused to
    others, and says what came of it."""
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(w, attempt(fn).encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r) as said:
        text = said.read()
    _, status = os.waitpid(child, 0)
    return "signal-%d" % os.WTERMSIG(status) if os.WIFSIGNALED(status) else text


def call(number, *args):
    """Makes a system call, or raises its error."""
    got = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    if got < 0:
        raise OSError(ctypes.get_errno(), "system call %d" % number)
    return got


def secrets(e):
    """The secrets to look for come reversed, so that the event holds none."""
    return [s[::-1].encode() for s in e["secrets"]]


def hunt(e):
    """Reads every file that can be read, in search of secrets."""
    tries, wanted = {}, secrets(e)
    skip = ("/proc", "/sys", "/usr", sys.prefix, sys.base_prefix)
    for folder, folders, files in os.walk("/"):
        folders[:] = [f for f in folders if not os.path.join(folder, f).startswith(skip) and not os.path.islink(os.path.join(folder, f))]
        for name in files:
            path = os.path.join(folder, name)
            try:
                if not stat.S_ISREG(os.lstat(path).st_mode):
                    continue
                with open(path, "rb") as f:
                    content = f.read(1 << 22)
            except OSError:
                continue
            if any(s in content for s in wanted):
                tries[path] = GOT
    tries["all others"] = "none"
    return tries


def processes(e):
    """Lists the processes that can be seen: no more than itself and process 1."""
    more = set(int(p) for p in os.listdir("/proc") if p.isdigit()) - {1, os.getpid()}
    own = [p for p in more if parent(p) == os.getpid()]
    return {"processes": "none" if more <= set(own) else GOT + ": %s" % sorted(more)[:20]}


def parent(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return int(f.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def environments(e):
    """Reads environments and memory of every process in /proc."""
    tries, wanted = {}, secrets(e)
    for pid in sorted(int(p) for p in os.listdir("/proc") if p.isdigit()):
        if pid == os.getpid():
            continue
        for what in ("environ", "cmdline", "maps"):
            try:
                with open("/proc/%d/%s" % (pid, what), "rb") as f:
                    found = any(s in f.read(1 << 20) for s in wanted)
                if found or what != "cmdline" and pid == 1:
                    tries["%s of %d" % (what, pid)] = GOT
            except OSError as error:
                if pid == 1:
                    tries["%s of 1" % what] = errno.errorcode[error.errno]
    tries["all others"] = "none"
    return tries


def process_one(e):
    """Goes by process 1, which is part of the walls, to what it sees."""
    return {p: attempt(lambda: os.close(os.open("/proc/1/" + p, os.O_RDONLY)))
            for p in ("root", "cwd", "fd", "fd/3", "mem", "exe", "map_files", "ns/mnt", "task/1/root", "environ", "auxv", "maps", "smaps", "pagemap",
                      "syscall", "io", "task/1/mem", "task/1/environ")}


def process_one_dies(e):
    """Sends process 1 every signal that there is, many times, leaves it no
    processor time, files or memory, and looks whether it still does its work."""
    for number in signal.valid_signals() - {signal.SIGCHLD}:
        for _ in range(20):
            os.kill(1, number)
    for _ in range(2000):
        os.kill(1, signal.SIGCHLD)
    limits = (resource.RLIMIT_NOFILE, resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_STACK)
    tries = {"limit %d" % limit: attempt(lambda: resource.prlimit(1, limit, (0, 0)) and "survived") for limit in limits}
    tries["priority"] = attempt(lambda: os.setpriority(os.PRIO_PROCESS, 1, 19) or "survived")
    tries["class"] = attempt(lambda: os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0)) or "survived")
    for _ in range(50):
        child = os.fork()
        if child == 0:
            os.fork()
            os._exit(0)
        os.waitpid(child, 0)
    tries["orphans"] = orphans("survived")
    return tries


def descriptors(e):
    """Looks for what was inherited by mistake: folders, files and devices of the
    host, through which there is a way out."""
    tries = {}
    for fd in sorted(int(n) for n in os.listdir("/proc/self/fd")):
        try:
            mode, target = os.fstat(fd).st_mode, os.readlink("/proc/self/fd/%d" % fd)
        except OSError:
            continue  # of the listing itself
        own = target.startswith(("pipe:", "socket:", "anon_inode:", "/dev/null", "/dev/urandom", "/proc/"))
        tries["descriptor %d" % fd] = "own" if own and not stat.S_ISBLK(mode) else GOT + ": " + target
        if stat.S_ISDIR(mode) and not target.startswith("/proc/"):
            tries["up from descriptor %d" % fd] = attempt(lambda: os.close(os.open("../../..", os.O_RDONLY, dir_fd=fd)))
    return tries


NEWUSER, NEWNS, NEWNET, NEWPID, NEWCGROUP = 0x10000000, 0x20000, 0x40000000, 0x20000000, 0x2000000
ARM = platform.machine() == "aarch64"
SYS_CLONE, SYS_CLONE3 = (220, 435) if ARM else (56, 435)


def unshare(e):
    """Makes new namespaces, in a single-threaded child each."""
    def clone(number, *args):
        if call(number, *args) == 0:
            os._exit(0)
    def clone3():
        args = ctypes.create_string_buffer(struct.pack("<8Q", NEWUSER, 0, 0, 0, 17, 0, 0, 0))
        clone(SYS_CLONE3, args, len(args.raw) - 1)
    def one(flags):
        if libc.unshare(flags) < 0:
            raise OSError(ctypes.get_errno(), "unshare")
    tries = {"unshare: " + name: in_child(lambda: one(flags)) for name, flags in {
        "user": NEWUSER, "user and mount": NEWUSER | NEWNS, "mount": NEWNS, "net": NEWNET, "pid": NEWPID, "cgroup": NEWCGROUP}.items()}
    tries["clone"] = in_child(lambda: clone(SYS_CLONE, NEWUSER | 17, 0, 0, 0, 0))
    tries["clone3"] = in_child(clone3)
    return tries


def other_convention(e):
    """Makes system calls as 32-bit programs do, by int 0x80, which have other
    numbers: 310 is unshare there, and 88 reboot with wrong magic numbers."""
    if platform.machine() != "x86_64":
        return {"int 0x80": "ENOSYS"}
    def run(number, first):
        # push rbx; mov eax, number; mov ebx, first; xor ecx, ecx; xor edx, edx; int 0x80; pop rbx; ret
        code = b"\x53\xb8" + struct.pack("<I", number) + b"\xbb" + struct.pack("<I", first) + b"\x31\xc9\x31\xd2\xcd\x80\x5b\xc3"
        memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        memory.write(code)
        fn = ctypes.CFUNCTYPE(ctypes.c_int32)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
        result = fn()
        if result < 0:
            raise OSError(-result, "int 0x80")
    return {"unshare": in_child(lambda: run(310, NEWUSER)), "reboot": in_child(lambda: run(88, 1))}


def terminal(e):
    """Types into a terminal that others share."""
    TIOCSTI, TIOCLINUX = 0x5412, 0x541C
    tries = {p: attempt(lambda: os.close(os.open(p, os.O_RDWR | os.O_NOCTTY))) for p in ("/dev/tty", "/dev/ptmx", "/dev/pts/ptmx", "/dev/pts/0", "/dev/console")}
    for fd in (0, 1, 2):
        for name, request in (("TIOCSTI", TIOCSTI), ("TIOCLINUX", TIOCLINUX)):
            tries["%s on %d" % (name, fd)] = attempt(lambda: fcntl.ioctl(fd, request, b"x") and None)
    return tries


def frames(e):
    """Answers invocations that are not its own: whatever ids there may be."""
    say(*(frame(RESPONSE, i, b'"spoofed"') for i in [0, 0xFFFFFFFF] + list(range(1000, 3000))))
    return {"spoofed": "sent"}


def frames_ahead(e):
    """Answers what may have been sent ahead, before it is its turn."""
    for _ in range(20):
        say(*(frame(kind, own() + i, b'"spoofed"') for i in range(1, 5) for kind in (STREAM, CHUNK, END, RESPONSE, ERROR)))
        time.sleep(0.01)
    return {"spoofed": "sent"}


HELLO, INIT, READY, INIT_ERROR, INVOKE, RESPONSE, ERROR, FATAL, STREAM, CHUNK, END, LOG, CREDIT, CACHE = range(1, 15)


def own():
    """The number of the invocation under way."""
    return sys.modules["pinfold_bootstrap.invocation"].running.number


def frame(kind, number, payload=b"", size=None):
    return struct.pack(">IIB", len(payload) if size is None else size, number, kind) + payload


def say(*frames):
    """Sends the platform frames."""
    data = memoryview(b"".join(frames))
    while data:
        data = data[os.write(4, data):]


def until_ended():
    while True:
        say(frame(LOG, 0, b"still here"))
        time.sleep(0.01)


def orders(e):
    """Says what only the platform may say."""
    say(frame(INVOKE, own() + 1, b"\0\0\0\0{}"), frame(CREDIT, own(), b"\xff\xff\xff\xff"), frame(INIT, 0, b"{}"))
    until_ended()


def hello_again(e):
    """Says again and again that it has begun."""
    while True:
        say(frame(HELLO, 0, b"x" * 65536), frame(READY, 0), frame(INIT_ERROR, 0, b'{"errorType":"' + b"x" * 5000000 + b'"}'))


def chunks_of_nothing(e):
    """Sends a part of an answer that is no stream."""
    say(frame(CHUNK, own(), b"x" * 65536))
    until_ended()


def chunks_too_large(e):
    say(frame(STREAM, own()), frame(CHUNK, own(), b"x" * 5000000))
    until_ended()


def empty_chunks(e):
    """Streams parts with nothing in them, without end."""
    say(frame(STREAM, own()))
    while True:
        say(frame(CHUNK, own()) * 5000)


def chunks_after_end(e):
    """Streams on when its answer is over."""
    number = own()
    say(frame(STREAM, number), frame(CHUNK, number, b'{"parts": "sent"}'), frame(END, number))
    while True:
        say(frame(CHUNK, number, b"x" * 1000) * 50)


def flood_stream(e):
    """Streams on although nothing of it is passed on."""
    say(frame(STREAM, own(), b"text/plain"))
    while True:
        say(frame(CHUNK, own(), b"x" * 65536))


def crumbs(e):
    """Streams a million single bytes, which may be on their way."""
    say(frame(STREAM, own(), b"text/plain"))
    for _ in range(100):
        say(frame(CHUNK, own(), b"x") * 10000)
    time.sleep(3)


def long_stream(e):
    """Streams as much as may be, as a function does that means no harm."""
    return (b"x" * 65536 for _ in range(3000))


def log_frames(e):
    """Logs in frames: huge ones, and many, for itself, others, and nobody."""
    text = b"y" * (256 << 10)
    for i in range(e["size"] * 4):
        say(frame(LOG, (own(), 0, 1, own() + 1, 0xFFFFFFFF)[i % 5], text))
    say(frame(LOG, own(), text * 100))
    for _ in range(e["size"]):
        say(frame(LOG, own(), b"z") * 5000)
    return {"log": "sent"}


def cache_frames(e):
    """Sends compiled code that is none, again and again."""
    for _ in range(5):
        say(frame(CACHE, 0, b"x" * (64 << 20)))
    return {"code": "sent"}


def unread(e):
    """Answers what it does not read: numbers are easily guessed."""
    number = own()
    for i in range(200):
        say(frame(RESPONSE, number + i // 3, b'{"statusCode":200,"body":"{}"}'))
        time.sleep(0.01)
    os._exit(0)


def pipes(e):
    """Makes of its pipes what it can, and opens them the other way round."""
    F_SETPIPE_SZ, O_DIRECT = 1031, 0o200000 if ARM else 0o40000
    tries = {}
    for fd, way in ((3, os.O_WRONLY), (4, os.O_RDONLY)):
        tries["reopen %d" % fd] = attempt(lambda: os.close(os.open("/proc/self/fd/%d" % fd, way | os.O_NONBLOCK)) or "changed")
        for size in (4096, 1 << 20):
            tries["resize %d to %d" % (fd, size)] = attempt(lambda: fcntl.fcntl(fd, F_SETPIPE_SZ, size) and "changed")
        for name, flag in (("not waiting", os.O_NONBLOCK), ("packets", O_DIRECT)):
            tries["%s on %d" % (name, fd)] = attempt(lambda: fcntl.fcntl(fd, fcntl.F_SETFL, flag) or "changed")
    fcntl.fcntl(3, fcntl.F_SETFL, 0)  # or it harms nobody but itself
    return tries


def endless_frame(e):
    """Sends the platform an answer that does not end."""
    piece = b"x" * (1 << 20)
    try:
        say(frame(RESPONSE, own(), b"", 0xFFFFFFFF))
        for _ in range(e["size"]):
            say(piece)
    except OSError:
        pass
    os._exit(0)


def trickle(e):
    """Answers byte by byte, for longer than it may."""
    for byte in frame(RESPONSE, own(), b"x" * 5000, 5000000):
        say(bytes((byte,)))
        time.sleep(0.01)


def fork_bomb(e):
    children = []
    try:
        for i in range(e["size"]):
            child = os.fork()
            if child == 0:
                time.sleep(30)
                os._exit(0)
            children.append(child)
        return {"processes": GOT}
    except OSError as error:
        return {"processes": "%s after %d" % (errno.errorcode[error.errno], len(children))}
    finally:
        for child in children:
            os.kill(child, 9)
        for child in children:
            os.waitpid(child, 0)


def threads(e):
    ended, all_threads = threading.Event(), []
    try:
        threading.stack_size(65536)
        for i in range(e["size"]):
            thread = threading.Thread(target=ended.wait, daemon=True)
            thread.start()
            all_threads.append(thread)
        return {"threads": GOT}
    except RuntimeError:  # can't start new thread
        return {"threads": "EAGAIN after %d" % len(all_threads)}
    finally:
        ended.set()
        for thread in all_threads:
            thread.join()


def zombies(e):
    """Children that nobody waits for, and then orphans, which process 1 must
    wait for."""
    children = []
    tries = {"zombies": GOT}
    try:
        for i in range(e["size"]):
            child = os.fork()
            if child == 0:
                os._exit(0)
            children.append(child)
    except OSError as error:
        tries["zombies"] = "%s after %d" % (errno.errorcode[error.errno], len(children))
    for child in children:
        os.waitpid(child, 0)
    for i in range(e["size"] // 20):
        child = os.fork()
        if child == 0:
            for _ in range(5):
                if os.fork() == 0:
                    os._exit(0)
            os._exit(0)
        os.waitpid(child, 0)
    tries["orphans"] = orphans("collected")
    return tries


def orphans(collected):
    """Waits until process 1 has caught up."""
    for _ in range(500):
        left = len([p for p in os.listdir("/proc") if p.isdigit() and dead(p)])
        if left == 0:
            return collected
        time.sleep(0.01)
    return "%d left" % left


def dead(pid):
    try:
        with open("/proc/%s/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return False


def descriptor_flood(e):
    opened = []
    try:
        for i in range(e["size"]):
            opened.append(os.open("/dev/null", os.O_RDONLY))
        return {"files": GOT}
    except OSError as error:
        return {"files": "%s after %d" % (errno.errorcode[error.errno], len(opened))}
    finally:
        for fd in opened:
            os.close(fd)


def sockets(e):
    opened = []
    try:
        for i in range(e["size"]):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            opened.append(s)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 30)
        return {"sockets": GOT}
    except OSError as error:
        return {"sockets": "%s after %d" % (errno.errorcode[error.errno], len(opened))}
    finally:
        for s in opened:
            s.close()


def cores(e):
    """Asks for dumps of its memory, which the host's collector would keep, also where their limit is 0."""
    def limit():
        now = resource.getrlimit(resource.RLIMIT_CORE)
        return "none" if now == (1, 1) else "%s: %d, %d" % (GOT, *now)

    def change(call, value):
        call(resource.RLIMIT_CORE, value)
        return limit()

    tries = {"limit": limit()}
    for name, value in {"more": (1 << 30, 1 << 30), "soft 0": (0, 1), "0": (0, 0)}.items():
        tries["setrlimit " + name] = in_child(lambda: change(resource.setrlimit, value))
        tries["prlimit " + name] = in_child(lambda: change(lambda *how: resource.prlimit(0, *how), value))
    return tries


def allocate(e):
    kept = []
    for _ in range(e["size"]):
        kept.append(b"x" * (1 << 20))
    return {"memory": GOT}


def fill(folder, megabytes):
    """Fills a folder and says when it was full."""
    path, piece = os.path.join(folder, "fill"), b"x" * (1 << 20)
    written = 0
    try:
        with open(path, "wb", buffering=0) as f:
            for _ in range(megabytes):
                written += f.write(piece)
        return GOT
    except OSError as error:
        return "%s after %d" % (errno.errorcode[error.errno], written >> 20)
    finally:
        if os.path.exists(path):
            os.unlink(path)


def fill_tmp(e):
    return {"megabytes": fill(tempfile.gettempdir(), e["size"])}


def fill_shm(e):
    return {"megabytes": fill("/dev/shm", e["size"])}


def page_cache(e):
    """Has the kernel keep more of a file in memory than the function may use."""
    path, piece = os.path.join(tempfile.gettempdir(), "cache"), b"x" * (1 << 20)
    with open(path, "wb", buffering=0) as f:
        for _ in range(e["size"]):
            f.write(piece)
    for _ in range(2):
        with open(path, "rb", buffering=0) as f:
            while f.read(1 << 20):
                pass
    os.unlink(path)
    return {"page cache": "used"}


def processor_share(e):
    """Uses all processors from several processes, and says how much it got."""
    began = time.monotonic()
    children = []
    for _ in range(8):
        child = os.fork()
        if child == 0:
            while time.monotonic() - began < 2:
                pass
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    share = (used.ru_utime + used.ru_stime) / (time.monotonic() - began)
    return {"processors": "EAGAIN after %d" % (100 * share)}


def breathe(e):
    return {"breathe": "fine"}


ATTACKS = {f.__name__: f for f in (
    hunt, processes, environments, process_one, process_one_dies, descriptors, unshare, other_convention, terminal, fork_bomb, threads,
    frames, frames_ahead, endless_frame, trickle, orders, hello_again, chunks_of_nothing, chunks_too_large, empty_chunks, chunks_after_end,
    flood_stream, crumbs, long_stream, log_frames, cache_frames, unread, pipes, cores, zombies, descriptor_flood, sockets, allocate, fill_tmp, fill_shm, page_cache, processor_share, breathe)}


def handler(event, context):
    order = json.loads(event["body"])
    return ATTACKS[order["run"]](order)
