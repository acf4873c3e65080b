"""A small web application for WSGI (PEP 3333), with the standard library alone."""
import gzip
import hashlib
import json
import traceback
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

ROUTES = []


def route(method, path):
    def add(view):
        ROUTES.append((method, path.strip("/").split("/"), view))
        return view
    return add


class Abort(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Request:
    def __init__(self, environ):
        self.environ = environ
        self.method = environ["REQUEST_METHOD"]
        # WSGI paths are UTF-8 that was decoded as Latin-1.
        self.path = environ["PATH_INFO"].encode("latin-1").decode("utf-8")
        self.query = plain(parse_qs(environ["QUERY_STRING"], keep_blank_values=True))

    def header(self, name):
        return self.environ.get("HTTP_" + name.upper().replace("-", "_"))

    def body(self):
        return self.environ["wsgi.input"].read(int(self.environ.get("CONTENT_LENGTH") or 0))


def plain(values):
    return {name: v if len(v) > 1 else v[0] for name, v in values.items()}


def as_json(value, status="200 OK", headers=()):
    return status, [("Content-Type", "application/json"), *headers], json.dumps(value, ensure_ascii=False).encode()


@route("GET", "/")
def home(request):
    return "200 OK", [("Content-Type", "text/html; charset=utf-8")], b"<h1>At home</h1>"


@route("GET", "/users/:id")
def user(request, id):
    return as_json({"id": id, "method": request.method, "path": request.path, "ip": request.environ["REMOTE_ADDR"]})


@route("DELETE", "/users/:id")
def remove(request, id):
    return "204 No Content", [], b""


@route("GET", "/search")
def search(request):
    return as_json(request.query)


@route("GET", "/headers")
def headers(request):
    probe = request.header("X-Probe")
    value = {"probe": probe, "agent": request.header("User-Agent"), "host": request.header("Host")}
    return as_json(value, "203 Non-Authoritative Information",
                   [("X-Answer", probe), ("Cache-Control", "no-store"), ("Vary", "X-Probe"), ("Vary", "Origin")])


@route("GET", "/cookies")
def cookies(request):
    sent = {name: morsel.value for name, morsel in SimpleCookie(request.header("Cookie") or "").items()}
    return as_json(sent, headers=[("Set-Cookie", "session=a%20b; Path=/; HttpOnly; SameSite=Lax"), ("Set-Cookie", "theme=dark")])


@route("GET", "/one-cookie")
def one_cookie(request):
    return as_json({}, headers=[("Set-Cookie", "only=1")])


@route("POST", "/json")
def take_json(request):
    try:
        return as_json({"got": json.loads(request.body())}, "201 Created")
    except ValueError as e:
        raise Abort("400 Bad Request", str(e))


@route("POST", "/form")
def take_form(request):
    return as_json(plain(parse_qs(request.body().decode())))


@route("PUT", "/upload")
def upload(request):
    body = request.body()
    return as_json({"length": len(body), "sha256": hashlib.sha256(body).hexdigest()})


@route("POST", "/bytes")
def give_bytes(request):
    return "200 OK", [("Content-Type", "application/octet-stream")], request.body()


@route("GET", "/large")
def large(request):
    return "200 OK", [("Content-Type", "text/plain")], b"x" * int(request.query["size"])


@route("GET", "/gzip")
def compressed(request):
    return "200 OK", [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")], gzip.compress(b"compressed by the application")


@route("GET", "/old")
def old(request):
    return "302 Found", [("Location", "/users/7?from=old")], b""


SHARED = [("Access-Control-Allow-Origin", "https://shop.example"), ("Access-Control-Allow-Credentials", "true"),
          ("Access-Control-Expose-Headers", "X-Total")]


@route("GET", "/shared")
def shared(request):
    return as_json(["a", "b", "c"], headers=[*SHARED, ("X-Total", "3")])


@route("OPTIONS", "/shared")
def preflight(request):
    return "204 No Content", [*SHARED, ("Access-Control-Allow-Methods", "GET")], b""


@route("GET", "/fail")
def fail(request):
    raise RuntimeError("the application failed")


def dispatch(request):
    parts = request.path.strip("/").split("/")
    for method, pattern, view in ROUTES:
        if method == ("GET" if request.method == "HEAD" else request.method) and len(pattern) == len(parts):
            values = {p[1:]: v for p, v in zip(pattern, parts) if p.startswith(":")}
            if all(p == v or p.startswith(":") for p, v in zip(pattern, parts)):
                return view(request, **values)
    return as_json({"error": "no such page", "path": request.path}, "404 Not Found")


def application(environ, start_response):
    request = Request(environ)
    try:
        status, headers, body = dispatch(request)
    except Abort as e:
        status, headers, body = as_json({"error": str(e)}, e.status)
    except Exception as e:
        traceback.print_exc(file=environ["wsgi.errors"])
        status, headers, body = as_json({"error": str(e)}, "500 Internal Server Error")
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [b"" if request.method == "HEAD" else body]
