"""Events of API Gateway and function URLs, made requests to a WSGI application."""
import base64
import importlib
import io
import os
import sys
from urllib.parse import unquote_to_bytes, urlencode

module, name = os.environ["WSGI_APP"].rsplit(".", 1)
application = getattr(importlib.import_module(module), name)


def environ_of(event):
    v2 = event.get("version") == "2.0"
    http = event["requestContext"]["http"] if v2 else None
    if v2:
        path, query = event["rawPath"], event["rawQueryString"]
        headers = {k: [v] for k, v in event["headers"].items()}
        if event.get("cookies"):
            headers["cookie"] = ["; ".join(event["cookies"])]
    else:
        path, query = event["path"], urlencode(event["multiValueQueryStringParameters"] or {}, doseq=True)
        headers = event["multiValueHeaders"]
    body = event.get("body") or ""
    body = base64.b64decode(body) if event["isBase64Encoded"] else body.encode()
    headers = {k.upper().replace("-", "_"): ",".join(v) for k, v in headers.items()}
    host, _, port = headers["HOST"].partition(":")
    environ = {
        "REQUEST_METHOD": http["method"] if v2 else event["httpMethod"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "CONTENT_TYPE": headers.get("CONTENT_TYPE", ""),
        "CONTENT_LENGTH": str(len(body)),
        "REMOTE_ADDR": http["sourceIp"] if v2 else event["requestContext"]["identity"]["sourceIp"],
        "SERVER_NAME": host,
        "SERVER_PORT": port or "80",
        "SERVER_PROTOCOL": http["protocol"] if v2 else event["requestContext"]["protocol"],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": headers["X_FORWARDED_PROTO"],
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    environ.update({"HTTP_" + k: v for k, v in headers.items()})
    return environ


def handler(event, context):
    started = {}

    def start_response(status, headers, exc_info=None):
        started["status"], started["headers"] = int(status.split()[0]), headers

    body = b"".join(application(environ_of(event), start_response))
    headers = started["headers"]
    kind = dict(headers).get("Content-Type", "text/plain")
    text = "Content-Encoding" not in dict(headers) and kind.startswith(("text/", "application/json"))
    body = body.decode() if text else base64.b64encode(body).decode()
    response = {"statusCode": started["status"], "isBase64Encoded": not text, "body": body}
    if event.get("version") == "2.0":
        response["cookies"] = [v for k, v in headers if k == "Set-Cookie"]
        response["headers"] = {}
        for k, v in headers:
            if k != "Set-Cookie":
                response["headers"][k] = response["headers"][k] + "," + v if k in response["headers"] else v
    else:
        response["multiValueHeaders"] = {}
        for k, v in headers:
            response["multiValueHeaders"].setdefault(k, []).append(v)
    return response
