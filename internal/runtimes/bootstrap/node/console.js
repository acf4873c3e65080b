// The log: console.* as Lambda's runtime has it (one event a call, as text with
// time, request id and level, or as JSON where the function's log format says so),
// and what is written to process.stdout and process.stderr (one event a line).
'use strict';

const { format } = require('node:util');
const { LOG, put, flush } = require('./wire.js');

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
const MAX_EVENT = 256 << 10; // bytes

let whose; // returns the call that is running
let json = false;

// patch replaces console's methods and the standard streams, as the environment
// asks.
exports.patch = (caller, env) => {
  whose = caller;
  json = env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  const least = Math.max(0, LEVELS.indexOf(env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()));
  LEVELS.forEach((level, i) => {
    console[level.toLowerCase()] = i < least ? () => { } : (...args) => write(level, args);
  });
  console.log = console.info;
  replace('stdout', 1);
  replace('stderr', 2);
};

// failure logs an error that the runtime noticed.
exports.failure = (label, error) => {
  if (json) console.error(error);
  else console.error(label, detailed(error));
};

function write(level, args) {
  const call = whose();
  const time = new Date().toISOString();
  const text = json ? asJSON(time, call.requestId, level, args) : `${time}\t${call.requestId}\t${level}\t${format(...args)}`;
  endLine(call);
  emit(call, text.endsWith('\n') ? text.slice(0, -1) : text);
}

// emit sends an event at once: whatever the function does next, it is not lost.
function emit(call, event) {
  const id = call.over ? 0 : call.id;
  if (event.length > MAX_EVENT / 3) event = cut(call, id, Buffer.from(event));
  put(LOG, id, event);
  flush();
}

// cut sends all of an event that is too long but its last part, which it returns.
function cut(call, id, event) {
  while (event.length > MAX_EVENT) {
    let end = MAX_EVENT;
    while ((event[end] & 0xc0) === 0x80 && end > MAX_EVENT - 4) end--; // a character stays whole
    put(LOG, id, event.subarray(0, end));
    event = event.subarray(end);
  }
  return event;
}

// --- standard streams ---------------------------------------------------------

// replace makes process.stdout or process.stderr a stream of events. What is
// written to the descriptor itself does not come this way.
function replace(name, fd) {
  let stream;
  const create = () => Object.assign(new (require('node:stream').Writable)({
    write(chunk, _encoding, done) {
      lines(whose(), chunk);
      done();
    },
    destroy(error, done) { // as Node.js has it: who ends or destroys it can write again
      done(error);
      this._undestroy();
    },
  }), { fd, _type: 'pipe', _isStdio: true });
  Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => (stream ??= create()) });
}

function lines(call, bytes) {
  if (call.line) bytes = Buffer.concat([call.line, bytes]);
  call.line = null;
  for (let end; (end = bytes.indexOf(10)) >= 0; bytes = bytes.subarray(end + 1)) emitLine(call, bytes.subarray(0, end));
  if (bytes.length >= MAX_EVENT) bytes = cut(call, call.over ? 0 : call.id, bytes);
  if (bytes.length > 0) call.line = Buffer.from(bytes); // the writer may use its own again
}

// endLine ends a line that has no end of its own: something else comes.
function endLine(call) {
  const line = call.line;
  if (!line) return;
  call.line = null;
  emitLine(call, line);
}
exports.endLine = endLine;

// emitLine has \r mean a line end inside an event, as programs on Lambda write it.
function emitLine(call, line) {
  if (line.at(-1) === 13) line = line.subarray(0, -1);
  if (line.includes(13)) line = Buffer.from(line.toString('latin1').replaceAll('\r', '\n'), 'latin1');
  emit(call, line);
}

// --- JSON and errors ----------------------------------------------------------

function asJSON(timestamp, requestId, level, args) {
  const event = { timestamp, level, requestId };
  if (args.length === 1) {
    event.message = args[0];
    try {
      return JSON.stringify(event, (_, value) => (value instanceof Error ? errorFields(value) : value));
    } catch { // circular, or a BigInt
      event.message = format(args[0]);
      return JSON.stringify(event);
    }
  }
  event.message = format(...args);
  const error = args.slice(1).find((arg) => arg instanceof Error);
  if (error) {
    const { errorType, errorMessage, stackTrace } = errorFields(error);
    Object.assign(event, { errorType, errorMessage, stackTrace });
  }
  return JSON.stringify(event);
}

function errorFields(error) {
  return {
    errorType: error.constructor?.name ?? 'UnknownError',
    errorMessage: error.message,
    stackTrace: typeof error.stack === 'string' ? error.stack.split('\n') : error.stack,
    ...error,
  };
}

// detailed is an error with all its fields, after a tab as Lambda has it.
function detailed(error) {
  const visible = (_, value) => (value instanceof Error
    ? { errorType: value.name, errorMessage: value.message, code: value.code, ...value, stack: value.stack?.split('\n') }
    : value);
  try {
    return '\t' + JSON.stringify(error, visible);
  } catch {
    return '\t' + JSON.stringify({ errorType: error.name, errorMessage: error.message, trace: error.stack?.split('\n') });
  }
}
