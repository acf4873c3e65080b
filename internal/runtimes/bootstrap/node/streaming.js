// Runs handlers that stream their answer. The answer is collected and goes out
// as a whole; what a function says about an HTTP response (status, headers,
// cookies) becomes what one that does not stream would have returned.
'use strict';

const { Writable } = require('node:stream');
const { isUtf8 } = require('node:buffer');

const MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');

class ResponseStream extends Writable {
  chunks = [];
  metadata = null;
  _write(chunk, _encoding, done) {
    this.chunks.push(chunk);
    done();
  }
  write(chunk, ...rest) {
    const plain = typeof chunk === 'string' || chunk instanceof Uint8Array;
    return super.write(plain ? chunk : JSON.stringify(chunk), ...rest);
  }
  setContentType(type) { this.contentType = type; }
}

exports.HttpResponseStream = {
  from(stream, metadata) {
    stream.metadata = metadata;
    return stream;
  },
};

exports.run = async (handler, event, context) => {
  const stream = new ResponseStream({ highWaterMark: handler[MARK] });
  const failed = new Promise((_, reject) => stream.on('error', reject));
  failed.catch(() => { }); // also when nobody waits for it
  const result = handler(event, stream, context);
  if (!result || typeof result.then !== 'function') throw new Error('Streaming does not support non-async handlers.');
  if (await Promise.race([result, failed]) !== undefined) console.warn('Streaming handlers ignore return values.');
  if (!stream.writableEnded) throw new Error('Response stream is not finished.');
  if (!stream.writableFinished) await Promise.race([new Promise((resolve) => stream.on('finish', resolve)), failed]);

  const body = Buffer.concat(stream.chunks);
  if (!stream.metadata) return body;
  const isText = isUtf8(body);
  return JSON.stringify({
    statusCode: 200,
    ...stream.metadata,
    body: body.toString(isText ? 'utf8' : 'base64'),
    isBase64Encoded: !isText,
  });
};
