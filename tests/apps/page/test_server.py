"""The page in a real browser: upload, turn the knob, listen, download."""

import contextlib
import io
import time

import numpy as np
import pyloudnorm
import pytest
import soundfile
from support import browser
from support.sounds import grain, put

from cak_jax import load_effect
from cak_jax.rendering.in_memory import render

pytestmark = browser.needed()
RATE = 44100
# The sounds of the player's two elements, decoded by the browser.
HEARD = """
const [done] = [arguments[arguments.length - 1]];
const context = new OfflineAudioContext(1, 1, arguments[0]);
const heard = async (kind) => {
  const source = document.querySelector(`#player audio[data-kind=${kind}]`).src;
  const bytes = await (await fetch(source)).arrayBuffer();
  const sound = await context.decodeAudioData(bytes);
  return [...Array(sound.numberOfChannels).keys()].map(
    (channel) => Array.from(sound.getChannelData(channel)));
};
Promise.all([heard("dry"), heard("wet")]).then(done, (error) => done(String(error)));
"""
STATE = """
return [...document.querySelectorAll("#player audio")].map(
  (sound) => [sound.paused, sound.muted, sound.currentTime]);
"""
# Both are paused, so that their times do not change between the two reads.
APART = """
const [dry, wet] = document.querySelectorAll("#player audio");
for (const [sound, place] of [[dry, 0.25], [wet, 0.75]]) {
  sound.pause();
  sound.currentTime = place;
}
"""


@pytest.fixture(scope="module")
def page(page_client, tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    flags = browser.ALLOWED, "--window-size=1360,1500"
    with browser.opened(folder, *flags) as window:
        window.open(page_client.address)
        yield Page(window.driver, folder)


class Page:
    """The parts of the page."""

    def __init__(self, driver, folder):
        self.driver, self.folder = driver, folder

    def find(self, selector: str):
        return until(lambda: self.driver.find_element("css selector", selector))

    def facts(self) -> str:
        found = self.driver.find_elements("css selector", "#player .facts")
        return found[0].text if found else ""

    def turn(self, selector: str, value: str) -> None:
        """Type a value beside a slider, as a person does."""
        field = self.find(f"{selector} input[type=number]")
        field.send_keys(browser.ALL, value, browser.TAB)

    def play(self, kind: str) -> None:
        button = f"#player [data-do={kind}]"
        until(lambda: self.find(button).click() is None)


def until(function, seconds: float = 90.0):
    """Call a function until it returns something true, and return that."""
    from selenium.common.exceptions import WebDriverException

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(WebDriverException):
            if found := function():
                return found
        time.sleep(0.1)
    raise AssertionError("it did not come")


def test_upload_turn_hear_and_download(page, tmp_path):
    """The browser plays and saves the result of `cak_jax.render`."""
    samples = np.stack([grain(n, 1.0, RATE) for n in range(2)])
    path = put(tmp_path, "my grains.wav", samples.T, RATE, subtype="PCM_24")
    heard, _ = soundfile.read(path, dtype="float32")
    page.find("#sound input[type=file]").send_keys(str(path))
    page.find(
        "#sound .standard-player, #sound [data-testid=waveform-controls], #sound audio"
    )
    page.find("#render").click()
    until(lambda: "bright at amount 0.50" in page.facts())
    page.turn("#amount", "0.8")  # which renders again by itself
    until(lambda: "bright at amount 0.80" in page.facts())
    want = render(load_effect("bright"), heard.T, RATE, amount=0.8)
    dry, wet = map(np.array, page.driver.execute_async_script(HEARD, RATE))
    step = 2.0**-23
    assert np.abs(dry - heard.T).max() <= step
    assert np.abs(wet - want).max() <= 3 * step
    assert np.abs(wet - dry).max() > 0.01
    levels = [20 * np.log10(np.sqrt(np.mean(np.square(s)))) for s in (dry, wet)]
    meter = pyloudnorm.Meter(RATE)
    loud = [meter.integrated_loudness(s.T.astype(np.float64)) for s in (dry, wet)]
    assert loud[0] == pytest.approx(loud[1], abs=0.01)
    assert f"with the effect {levels[1]:.1f} dBFS" in page.facts()
    page.find("#download").click()
    saved = page.folder / "my grains__bright_a080.wav"
    until(saved.exists)
    found, rate = soundfile.read(io.BytesIO(saved.read_bytes()))
    assert rate == RATE and soundfile.info(saved).subtype == "PCM_24"
    assert np.abs(found.T - want).max() <= 1.6 * step


def test_a_and_b_play_at_one_place(page):
    """One of the two is mute; changing sides synchronises them."""
    page.play("play")
    until(lambda: all(place > 0.1 for _, _, place in page.driver.execute_script(STATE)))
    for kind, muted in (("dry", [False, True]), ("wet", [True, False])):
        page.driver.execute_script(APART)
        page.play(kind)
        state = page.driver.execute_script(STATE)
        assert [mute for _, mute, _ in state] == muted
        assert [place for _, _, place in state] == [0.25, 0.25]


def test_errors_are_sentences(page, tmp_path):
    page.find("#amount input[type=number]")
    page.find("#first-effect input").send_keys(
        browser.ALL, "a text code", browser.ENTER
    )
    page.find("#first-code textarea").send_keys("cak1broken")
    page.find("#render").click()
    told = until(lambda: page.find(".toast-body").text)
    assert "cak1broken: is a damaged text code" in told


def test_the_page_speaks_to_no_one_else(page, page_client):
    names = page.driver.execute_script(
        "return performance.getEntriesByType('resource').map((r) => r.name)"
    )
    wanted = (page_client.address, "blob:", "data:")
    assert names and all(name.startswith(wanted) for name in names)
    severe = [e for e in page.driver.get_log("browser") if e["level"] == "SEVERE"]
    assert severe == []


def test_train_tab(page):
    """It opens, and offers a folder because only this machine reaches the page."""
    page.driver.find_elements("css selector", "button[role=tab]")[1].click()
    until(lambda: page.find("#train-start").is_displayed())
    assert "a folder here" in page.find("#train-source").text
    assert "Nothing is being trained" in page.find("#training").text
