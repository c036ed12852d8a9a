"""The report's players in a browser: one switch, one place in time, equal loudness."""

import numpy as np
import pytest
from support import browser
from support.sounds import sound

from cak_jax.audio.sound_file import encode_preview
from cak_jax.report import run_page

pytestmark = browser.needed()
RATE = 44100
# Every start of a sound and every gain, as the page makes them.
WATCH = """
window.starts = [];
const start = AudioBufferSourceNode.prototype.start;
AudioBufferSourceNode.prototype.start = function (...when) {
  window.starts.push([...when, this.buffer.duration]);
  return start.apply(this, when);
};
window.gains = [];
window.GainNode = class extends GainNode {
  constructor(...given) { super(...given); window.gains.push(this.gain); }
};
"""
HEARD = "return [...document.querySelectorAll('[data-sound]')].map(b => b.ariaPressed)"


@pytest.fixture
def listening(window, tmp_path):
    """A report with one clip in three loudnesses."""
    items = [
        {"label": label, "mime": "audio/mpeg", "data": encode_preview(samples, RATE)}
        for label, samples in {
            "dry": sound(2.0, RATE).T,
            "0.5": sound(2.0, RATE, seed=1).T,
            "1": sound(2.0, RATE, seed=2).T,
        }.items()
    ]
    preview = {"name": "a clip", "knob": "amount", "items": items}
    page = run_page.write_report(tmp_path, {"title": "x", "previews": [preview]})
    window.open("about:blank")
    added = window.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": WATCH}
    )
    window.open(page.as_uri())
    yield window
    window.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_the_switch_keeps_the_place(listening):
    """All sounds start at one place and time; a switch changes gains alone."""
    assert listening.run(HEARD) == ["false", "false", "true"]
    listening.click("[data-play]")
    listening.wait("window.starts.length === 3")
    assert len({tuple(start) for start in listening.run("return window.starts")}) == 1
    assert listening.run("return window.gains.map(g => g.value)") == [0, 0, 1]
    listening.click("[data-sound]:first-child")
    assert listening.run(HEARD) == ["true", "false", "false"]
    listening.wait("window.gains[0].value > 0.999 && window.gains[2].value < 0.001")
    assert listening.run("return window.starts.length") == 3
    # Paused and played again it goes on where it stood.
    listening.wait("parseFloat(document.querySelector('output').textContent) > 0.2")
    listening.click("[data-play]")
    stood = listening.run("return document.querySelector('input').value")
    listening.click("[data-play]")
    listening.wait("window.starts.length === 6")
    (_, place, length), *_ = listening.run("return window.starts.slice(3)")
    assert place / length == pytest.approx(float(stood), abs=0.001)
    assert np.isclose(length, 2.0, atol=0.1)
    assert listening.complaints() == []
