"""A shop that keeps what it sells in memory, for ASGI 3."""
import asyncio
import json
import os
from urllib.parse import parse_qsl

from .adapter import Adapter


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["items"] = {}
        await send({"type": "lifespan.startup.complete"})
        return await receive()

    items = scope["state"]["items"]
    method, path = scope["method"], scope["path"]
    event, context = scope["aws"]

    async def answer(status, value=None, **headers):
        body = b"" if value is None else json.dumps(value).encode()
        headers = [(k.replace("_", "-").encode(), str(v).encode()) for k, v in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json"), *headers]})
        await send({"type": "http.response.body", "body": body})

    if path.startswith("/stream/"):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        for part in event["pathParameters"]["path"].split("/"):
            await asyncio.sleep(0)
            await send({"type": "http.response.body", "body": part.encode() + b"\n", "more_body": True})
        await send({"type": "http.response.body"})
    elif path == "/items" and method == "GET":
        query = parse_qsl(scope["query_string"].decode())
        wanted = [v for k, v in query if k == "kind"]
        found = [i for i in items.values() if not wanted or i["kind"] in wanted]
        await answer(200, {"shop": os.environ["SHOP"], "items": found}, x_total=len(found))
    elif path == "/items" and method == "POST":
        item = json.loads((await receive())["body"])
        items[item["id"]] = item
        await answer(201, item, location=f"/items/{item['id']}", set_cookie=f"last={item['id']}")
    elif path.startswith("/items/"):
        key = event["pathParameters"]["id"]
        if key not in items:
            return await answer(404, {"detail": f"no item {key}"})
        if method == "DELETE":
            del items[key]
            return await answer(204)
        await answer(200, items[key])
    else:
        await answer(405, {"detail": "Method Not Allowed"}, allow="GET, POST")


handler = Adapter(app)
