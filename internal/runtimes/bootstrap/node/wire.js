// The pipes of the framed protocol (see the documentation of package runtimes):
// descriptor 3 is read, descriptor 4 is written.
'use strict';

const { process } = globalThis; // whatever a function makes of it
const { writeSync } = require('node:fs');

Object.assign(exports, {
  HELLO: 1, INIT: 2, READY: 3, INIT_ERROR: 4, INVOKE: 5, RESPONSE: 6, ERROR: 7, FATAL: 8,
  STREAM: 9, CHUNK: 10, END: 11, LOG: 12, CREDIT: 13, CACHE: 14, LOAD: 15,
});

const HEADER = 9; // bytes: length, id, type

// --- out --------------------------------------------------------------------

const out = Buffer.allocUnsafeSlow(64 << 10); // frames that go out with the next flush
let filled = 0;
let due = false;
let muted = false; // nothing goes out

// put adds a frame (text or bytes) to what goes out next.
exports.put = (type, id, payload) => {
  const isText = typeof payload === 'string';
  const most = isText ? 3 * payload.length : payload.length;
  if (filled + HEADER + most > out.length) {
    flush();
    if (HEADER + most > out.length) return putLarge(type, id, isText ? Buffer.from(payload) : payload);
  }
  const at = filled + HEADER;
  if (isText) filled = at + out.utf8Write(payload, at, most);
  else filled = at + payload.copy(out, at);
  header(at - HEADER, type, id, filled - at);
};

function putLarge(type, id, payload) {
  header(0, type, id, payload.length);
  write(out, HEADER);
  write(payload, payload.length);
}

function header(at, type, id, size) {
  out.writeUInt32BE(size, at);
  out.writeUInt32BE(id, at + 4);
  out[at + 8] = type;
}

// flush writes what was put. The pipe waits, as that of a program's standard
// output does: what is written is not lost when the process ends in the next
// moment, and who writes faster than the platform reads is held up.
function flush() {
  if (filled === 0) return;
  const size = filled;
  filled = 0;
  if (!muted) write(out, size);
}
exports.flush = flush;

// flushSoon flushes when everything is done that can be done now.
exports.flushSoon = () => {
  if (due) return;
  due = true;
  process.nextTick(flushDue);
};

function flushDue() {
  due = false;
  flush();
}

// mute has frames come to nothing, or go out again.
exports.mute = (on) => { muted = on; };

function write(bytes, size) {
  for (let at = 0; at < size;) {
    try {
      at += writeSync(4, bytes, at, size - at);
    } catch (error) {
      if (error.code !== 'EAGAIN') process.reallyExit(0); // the platform is gone
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1); // not our pipe's way, but somebody changed it
    }
  }
}

// --- in ---------------------------------------------------------------------

// listen calls receive(type, id, bytes, from, to) for each frame. The payload is
// only there until receive returns. It returns what has ref and unref: whether it
// keeps the process alive.
exports.listen = (receive) => {
  const input = Buffer.allocUnsafeSlow(64 << 10);
  const start = Buffer.allocUnsafeSlow(HEADER); // of a frame that comes in parts
  let started = 0;
  let payload = null;
  let have = 0; // bytes of payload

  // part takes in some of a frame that comes in parts, and returns where it ends.
  const part = (at, to) => {
    if (payload === null) {
      const end = Math.min(to, at + HEADER - started);
      started += input.copy(start, started, at, end);
      if (started < HEADER) return end;
      payload = Buffer.allocUnsafe(start.readUInt32BE(0));
      have = 0;
      at = end;
    }
    const taken = input.copy(payload, have, at, Math.min(to, at + payload.length - have));
    have += taken;
    if (have === payload.length) {
      const whole = payload;
      payload = null;
      started = 0;
      receive(start[8], start.readUInt32BE(4), whole, 0, whole.length);
    }
    return at + taken;
  };

  const take = (size) => {
    for (let at = 0; at < size;) {
      const from = at + HEADER;
      const end = started === 0 && from <= size ? from + input.readUInt32BE(at) : Infinity;
      if (end > size) {
        at = part(at, size);
      } else {
        const type = input[at + 8], id = input.readUInt32BE(at + 4);
        at = end;
        receive(type, id, input, from, end);
      }
    }
  };

  // pretend has a small frame come in.
  exports.pretend = (type, id, payload) => {
    input.writeUInt32BE(payload.length, 0);
    input.writeUInt32BE(id, 4);
    input[8] = type;
    take(HEADER + payload.copy(input, HEADER));
  };
  return open(input, take);
};

const gone = () => process.exit(0); // the platform is

// open has take(size) called for what is read into buffer. node:net costs an eighth
// of the time that Node.js takes to start, and many functions never need it, so
// where Node.js is known to have them its own means are used.
function open(buffer, take) {
  try {
    if (!(parseInt(process.versions.node) <= 24)) return openSocket(buffer, take);
    const { Pipe, constants: { SOCKET } } = process.binding('pipe_wrap');
    const { streamBaseState, kReadBytesOrError } = process.binding('stream_wrap');
    const pipe = new Pipe(SOCKET);
    if (pipe.open(3) < 0) gone();
    pipe.onread = () => {
      const size = streamBaseState[kReadBytesOrError];
      if (size > 0) take(size);
      else if (size < 0) gone();
    };
    pipe.useUserBuffer(buffer);
    pipe.readStart();
    return pipe;
  } catch { // an option of Node.js forbids it
    return openSocket(buffer, take);
  }
}

function openSocket(buffer, take) {
  const onread = { buffer, callback: (size) => { take(size); return true; } };
  const socket = new (require('node:net').Socket)({ fd: 3, readable: true, writable: false, onread });
  return socket.on('end', gone).on('error', gone);
}
