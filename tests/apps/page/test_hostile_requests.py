"""Requests of strangers that the page itself never sends.

Each time a sentence must come back or nothing, no file of the machine, no traceback,
and the server must live.
"""

import itertools
import json
import math
import socket
import zipfile

import numpy as np
import pytest
from support.app_server import API, JSON, file_data, refused
from support.sounds import put

from cak_jax.apps.page import request_checks
from cak_jax.effect import locate, text_code

RATE = 22050


PASSWD = "root:"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../../../etc/passwd",
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%2fetc%2fpasswd",
        "{cache}/../../../../../../../etc/passwd",
        "{cache}/..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
        "file:///etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "{cache}",
        "{cache}/../runs",
        "http://127.0.0.1:1/",
        "https://example.org/",
    ],
)
def test_no_file_but_the_cache(page_client, path):
    path = path.replace("{cache}", page_client.cache)
    answer = page_client.request(f"{API}/file={path}")
    assert answer.status in (403, 404)
    assert PASSWD.encode() not in answer.body and b"PATH=" not in answer.body


@pytest.mark.parametrize(
    "route",
    [
        "/gradio_api/proxy=http://127.0.0.1:1/",
        "/gradio_api/stream/a/b/1/playlist.m3u8",
        "/gradio_api/openapi.json",
        "/gradio_api/custom_component/1/client/component/index.js",
        "/gradio_api/deep_link?session_hash=a",
        "/gradio_api/vibe-code",
        "/gradio_api/dev/reload",
        "/gradio_api/run-history/buckets",
        "/gradio_api/runs",
        "/monitoring",
        "/docs",
        "/login",
    ],
)
def test_routes_that_are_shut(page_client, route):
    assert page_client.request(route).status == 404
    assert page_client.request(route, b"{}", Content_Type=JSON).status == 404


def test_other_pages_stay_outside(page_client):
    """Requests with another host name, or from another page's scripts, are refused."""
    assert page_client.request("/", Host="evil.example.org").status == 403
    body = b'{"data": [], "fn_index": 2, "session_hash": "a"}'
    join = f"{API}/queue/join"
    for headers in ({"Origin": "http://evil.example.org"}, {"Origin": "null"},
                    {"Sec_Fetch_Site": "cross-site"}):  # fmt: skip
        answer = page_client.request(join, body, Content_Type=JSON, **headers)
        assert answer.status == 403
    assert page_client.request("/", Origin=page_client.address).status == 200


def test_files_that_were_not_uploaded(page_client, page_folder):
    (page_folder / "secret.wav").write_bytes(b"RIFF")
    for path in ("/etc/passwd", str(page_folder / "secret.wav"), "../secret.wav",
                 f"{page_client.cache}/../../secret.wav", "\0", ""):  # fmt: skip
        for stream in (False, True):
            given = file_data(path) | {"is_stream": stream}
            answer = page_client.render(sound=given)
            # Gradio refuses it itself, without a message.
            assert answer is None or refused(answer)
    for path in ("http://127.0.0.1:1/x.wav", "https://example.org/x.wav",
                 "http://169.254.169.254/latest/meta-data"):  # fmt: skip
        answer = page_client.render(sound=file_data(path))
        assert answer == "files are uploaded here, not fetched from addresses"


NO_VALUES = [math.nan, math.inf, -7, 1e300, "0.5", "x", [0.5], {}, None, True]
FIELDS = ["amount", "mix", "size_time", "tilt", "share"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name, value in itertools.product(FIELDS, NO_VALUES)
        # True equals 1, which these two take.
        if not (value is True and name in ("amount", "mix"))
    ],
)
def test_values_that_are_none(page_client, page_sound, name, value):
    answer = page_client.render(sound=page_sound, **{name: value})
    assert answer is None or refused(answer)


@pytest.mark.parametrize("name", ["choice", "which", "flip", "second_which"])
@pytest.mark.parametrize(
    "value", ["/etc/passwd", "x" * 200, "trained:..", ["bright"], {}, 5]
)
def test_choices_that_are_none(page_client, page_sound, name, value):
    answer = page_client.render(sound=page_sound, **{name: value})
    assert answer is None or refused(answer)


def test_hostile_codes(page_client, page_sound):
    codes = {
        "cak1": "damaged text code",
        "cak1" + "A" * 112: "checksum",
        "<img src=x onerror=alert(1)>": "&lt;img",
        "x" * 100_000: "longer than",
        "../../etc/passwd": "no text code",
        "cak9" + "A" * 112: "another version",
        text_code.encode(locate.read("published"))[:-1]: "115 characters",
    }
    for code, words in codes.items():
        which = request_checks.FROM_CODE
        answer = page_client.render(sound=page_sound, which=which, code=code)
        assert words in refused(answer) and "<" not in answer
    for code in (5, ["cak1"], {"a": 1}):
        answer = page_client.render(
            sound=page_sound, which=request_checks.FROM_CODE, code=code
        )
        assert answer is None or refused(answer)


