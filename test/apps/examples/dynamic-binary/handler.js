const zlib = require('zlib');

const chunk = (type, data) => {
  const named = Buffer.concat([Buffer.from(type), data]);
  const out = Buffer.alloc(8 + named.length);
  out.writeUInt32BE(data.length, 0);
  named.copy(out, 4);
  let crc = ~0;
  for (const byte of named) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  out.writeUInt32BE(~crc >>> 0, out.length - 4);
  return out;
};

// image draws a PNG of one colour.
module.exports.image = (event, context, callback) => {
  const q = event.queryStringParameters || {};
  const size = Number(q.size || 4);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(size, 0);
  header.writeUInt32BE(size, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(3 * size, Buffer.from(q.colour || '3366ff', 'hex'))]);
  const png = Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'), chunk('IHDR', header),
    chunk('IDAT', zlib.deflateSync(Buffer.concat(Array(size).fill(row)))), chunk('IEND', Buffer.alloc(0)),
  ]);
  callback(null, { statusCode: 200, headers: { 'Content-Type': 'image/png' }, body: png.toString('base64'), isBase64Encoded: true });
};
