// A small web application in Express, as people write them: it knows nothing of
// Lambda. serverless.yml puts it behind serverless-http, codegenie.yml behind
// @codegenie/serverless-express.
const crypto = require("node:crypto");
const zlib = require("node:zlib");
const cookies = require("cookie-parser");
const cors = require("cors");
const express = require("express");

const app = express();
app.use(cookies());
app.use("/shared", cors({ origin: "https://shop.example", credentials: true, exposedHeaders: ["X-Total"] }));
app.use(express.json({ limit: "8mb" }));
app.use(express.urlencoded({ extended: true }));
app.use(express.raw({ type: "application/octet-stream", limit: "8mb" }));

app.get("/", (req, res) => res.send("<h1>At home</h1>"));
app.get("/users/:id", (req, res) => res.json({ id: req.params.id, method: req.method, path: req.path, ip: req.ip }));
app.get("/search", (req, res) => res.json(req.query));
app.get("/headers", (req, res) => {
  res.set("X-Answer", req.get("X-Probe")).set("Cache-Control", "no-store").append("Vary", "X-Probe").append("Vary", "Origin");
  res.status(203).json({ probe: req.get("x-probe"), agent: req.get("user-agent"), host: req.get("host") });
});
app.get("/cookies", (req, res) => {
  res.cookie("session", "a b", { httpOnly: true, path: "/", sameSite: "lax" }).cookie("theme", "dark");
  res.json(req.cookies);
});
app.get("/one-cookie", (req, res) => res.cookie("only", "1").json({}));
app.post("/json", (req, res) => res.status(201).json({ got: req.body }));
app.post("/form", (req, res) => res.json(req.body));
app.put("/upload", (req, res) => {
  res.json({ length: req.body.length, sha256: crypto.createHash("sha256").update(req.body).digest("hex") });
});
app.post("/bytes", (req, res) => res.type("application/octet-stream").send(req.body));
app.get("/large", (req, res) => res.type("text").send("x".repeat(Number(req.query.size))));
app.get("/gzip", (req, res) => res.set("Content-Encoding", "gzip").type("text").send(zlib.gzipSync("compressed by the application")));
app.get("/old", (req, res) => res.redirect("/users/7?from=old"));
app.delete("/users/:id", (req, res) => res.status(204).end());
app.all("/shared", (req, res) => res.set("X-Total", "3").json(["a", "b", "c"]));
app.get("/fail", async () => { throw new Error("the application failed"); });

app.use((req, res) => res.status(404).json({ error: "no such page", path: req.path }));
app.use((err, req, res, next) => {
  console.error(err);
  res.status(err.status ?? 500).json({ error: err.message });
});

module.exports = app;
