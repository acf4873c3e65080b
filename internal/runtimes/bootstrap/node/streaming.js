// Runs handlers that stream their answer: what they write goes out as it comes, as
// fast as the platform says that it is passed on.
'use strict';

const { Writable } = require('node:stream');
const { STREAM, CHUNK, put, flushSoon } = require('./wire.js');

const MARK = Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark');
const HTTP = 'application/vnd.awslambda.http-integration-response';
const MAX_STREAM = 200 << 20; // bytes; as on Lambda
const MAX_CHUNK = 64 << 10;
const MAX_UNPASSED = 1 << 20;

class InvalidStreamingOperation extends Error { }
InvalidStreamingOperation.prototype.name = 'Runtime.InvalidStreamingOperation';
class ResponseSizeTooLarge extends Error { }
ResponseSizeTooLarge.prototype.name = 'Function.ResponseSizeTooLarge';

class ResponseStream extends Writable {
  #call;
  #link;
  #begun = false;
  #type = '';
  #prelude = null;
  #total = 0;
  #credit = MAX_UNPASSED;
  #rest = null; // of a chunk that waits for credit
  #done;

  constructor(call, link, highWaterMark) {
    super({ highWaterMark });
    this.#call = call;
    this.#link = link;
  }

  write(chunk, ...rest) {
    const plain = typeof chunk === 'string' || chunk instanceof Uint8Array;
    return super.write(plain ? chunk : JSON.stringify(chunk), ...rest);
  }

  setContentType(type) {
    if (this.#begun) throw new InvalidStreamingOperation('Cannot set content-type, too late.');
    this.#type = String(type);
  }

  // describe has the stream begin with what an HTTP response needs beside a body.
  describe(metadata) {
    this.setContentType(HTTP);
    this.#prelude = Buffer.from(JSON.stringify(metadata) + '\0'.repeat(8));
  }

  _write(chunk, _encoding, done) {
    if (this.#call.over) return done(); // nobody hears it
    this.#begin();
    this.#total += chunk.length;
    if (this.#total > MAX_STREAM) {
      return done(new ResponseSizeTooLarge(`Response payload size exceeded maximum allowed payload size (${MAX_STREAM} bytes).`));
    }
    this.#done = done;
    this.#send(chunk);
  }

  _final(done) {
    if (!this.#call.over) this.#begin();
    done();
  }

  #begin() {
    if (this.#begun) return;
    this.#begun = true;
    put(STREAM, this.#call.id, this.#type);
    if (this.#prelude) {
      this.#credit -= this.#prelude.length;
      for (let at = 0; at < this.#prelude.length; at += MAX_CHUNK) put(CHUNK, this.#call.id, this.#prelude.subarray(at, at + MAX_CHUNK));
    }
    flushSoon();
  }

  #send(chunk) {
    while (chunk.length > 0 && this.#credit > 0) {
      const size = Math.min(chunk.length, this.#credit, MAX_CHUNK);
      put(CHUNK, this.#call.id, chunk.subarray(0, size));
      this.#credit -= size;
      chunk = chunk.subarray(size);
    }
    flushSoon();
    this.#rest = chunk.length > 0 ? chunk : null;
    if (this.#rest) this.#link?.ref(); // credit is something to wait for
    else this.#done();
  }

  credit(size) {
    this.#credit += size;
    if (!this.#rest || this.#credit <= 0) return;
    this.#link?.unref();
    this.#send(this.#rest);
  }

  // release is for a writer that waits for credit when the invocation is over.
  release() {
    if (!this.#rest) return;
    this.#rest = null;
    this.#done();
  }
}

exports.HttpResponseStream = {
  from(stream, metadata) {
    stream.describe(metadata);
    return stream;
  },
};

// run runs a handler, and calls finish(call, failed, error) when it and its stream
// are done.
exports.run = (handler, event, context, call, link, finish) => {
  const stream = call.stream = new ResponseStream(call, link, handler[MARK]);
  stream.on('error', (error) => finish(call, true, error)); // also after the answer, when nobody minds
  const result = handler(event, stream, context);
  if (typeof result?.then !== 'function') throw new Error('Streaming does not support non-async handlers.');
  Promise.resolve(result).then((value) => {
    if (value !== undefined) console.warn('Streaming handlers ignore return values.');
    if (stream.writableFinished) return finish(call, false);
    stream.on('finish', () => finish(call, false));
    call.whenIdle = () => finish(call, true, new Error('Response stream is not finished.'));
  }, (error) => finish(call, true, error));
};
