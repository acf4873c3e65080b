// The Node.js side of the framed protocol (see the documentation of package
// runtimes): says hello, takes in a function, and then runs its handler once
// for every INVOKE frame. It behaves as Lambda's own runtime does.
'use strict';

const { process } = globalThis; // whatever a function makes of it
const wire = require('./wire.js');
const log = require('./console.js');
const loader = require('./loader.js');

const { RESPONSE, ERROR, put, flush } = wire;
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

let task; // what INIT said
let handler;
let initial; // the environment that the function was given, whatever it makes of its own
let several = null; // with more than one invocation at a time: what keeps them apart
let keep = null; // keeps compiled code; until an invocation is over
let returns = false; // what a handler returns is its answer although it is no promise

// Call is an invocation.
class Call {
  over = false; // its answer is out
  answered = false; // the handler has answered
  line = null; // written to the standard streams and not over
  whenIdle = answerOfSilence;
  stream = null; // of a handler that streams
  text = ''; // the answer that waits for the event loop to be empty

  constructor(id, head, event) {
    this.id = id;
    this.event = event;
    const limit = head.indexOf('\n') + 1, arn = head.indexOf('\n', limit) + 1;
    const trace = head.indexOf('\n', arn) + 1, client = head.indexOf('\n', trace) + 1;
    this.requestId = head.slice(0, limit - 1);
    this.limit = Number(head.slice(limit, arn - 1));
    this.arn = head.slice(arn, trace - 1);
    this.trace = head.slice(trace, client - 1);
    this.client = head.slice(client);
  }
}

const nobody = new Call(0, '\n\n\n\n', '');
nobody.over = true;
nobody.requestId = undefined;

// Of one invocation at a time: the one under way, or the last one, and those that
// were sent ahead.
let current = nobody;
const ahead = [];

const link = wire.listen((type, id, bytes, from, to) => {
  switch (type) {
    case wire.INVOKE: {
      const body = from + 4 + bytes.readUInt32BE(from);
      const call = new Call(id, bytes.utf8Slice(from + 4, body), bytes.utf8Slice(body, to));
      if (several) several.run(call, invoke);
      else if (current.over) begin(call);
      else ahead.push(call);
      break;
    }
    case wire.CREDIT:
      credit(several ? several.find(id) : current, id, bytes.readUInt32BE(from));
      break;
    case wire.INIT:
      init(JSON.parse(bytes.utf8Slice(from, to)));
      break;
    case wire.LOAD:
      load(task);
      break;
    default:
      process.exit(70);
  }
});

function credit(call, id, size) {
  if (call?.id === id) call.stream?.credit(size);
}

const caller = () => (several ? several.current() ?? nobody : current);

// --- loading the function -------------------------------------------------

// init makes this process a function's as far as that goes without its code.
function init(given) {
  task = given;
  initial = given.env;
  Object.assign(process.env, initial);
  if (initial.NODE_PATH) require('node:module').Module._initPaths(); // read NODE_PATH again
  log.patch(caller, initial);
}

async function load({ task: folder, handler: name, env, concurrency, cache, wantCache }) {
  process.chdir(folder);
  try {
    if (concurrency > 1) several = require('./several.js').create(concurrency);
    if (cache || wantCache) keep = require('./compiled.js').use(cache);
    const loaded = await loader.load(folder, name);
    await new Promise(setImmediate); // a rejection that the module did not handle shows by now
    if (several && loaded.length > 2 && !loaded[STREAMING]) throw new CallbackHandlerDeprecated(name);
    handler = loaded;
  } catch (error) {
    logFailure('Uncaught Exception', error);
    send(wire.INIT_ERROR, 0, envelope(error));
    return process.exit(1);
  }
  // From nodejs24.x on, where AWS has given up callbacks; a handler that takes one keeps it here.
  returns = several !== null || (Number(/nodejs(\d+)/.exec(env.AWS_EXECUTION_ENV)?.[1]) >= 24 && handler.length < 3);
  log.endLine(nobody);
  send(wire.READY, 0, '');
}

function send(type, id, payload) {
  put(type, id, payload);
  flush();
}

// --- running it -----------------------------------------------------------

// begin runs the only invocation.
function begin(call) {
  log.endLine(current);
  current = call;
  trace(call.trace);
  link.unref(); // while the handler runs, only its own work keeps the event loop alive
  invoke(call);
}

function trace(header) {
  try {
    if (header) process.env._X_AMZN_TRACE_ID = header;
    else if (process.env._X_AMZN_TRACE_ID !== undefined) delete process.env._X_AMZN_TRACE_ID;
  } catch { } // the function has made something else of process.env
}

function invoke(call) {
  try {
    const context = contextOf(call);
    const event = JSON.parse(call.event);
    call.event = '';
    if (handler[STREAMING]) return require('./streaming.js').run(handler, event, context, call, several ? null : link, finish);
    const result = several ? handler(event, context) : handler(event, context, callbackOf(call, context));
    if (typeof result?.then === 'function') {
      (result instanceof Promise ? result : Promise.resolve(result)).then((value) => succeed(call, value), (error) => fail(call, error));
    } else if (returns) {
      succeed(call, result);
    }
  } catch (error) {
    fail(call, error);
  }
}

// finish ends the invocation of a handler that streams: with what went wrong, if
// anything did.
function finish(call, failed, error) {
  if (failed) fail(call, error);
  else answer(call, wire.END, '');
}

