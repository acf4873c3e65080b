const { spawn } = require("node:child_process");
const fs = require("node:fs");

const answer = (event) => ({ statusCode: 200, body: `Hello, ${event.queryStringParameters?.name}!` });
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

exports.hello = async (event) => answer(event);
exports.slow = async (event) => (await wait(200), answer(event));
// Leaves a process that outlives the invocation, an open file and a full /tmp behind.
exports.children = async (event) => {
  spawn("sleep", ["3600"], { detached: true, stdio: "ignore" }).unref();
  fs.writeFileSync(`/tmp/${Date.now()}`, Buffer.alloc(1 << 16));
  fs.openSync("/tmp/open", "w");
  return answer(event);
};
exports.logs = async () => {
  for (let i = 0; i < 100; i++) console.log("line", i, "x".repeat(100));
  return "logged";
};
exports.big = async () => "x".repeat(1 << 20);
exports.throws = async () => {
  throw new TypeError("thrown on purpose");
};
exports.hangs = async () => wait(3600e3);
exports.exits = async () => process.exit(3);
exports.dies = async () => (process.kill(process.pid, "SIGKILL"), wait(3600e3));
