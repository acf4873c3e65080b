// Has Node.js keep the code that it compiles of a function's modules, for the
// function's later instances. See docs/adr/0013.
'use strict';

const fs = require('node:fs');
const { enableCompileCache, flushCompileCache } = require('node:module');
const os = require('node:os');
const path = require('node:path');

const LEAST = 256 << 10, MOST = 32 << 20; // bytes of code that are worth their keep
const IDLE = 40; // milliseconds; the platform freezes an idle instance, as a rule after 100

// use has Node.js take what it finds in folder. Without one it returns keep, which
// calls take(name, code) for each file to be there in later instances, and at last
// take('', ''), once nothing is under way. It returns null where nothing is to be
// kept: there is a folder, or Node.js is older than 22.10.
exports.use = (folder) => {
  if (!flushCompileCache) return null;
  if (folder) {
    enableCompileCache(folder); // ignores what it did not make of the very same source
    return null;
  }
  let own;
  try {
    own = fs.mkdtempSync(path.join(os.tmpdir(), '.compiled-'));
  } catch {
    return null; // there is no room
  }
  enableCompileCache(own);
  return (isIdle, take) => {
    let due;
    const wait = () => {
      due = Date.now() + IDLE;
      setTimeout(look, IDLE).unref();
    };
    const look = () => {
      const late = Date.now() - due > IDLE; // it was frozen or busy: an invocation may be about to come
      if (late || !isIdle()) return wait();
      collect(own, take);
      take('', '');
    };
    wait();
  };
};

function collect(own, take) {
  try {
    flushCompileCache();
    const files = fs.readdirSync(own, { recursive: true }).filter((name) => fs.statSync(path.join(own, name)).isFile());
    const codes = files.map((name) => fs.readFileSync(path.join(own, name)));
    const size = codes.reduce((sum, code) => sum + code.length, 0);
    if (size >= LEAST && size <= MOST) files.forEach((name, i) => take(name, codes[i]));
    fs.rmSync(own, { recursive: true });
  } catch { } // the function has filled or removed its /tmp
}