function contextOf(call) {
  const deadline = Date.now() + call.limit;
  const context = {
    functionVersion: initial.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: initial.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: initial.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: initial.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: initial.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: call.client ? JSON.parse(call.client) : undefined,
    identity: undefined,
    invokedFunctionArn: call.arn,
    awsRequestId: call.requestId,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  if (several) { // as on AWS, without what there is for callbacks
    context.xRayTraceId = call.trace || undefined;
    return context;
  }
  context.callbackWaitsForEmptyEventLoop = true;
  context.succeed = (result) => succeed(call, result);
  context.fail = (error) => fail(call, error);
  context.done = (error, result) => (error === undefined || error === null ? succeed(call, result) : fail(call, error));
  return context;
}

function callbackOf(call, context) {
  return (error, result) => {
    if (call.answered) return;
    if (error !== undefined && error !== null) return fail(call, error);
    if (!context.callbackWaitsForEmptyEventLoop) return succeed(call, result);
    try {
      call.text = serialize(result); // what becomes of the result later is not in it
    } catch (error) {
      return fail(call, error);
    }
    call.answered = true; // and goes out when nothing is left to do
    call.whenIdle = answerOfCallback;
  };
}

function succeed(call, result) {
  if (call.answered) return;
  let text;
  try {
    text = serialize(result);
  } catch (error) {
    return fail(call, error);
  }
  answer(call, RESPONSE, text);
}

function fail(call, error) {
  if (call.answered) return;
  error ??= 'handled';
  logFailure('Invoke Error', error);
  answer(call, ERROR, envelope(error));
}

// answer ends an invocation. Only the first answer counts.
function answer(call, type, payload) {
  if (call.over) return;
  log.endLine(call);
  call.over = call.answered = true;
  put(type, call.id, payload);
  call.stream?.release();
  if (keep !== null) keepCode();
  if (several) {
    several.end(call);
    return wire.flushSoon(); // others may be ready too
  }
  flush();
  if (ahead.length === 0) link.ref();
  else process.nextTick(beginAhead); // not inside of what the handler still does
}

function beginAhead() {
  begin(ahead.shift());
}

// keepCode has the function's code kept as it is after its first invocation, with
// what that has called.
function keepCode() {
  const isIdle = several ? () => several.none() : () => current.over && ahead.length === 0;
  keep(isIdle, (name, code) => send(wire.CACHE, 0, name ? Buffer.concat([Buffer.from(`${name}\n`), code]) : ''));
  keep = null;
}

// --- silence ----------------------------------------------------------------

// answerOfSilence is for a handler that has nothing left to do and did not answer.
function answerOfSilence(call) {
  if (!call.stream && handler.constructor?.name !== 'AsyncFunction') return answer(call, RESPONSE, 'null');
  fail(call, new NodeJsExit('The Lambda runtime client detected an unexpected Node.js exit code. ' +
    'This is most commonly caused by a Promise that was never settled. ' +
    'For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes'));
}

function answerOfCallback(call) {
  answer(call, RESPONSE, call.text);
}

process.on('beforeExit', () => {
  if (current.over) return;
  current.whenIdle(current);
  setImmediate(() => { }); // the next one may have nothing to do either: then this is called again
});
process.on('exit', () => {
  log.endLine(caller());
  flush();
});

// --- errors ---------------------------------------------------------------

class NodeJsExit extends Error { }
class UnhandledPromiseRejection extends Error { }
class CallbackHandlerDeprecated extends Error {
  constructor(name) {
    super(`${name} takes a callback, which is not supported where a function runs several invocations at once: make it async, or set its concurrency to 1`);
  }
}
for (const kind of [NodeJsExit, UnhandledPromiseRejection, CallbackHandlerDeprecated]) kind.prototype.name = `Runtime.${kind.name}`;

const asError = (error) => (error instanceof Error ? error : new Error(shown(error)));

// shown is anything as text.
function shown(value) {
  try {
    return String(value);
  } catch {
    return 'something that cannot be shown';
  }
}

function serialize(result) {
  try {
    return JSON.stringify(result === undefined ? null : result) ?? 'null';
  } catch {
    throw new Error('Unable to stringify response body');
  }
}

// envelope is an error as the caller of the function gets it.
function envelope(error) {
  try {
    const isError = error instanceof Error || (error && [error.name, error.message, error.stack].every((s) => s && typeof s === 'string'));
    return JSON.stringify(isError
      ? { errorType: error.name, errorMessage: error.message, trace: (error.stack ?? '').split('\n') }
      : { errorType: typeof error, errorMessage: shown(error), trace: [] });
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
  const call = caller();
  logFailure(label, error);
  send(handler ? wire.FATAL : wire.INIT_ERROR, call.over ? 0 : call.id, envelope(error));
  process.exit(status);
}

function logFailure(label, error) {
  try {
    log.failure(label, asError(error));
  } catch { } // the function has made something else of the console, or of its errors
}

process.on('uncaughtException', (error) => die('Uncaught Exception', error, 129));
process.on('unhandledRejection', (reason) => {
  const error = new UnhandledPromiseRejection(shown(reason));
  error.reason = reason;
  die('Unhandled Promise Rejection', error, 128);
});

const hello = () => send(wire.HELLO, 0, process.versions.node);
const stage = { // for a rehearsal
  isSet: () => handler !== undefined,
  isOver: () => current !== nobody && current.over,
  clear() {
    handler = initial = undefined;
    current = nobody;
  },
};
if (process.argv.splice(2)[0] === 'ahead') require('./ahead.js').load(stage).catch(() => { }).then(hello);
else hello();
