"""Which requests reach the page: an ASGI middleware.

Gradio answers many routes that this page does not need, and some of them fetch from the
network. Only the routes that the page uses are open. The size of every request is
counted, whatever it declares. A page of another origin can neither call this page nor
show it in a frame.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import time
from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cak_jax.runtime.local_http import RefusedError, check_caller, security_headers

# Bytes that the cache may hold before uploads are refused.
SPACE = 8 << 30
# Uploads and results are kept for an hour.
KEPT_SECONDS = 3600
# A message holds the values of the controls; sounds come by the upload route.
LARGEST_MESSAGE = 1 << 20
# The bytes of form fields and boundaries that come with an uploaded file.
FORM_BYTES = 1 << 16
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


class RequestFilter:
    """The middleware that filters the requests to an app."""

    def __init__(
        self, app: ASGIApp, *, cache: pathlib.Path, largest: int, hosts: Iterable[str]
    ):
        """Keep the folder and the largest size, in bytes, of uploads.

        `hosts` are names by which the server may be called; empty for any.
        """
        self._app, self._cache, self._largest = app, cache, largest
        self._hosts = frozenset(hosts)
        # Where hosts are named, only this machine reaches the page, and no other page
        # may show it in a frame.
        policy = POLICY.format("'self'" if self._hosts else "*")
        self._headers = [
            (name.encode(), value.encode())
            for name, value in security_headers(policy).items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or hand it on to the app."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        if scope["type"] != "http":
            return
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message["headers"], *self._headers]
            await send(message)

        try:
            self._check_head(scope)
            await self._app(scope, await self._body(scope, receive), answer)
        except RefusedError as error:
            if not started:
                content, closing = {"detail": str(error)}, {"connection": "close"}
                refusal = JSONResponse(content, error.status, closing)
                await refusal(scope, receive, send)

    def _check_head(self, scope: Scope) -> None:
        """Raise `RefusedError` if method, path or headers are not served."""
        method, path = scope["method"], scope["path"]
        headers = Headers(scope=scope)
        check_caller(method, headers.get, self._hosts)
        routes = {"GET": GET, "HEAD": GET, "POST": POST}.get(method)
        if routes is None or not routes.fullmatch(path):
            raise RefusedError(404, "there is nothing here")
        if path.startswith(FILE) and "://" in path:
            raise RefusedError(
                403, "only files that were uploaded or made here can be read"
            )
        declared = headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self._limit(path):
            size = self._limit(path) >> 20
            raise RefusedError(413, f"this is larger than {size} MB")
        if path == UPLOAD:
            delete_old(self._cache)
            if _size(self._cache) > SPACE:
                sentence = "there is no room for uploads: try again in an hour"
                raise RefusedError(507, sentence)

    def _limit(self, path: str) -> int:
        return self._largest + FORM_BYTES if path == UPLOAD else LARGEST_MESSAGE

    async def _body(self, scope: Scope, receive: Receive) -> Receive:
        """Return a `receive` that counts bytes, or that repeats the checked body."""
        limit, count = self._limit(scope["path"]), 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > limit:
                raise RefusedError(413, "this is larger than allowed here")
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
        checked = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return checked.pop() if checked else await receive()

        return replay


def _check(body: bytes) -> None:
    """Raise `RefusedError` for a message that is no JSON or is nested too deep.

    It must not name a file by an address either, because Gradio would fetch it.
    """
    try:
        level = [json.loads(body)] if body else []
    except (ValueError, RecursionError):
        raise RefusedError(400, "this is no message of the page") from None
    # Level by level, without recursion, because a stranger chooses the nesting.
    for _ in range(MOST_DEPTH):
        if not level:
            return
        for value in level:
            path = value.get("path") if isinstance(value, dict) else None
            if isinstance(path, str) and "://" in path:
                sentence = "files are uploaded here, not fetched from addresses"
                raise RefusedError(400, sentence)
        nested = [v for v in level if isinstance(v, dict | list)]
        level = [x for v in nested for x in (v.values() if isinstance(v, dict) else v)]
    raise RefusedError(400, "this is nested too deep")


def delete_old(cache: pathlib.Path) -> None:
    """Delete uploads and results that are older than an hour."""
    for path in cache.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another request deleted it
            if path.stat().st_mtime < time.time() - KEPT_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _size(folder: pathlib.Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):  # deleted meanwhile
                total += os.lstat(os.path.join(parent, file)).st_size
    return total
