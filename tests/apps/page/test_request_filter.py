"""The request filter without a server: space for uploads."""

import asyncio
import os
import time

from cak_jax.apps.page import request_filter


def status_of(filtered, method, path):
    """Send a request without a body; return the status of the answer."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(filtered(scope, receive, send))
    return sent[0]["status"]


async def let_in(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_uploads_wait_while_there_is_no_room(tmp_path, monkeypatch):
    """Uploads are refused while the cache is full; files of an hour ago are deleted."""
    monkeypatch.setattr(request_filter, "SPACE", 0)
    filtered = request_filter.RequestFilter(
        let_in, cache=tmp_path, largest=1000, hosts=()
    )
    assert status_of(filtered, "POST", request_filter.UPLOAD) == 200
    upload = tmp_path / "one"
    upload.mkdir()
    (upload / "x.wav").write_bytes(b"sound")
    assert status_of(filtered, "POST", request_filter.UPLOAD) == 507
    assert status_of(filtered, "GET", "/") == 200
    past = time.time() - request_filter.KEPT_SECONDS - 1
    os.utime(upload, (past, past))
    assert status_of(filtered, "POST", request_filter.UPLOAD) == 200
    assert not upload.exists()
