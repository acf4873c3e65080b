// The Node.js side of the framed protocol (see the documentation of package
// runtimes): says hello, takes in a function, and then runs its handler once
// for every INVOKE frame. It behaves as Lambda's own runtime does.
'use strict';

const net = require('node:net');
const log = require('./console.js');

const HELLO = 1, INIT = 2, READY = 3, INIT_ERROR = 4, INVOKE = 5, RESPONSE = 6, ERROR = 7, FATAL = 8;
const HEADER = 9;

let handler;
let current = null; // the invocation under way

// --- frames ---------------------------------------------------------------

const link = new net.Socket({ fd: 3, readable: true, writable: true });

// send writes one frame, in one system call if the socket takes it.
function send(type, id, payload, sent) {
  const isText = typeof payload === 'string';
  const size = isText ? Buffer.byteLength(payload) : payload.length;
  const frame = Buffer.allocUnsafe(HEADER + size);
  frame.writeUInt32BE(size, 0);
  frame.writeUInt32BE(id, 4);
  frame[8] = type;
  if (isText) frame.write(payload, HEADER);
  else payload.copy(frame, HEADER);
  link.write(frame, sent);
}

let parts = []; // what has come of a frame that is not complete
let have = 0; // bytes in parts
let want = HEADER; // bytes that are needed to go on

link.on('data', (chunk) => {
  parts.push(chunk);
  have += chunk.length;
  if (have < want) return;
  let data = parts.length === 1 ? chunk : Buffer.concat(parts);
  for (;;) {
    want = data.length < HEADER ? HEADER : HEADER + data.readUInt32BE(0);
    if (data.length < want) break;
    receive(data[8], data.readUInt32BE(4), data.subarray(HEADER, want));
    data = data.subarray(want);
  }
  parts = data.length > 0 ? [data] : []; // an empty one would have the next frame copied
  have = data.length;
});
link.on('end', () => process.exit(0)); // the platform is gone
link.on('error', () => process.exit(0));

function receive(type, id, payload) {
  if (type === INVOKE) {
    const head = 4 + payload.readUInt32BE(0);
    invoke(id, JSON.parse(payload.toString('utf8', 4, head)), payload.toString('utf8', head));
  } else if (type === INIT) {
    init(JSON.parse(payload.toString()));
  } else {
    process.exit(70);
  }
}

// --- loading the function -------------------------------------------------

async function init({ task, handler: name, env }) {
  Object.assign(process.env, env);
  process.chdir(task);
  if (env.NODE_PATH) require('node:module').Module._initPaths(); // read NODE_PATH again
  log.patch();
  try {
    const loaded = await require('./loader.js').load(task, name);
    await new Promise(setImmediate); // a rejection that the module did not handle shows by now
    handler = loaded;
  } catch (error) {
    log.failure('Uncaught Exception', asError(error));
    return send(INIT_ERROR, 0, envelope(error), () => process.exit(1));
  }
  send(READY, 0, '');
}

// --- running it -----------------------------------------------------------

const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

