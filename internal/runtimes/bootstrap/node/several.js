// Keeps invocations apart that run at the same time: their logs, and what a
// function keeps in awslambda.InvokeStore (see @aws/lambda-invoke-store), as Lambda's
// runtimes do on Managed Instances.
'use strict';

const { AsyncLocalStorage } = require('node:async_hooks');

const KEYS = {
  REQUEST_ID: Symbol.for('_AWS_LAMBDA_REQUEST_ID'),
  X_RAY_TRACE_ID: Symbol.for('_AWS_LAMBDA_X_RAY_TRACE_ID'),
  TENANT_ID: Symbol.for('_AWS_LAMBDA_TENANT_ID'),
  TRACEPARENT: Symbol.for('_AWS_LAMBDA_TRACEPARENT'),
  TRACESTATE: Symbol.for('_AWS_LAMBDA_TRACESTATE'),
  BAGGAGE: Symbol.for('_AWS_LAMBDA_BAGGAGE'),
};
const PROTECTED = new Set(Object.values(KEYS));

class InvokeStore extends AsyncLocalStorage {
  static PROTECTED_KEYS = KEYS;
  getContext() { return this.getStore(); }
  hasContext() { return this.getStore() !== undefined; }
  get(key) { return this.getStore()?.[key]; }
  set(key, value) {
    if (PROTECTED.has(key)) throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    const store = this.getStore();
    if (!store) throw new Error('No context available');
    store[key] = value;
  }
  isProtectedKey(key) { return PROTECTED.has(key); }
  getRequestId() { return this.get(KEYS.REQUEST_ID) ?? '-'; }
  getXRayTraceId() { return this.get(KEYS.X_RAY_TRACE_ID); }
  getTenantId() { return this.get(KEYS.TENANT_ID); }
  getTraceparent() { return this.get(KEYS.TRACEPARENT); }
  getTracestate() { return this.get(KEYS.TRACESTATE); }
  getBaggage() { return this.get(KEYS.BAGGAGE); }
}

const CALL = Symbol('call');

exports.create = (concurrency) => {
  const calls = new Map();
  const store = new InvokeStore();
  process.env.AWS_LAMBDA_MAX_CONCURRENCY ??= String(concurrency); // by this libraries know
  if (!['1', 'true'].includes(process.env.AWS_LAMBDA_NODEJS_NO_GLOBAL_AWSLAMBDA)) {
    globalThis.awslambda = { ...globalThis.awslambda, InvokeStore: store };
  }
  return {
    run(call, invoke) {
      calls.set(call.id, call);
      store.run({ [KEYS.REQUEST_ID]: call.requestId, [KEYS.X_RAY_TRACE_ID]: call.trace || undefined, [CALL]: call }, invoke, call);
    },
    end(call) { calls.delete(call.id); },
    none: () => calls.size === 0,
    find: (id) => calls.get(id),
    current: () => store.getStore()?.[CALL],
  };
};
