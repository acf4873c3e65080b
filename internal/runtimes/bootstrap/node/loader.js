// Finds and loads a handler: "index.handler", "src/users.list", "index.api.get".
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

class ImportModuleError extends Error { }
class HandlerNotFound extends Error { }
class MalformedHandlerName extends Error { }
class UserCodeSyntaxError extends Error { }
for (const kind of [ImportModuleError, HandlerNotFound, MalformedHandlerName, UserCodeSyntaxError]) {
  kind.prototype.name = `Runtime.${kind.name}`;
}

exports.load = async (root, name) => {
  if (name.includes('..')) {
    throw new MalformedHandlerName(`'${name}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  const base = path.basename(name);
  const folder = name.slice(0, name.indexOf(base));
  const dot = base.indexOf('.');
  if (dot < 0) throw new MalformedHandlerName('Bad handler');

  provideGlobals();
  const loaded = await loadModule(root, folder, base.slice(0, dot));
  const found = lookUp(loaded, base.slice(dot + 1)) ?? lookUp(loaded?.default, base.slice(dot + 1));
  if (!found) throw new HandlerNotFound(`${name} is undefined or not exported`);
  if (typeof found !== 'function') throw new HandlerNotFound(`${name} is not a function`);
  return found;
};

const lookUp = (object, names) => names.split('.').reduce((nested, key) => nested && nested[key], object);

async function loadModule(root, folder, name) {
  try {
    const file = path.resolve(root, folder, name);
    const isModule = () => packageIsModule(root, path.dirname(file));
    if (fs.existsSync(file) && fs.statSync(file).isFile()) return require(file);
    if (fs.existsSync(`${file}.js`)) return isModule() ? await load(`${file}.js`) : require(`${file}.js`);
    if (fs.existsSync(`${file}.mjs`)) return await load(`${file}.mjs`);
    if (fs.existsSync(`${file}.cjs`)) return require(`${file}.cjs`);
    if (process.features.typescript) { // Node.js that strips types by itself
      if (fs.existsSync(`${file}.ts`)) return isModule() ? await load(`${file}.ts`) : require(`${file}.ts`);
      if (fs.existsSync(`${file}.mts`)) return await load(`${file}.mts`);
      if (fs.existsSync(`${file}.cts`)) return require(`${file}.cts`);
    }
    // A folder with an index, or a module of node_modules or of a layer.
    return require(require.resolve(fs.existsSync(file) ? file : name, { paths: [root, path.resolve(root, folder)] }));
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserCodeSyntaxError(error);
    if (error?.code === 'MODULE_NOT_FOUND') throw new ImportModuleError(error);
    throw error;
  }
}

const load = (file) => import(pathToFileURL(file));

// packageIsModule reports whether the nearest package.json says that .js files
// are ES modules.
function packageIsModule(root, folder) {
  for (; ; folder = path.dirname(folder)) {
    if (folder.endsWith('/node_modules')) return false;
    const file = path.join(folder, 'package.json');
    if (fs.existsSync(file)) {
      try {
        return JSON.parse(fs.readFileSync(file)).type === 'module';
      } catch (error) {
        console.warn(`${file} cannot be read, it will be ignored for ES module detection purposes.`, error);
        return false;
      }
    }
    if (folder === root || folder === path.dirname(folder)) return false;
  }
}

// provideGlobals offers what streaming handlers are written with.
function provideGlobals() {
  if (['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) return;
  globalThis.awslambda = {
    ...globalThis.awslambda,
    streamifyResponse(handler, options) {
      handler[Symbol.for('aws.lambda.runtime.handler.streaming')] = 'response';
      const mark = Number.parseInt(options?.highWaterMark, 10);
      if (mark) handler[Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark')] = mark;
      return handler;
    },
    get HttpResponseStream() { return require('./streaming.js').HttpResponseStream; },
  };
}
