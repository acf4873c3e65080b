// A small web application in Hono, an ES module ("type": "module").
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { Hono } from "hono";
import { getConnInfo, handle } from "hono/aws-lambda";
import { getCookie, setCookie } from "hono/cookie";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";

const app = new Hono();

app.use("/shared", cors({ origin: "https://shop.example", credentials: true, exposeHeaders: ["X-Total"] }));

app.get("/", (c) => c.html("<h1>At home</h1>"));
app.get("/users/:id", (c) => c.json({ id: c.req.param("id"), method: c.req.method, path: c.req.path, ip: getConnInfo(c).remote.address }));
app.delete("/users/:id", (c) => c.body(null, 204));
app.get("/search", (c) => {
  const query = {};
  for (const [name, values] of Object.entries(c.req.queries())) query[name] = values.length > 1 ? values : values[0];
  return c.json(query);
});
app.get("/headers", (c) => {
  c.header("X-Answer", c.req.header("X-Probe"));
  c.header("Cache-Control", "no-store");
  c.header("Vary", "X-Probe", { append: true });
  c.header("Vary", "Origin", { append: true });
  return c.json({ probe: c.req.header("x-probe"), agent: c.req.header("user-agent"), host: c.req.header("host") }, 203);
});
app.get("/cookies", (c) => {
  setCookie(c, "session", "a b", { httpOnly: true, path: "/", sameSite: "Lax" });
  setCookie(c, "theme", "dark");
  return c.json(getCookie(c));
});
app.get("/one-cookie", (c) => {
  setCookie(c, "only", "1");
  return c.json({});
});
app.post("/json", async (c) => c.json({ got: await c.req.json().catch(() => { throw new HTTPException(400, { message: "not JSON" }); }) }, 201));
app.post("/form", async (c) => c.json(await c.req.parseBody({ all: true })));
app.put("/upload", async (c) => {
  const body = Buffer.from(await c.req.arrayBuffer());
  return c.json({ length: body.length, sha256: createHash("sha256").update(body).digest("hex") });
});
app.post("/bytes", async (c) => c.body(await c.req.arrayBuffer(), 200, { "Content-Type": "application/octet-stream" }));
app.get("/large", (c) => c.text("x".repeat(Number(c.req.query("size")))));
app.get("/gzip", (c) => c.body(gzipSync("compressed by the application"), 200, { "Content-Encoding": "gzip", "Content-Type": "text/plain" }));
app.get("/old", (c) => c.redirect("/users/7?from=old"));
app.all("/shared", (c) => c.json(["a", "b", "c"], 200, { "X-Total": "3" }));
app.get("/fail", () => { throw new Error("the application failed"); });

app.notFound((c) => c.json({ error: "no such page", path: c.req.path }, 404));
app.onError((err, c) => {
  console.error(err);
  return c.json({ error: err.message }, err.status ?? 500);
});

export const handler = handle(app);
