// Leaves the modules that every start needs in one file, and what V8 has made of
// it in another: "compile.js FOLDER", where FOLDER is what instances will see this one
// as. See index.js.
'use strict';

const fs = require('node:fs');
const v8 = require('node:v8');
const { Script } = require('node:vm');

// Each after those that it needs. Without loader.js: V8's code of a script does not
// hold how its import() is served.
const NAMES = ['wire.js', 'console.js', 'main.js'];

const folder = `${__dirname}/compiled`;
const modules = NAMES.map((name) => `${JSON.stringify(name)}(exports, require, module, __filename, __dirname) {${fs.readFileSync(`${__dirname}/${name}`, 'utf8')}\n}`);
const text = `({${modules.join(',\n')}})`;

v8.setFlagsFromString('--no-lazy'); // functions too, not only when they are called
const script = new Script(text, { filename: `${process.argv[2]}/bootstrap.js` }); // which stays with the code
v8.setFlagsFromString('--lazy'); // as it is with those who use it

// Files appear as a whole: others are about to start.
fs.mkdirSync(folder, { recursive: true });
for (const [kind, content] of [['code', script.createCachedData()], ['js', text]]) {
  const file = `${folder}/${process.version}.${kind}`;
  fs.writeFileSync(`${file}.new`, content);
  fs.renameSync(`${file}.new`, file);
}
