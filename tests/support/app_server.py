"""Serve the page in a process and send plain HTTP requests to it; no tests here."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import NamedTuple

from support.ports import DEAD_PROXY, free_port

ROOT = pathlib.Path(__file__).parent.parent.parent
API = "/gradio_api"
# In the order of the page's controls.
DEFAULTS = {
    "choice": "a sound of mine",
    "sound": None,
    "which": "bright",
    "file": None,
    "code": "",
    "amount": 0.5,
    "mix": 1,
    "size_time": 1,
    "size_frequency": 1,
    "flip": "none",
    "tilt": 0,
    "second_which": "none",
    "second_file": None,
    "second_code": "",
    "share": 0.5,
}
TRAIN = {
    "tokens": [],
    "source": "sounds that come with it",
    "archive": None,
    "folder": "",
    "name": "mine",
    "quality": "attack",
    "epochs": 1,
    "seed": 0,
    "frame": 1024,
    "seconds": 1,
}
# Requests go to this machine without a proxy.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer(NamedTuple):
    """Status and body of a response."""

    status: int
    body: bytes

    @property
    def sentence(self) -> str:
        """The sentence of a refusal."""
        return json.loads(self.body)["detail"]


class Client:
    """Sends requests to a server, as the page or another program does."""

    def __init__(self, address: str, cache: str):
        self.address, self.cache = address, cache
        self._functions = None

    def request(self, path: str, data: bytes | None = None, **headers) -> Answer:
        headers = {name.replace("_", "-"): text for name, text in headers.items()}
        request = urllib.request.Request(self.address + path, data, headers)
        try:
            with DIRECT.open(request, timeout=120) as response:
                return Answer(response.status, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read())
        except (urllib.error.URLError, ConnectionError) as error:
            # A server that refuses a body may close the connection early.
            reason = getattr(error, "reason", error)
            if not isinstance(reason, BrokenPipeError | ConnectionResetError):
                raise
            return Answer(413, b"")

    def upload(self, content: bytes, name: str) -> Answer:
        edge = "edge-of-a-part"
        head = (
            f'--{edge}\r\nContent-Disposition: form-data; name="files"; '
            f'filename="{name}"\r\nContent-Type: application/octet-stream\r\n\r\n'
        )
        body = head.encode() + content + f"\r\n--{edge}--\r\n".encode()
        kind = f"multipart/form-data; boundary={edge}"
        return self.request(f"{API}/upload", body, Content_Type=kind)

    def put(self, path: pathlib.Path) -> dict:
        """Upload a file; return its value for a message."""
        answer = self.upload(path.read_bytes(), path.name)
        assert answer.status == 200, answer
        return file_data(json.loads(answer.body)[0])

    def call(self, name: str, *values, session: str = "test"):
        """Call a handler by its name; return its values, or a refusal's sentence."""
        if self._functions is None:
            functions = json.loads(self.request("/config").body)["dependencies"]
            self._functions = {f["api_name"]: f["id"] for f in functions}
        message = {"data": list(values), "fn_index": self._functions[name]}
        body = json.dumps(message | {"session_hash": session}).encode()
        joined = self.request(f"{API}/queue/join", body, Content_Type=JSON)
        if joined.status != 200:
            return joined.sentence
        path = f"{self.address}{API}/queue/data?session_hash={session}"
        with DIRECT.open(path, timeout=120) as stream:
            for line in stream:
                # These messages mean that no answer will come.
                assert b"unexpected_error" not in line and b"close_stream" not in line
                event = json.loads(line.removeprefix(b"data: ")) if line.strip() else {}
                if event.get("msg") == "process_completed":
                    output = event["output"]
                    return output["data"] if event["success"] else output["error"]
        raise AssertionError("the stream ended without an answer")

    def render(self, **changes):
        return self.call("render", *(DEFAULTS | changes).values())

    def train(self, **changes):
        return self.call("start", *(TRAIN | changes).values())

    def fetch(self, path: str) -> bytes:
        """Return a file that the server made."""
        answer = self.request(f"{API}/file={urllib.request.quote(path)}")
        assert answer.status == 200
        return answer.body


JSON = "application/json"


def file_data(path) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def refused(sentence) -> str:
    """Check that an answer is one sentence for a person; return it."""
    assert isinstance(sentence, str), sentence
    assert len(sentence) < 1000 and "\n" not in sentence
    assert not re.search(r"Traceback|File \"|/tmp|Error:|\.py", sentence)
    return sentence


def start(log, *flags: str, **environment) -> subprocess.Popen:
    """Start the page; its output goes to a file, because nobody reads a pipe."""
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "cak_jax", "app", *flags],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": paths} | environment,
        )


def wait_for_lines(log: pathlib.Path, process, count: int) -> list[str]:
    """Return the first lines that a server prints."""
    while (text := log.read_text("utf-8")).count("\n") < count:
        assert process.poll() is None, text
        time.sleep(0.1)
    return text.splitlines()[:count]


@contextlib.contextmanager
def served(folder: pathlib.Path, *flags: str) -> Iterator[Client]:
    """Serve the page; at the end SIGTERM must end it, and its folder must be gone."""
    # The page must ignore an environment for another Gradio app.
    environment = {"TMPDIR": str(folder), "GRADIO_ALLOWED_PATHS": "/"}
    # It must ignore proxies, too, because they cannot reach this machine.
    environment |= {"http_proxy": DEAD_PROXY, "no_proxy": ""}
    environment |= {"ALL_PROXY": "socks5://127.0.0.1:1", "NO_PROXY": ""}
    address = f"http://127.0.0.1:{(port := free_port())}"
    log = folder / "log.txt"
    process = start(log, f"--port={port}", *flags, **environment)
    try:
        assert wait_for_lines(log, process, 1) == [f"{address} (Ctrl-C ends it)"]
        [place] = folder.glob("cak-app-*")
        yield Client(address, str(place / "cache"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert list(folder.glob("cak-app-*")) == []
    finally:
        process.kill()
        process.wait()
