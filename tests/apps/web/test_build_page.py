"""The exported page in a real Chromium: files in and out, microphone, phone."""

import contextlib
import functools
import http.server
import threading
import time

import numpy as np
import pytest
import soundfile
from support import browser
from support.sounds import put
from support.web_pages import RATE, loud, message, sound_file

from cak_jax.effect.effect import load_effect
from cak_jax.rendering import in_memory


@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_is_rendered_as_apply_does(page, exported, tmp_path, channels):
    path, sound = sound_file(tmp_path, f"tone {channels}.wav", channels)
    page.type("#file", str(path))
    page.wait("app.title === values[0] && app.player.playing", path.name)
    loud(page)
    page.type("#amount", "7")
    page.type("#tilt", "\ue00f")
    page.click("#download")
    target = exported / f"tone_{channels}__bright_a070.wav"
    said = message(page, target.name)
    wait_for(target)
    assert soundfile.info(target).subtype == "PCM_24"
    found = soundfile.read(target, always_2d=True)[0].T
    wanted = in_memory.render(load_effect("bright"), sound, RATE, amount=0.7, tilt=-0.2)
    peak = np.abs(wanted).max()
    assert ("against clipping" in said) == (peak > 1)
    wanted = wanted * min(1.0, (1 - 2**-23) / peak)
    assert found.shape == wanted.shape
    error = np.square(found - wanted).sum() / np.square(wanted).sum()
    assert 10 * np.log10(error) < -90


def test_more_channels_become_two(page, tmp_path):
    sound = sound_file(tmp_path)[1]
    path = put(tmp_path, "four.wav", np.concatenate([sound, sound]).T, RATE)
    page.type("#file", str(path))
    assert message(page, "mixed down") == "4 channels are mixed down to two."
    loud(page)
    assert page.run("return app.sound.planes.length") == 2


def wait_for(path, seconds=browser.SECONDS):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} did not come"
        time.sleep(0.05)


def test_a_sound_ends_where_it_does_not_loop(page, tmp_path):
    page.click("#loop")
    assert page.attribute("#loop", "aria-pressed") == "false"
    path = put(tmp_path, "short.wav", sound_file(tmp_path)[1].T[:8000], RATE)
    page.type("#file", str(path))
    page.wait("app.title === 'short.wav'")
    page.wait("!app.running && $('play').getAttribute('aria-label') === 'Play'")


def test_files_beyond_measure_are_sentences(page, tmp_path):
    huge, loud_one = tmp_path / "huge.wav", sound_file(tmp_path)[1]
    with open(huge, "wb") as file:
        file.truncate(101_000_000)
    page.type("#file", str(huge))
    assert message(page, "larger").startswith('"huge.wav" is larger than 100 MB')
    loud_one[0, 100] = 1000.0
    page.type("#file", str(put(tmp_path, "loud.wav", loud_one.T, RATE)))
    assert message(page, "far too loud").startswith('"loud.wav" holds samples')
    assert page.run("return app.title") == "a loop to begin with"


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", "is empty."),
        (b"hello, no sound at all" * 100, "is no sound file that this page knows"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "holds samples of a kind that this browser"),
    ],
)
def test_a_file_that_is_none_is_a_sentence(page, tmp_path, data, words):
    path = tmp_path / "bad.wav"
    path.write_bytes(data)
    page.type("#file", str(path))
    assert message(page, words).startswith('"bad.wav" ')
    page.click("#play")
    loud(page)


def test_the_microphone_is_heard(page):
    page.click("#microphone")
    loud(page)  # Chromium's false one beeps
    assert page.attribute("#microphone", "aria-pressed") == "true"
    assert "headphones" in page.text("#message")
    page.click("#download")
    assert "open a file first" in message(page, "microphone plays")
    page.click("#microphone")
    assert page.attribute("#microphone", "aria-pressed") == "false"
    assert page.text("#sound-name") == "a loop to begin with"


@browser.needed()
def test_a_microphone_that_is_not_allowed_is_a_sentence(exported, tmp_path):
    with browser.opened(tmp_path, "--deny-permission-prompts") as window:
        window.open((exported / "index.html").as_uri())
        window.click("#microphone")
        assert message(window, "not allowed").endswith("permit it for this page.")


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    handler = functools.partial(_Silent, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def test_it_plays_from_a_server_too(window, exported):
    with served(exported) as root:
        window.open(root)
        window.click("#play")
        loud(window)
        window.open("about:blank")
    assert window.complaints() == []


def test_an_address_that_is_not_secure_is_a_sentence(window, exported):
    with served(exported) as root:
        window.open(root.replace("127.0.0.1", "page.test"))
        window.click("#play")
        wanted = "Effects do not run here: the address must begin with https."
        assert message(window, "https") == wanted
        assert window.attribute("#play", "aria-label") == "Play"
        window.click("#microphone")
        assert message(window, "no microphone").endswith("begin with https.")
        window.open("about:blank")
    assert window.complaints() == []


def test_everything_has_a_name(page):
    for selector, name in page.run(
        "return [...document.querySelectorAll('button, input, [tabindex], canvas')]"
        ".filter(e => e.offsetParent).map((e, i) => { e.dataset.n = i;"
        "return [`[data-n='${i}']`, e.id]; })"
    ):
        assert page.label(selector).strip(), name
    assert page.label("#amount") == "Amount"
    assert page.label("#cells input:nth-child(1)") == "kernel, higher pitch, before"


def test_on_a_phone(page):
    page.phone(390, 844)
    try:
        page.wait("innerWidth === 390")
        widest = page.run("return document.documentElement.scrollWidth")
        assert widest <= 390
        small = page.run(
            "return [...document.querySelectorAll('button, input, .dial')]"
            ".filter(e => e.offsetParent && e.getBoundingClientRect().height < 40)"
            ".map(e => e.id)"
        )
        assert small == []
        page.run("$('amount').scrollIntoView({block: 'center'})")
        before = page.run("return scrollY")
        page.drag("#amount", 0, -44, kind="touch")
        assert page.attribute("#amount", "aria-valuenow") == "0.7"
        assert page.run("return scrollY") == before
    finally:
        page.phone(0, 0)
