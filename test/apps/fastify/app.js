// A small web application in Fastify.
"use strict";

const crypto = require("node:crypto");
const zlib = require("node:zlib");

module.exports = function build() {
  const app = require("fastify")({ logger: false, bodyLimit: 8 << 20 });
  app.register(require("@fastify/cookie"));
  app.register(require("@fastify/formbody"));
  app.addContentTypeParser("application/octet-stream", { parseAs: "buffer" }, (req, body, done) => done(null, body));

  app.get("/", (req, reply) => reply.type("text/html").send("<h1>At home</h1>"));
  app.get("/users/:id", async (req) => ({ id: req.params.id, method: req.method, path: req.url.split("?")[0], ip: req.ip }));
  app.delete("/users/:id", (req, reply) => reply.code(204).send());
  app.get("/search", async (req) => req.query);
  app.get("/headers", async (req, reply) => {
    reply.code(203).headers({ "X-Answer": req.headers["x-probe"], "Cache-Control": "no-store", Vary: ["X-Probe", "Origin"] });
    return { probe: req.headers["x-probe"], agent: req.headers["user-agent"], host: req.headers.host };
  });
  app.get("/cookies", async (req, reply) => {
    reply.setCookie("session", "a b", { httpOnly: true, path: "/", sameSite: "lax" }).setCookie("theme", "dark");
    return req.cookies;
  });
  app.get("/one-cookie", async (req, reply) => {
    reply.setCookie("only", "1");
    return {};
  });
  app.post("/json", async (req, reply) => {
    reply.code(201);
    return { got: req.body };
  });
  app.post("/form", async (req) => req.body);
  app.put("/upload", async (req) => ({ length: req.body.length, sha256: crypto.createHash("sha256").update(req.body).digest("hex") }));
  app.post("/bytes", (req, reply) => reply.type("application/octet-stream").send(req.body));
  app.get("/large", (req, reply) => reply.type("text/plain").send("x".repeat(Number(req.query.size))));
  app.get("/gzip", (req, reply) => reply.header("Content-Encoding", "gzip").type("text/plain").send(zlib.gzipSync("compressed by the application")));
  app.get("/old", (req, reply) => reply.redirect("/users/7?from=old"));
  app.route({
    method: ["GET", "OPTIONS"],
    url: "/shared",
    handler: (req, reply) => {
      reply.headers({
        "Access-Control-Allow-Origin": "https://shop.example", "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "X-Total", "X-Total": "3",
      });
      if (req.method === "OPTIONS") return reply.code(204).header("Access-Control-Allow-Methods", "GET").send();
      return reply.send(["a", "b", "c"]);
    },
  });
  app.get("/fail", async () => { throw new Error("the application failed"); });
  app.get("/invocation", async (req) => ({ stage: req.awsLambda.event.requestContext.stage, function: req.awsLambda.context.functionName }));

  app.setNotFoundHandler((req, reply) => reply.code(404).send({ error: "no such page", path: req.url.split("?")[0] }));
  app.setErrorHandler((err, req, reply) => {
    console.error(err);
    reply.code(err.statusCode ?? 500).send({ error: err.message });
  });
  return app;
};
