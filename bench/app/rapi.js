// A runtime of our own for the emulator: hello.js in a loop over the Lambda Runtime
// API with one connection that is kept, as AWS's interface client does it.
const http = require("node:http");
const { handler } = require("./hello.js");

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const path = "/2018-06-01/runtime/invocation/";

const call = (method, path, body) =>
  new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const req = http.request({ host, port, method, path, agent, headers }, (res) => {
      const parts = [];
      res.on("data", (part) => parts.push(part));
      res.on("end", () => resolve({ id: res.headers["lambda-runtime-aws-request-id"], body: Buffer.concat(parts).toString() }));
    });
    req.on("error", reject);
    req.end(body);
  });

(async () => {
  for (;;) {
    const next = await call("GET", path + "next");
    await call("POST", `${path}${next.id}/response`, JSON.stringify(await handler(JSON.parse(next.body))));
  }
})();
