// Does ahead of time what functions are likely to do when they are loaded, in a
// process that waits to become one.
'use strict';

const LIKELY = [
  'assert', 'async_hooks', 'buffer', 'child_process', 'crypto', 'dns', 'events', 'fs/promises', 'http', 'http2', 'https', 'os',
  'perf_hooks', 'process', 'querystring', 'stream/promises', 'timers/promises', 'tls', 'tty', 'url', 'util', 'zlib',
];

exports.load = async () => {
  for (const name of LIKELY) require(`node:${name}`);
  await import('data:text/javascript,'); // what ES modules are loaded with; not from a file, since that would fix the number of threads
  await require('./loader.js').load(__dirname, 'ahead.load'); // V8 compiles what is called
  delete globalThis.awslambda;
  await new Promise(setImmediate);
};
