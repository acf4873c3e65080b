"""What functions in Python do, each part checked: the program ends with 0 if all of it worked."""

import asyncio
import concurrent.futures
import ctypes
import fcntl
import hashlib
import http.server
import mmap
import multiprocessing
import multiprocessing.managers
import multiprocessing.pool
import multiprocessing.shared_memory
import os
import pathlib
import random
import resource
import select
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request
import zipfile


def square(n):
    return n * n


def serve_and_fetch():
    class Hello(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with urllib.request.urlopen("http://127.0.0.1:%d/" % server.server_port) as r:
        assert r.read() == b"hello"
    server.shutdown()
    server.server_close()


def sockets():
    a, b = socket.socketpair()
    poller = select.epoll()
    poller.register(b, select.EPOLLIN)
    a.send(b"x")
    assert poller.poll(10)
    poller.close()
    select.select([b], [], [], 10)
    p = select.poll()
    p.register(b)
    p.poll(10)
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    socket.send_fds(left, [b"x"], [0])
    os.close(socket.recv_fds(right, 1, 1)[1][0])
    for s in (a, b, left, right):
        s.close()
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    u.bind(("127.0.0.1", 0))
    u.sendto(b"x", u.getsockname())
    u.recvfrom(1)
    u.close()
    socket.getaddrinfo("localhost", 80)
    socket.gethostname()
    socket.if_nameindex()
    ssl.create_default_context()


def files():
    with tempfile.TemporaryDirectory() as d:
        p = pathlib.Path(d) / "a"
        p.write_bytes(b"x" * 100000)
        shutil.copy2(p, p.with_name("b"))
        shutil.copytree(d, d + "-copy")
        shutil.rmtree(d + "-copy")
        os.replace(p.with_name("b"), p.with_name("c"))
        os.link(p, p.with_name("d"))
        os.symlink("a", p.with_name("e"))
        os.mkfifo(p.with_name("f"))
        os.chmod(p, 0o600)
        os.utime(p, (1, 2))
        os.listxattr(p)
        os.statvfs(d)
        with open(p, "r+b") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            fcntl.lockf(f, fcntl.LOCK_UN)
            os.fsync(f.fileno())
            os.posix_fallocate(f.fileno(), 0, 4096)
            os.pwritev(f.fileno(), [b"a", b"b"], 0)
            with mmap.mmap(f.fileno(), 0) as m:
                m[0:1] = b"y"
                m.flush()
                m.madvise(mmap.MADV_DONTNEED)
        with zipfile.ZipFile(p.with_name("z"), "w") as z:
            z.write(p)
        db = sqlite3.connect(str(p.with_name("db")))
        db.execute("pragma journal_mode=wal")
        with db:
            db.execute("create table t (a)")
            db.executemany("insert into t values (?)", [(i,) for i in range(100)])
        assert db.execute("select count(*) from t").fetchone() == (100,)
        db.close()
        with tempfile.TemporaryFile() as t:
            t.write(b"x")
    with tempfile.SpooledTemporaryFile() as t:
        t.write(b"x")
    fd = os.memfd_create("x")
    os.close(fd)


def processes():
    assert subprocess.run(["sh", "-c", "echo a | cat"], capture_output=True, check=True).stdout == b"a\n"
    with subprocess.Popen(["sleep", "100"], start_new_session=True, preexec_fn=lambda: os.nice(1)) as p:
        os.killpg(p.pid, signal.SIGTERM)
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            assert pool.map(square, range(4)) == [0, 1, 4, 9]
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
            assert list(pool.map(square, range(4))) == [0, 1, 4, 9]
        queue, lock, value = context.Queue(), context.Lock(), context.Value("i", 0)
        with lock:
            queue.put(1)
        assert queue.get() == 1 and value.value == 0
        queue.close()
        queue.join_thread()
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=4096)
    memory.buf[0] = 1
    memory.close()
    memory.unlink()
    with multiprocessing.Manager() as manager:
        manager.dict()["a"] = 1
    pid = os.fork()
    if pid == 0:
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PIDFD, os.pidfd_open(pid), os.WEXITED)
    master, slave = os.openpty()
    os.write(slave, b"x")
    os.close(slave)
    os.close(master)


def threads():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(square, range(10))) == 285
    done = threading.Event()
    threading.Timer(0.001, done.set).start()
    done.wait()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    signal.sigwait([signal.SIGALRM])


async def loop():
    async def echo(reader, writer):
        writer.write(await reader.read(1))
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"x")
    assert await reader.read(1) == b"x"
    writer.close()
    server.close()
    process = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert (await process.communicate(b"x"))[0] == b"x"
    await asyncio.to_thread(square, 2)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: None)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.sleep(0.001)


def machine():
    libc = ctypes.CDLL(None)
    assert libc.getpid() == os.getpid()
    compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda a, b: 0)
    libc.qsort(ctypes.create_string_buffer(8), 4, 2, compare)
    hashlib.scrypt(b"a", salt=b"b", n=2, r=8, p=1)
    random.SystemRandom().random()
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.sched_getscheduler(0)
    os.getloadavg(), os.cpu_count(), os.uname(), os.times(), os.getpriority(os.PRIO_PROCESS, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))
    resource.getrusage(resource.RUSAGE_CHILDREN)
    time.clock_gettime(time.CLOCK_PROCESS_CPUTIME_ID)


if __name__ == "__main__":
    serve_and_fetch()
    sockets()
    files()
    processes()
    threads()
    asyncio.run(loop())
    machine()