function invoke(id, head, event) {
  const call = { id, over: false, whenIdle: null };
  current = call;
  log.setRequest(head.requestId);
  if (head.trace) process.env._X_AMZN_TRACE_ID = head.trace;
  else delete process.env._X_AMZN_TRACE_ID;
  link.unref(); // while the handler runs, only its own work keeps the event loop alive
  call.whenIdle = () => answerOfSilence(call);

  let waits = true;
  const fail = (error) => {
    log.failure('Invoke Error', asError(error));
    answer(call, ERROR, envelope(error));
  };
  const done = (error, result) => {
    if (call.over) return;
    if (error !== undefined && error !== null) return fail(error);
    answer(call, RESPONSE, serialize(result));
  };
  const callback = (error, result) => {
    if (call.over || call.answered) return;
    if (!waits || (error !== undefined && error !== null)) return done(error, result);
    const text = serialize(result);
    call.answered = true; // and goes out when nothing is left to do
    call.whenIdle = () => answer(call, RESPONSE, text);
  };
  const first = (fn) => (...args) => { if (!call.answered) fn(...args); };

  const context = {
    get callbackWaitsForEmptyEventLoop() { return waits; },
    set callbackWaitsForEmptyEventLoop(value) { waits = value; },
    succeed: first((result) => done(null, result)),
    fail: first((error) => done(error ?? 'handled')),
    done: first(done),
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: head.clientContext ? JSON.parse(head.clientContext) : undefined,
    identity: undefined,
    invokedFunctionArn: head.arn,
    awsRequestId: head.requestId,
    getRemainingTimeInMillis: () => head.deadline - Date.now(),
  };

  try {
    if (handler[STREAMING]) {
      const { run } = require('./streaming.js');
      run(handler, JSON.parse(event), context).then((body) => answer(call, RESPONSE, body), fail);
      return;
    }
    const result = handler(JSON.parse(event), context, callback);
    if (typeof result?.then === 'function' || returnAnswers()) Promise.resolve(result).then(context.succeed, context.fail).catch(context.fail);
  } catch (error) {
    if (!call.answered) done(error ?? 'handled');
  }
}

// returnAnswers says whether what a handler returns is its answer although it is
// no promise. It is from nodejs24.x on, where AWS has given up callbacks; a handler
// that takes one keeps it here.
function returnAnswers() {
  const version = /nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV);
  return Number(version?.[1]) >= 24 && handler.length < 3;
}

// answer ends an invocation. Only the first answer counts.
function answer(call, type, payload) {
  if (call.over) return;
  call.over = call.answered = true;
  if (current === call) current = null;
  link.ref();
  send(type, call.id, payload);
}

// answerOfSilence is for a handler that has nothing left to do and did not answer.
function answerOfSilence(call) {
  if (handler.constructor?.name !== 'AsyncFunction') return answer(call, RESPONSE, 'null');
  const error = new NodeJsExit('The Lambda runtime client detected an unexpected Node.js exit code. ' +
    'This is most commonly caused by a Promise that was never settled. ' +
    'For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes');
  log.failure('Invoke Error', error);
  answer(call, ERROR, envelope(error));
}

process.on('beforeExit', () => current?.whenIdle());

function serialize(result) {
  try {
    return JSON.stringify(result === undefined ? null : result) ?? 'null';
  } catch {
    throw new Error('Unable to stringify response body');
  }
}

// --- errors ---------------------------------------------------------------

class NodeJsExit extends Error { }
class UnhandledPromiseRejection extends Error { }
NodeJsExit.prototype.name = 'Runtime.NodeJsExit';
UnhandledPromiseRejection.prototype.name = 'Runtime.UnhandledPromiseRejection';

const asError = (error) => (error instanceof Error ? error : new Error(error));

// envelope is an error as the caller of the function gets it.
function envelope(error) {
  try {
    const isError = error instanceof Error || (error && [error.name, error.message, error.stack].every((s) => s && typeof s === 'string'));
    return JSON.stringify(isError
      ? { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') }
      : { errorType: typeof error, errorMessage: String(error), trace: [] });
  } catch {
    return JSON.stringify({
      errorType: 'handled',
      errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
      trace: [],
    });
  }
}

// die ends the process over an error that nobody caught; whose it is decides
// what it is reported as.
function die(label, error, status) {
  log.failure(label, asError(error));
  const type = handler ? FATAL : INIT_ERROR;
  send(type, current ? current.id : 0, envelope(error), () => process.exit(status));
}

process.on('uncaughtException', (error) => die('Uncaught Exception', error, 129));
process.on('unhandledRejection', (reason) => {
  const error = new UnhandledPromiseRejection(reason);
  error.reason = reason;
  die('Unhandled Promise Rejection', error, 128);
});

send(HELLO, 0, process.versions.node);
