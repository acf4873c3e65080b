// The console as Lambda's runtime makes it: one event a call, as text with time,
// request id and level, or as JSON where the function's log format says so.
'use strict';

const fs = require('node:fs');
const { format } = require('node:util');

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];

let requestId;
let json = false;

exports.setRequest = (id) => { requestId = id; };

// patch replaces the console's methods, as the environment asks.
exports.patch = () => {
  json = process.env.AWS_LAMBDA_LOG_FORMAT?.toUpperCase() === 'JSON';
  const least = Math.max(0, LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL?.toUpperCase()));
  LEVELS.forEach((level, i) => {
    console[level.toLowerCase()] = i < least ? () => { } : (...args) => write(level, args);
  });
  console.log = console.info;
};

// failure logs an error that the runtime noticed.
exports.failure = (label, error) => {
  if (json) console.error(error);
  else console.error(label, detailed(error));
};

function write(level, args) {
  const time = new Date().toISOString();
  const event = json ? asJSON(time, level, args) : `${time}\t${requestId}\t${level}\t${format(...args)}`;
  writeFully(event.replace(/\n/g, '\r') + '\n'); // \r: still the same event
}

function asJSON(timestamp, level, args) {
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

// writeFully returns when the text is in the pipe, so that it comes before the
// answer. If the pipe is full and does not wait, we do.
function writeFully(text) {
  let data = Buffer.from(text);
  while (data.length > 0) {
    try {
      data = data.subarray(fs.writeSync(1, data));
    } catch (error) {
      if (error.code !== 'EAGAIN') return; // nobody reads any more
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}
