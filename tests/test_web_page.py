"""The exported page in a real Chromium: load it, act, and measure what is heard."""

import contextlib
import functools
import http.server
import threading
import time

import browser
import numpy as np
import pytest
import soundfile
from sounds import put

from cak_jax import cli, effect_code, render, shipped
from cak_jax.effect import load_effect
from cak_jax.synth import synthesise_clip

pytestmark = pytest.mark.skipif(not browser.FOUND, reason=browser.MISSING)
RATE = 44100
EFFECTS = ("glass", "machine", "published")
ALLOWED = "--use-fake-ui-for-media-stream"
# How loud the page is before and after the effect, over what the last 0.1 s held.
HEARD = """
const level = analyser => {
  const sound = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(sound);
  return Math.sqrt(sound.reduce((sum, value) => sum + value * value, 0) / sound.length);
};
return app.player.before
  ? [level(app.player.before), level(app.player.after)] : [0, 0];
"""
DIFFERENCE = """
const sound = analyser => {
  const found = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(found);
  return found;
};
const [dry, wet] = [app.player.before, app.player.after].map(sound);
let least = Infinity;
// The ceiling holds what is heard back by one segment; and the audio thread may have
// gone on by some quanta from one look to the other.
for (let late = 64 - 8 * 128; late < 9 * 128; late += 128) {
  let difference = 0;
  for (let t = 1152; t < dry.length - 1152; t++)
    difference = Math.max(difference, Math.abs(wet[t] - dry[t - late]));
  least = Math.min(least, difference);
}
return least;
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("page")
    given = [f"--effect={name}" for name in EFFECTS]
    assert cli.main(["export-web", *given, f"--output={made}"]) == 0
    return made


@pytest.fixture(scope="module")
def driver():
    with browser.driver() as address:
        yield address


@pytest.fixture(scope="module")
def window(driver, folder):
    with browser.window(driver, folder, ALLOWED) as window:
        window.resize(1280, 1050)
        yield window


@pytest.fixture
def page(window, folder):
    """The page as it is after loading, in one window."""
    window.open("about:blank")
    window.open((folder / "index.html").as_uri())
    yield window
    window.run("app.stop()")
    assert window.complaints() == []


def loud(page):
    page.wait("(() => {" + HEARD + "})()[1] > 0.003")
    return page.run(HEARD)


def address(page):
    """The address once it has followed."""
    time.sleep(0.4)
    return page.run("return location.hash.slice(1).split('&')")


def message(page, words):
    page.wait("$('message').textContent.includes(given[0])", words)
    return page.text("#message")


def test_it_plays_at_once(page):
    assert page.attribute("#play", "aria-label") == "Play"
    page.click("#play")
    dry, wet = loud(page)
    assert dry > 0.003
    # Glass changes it, and the running match keeps the level within reach.
    assert page.run(DIFFERENCE) > 0.01 and 0.2 < wet / dry < 5
    assert page.attribute("#play", "aria-label") == "Stop"
    page.wait("$('peak').textContent.includes('dB')")
    page.click("#play")
    assert page.attribute("#play", "aria-label") == "Play"
    page.wait("app.player.playing === null")
    page.wait("(() => {" + HEARD + "})()[1] < 1e-6")


def test_latency_is_shown(page):
    samples = 2048 + 512 - 128 + 64
    assert page.text("#latency") == f"{1000 * samples / RATE:.1f} ms, {samples} samples"
    page.click("#effects button:nth-child(2)")
    assert page.text("#latency").endswith(f"{512 + 128 - 128 + 64} samples")


def test_bypass_is_the_dry_sound_as_late(page):
    page.click("#play")
    loud(page)
    assert page.run(DIFFERENCE) > 0.01
    page.click("#bypass")
    assert page.attribute("#bypass", "aria-pressed") == "true"
    time.sleep(0.4)
    assert page.run(DIFFERENCE) < 1e-6
    page.run("document.activeElement.blur()")
    page.type("body", "b")
    assert page.attribute("#bypass", "aria-pressed") == "false"
    page.wait("(() => {" + DIFFERENCE + "})() > 0.01")


def test_amount_zero_is_the_input(page):
    page.type("#amount", "0")
    page.click("#play")
    loud(page)
    assert page.run(DIFFERENCE) == 0.0


def test_the_knob_turns_by_hand_wheel_and_key(page):
    def amount():
        return float(page.attribute("#amount", "aria-valuenow"))

    assert amount() == 0.5
    page.type("#amount", "\ue013\ue013")  # up
    assert amount() == 0.54
    page.type("#amount", "\ue00f")  # page down
    assert amount() == 0.44
    page.type("#amount", "8")
    assert amount() == 0.8
    page.type("#amount", "\ue011")  # home
    assert amount() == 0.0
    page.drag("#amount", 0, -110)
    assert amount() == 0.5
    page.drag("#amount", 0, 150)
    assert amount() == 0.0
    page.run("$('amount').dispatchEvent(new WheelEvent('wheel', {deltaY: -100}))")
    assert amount() == 0.02
    assert page.text("#amount .value") == "0.02"
    page.run("$('amount').dispatchEvent(new MouseEvent('dblclick'))")
    assert amount() == 0.5
    page.type("#amount", "\ue010")  # end
    assert "amount=1" in address(page)


def test_the_shape_travels_in_the_address(page):
    page.type("#mix", "\ue00f")
    page.type("#tilt", "\ue013")
    page.type("#size-time", "\ue013")
    page.type("#size-pitch", "\ue013\ue013")
    page.click("#flip-time")
    page.click("#flip-pitch")
    code, *rest = address(page)
    assert code == effect_code.encode(shipped.read("glass"))
    assert rest == ["name=glass", "mix=0.9", "tilt=0.04", "size=2x3", "flip=both"]
    page.click("#flip-time")
    assert "flip=frequency" in address(page)
    whole = page.run("return location.href")
    page.open("about:blank")
    page.open(whole)
    assert page.run("return app.knobs") == {
        "amount": 0.5, "mix": 0.9, "tilt": 0.04, "size": [2, 3], "flip": "frequency",
    }  # fmt: skip
    assert page.attribute("#size-pitch", "aria-valuenow") == "3"
    assert page.attribute("#flip-pitch", "aria-pressed") == "true"


def test_a_size_turned_while_it_plays_takes_over(page):
    page.click("#play")
    loud(page)
    page.type("#size-time", "\ue013\ue013\ue013")
    page.wait(
        "app.player.playing.settings.size[0] === 4 && !app.player.playing.changing"
    )
    time.sleep(0.5)
    loud(page)
    page.click("#bypass")
    time.sleep(0.4)
    assert page.run(DIFFERENCE) < 1e-6


def test_the_kernel_is_edited_cell_by_cell(page):
    cell = "#cells input:nth-child(3)"  # higher pitch, after: kernel[2][2]
    before = effect_code.decode(address(page)[0])
    assert page.text("#about") == shipped.read("glass")["provenance"]["character"]
    page.type(cell, "\ue009a\ue000" + "-0,25\ue007")  # all, none, Enter
    changed = effect_code.decode(address(page)[0])
    assert changed["kernel"][2][2] == -0.25
    assert page.text("#about") == "edited by hand"
    page.type(cell, "\ue013")
    assert effect_code.decode(address(page)[0])["kernel"][2][2] == -0.2
    page.drag("#cells input:nth-child(4)", 0, -50)
    value = effect_code.decode(address(page)[0])["kernel"][1][0]
    assert value == pytest.approx(before["kernel"][1][0] + 0.5, abs=0.02)
    page.type("#scale", "\ue009a\ue000" + "0.5\ue007")
    assert effect_code.decode(address(page)[0])["scale"] == 0.5
    page.type(cell, "\ue009a\ue000" + "loud\ue007")
    assert message(page, "is no number") == (
        'kernel, higher pitch, after: "loud" is no number from -10000 to 10000.'
    )
    page.click("#reset")
    assert effect_code.decode(address(page)[0]) == before


def test_effects_are_chosen(page):
    page.click("#play")
    loud(page)
    page.click("#effects button:nth-child(2)")
    assert address(page)[:2] == [
        effect_code.encode(shipped.read("machine")), "name=machine",
    ]  # fmt: skip
    page.wait("app.player.playing.settings.nFft === 512")
    time.sleep(0.3)
    loud(page)


def test_any_effect_comes_by_address(page, folder):
    code = effect_code.encode(shipped.read("tabla"))
    page.run("location.hash = given[0]", f"{code}&name=my tabla&amount=0.3")
    page.wait("app.origin.name === 'my tabla'")
    assert page.text("#effects button:nth-child(4)") == "my tabla"
    assert page.attribute("#amount", "aria-valuenow") == "0.3"
    page.run("location.hash = given[0]", code[:-1])
    assert message(page, "damaged").endswith("copy all of it.")
    page.click("#play")
    loud(page)


def sound_file(folder, name="a sound.wav", channels=2):
    sound = np.stack([synthesise_clip(i, RATE, RATE, 1) for i in (5, 6)][:channels])
    return put(folder, name, sound.T, RATE), sound


@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_is_rendered_as_apply_does(page, folder, tmp_path, channels):
    path, sound = sound_file(tmp_path, f"tone {channels}.wav", channels)
    page.type("#file", str(path))
    page.wait("app.title === given[0] && app.player.playing", path.name)
    loud(page)
    page.type("#amount", "7")
    page.type("#tilt", "\ue00f")
    page.click("#download")
    target = folder / f"tone_{channels}__glass_a070.wav"
    said = message(page, target.name)
    wait_for(target)
    assert soundfile.info(target).subtype == "PCM_24"
    found = soundfile.read(target, always_2d=True)[0].T
    wanted = render.render(load_effect("glass"), sound, RATE, amount=0.7, tilt=-0.2)
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


def wait_for(path, seconds=30):
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
        (b"hello, no sound at all" * 100, "cannot be decoded by this browser"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "cannot be decoded by this browser"),
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


def test_a_microphone_that_is_not_allowed_is_a_sentence(driver, folder, tmp_path):
    with browser.window(driver, tmp_path, "--deny-permission-prompts") as window:
        window.open((folder / "index.html").as_uri())
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


def test_it_plays_from_a_server_too(window, folder):
    with served(folder) as root:
        window.open(root)
        window.click("#play")
        loud(window)
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
        page.drag("#amount", 0, -44, kind="touch")
        assert page.attribute("#amount", "aria-valuenow") == "0.7"
        assert page.run("return scrollY") == 0
    finally:
        page.phone(0, 0)
