// What the hostile functions are after: a function with secrets in all places.
'use strict';

const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const secret = process.env.SECRET;
fs.writeFileSync(path.join(os.tmpdir(), 'secret'), secret);
console.log(secret);
const greet = (socket) => socket.on('error', () => {}).end(secret);
const tcp = net.createServer(greet).listen(0, '0.0.0.0').unref();
const kept = Buffer.from(secret); // in memory

exports.handler = async (event) => {
  const order = JSON.parse(event.body);
  if (order.hold) await new Promise((done) => setTimeout(done, order.hold));
  fs.writeFileSync(path.join(os.tmpdir(), 'scratch'), 'x'.repeat(1000));
  return {
    nonce: order.nonce,
    secret: kept.equals(fs.readFileSync(path.join(os.tmpdir(), 'secret'))) && secret === process.env.SECRET,
    port: tcp.address().port,
    addresses: Object.values(os.networkInterfaces()).flat().filter((a) => !a.internal).map((a) => a.address),
  };
};
