"""Runs an ASGI application for one event of an HTTP API at a time."""
import asyncio
import base64


class Adapter:
    def __init__(self, app):
        self.app = app
        self.loop = asyncio.new_event_loop()
        self.state = {}
        self.loop.run_until_complete(self.startup())

    async def startup(self):
        messages, sent = [{"type": "lifespan.startup"}], []

        async def receive():
            return messages.pop(0) if messages else await asyncio.Event().wait()

        async def send(message):
            sent.append(message["type"])

        self.lifespan = asyncio.create_task(self.app({"type": "lifespan", "state": self.state}, receive, send))
        while not sent:
            await asyncio.sleep(0)
        if sent != ["lifespan.startup.complete"]:
            raise RuntimeError(f"the application did not start: {sent}")

    def __call__(self, event, context):
        return self.loop.run_until_complete(self.serve(event, context))

    async def serve(self, event, context):
        http = event["requestContext"]["http"]
        headers = [(k.encode(), v.encode()) for k, v in event["headers"].items()]
        headers += [(b"cookie", c.encode()) for c in event.get("cookies", [])]
        body = event.get("body", "")
        body = base64.b64decode(body) if event["isBase64Encoded"] else body.encode()
        scope = {
            "type": "http", "http_version": "1.1", "method": http["method"], "path": event["rawPath"], "state": self.state.copy(),
            "query_string": event["rawQueryString"].encode(), "headers": headers, "client": (http["sourceIp"], 0), "aws": (event, context),
        }
        response = {"statusCode": 500, "headers": {}, "cookies": [], "isBase64Encoded": True}
        chunks = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            if message["type"] == "http.response.start":
                response["statusCode"] = message["status"]
                for name, value in message["headers"]:
                    if name == b"set-cookie":
                        response["cookies"].append(value.decode())
                    else:
                        response["headers"][name.decode()] = value.decode()
            else:
                chunks.append(message.get("body", b""))

        await self.app(scope, receive, send)
        response["body"] = base64.b64encode(b"".join(chunks)).decode()
        return response
