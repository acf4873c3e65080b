// A hostile function in Node.js. It does what the event names, and answers with
// what came of each of its tries: the name of an error, or "got it".
'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { spawn, spawnSync } = require('node:child_process');
const { Worker } = require('node:worker_threads');

const GOT = 'got it';
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function attempt(fn) {
  try {
    return fn() ?? GOT;
  } catch (error) {
    return error.code ?? String(error);
  }
}

// look reads a folder, or the beginning of a file, and waits for nothing.
function look(p) {
  if (fs.statSync(p).isDirectory()) return void fs.readdirSync(p);
  const fd = fs.openSync(p, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(1 << 16);
    return buffer.toString('latin1', 0, fs.readSync(fd, buffer));
  } finally {
    fs.closeSync(fd);
  }
}

const attacks = {
  // open reads files and folders that are not the function's.
  open: ({ paths }) => Object.fromEntries(paths.map((p) => [p, attempt(() => { look(p); })])),

  // write writes where the function has no business.
  write: ({ paths }) => Object.fromEntries(paths.map((p) => [p, attempt(() => {
    const file = path.join(p, 'pinfold-hostile');
    fs.mkdirSync(file);
    fs.rmdirSync(file);
  })])),

  // switches opens what switches the kernel, and turns nothing.
  switches: ({ paths }) => Object.fromEntries(paths.map((p) => [p, attempt(() => fs.closeSync(fs.openSync(p, 'r+')))])),

  // content reads what may be there, but must say nothing.
  content: ({ paths }) => Object.fromEntries(paths.map((p) => [p, attempt(() => {
    const text = look(p);
    if (text === '') return 'empty';
    return text.split('\n', 100).every((line) => line === '' || /^0+\b/.test(line)) ? 'zeros' : GOT;
  })])),

  // list lists a folder that holds only what the event names.
  list: ({ paths, names }) => Object.fromEntries(paths.map((p) => [p, attempt(() => {
    const more = fs.readdirSync(p).filter((name) => !names.includes(name));
    return more.length === 0 ? 'none' : `${GOT}: ${more}`;
  })])),

  // links makes links to what is not the function's, and follows them.
  links: ({ paths }) => Object.fromEntries(paths.map((p, i) => [p, attempt(() => {
    const link = path.join(os.tmpdir(), `link${i}`);
    fs.symlinkSync(p, link);
    try {
      look(link);
    } finally {
      fs.unlinkSync(link);
    }
  })])),

  // setuid runs programs that belong to root and make their caller root.
  setuid: () => {
    const tries = {};
    for (const [program, ...args] of [['su', '-c', 'id -u'], ['sudo', '-n', 'id', '-u'], ['pkexec', 'id', '-u'], ['newgrp', 'root']]) {
      const run = spawnSync(program, args, { encoding: 'utf8', timeout: 5000, input: '' });
      tries[program] = run.error ? run.error.code : run.status === 0 && /^0$/m.test(run.stdout) ? GOT : 'refused';
    }
    const copy = path.join(os.tmpdir(), 'copy');
    fs.copyFileSync('/bin/sh', copy);
    tries['a setuid copy that belongs to root'] = attempt(() => {
      fs.chmodSync(copy, 0o4755);
      if (fs.statSync(copy).uid !== 0) fs.chownSync(copy, 0, 0);
    });
    fs.unlinkSync(copy);
    return tries;
  },

  // userNamespace asks the tool that makes them.
  userNamespace: () => {
    const run = spawnSync('unshare', ['--user', '--map-root-user', 'id', '-u'], { encoding: 'utf8' });
    return { unshare: run.error ? run.error.code : run.status === 0 ? GOT : /Operation not permitted/.test(run.stderr) ? 'EPERM' : run.stderr };
  },

  // signals asks for every process of the host that it can name.
  signals: ({ pids }) => Object.fromEntries(pids.map((pid) => [`signal ${pid}`, attempt(() => { process.kill(pid, 0); })])),

  // daemons leaves processes behind that want to live: in sessions of their own,
  // deaf to signals. They end by themselves in the end.
  daemons: ({ token, size }) => {
    const script = "trap '' HUP INT TERM QUIT PIPE; (trap '' HUP INT TERM QUIT PIPE; sleep 120; : " + token + ') & sleep 120; : ' + token;
    for (let i = 0; i < size; i++) spawn('/bin/sh', ['-c', script], { detached: true, stdio: 'ignore' }).unref();
    return { daemons: 'made' };
  },

  // restless leaves processes behind that work on, and that fork without end.
  restless: ({ token }) => {
    for (const script of ['while :; do :; done; : ', 'while :; do (:); (:) & wait; done; : ']) {
      for (let i = 0; i < 2; i++) spawn('/bin/sh', ['-c', script + token], { detached: true, stdio: 'ignore' }).unref();
    }
    return { processes: 'made' };
  },

  // leave ends the process without an answer.
  leave: () => process.exit(0),

  // deaf ignores every request to end, and never does.
  deaf: () => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => {});
    for (;;);
  },

  // stopReading answers, and does nothing more, for a while.
  stopReading: () => {
    setTimeout(() => { for (const end = Date.now() + 10_000; Date.now() < end;); }, 5);
    return { reading: 'stopped' };
  },

  // shellBomb is the famous one, to a depth.
  shellBomb: async ({ size }) => {
    const script = 'b() { [ "$1" -gt 0 ] || { sleep 2; return; }; b $(($1-1)) & b $(($1-1)) & wait; }; b ' + size;
    const bomb = spawn('/bin/sh', ['-c', script], { stdio: 'ignore', detached: true });
    const failed = new Promise((done) => { bomb.on('error', done); bomb.on('exit', done); });
    await Promise.race([failed, sleep(2500)]);
    const most = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length;
    attempt(() => process.kill(-bomb.pid, 'SIGKILL'));
    await failed;
    return { processes: `EAGAIN after ${most}` };
  },

  // processors keeps all of them busy.
  processors: async ({ size }) => {
    const workers = Array.from({ length: size }, () => new Worker('for (;;);', { eval: true }));
    await sleep(2000);
    await Promise.all(workers.map((worker) => worker.terminate()));
    return { processors: 'used' };
  },

  timers: async ({ size }) => {
    let fired = 0;
    const timers = Array.from({ length: size }, () => setInterval(() => fired++, 1));
    await sleep(1000);
    timers.forEach(clearInterval);
    return { timers: fired > 0 ? 'used' : 'lost' };
  },

  // answer is larger than an answer may be.
  answer: ({ size }) => 'x'.repeat(size << 20),

  inodes: ({ size }) => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'inodes-'));
    let made = 0;
    try {
      for (; made < size; made++) fs.closeSync(fs.openSync(path.join(dir, String(made)), 'w'));
      return { files: GOT };
    } catch (error) {
      return { files: `${error.code} after ${made}` };
    } finally {
      fs.rmSync(dir, { recursive: true });
    }
  },

  // buffers takes memory outside of the JavaScript heap.
  buffers: ({ size }) => {
    const kept = [];
    for (let i = 0; i < size; i++) kept.push(Buffer.alloc(1 << 20, 1));
    return { memory: GOT };
  },

  breathe: () => ({ breathe: 'fine' }),
};

exports.handler = async (event) => {
  const order = JSON.parse(event.body);
  return attacks[order.run](order);
};