def test_hostile_uploads(page_client, page_sound, tmp_path):
    """Files that are no sounds or effects, or too large, or too long."""
    text = tmp_path / "song.wav"
    text.write_text("no sound")
    long = put(tmp_path, "hours.flac", np.zeros(3 * 3600 * 8000, np.int16), 8000,
               format="FLAC", subtype="PCM_16")  # fmt: skip
    nan = put(tmp_path, "nan.wav", np.array([0.0, np.nan]), RATE)
    cases = {
        "not an audio file": {"sound": page_client.put(text)},
        "too long": {"sound": page_client.put(long)},
        "no numbers": {"sound": page_client.put(nan)},
    }
    documents = {
        "larger than 65536 bytes": b" " * (7 << 20),
        "not UTF-8": b"\xff\xfe{\0}\0",
        "not a JSON": b'{"format": 1e999999',
        "must be": json.dumps({"format": "<b>x</b>"}).encode(),
        "kernel[0][0]": json.dumps(
            locate.read("bright") | {"kernel": [[float("nan")] * 3] * 3}
        ).encode(),
    }
    for words, content in documents.items():
        path = tmp_path / "effect.json"
        path.write_bytes(content)
        own = {"which": request_checks.FROM_FILE, "file": page_client.put(path)}
        cases[words] = {"sound": page_sound, **own}
    for words, given in cases.items():
        assert words in refused(page_client.render(**given))


def test_bodies_that_are_too_large(page_client):
    assert page_client.upload(bytes((8 << 20) + 70_000), "x.wav").status == 413
    big = b'{"data": ["' + b"x" * (1 << 20) + b'"]}'
    join = f"{API}/queue/join"
    assert page_client.request(join, big, Content_Type=JSON).status == 413
    # A streamed body declares no length.
    address = page_client.address.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1])), 60) as stream:
        head = f"POST {join} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\n"
        stream.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError, AssertionError)):
            for _ in range(64):
                stream.sendall(chunk)
            assert b" 413 " not in stream.recv(100)
    nested = b'{"data":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    assert page_client.request(join, nested, Content_Type=JSON).status == 400
    assert page_client.request(join, b"\xff\xfe", Content_Type=JSON).status == 400


def test_names_of_uploads_lead_nowhere(page_client, page_folder):
    for name in ("../../out.wav", "/out.wav", "..", "a/../../../out.wav", "x" * 400):
        answer = page_client.upload(b"RIFF", name)
        if answer.status == 200:
            [path] = json.loads(answer.body)
            assert path.startswith(f"{page_client.cache}/") and ".." not in path
    found = [str(path) for path in page_folder.rglob("out.wav")]
    assert found and all(path.startswith(page_client.cache) for path in found)


def test_it_still_renders(page_client, page_sound):
    """The server works after all requests above."""
    assert isinstance(page_client.render(sound=page_sound), list)


def test_hostile_trainings(page_client, tmp_path):
    def packed(entries, **kind):
        path = tmp_path / "sounds.zip"
        with zipfile.ZipFile(path, "w", **kind) as opened:
            for name, content in entries.items():
                opened.writestr(name, content)
        return {"source": "a zip of my sounds", "archive": page_client.put(path)}

    deflated = {"compression": zipfile.ZIP_DEFLATED}
    cases = {
        "leads out of it": packed({"../x.wav": b"RIFF"}),
        "200fold": packed({"x.wav": bytes(100 << 20)}, **deflated),
        "more than 2000 files": packed({f"{n}.wav": b"" for n in range(2001)}),
        "no sound file": packed({"x.txt": b"x"}),
        "is missing": {"source": "a zip of my sounds"},
        "is no folder": {"source": "a folder", "folder": "relative"},
        "must be one line": {"name": "a\nb"},
        "greater than maximum": {"epochs": 1e9},
        "epochs must be a whole number": {"epochs": 1.5},
        "seed": {"seed": -1},
        "not in the list": {"frame": 7},
        "list of choices": {"quality": "loudness"},
    }
    for words, given in cases.items():
        answer = page_client.train(**given)
        assert answer is None or words.lower() in refused(answer).lower(), given
    for tokens in ([f"20261130-000000-{'0' * 32}"], ["../x"], [5], {"a": 1}, "x", None):
        none = "there is no training of yours to stop"
        assert page_client.call("stop", tokens) == none
        assert page_client.call("look", tokens)[0].startswith('<div class="empty">')
