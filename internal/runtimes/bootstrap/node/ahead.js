// Does ahead of time what functions are likely to do when they are loaded, in a
// process that waits to become one.
'use strict';

const { Module } = require('node:module');
const { INIT, LOAD, INVOKE, mute, pretend } = require('./wire.js');

const LIKELY = [
  'assert', 'async_hooks', 'buffer', 'child_process', 'crypto', 'dns', 'events', 'fs/promises', 'http', 'http2', 'https', 'os',
  'perf_hooks', 'process', 'querystring', 'stream/promises', 'timers/promises', 'tls', 'tty', 'url', 'util', 'zlib',
];

exports.load = async (stage) => {
  for (const name of LIKELY) require(`node:${name}`);
  await import('data:text/javascript,'); // what ES modules are loaded with; not from a file, since that would fix the number of threads
  mute(true);
  try {
    await rehearse(stage);
  } finally {
    clear(stage);
    mute(false);
  }
  await new Promise(setImmediate);
};

// rehearse loads a function and runs it as if the platform had said so, so that V8
// has compiled what is called on the way of every first invocation.
async function rehearse(stage) {
  pretend(INIT, 0, Buffer.from(JSON.stringify({ task: __dirname, handler: 'rehearsal.handler', env: { NODE_PATH: __dirname }, concurrency: 1 })));
  pretend(LOAD, 0, Buffer.alloc(0));
  await until(stage.isSet);
  const head = 'id\n1000\narn:aws:lambda:::function:rehearsal\nRoot=1\n';
  pretend(INVOKE, 1, Buffer.from(`\0\0\0${String.fromCharCode(head.length)}${head}{"headers":{"host":"localhost"}}`));
  await until(stage.isOver);
}

async function until(done) {
  while (!done()) await new Promise(setImmediate);
}

// clear leaves nothing of a rehearsal that the function could see.
function clear(stage) {
  stage.clear();
  delete process.env.NODE_PATH;
  delete process.env._X_AMZN_TRACE_ID;
  delete globalThis.awslambda;
  Module._initPaths();
  const file = `${__dirname}/rehearsal.js`;
  delete require.cache[file];
  const { children } = require.cache[`${__dirname}/loader.js`];
  children.splice(0, Infinity, ...children.filter((child) => child.filename !== file));
  for (const key of Object.keys(Module._pathCache)) if (key.startsWith(file.slice(0, -3))) delete Module._pathCache[key];
}
