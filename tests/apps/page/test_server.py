"""The page in a real browser: begin, upload, turn the knob, listen, download."""

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
from cak_jax.effect import locate, text_code
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


# The chosen effect, what the player's button says, and whether that is current, after
# every change of the player.
WATCH = """
window.seen = [];
const chosen = document.querySelector("#first-effect input");
const player = document.querySelector("#player");
const note = () => {
  const wet = player.querySelector("[data-do=wet]");
  if (wet) window.seen.push([
    chosen.value.split(" ")[0], wet.textContent.split(" ")[0], player.dataset.state]);
};
new MutationObserver(note).observe(
  player, {attributes: true, childList: true, subtree: true});
"""
# Texts and controls that are seen, and whether two of them lie on each other.
COLLISIONS = """
const seen = [...document.querySelectorAll(
  ".gradio-container :is(label, button, input, textarea, p, h1, h3, img, summary)")]
  .filter(e => e.checkVisibility({opacityProperty: true, visibilityProperty: true}))
  .map(e => [e, e.getBoundingClientRect()])
  .filter(([e, box]) => box.width > 2 && box.height > 2);
const hits = [];
for (const [a, r] of seen) for (const [b, s] of seen) {
  if (a === b || a.contains(b) || b.contains(a)) continue;
  const across = Math.min(r.right, s.right) - Math.max(r.left, s.left);
  const down = Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top);
  if (across > 3 && down > 3)
    hits.push([a.outerHTML.slice(0, 90), b.outerHTML.slice(0, 90)]);
}
return [hits, seen.length, document.documentElement.scrollWidth];
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
        """What the page says about what it plays, also in what is folded."""
        found = self.driver.find_elements("css selector", "#player .player")
        return found[0].get_attribute("textContent") if found else ""

    def playing(self) -> str:
        """The name and amount of what is played, once nothing is being rendered."""
        state = self.find("#player").get_attribute("data-state")
        return self.find("#player [data-do=wet]").text if state == "current" else ""

    def choose(self, selector: str, text: str) -> None:
        """Choose from a dropdown by typing."""
        self.find(f"{selector} input").send_keys(browser.ALL, text, browser.ENTER)

    def pick(self, selector: str, text: str) -> None:
        """Choose from radio buttons."""
        for label in self.driver.find_elements("css selector", f"{selector} label"):
            if label.text == text:
                label.click()

    def turn(self, selector: str, value: str) -> None:
        """Type a value beside a slider, as a person does."""
        field = self.find(f"{selector} input[type=number]")
        field.send_keys(browser.ALL, value, browser.TAB)

    def open_tab(self, name: str) -> None:
        """Open a tab, once the page is there."""

        def click() -> list[None]:
            tabs = self.driver.find_elements("css selector", "button[role=tab]")
            return [tab.click() for tab in tabs if tab.text == name]

        until(click)

    def play(self, kind: str) -> None:
        button = f"#player [data-do={kind}]"
        until(lambda: self.find(button).click() is None)


def until(function, seconds: float = 300.0):
    """Call a function until it returns something true, and return that."""
    from selenium.common.exceptions import WebDriverException

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(WebDriverException):
            if found := function():
                return found
        time.sleep(0.1)
    raise AssertionError("it did not come")


def test_it_begins_with_a_sound(page):
    """An example is rendered when the page opens; the sound comes first on it."""
    until(lambda: page.playing() == "bright at 0.50")
    assert "drum loop through bright at amount 0.50" in page.facts()
    first = page.find("#sound-choice").location["y"]
    assert first < min(page.find(s).location["y"] for s in ("#first-effect", "#amount"))
    assert page.find("#amount input[type=range]").get_attribute("max") == "1"


def test_every_change_renders_and_until_then_the_old_one_is_named(page):
    """The button names what plays; no name of another effect while it plays."""
    until(lambda: page.playing() == "bright at 0.50")
    page.driver.execute_script(WATCH)
    page.choose("#first-effect", "dark")
    until(lambda: page.playing() == "dark at 0.50")
    seen = page.driver.execute_script("return window.seen")
    assert ["dark", "bright", "working"] in seen
    assert seen[-1] == ["dark", "dark", "current"]
    assert ["dark", "bright", "current"] not in seen
    page.pick("#sound-choice", "pad")
    until(lambda: "pad through dark" in page.facts())
    # A sound of one's own that is not there yet is no error.
    page.pick("#sound-choice", "a sound of mine")
    until(lambda: "Choose a sound file" in page.find("#player").text)
    assert "Error" not in page.find(".results").text
    assert not page.driver.find_elements("css selector", ".toast-body")
    # While an answer is awaited, the page no longer asks for a sound.
    page.driver.execute_script("window.cak.play.changed()")
    assert page.find("#player").text == "Rendering …"
    page.choose("#first-effect", "bright")


def test_upload_turn_hear_and_download(page, tmp_path):
    """The browser plays and saves the result of `cak_jax.render`."""
    samples = np.stack([grain(n, 1.0, RATE) for n in range(2)])
    path = put(tmp_path, "my grains.wav", samples.T, RATE, subtype="PCM_24")
    heard, _ = soundfile.read(path, dtype="float32")
    page.find("#sound input[type=file]").send_keys(str(path))
    until(lambda: "my grains through bright at amount 0.50" in page.facts())
    page.turn("#amount", "0,8")  # in a browser whose language has no decimal comma
    until(lambda: page.playing() == "bright at 0.80")
    want = render(load_effect("bright"), heard.T, RATE, amount=0.8)
    dry, wet = map(np.array, page.driver.execute_async_script(HEARD, RATE))
    step = 2.0**-23
    assert np.abs(dry - heard.T).max() <= step
    assert np.abs(wet - want).max() <= 3 * step
    assert np.abs(wet - dry).max() > 0.01
    levels = [20 * np.log10(np.sqrt(np.mean(np.square(s)))) for s in (dry, wet)]
    meter = pyloudnorm.Meter(RATE)
    loud = [meter.integrated_loudness(s.T.astype(np.float64)) for s in (dry, wet)]
    assert loud[0] == pytest.approx(loud[1], abs=0.1)
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


def toasts(page) -> list[str]:
    found = page.driver.find_elements("css selector", ".toast-body")
    return [element.text for element in found]


def test_errors_are_sentences(page):
    """What plays is named as before, and no picture is replaced by an error."""
    page.choose("#first-effect", "a text code")
    # A code that is not there yet is no error.
    until(lambda: "Paste a text code" in page.find("#player").text)
    assert not toasts(page)
    code = page.find("#first-code textarea")
    code.send_keys(text_code.encode(locate.read("dark")), browser.TAB)
    until(lambda: "at 0.80" in page.playing())
    heard = page.playing()
    code.send_keys("broken", browser.TAB)
    until(lambda: any("a damaged text code" in t for t in toasts(page)))
    until(lambda: page.find("#player").get_attribute("data-state") == "refused")
    assert (
        f"You still hear {heard}. What you chose now cannot"
        in page.find("#player").text
    )
    pictures = page.driver.find_elements("css selector", ".results .image-frame")
    assert pictures and all("Error" not in picture.text for picture in pictures)
    page.find(".toast-close").click()
    until(lambda: not toasts(page))
    page.choose("#first-effect", "bright")
    until(lambda: page.playing() == "bright at 0.80")


def test_the_page_speaks_to_no_one_else(page, page_client):
    names = page.driver.execute_script(
        "return performance.getEntriesByType('resource').map((r) => r.name)"
    )
    wanted = (page_client.address, "blob:", "data:")
    assert names and all(name.startswith(wanted) for name in names)
    severe = [e for e in page.driver.get_log("browser") if e["level"] == "SEVERE"]
    assert severe == []


def test_train_tab(page):
    """It begins with sounds that are there; a folder can be named on this machine."""
    page.driver.find_elements("css selector", "button[role=tab]")[1].click()
    until(lambda: page.find("#train-start").is_displayed())
    offered = page.find("#train-source").text.split("\n")[-3:]
    assert offered == ["sounds that come with it", "a folder", "a zip of my sounds"]
    assert "Nothing is being trained" in page.find("#training").text
    # A choice before the first pass is no error, and nothing is rendered then.
    page.pick("#hear-on", "pad")
    assert page.find("#hear").text.startswith("Here you hear the effect")


@pytest.mark.parametrize("tab", [0, 1])
@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_lies_on_another(page, tab, width):
    """On a phone and on a desk; on the phone the player follows the knob."""
    window = browser.Window(page.driver)
    window.phone(width, 844)
    try:
        page.driver.find_elements("css selector", "button[role=tab]")[tab].click()
        shown = ("#player", "#train-start")[tab]
        until(lambda: page.find(shown).is_displayed())
        hits, count, wide = page.driver.execute_script(COLLISIONS)
        assert hits == [] and count > 10 and wide <= width
        if width == 390 and tab == 0:
            places = [
                page.find(s).location["y"] for s in ("#amount", "#player", "#render")
            ]
            assert places == sorted(places)
    finally:
        window.phone(0, 0)


def test_a_page_that_is_loaded_again_finds_its_training(page):
    """It opens the tab with the training and can stop it, as before."""
    page.open_tab("Train")
    until(lambda: page.find("#train-start").click() is None)
    until(lambda: "Part 1 of 4" in page.find("#training").text)
    page.driver.refresh()
    until(lambda: "Part 1 of 4" in page.find("#training").text, 60.0)
    until(lambda: page.find("#train-stop").is_enabled())
    page.find("#train-stop").click()
    until(lambda: page.find("#train-start").is_enabled())
    # The sound that every loaded page renders first.
    page.open_tab("Play")
    until(lambda: page.playing() == "bright at 0.50")
