// What Node.js is started with: "index.js", or "index.js ahead" for a cell that
// waits for its function. What is not a cell hurries, and takes the bootstrap as
// compile.js has left it.
'use strict';

const { readFileSync } = require('node:fs');
const { Script } = require('node:vm');

const Module = module.constructor;

// load makes the bootstrap's modules out of one script that is compiled already,
// or in part: V8 itself sees whether that is its own work on the same text.
function load() {
  if (process.argv[2] === 'ahead') return require('./main.js');
  const at = `${__dirname}/compiled/${process.version}`;
  let script;
  try {
    script = new Script(readFileSync(`${at}.js`, 'utf8'), { filename: `${__dirname}/bootstrap.js`, cachedData: readFileSync(`${at}.code`) });
  } catch { // there is nothing, or not yet
    return require('./main.js');
  }
  for (const [name, define] of Object.entries(script.runInThisContext())) {
    const own = new Module(`${__dirname}/${name}`, module);
    own.filename = own.id;
    own.paths = module.paths;
    require.cache[own.id] = own; // for those that are not in the script
    const find = (id) => (id.startsWith('./') && require.cache[__dirname + id.slice(1)]?.exports) || own.require(id);
    find.resolve = require.resolve;
    define(own.exports, find, own, own.id, __dirname);
    own.loaded = true;
  }
}

load();
