"""The page's command line, and the server as another program uses it."""

import io
import json
import re
import socket
import zipfile

import numpy as np
import pytest
import soundfile
from support.app_server import DEFAULTS, Client, refused, start, wait_for_lines
from support.sounds import grain, put

from cak_jax import load_effect
from cak_jax.apps.page import rendering, request_checks
from cak_jax.commands import app
from cak_jax.effect import locate, text_code
from cak_jax.rendering import loudness
from cak_jax.rendering.in_memory import render

RATE = 22050


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--port=0"], "--port must be between 1 and 65535: 0"),
        (["--minutes=nan"], "--minutes must be between"),
        (["--megabytes=-1"], "--megabytes must be between"),
        (["--training-minutes=0"], "--training-minutes must be between"),
        (["--host=example.org"], "--host=example.org: must be an address"),
        (["--host=192.0.2.1"], "192.0.2.1, --port=7860: "),
        (["--runs=/dev/null/x"], "--runs=/dev/null/x: "),
    ],
)
def test_unusable_flags(flags, words, capsys):
    assert app.main(flags) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {words}") and said.count("\n") == 1


def test_port_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert app.main([f"--port={port}"]) == 2
    assert f"--port={port}: Address already in use; name another" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("version", [None, "5.49.1", "6.21.0", "7.0.0"])
def test_gradio_is_missing_or_another(version, monkeypatch):
    def found(name):
        if version is None:
            raise app.importlib.metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(app.importlib.metadata, "version", found)
    with pytest.raises(app.EffectError, match=r'pip install "cak-jax\[app\]"$'):
        app.check_installed()


@pytest.mark.slow
def test_other_hosts_are_said(tmp_path):
    """What others can reach is said, and no folder of the machine can be named."""
    log = tmp_path / "log.txt"
    flags = "--host=0.0.0.0", "--port=65123", "--no-training"
    process = start(log, *flags, TMPDIR=str(tmp_path))
    try:
        said = wait_for_lines(log, process, 2)
        assert said[0].startswith("http://0.0.0.0:65123")
        assert said[1].startswith("anyone who reaches 0.0.0.0 can use this page")
        stranger = Client("http://127.0.0.1:65123", "")
        assert stranger.request("/", Host="cak.example.org").status == 200
        names = json.loads(stranger.request("/config").body)["dependencies"]
        assert "start" not in {f["api_name"] for f in names}
    finally:
        process.terminate()
        assert process.wait(60) == 0


def test_render_over_http(page_client, page_sound):
    """The file that comes back is what `render.render` gives for the one that went."""
    sent = page_client.fetch(page_sound["path"])
    heard, _ = soundfile.read(io.BytesIO(sent), dtype="float32")
    shown = page_client.render(sound=page_sound, which="dark", amount=0.7, mix=0.5)
    made = page_client.fetch(shown[5]["value"]["path"])
    wet, rate = soundfile.read(io.BytesIO(made))
    want = render(load_effect("dark"), heard, RATE, amount=0.7, mix=0.5)
    want = want * loudness.fitting_gain(heard, want, ceiling=rendering.LOUDEST)
    assert rate == RATE and np.abs(wet - want).max() <= 1.6 * 2.0**-23
    document = json.loads(page_client.fetch(shown[6]["value"]["path"]))
    assert document == locate.read("dark")
    assert text_code.decode(shown[7])["kernel"] == pytest.approx(
        np.float32(document["kernel"]).astype(float)
    )


def test_train_watch_stop_and_play(page_client, tmp_path, page_folder):
    """A zip trains and is heard; stopped, the effect keeps its name and plays.

    Without a name it is called after the zip. A stranger sees nothing.
    """
    path = tmp_path / "my grains.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for n in range(8):
            file = put(tmp_path, f"{n}.wav", grain(n, 1.0, RATE), RATE)
            opened.write(file, f"my sounds/{n}.wav")
    given = {
        "source": "a zip of my sounds",
        "archive": page_client.put(path),
        "epochs": 30,
        "name": "",
    }
    tokens, *shown = page_client.train(**given)
    assert 'class="told"' in shown[0]
    assert "another training is running" in refused(page_client.train())
    assert "Nothing" in page_client.call("look", ["20261130-000000-" + "f" * 32])[0]
    for _ in range(1200):
        shown = page_client.call("look", tokens)
        if shown[2]["interactive"]:
            break
        app.threading.Event().wait(0.3)
    player, *_ = page_client.call("hear", tokens, "drum loop", "")
    assert re.search(r"my grains after pass \d+ of 30", player)
    assert "there is no effect yet" in refused(page_client.call("play", tokens))
    page_client.call("stop", tokens)
    for _ in range(1200):
        shown = page_client.call("look", tokens)
        if not shown[5]["interactive"]:
            break
        app.threading.Event().wait(0.3)
    assert re.search("my grains: .*(stopped: the effect is kept|done)", shown[0], re.S)
    document = json.loads(page_client.fetch(shown[2]["value"]["path"]))
    assert document["name"] == "my grains"
    first, second, _ = page_client.call("play", tokens)
    which = first["value"]
    assert which == request_checks.TRAINED + tokens[-1]
    offered = {choice: name for name, choice in second["choices"]}
    assert offered[which].startswith("my grains - trained ")
    sound = {"choice": "drum loop", "which": which, "amount": 0.3}
    shown = page_client.render(**sound)
    assert "my grains at 0.30" in shown[0]
    assert json.loads(page_client.fetch(shown[6]["value"]["path"])) == document
    # Its name is known to the visitor's own browser only, which a choice proves.
    unknown = page_client.call("render", *(DEFAULTS | sound).values(), session="other")
    assert "not in the list" in refused(unknown)
    assert not list(page_folder.rglob("0000_*.wav"))
