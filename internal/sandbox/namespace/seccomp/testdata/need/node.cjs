// What functions in Node.js do, each part checked: the program ends with 0 if all of it worked.
const assert = require('node:assert');
const child = require('node:child_process');
const cluster = require('node:cluster');
const crypto = require('node:crypto');
const dgram = require('node:dgram');
const dns = require('node:dns');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { once } = require('node:events');
const { promisify } = require('node:util');
const { Worker } = require('node:worker_threads');
const zlib = require('node:zlib');

if (cluster.isWorker) {
  http.createServer((q, r) => r.end('worker')).listen(0, '127.0.0.1', function () { process.send(this.address().port); });
} else if (process.argv[2] === 'child') {
  process.on('message', (m) => { process.send(m + 1); process.disconnect(); });
} else {
  main().then(() => process.exit(0), (e) => { console.error(e); process.exit(1); });
}

async function get(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  const [r] = await once(http.get({ port, host: '127.0.0.1', agent: false }), 'response');
  r.resume();
  return text;
}

async function main() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'need-'));
  try {
    await files(dir);
    await sockets(dir);
    await processes();
    await threads();
  } finally {
    fs.rmSync(dir, { recursive: true });
  }
}

async function files(dir) {
  const file = path.join(dir, 'a');
  await fs.promises.writeFile(file, 'x'.repeat(1 << 20));
  await fs.promises.copyFile(file, file + '2');
  fs.cpSync(dir, dir + '-copy', { recursive: true });
  fs.rmSync(dir + '-copy', { recursive: true });
  fs.renameSync(file + '2', file + '3');
  fs.linkSync(file, file + '4');
  fs.symlinkSync('a', file + '5');
  assert.equal(fs.realpathSync(file + '5'), fs.realpathSync(file));
  fs.chmodSync(file, 0o600);
  fs.utimesSync(file, 1, 2);
  fs.truncateSync(file, 10);
  const fd = fs.openSync(file, 'r+');
  fs.fsyncSync(fd);
  fs.fdatasyncSync(fd);
  fs.writevSync(fd, [Buffer.from('a'), Buffer.from('b')], 0);
  fs.closeSync(fd);
  fs.statfsSync(dir);
  assert.equal((await fs.promises.readdir(dir, { recursive: true })).length, 4);
  const watcher = fs.watch(dir);
  const changed = once(watcher, 'change');
  fs.writeFileSync(path.join(dir, 'b'), '');
  await changed;
  watcher.close();
  await promisify(require('node:stream').pipeline)(
    fs.createReadStream(file), zlib.createGzip(), zlib.createGunzip(), fs.createWriteStream(file + '6'));
  zlib.brotliDecompressSync(await promisify(zlib.brotliCompress)('x'.repeat(1e5)));
}

async function sockets(dir) {
  const server = http.createServer((q, r) => r.end('hello')).listen(0);
  await once(server, 'listening');
  assert.equal(await get(server.address().port), 'hello');
  server.closeAllConnections();
  server.close();

  const local = net.createServer((c) => c.pipe(c)).listen(path.join(dir, 'socket'));
  await once(local, 'listening');
  const c = net.connect(path.join(dir, 'socket'));
  c.write('x');
  await once(c, 'data');
  c.destroy();
  local.close();

  const udp = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(udp, 'listening');
  udp.send('x', udp.address().port, '127.0.0.1');
  await once(udp, 'message');
  udp.close();

  await dns.promises.lookup('localhost');
  const nobody = new dns.promises.Resolver({ timeout: 50, tries: 1 });
  nobody.setServers(['127.0.0.1:9']);
  await assert.rejects(nobody.resolve4('example.com'));
  os.networkInterfaces(); os.cpus(); os.loadavg(); os.userInfo(); os.setPriority(1); os.availableParallelism();
}

async function processes() {
  assert.equal(child.execFileSync('/bin/sh', ['-c', 'echo a | cat']).toString(), 'a\n');
  assert.equal(child.spawnSync('kill', ['-9', '$$'], { shell: true }).signal ?? 'SIGKILL', 'SIGKILL');
  const forked = child.fork(__filename, ['child']);
  forked.send(1);
  assert.deepEqual((await once(forked, 'message'))[0], 2);
  await once(forked, 'exit');
  const detached = child.spawn('sleep', ['100'], { detached: true, stdio: 'ignore' });
  process.kill(-detached.pid, 'SIGTERM');
  await once(detached, 'exit');
  const got = once(process, 'SIGUSR2');
  process.kill(process.pid, 'SIGUSR2');
  await got;

  cluster.schedulingPolicy = cluster.SCHED_NONE;
  const worker = cluster.fork();
  const [port] = await once(worker, 'message');
  assert.equal(await get(port), 'worker');
  worker.kill();
  await once(worker, 'exit');
}

async function threads() {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  const workers = Array.from({ length: 4 }, () => new Worker(`
    const { workerData, parentPort } = require('node:worker_threads');
    Atomics.add(workerData, 0, 1); parentPort.postMessage(require('node:os').cpus().length);`, { eval: true, workerData: shared }));
  await Promise.all(workers.map((w) => once(w, 'exit')));
  assert.equal(shared[0], 4);
  await promisify(crypto.scrypt)('a', 'b', 32);
  await promisify(crypto.pbkdf2)('a', 'b', 1000, 32, 'sha256');
  await promisify(crypto.generateKeyPair)('rsa', { modulusLength: 1024 });
  crypto.randomBytes(1 << 16);
  const wasm = Buffer.from('0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b', 'hex');
  const { instance } = await WebAssembly.instantiate(wasm);
  assert.equal(instance.exports.add(1, 2), 3);
  new WebAssembly.Memory({ initial: 1, maximum: 1000, shared: true }).grow(10);
  await new Promise((r) => setTimeout(r, 1));
  process.memoryUsage(); process.resourceUsage(); process.title = 'need'; process.umask(0o22); process.hrtime.bigint(); process.chdir('/');
}
