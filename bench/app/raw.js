// The raw limit: what a plain Node.js HTTP server does with the same work.
const http = require("node:http");
const body = (name) => JSON.stringify({ message: `Hello, ${name}!` });
http
  .createServer((req, res) => {
    const url = new URL(req.url, "http://x");
    res.writeHead(200, { "content-type": "application/json" });
    res.end(body(url.searchParams.get("name") ?? "world"));
  })
  .listen(process.env.PORT ?? 0, "127.0.0.1", function () {
    console.log(this.address().port);
  });
