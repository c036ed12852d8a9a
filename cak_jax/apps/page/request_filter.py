"""What is let in to the page and what goes out with it: an ASGI middleware.

Gradio answers many routes that this page does not need, some of which fetch from the
network. Only what the page uses is open; the size of every request is bounded, whatever
it declares; and a page somewhere else can neither call this one nor show it.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import time
import urllib.parse

GIGABYTE = 1 << 30
# Seconds that uploads and results are kept.
KEPT = 3600
# Values of the controls; sounds come by the upload route.
LARGEST_MESSAGE = 1 << 20
# Form fields and boundaries beside an uploaded file.
FORM = 1 << 16
MOST_DEPTH = 16
GET = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt"
    r"|/(assets|static|svelte)/.*"
    r"|/gradio_api/(info/?|app_id/?|startup-events|theme\.css|heartbeat/\w+"
    r"|queue/data|upload_progress|call/\w+/\w+|file=.*)"
)
POST = re.compile(
    r"/gradio_api/(upload|queue/join|cancel|reset/?|call/(v2/)?\w+/?|run/\w+/?)"
)
UPLOAD = "/gradio_api/upload"
FILE = "/gradio_api/file="
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; connect-src 'self' data: blob:; font-src 'self' "
    "data:; worker-src 'self' blob:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors {}"
)


class _TooLarge(Exception):
    """A body went beyond what is let in."""


class Door:
    """The middleware."""

    def __init__(self, app, *, cache: pathlib.Path, largest: int, hosts=(), space=8):
        """Stand before an app.

        Args:
          app: the ASGI app.
          cache: the folder that uploads go to.
          largest: bytes of an uploaded file.
          hosts: names that the server may be called by; empty for any.
          space: gigabytes that `cache` may hold before uploads are refused.
        """
        self._app, self._cache, self._largest = app, cache, largest
        self._hosts, self._space = frozenset(hosts), space * GIGABYTE
        # Known hosts: this machine only, which nothing else shows inside it.
        self._policy = POLICY.format("'self'" if hosts else "*")

    async def __call__(self, scope, receive, send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)

    async def _serve(self, scope, receive, send) -> None:
        headers = {
            k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]
        }
        fault = self._fault(scope, headers)
        if fault:
            await _refuse(send, *fault)
            return
        started = False

        async def answer(message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *self._headers()]
            await send(message)

        try:
            await self._app(scope, await self._body(scope, headers, receive), answer)
        except _TooLarge:
            if not started:
                await _refuse(send, 413, "this is larger than what is let in here")
        except _Wrong as error:
            await _refuse(send, 400, str(error))

    def _fault(self, scope, headers) -> tuple[int, str] | None:
        """Return status and sentence of a request that is not let in."""
        method, path = scope["method"], scope["path"]
        host = headers.get("host", "")
        if self._hosts and _name(host) not in self._hosts:
            return 403, "this server is called by another name"
        origin = headers.get("origin", "")
        foreign = (
            self._hosts and origin and urllib.parse.urlsplit(origin).netloc != host
        )
        # Browsers send it; behind a proxy the host's name says nothing.
        if foreign or (
            method == "POST" and headers.get("sec-fetch-site") == "cross-site"
        ):
            return 403, "another page cannot call this one"
        routes = {"GET": GET, "HEAD": GET, "POST": POST}.get(method)
        if routes is None or not routes.fullmatch(path):
            return 404, "there is nothing here"
        if path.startswith(FILE) and "://" in path:
            return 403, "only what was made or uploaded here can be read"
        declared = headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self._limit(path):
            return 413, f"this is larger than {self._limit(path) >> 20} MB"
        if path == UPLOAD and self._is_full():
            return 507, "there is no room for uploads: try again in an hour"
        return None

    def _is_full(self) -> bool:
        forget_old(self._cache)
        return _size(self._cache) > self._space

    def _limit(self, path: str) -> int:
        return self._largest + FORM if path == UPLOAD else LARGEST_MESSAGE

    async def _body(self, scope, headers, receive):
        """Return a `receive` that counts, or one that gives what was looked through."""
        limit, count = self._limit(scope["path"]), 0

        async def counted():
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > limit:
                raise _TooLarge
            return message

        if scope["method"] != "POST" or scope["path"] == UPLOAD:
            return counted
        parts, more = [], True
        while more:
            message = await counted()
            if message["type"] == "http.disconnect":
                break
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = b"".join(parts)
        _check(body)
        given = False

        async def replayed():
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replayed

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return [
            (b"content-security-policy", self._policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
        ]


class _Wrong(ValueError):
    """A message that no page of ours sends."""


def _check(body: bytes) -> None:
    """Refuse a message that names a file by an address: Gradio would fetch it.

    Raises:
      _Wrong: it does, or it is no JSON.
    """
    try:
        level = [json.loads(body)] if body else []
    except (ValueError, RecursionError):
        raise _Wrong("this is no message of the page") from None
    # By level, not by recursion: the nesting comes from a stranger.
    for _ in range(MOST_DEPTH):
        if not level:
            return
        for value in level:
            path = value.get("path") if isinstance(value, dict) else None
            if isinstance(path, str) and "://" in path:
                raise _Wrong("files are uploaded here, not fetched from addresses")
        nested = [v for v in level if isinstance(v, dict | list)]
        level = [x for v in nested for x in (v.values() if isinstance(v, dict) else v)]
    raise _Wrong("this is nested too deep")


def _name(host: str) -> str:
    """Return a host's name without its port."""
    return re.sub(r":\d*$", "", host).lower()


def forget_old(cache: pathlib.Path) -> None:
    """Delete the uploads and results that are older than they are kept."""
    for path in cache.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another one was quicker
            if path.stat().st_mtime < time.time() - KEPT:
                shutil.rmtree(path, ignore_errors=True)


def _size(folder: pathlib.Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for file in files:
            try:
                total += os.lstat(os.path.join(place, file)).st_size
            except OSError:  # gone meanwhile
                continue
    return total


async def _refuse(send, status: int, sentence: str) -> None:
    body = json.dumps({"detail": sentence}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
