// better-sqlite3 is compiled on the machine: files, locks and shared memory from C.
const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const Database = require('../addons/node_modules/better-sqlite3');

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'need-'));
const db = new Database(path.join(dir, 'db'));
db.pragma('journal_mode = WAL');
db.exec('create table t (a)');
const insert = db.prepare('insert into t values (?)');
db.transaction(() => { for (let i = 0; i < 1000; i++) insert.run(i); })();
assert.equal(db.prepare('select count(*) c from t').get().c, 1000);
assert.equal(new Database(path.join(dir, 'db'), { readonly: true }).prepare('select count(*) c from t').get().c, 1000);
db.backup(path.join(dir, 'copy')).then(() => { db.close(); fs.rmSync(dir, { recursive: true }); });
