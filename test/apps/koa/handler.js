// A small web application in Koa, behind serverless-http.
const crypto = require("node:crypto");
const zlib = require("node:zlib");
const { bodyParser } = require("@koa/bodyparser");
const { Router } = require("@koa/router");
const Koa = require("koa");
const serverless = require("serverless-http");

const app = new Koa();
const router = new Router();

app.use(async (ctx, next) => {
  try {
    await next();
    if (ctx.status === 404 && ctx.body === undefined) {
      ctx.status = 404;
      ctx.body = { error: "no such page", path: ctx.path };
    }
  } catch (err) {
    console.error(err);
    ctx.status = err.status ?? 500;
    ctx.body = { error: err.message };
  }
});
const parsed = bodyParser({ jsonLimit: "8mb" });
const bytes = async (ctx, next) => {
  const chunks = [];
  for await (const chunk of ctx.req) chunks.push(chunk);
  ctx.bytes = Buffer.concat(chunks);
  await next();
};

router.get("/", (ctx) => { ctx.body = "<h1>At home</h1>"; });
router.get("/users/:id", (ctx) => { ctx.body = { id: ctx.params.id, method: ctx.method, path: ctx.path, ip: ctx.ip }; });
router.delete("/users/:id", (ctx) => { ctx.status = 204; });
router.get("/search", (ctx) => { ctx.body = { ...ctx.query }; });
router.get("/headers", (ctx) => {
  ctx.set({ "X-Answer": ctx.get("X-Probe"), "Cache-Control": "no-store" });
  ctx.vary("X-Probe");
  ctx.vary("Origin");
  ctx.status = 203;
  ctx.body = { probe: ctx.get("x-probe"), agent: ctx.get("user-agent"), host: ctx.get("host") };
});
router.get("/cookies", (ctx) => {
  const sent = Object.fromEntries((ctx.get("cookie") || "").split(/; */).filter(Boolean).map((pair) => pair.split("=")));
  ctx.cookies.set("session", encodeURIComponent("a b"), { sameSite: "lax" });
  ctx.cookies.set("theme", "dark", { httpOnly: false });
  ctx.body = sent;
});
router.get("/one-cookie", (ctx) => {
  ctx.cookies.set("only", "1");
  ctx.body = {};
});
router.post("/json", parsed, (ctx) => {
  ctx.status = 201;
  ctx.body = { got: ctx.request.body };
});
router.post("/form", parsed, (ctx) => { ctx.body = ctx.request.body; });
router.put("/upload", bytes, (ctx) => {
  ctx.body = { length: ctx.bytes.length, sha256: crypto.createHash("sha256").update(ctx.bytes).digest("hex") };
});
router.post("/bytes", bytes, (ctx) => {
  ctx.type = "application/octet-stream";
  ctx.body = ctx.bytes;
});
router.get("/large", (ctx) => { ctx.body = "x".repeat(Number(ctx.query.size)); });
router.get("/gzip", (ctx) => {
  ctx.set("Content-Encoding", "gzip");
  ctx.type = "text";
  ctx.body = zlib.gzipSync("compressed by the application");
});
router.get("/old", (ctx) => { ctx.redirect("/users/7?from=old"); });
router.all("/shared", (ctx) => {
  ctx.set({
    "Access-Control-Allow-Origin": "https://shop.example", "Access-Control-Allow-Credentials": "true",
    "Access-Control-Expose-Headers": "X-Total", "X-Total": "3",
  });
  if (ctx.method === "OPTIONS") {
    ctx.set("Access-Control-Allow-Methods", "GET");
    ctx.status = 204;
    return;
  }
  ctx.body = ["a", "b", "c"];
});
router.get("/fail", () => { throw new Error("the application failed"); });

app.use(router.routes());

module.exports.handler = serverless(app, { binary: ["application/octet-stream"] });
