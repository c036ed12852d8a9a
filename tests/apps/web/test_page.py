"""The exported page in a real Chromium: turn what turns, and measure what is heard."""

import dataclasses

import pytest
from support.browser import ALL, ENTER
from support.web_pages import (
    DIFFERENCE,
    HEARD,
    RATE,
    address,
    loud,
    message,
    spaced_code,
)

from cak_jax.apps.web import build_page
from cak_jax.commands import apply
from cak_jax.commands.render_flags import parse_size
from cak_jax.effect import locate, text_code
from cak_jax.effect.effect import load_effect, to_document
from cak_jax.model.spectrogram_settings import SpectrogramSettings


def test_it_plays_at_once(page):
    assert page.attribute("#play", "aria-label") == "Play"
    page.click("#play")
    loud(page)
    # Glass changes it, and the running match keeps the level within reach, once what is
    # heard fills the span that is looked at.
    page.wait(
        "((dry, wet) => dry > 0.003 && 0.2 < wet / dry && wet / dry < 5)"
        "(...(() => {" + HEARD + "})())"
    )
    page.wait("(() => {" + DIFFERENCE + "})() > 0.01")
    assert page.attribute("#play", "aria-label") == "Stop"
    page.wait("$('peak').textContent.includes('dB')")
    page.click("#play")
    assert page.attribute("#play", "aria-label") == "Play"
    page.wait("app.player.playing === null")
    page.wait("(() => {" + HEARD + "})()[1] < 1e-6")


def test_latency_is_shown(page):
    samples = 2048 + 512 - 128 + 16 + 72
    assert page.text("#latency") == f"{1000 * samples / RATE:.1f} ms, {samples} samples"
    page.click("#effects button:nth-child(2)")
    assert page.text("#latency").endswith(f"{512 + 128 - 128 + 16 + 72} samples")


def test_the_size_ends_where_cells_would_lie_too_far_apart(page):
    """The package refuses what the page's knob does not reach."""
    code = spaced_code("bright", spacing=(2, 16))[1]
    page.run("location.hash = values[0]", f"#{code}&name=far&size=9x16")
    page.wait("app.origin.name === 'far'")
    assert page.attribute("#size-time", "aria-valuenow") == "4"
    assert page.attribute("#size-pitch", "aria-valuenow") == "16"
    assert "size=4x16" in address(page)
    samples = 2048 + 64 * 512 - 128 + 16 + 72
    assert page.text("#latency").endswith(f"{samples} samples")
    page.type("#size-time", "\ue010")  # end
    assert page.attribute("#size-time", "aria-valuenow") == "4"
    page.click("#effects button:nth-child(1)")
    page.type("#size-time", "\ue010")
    assert page.attribute("#size-time", "aria-valuenow") == "16"


def test_bypass_is_the_dry_sound_as_late(page):
    page.click("#play")
    loud(page)
    page.wait("(() => {" + DIFFERENCE + "})() > 0.01")
    page.click("#bypass")
    assert page.attribute("#bypass", "aria-pressed") == "true"
    page.wait("(() => {" + DIFFERENCE + "})() < 1e-6")
    page.run("document.activeElement.blur()")
    page.type("body", "b")
    assert page.attribute("#bypass", "aria-pressed") == "false"
    page.wait("(() => {" + DIFFERENCE + "})() > 0.01")


def test_amount_zero_is_the_input(page):
    page.type("#amount", "0")
    page.click("#play")
    loud(page)
    page.wait("(() => {" + DIFFERENCE + "})() === 0")


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
    assert code == text_code.encode(locate.read("bright"))
    assert rest == ["name=bright", "mix=0.9", "tilt=0.04", "size=2x3", "flip=both"]
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
    page.click("#bypass")
    loud(page)
    page.wait("(() => {" + DIFFERENCE + "})() < 1e-6")


def test_the_kernel_is_edited_cell_by_cell(page):
    cell = "#cells input:nth-child(3)"  # higher pitch, after: kernel[2][2]
    before = text_code.decode(address(page)[0])
    assert page.text("#about") == build_page.entry(locate.read("bright"))["about"]
    page.type(cell, ALL + "-0,25" + ENTER)
    changed = text_code.decode(address(page)[0])
    assert changed["kernel"][2][2] == -0.25
    assert page.text("#about") == "edited by hand"
    page.type(cell, "\ue013")
    assert text_code.decode(address(page)[0])["kernel"][2][2] == -0.2
    page.drag("#cells input:nth-child(4)", 0, -50)
    value = text_code.decode(address(page)[0])["kernel"][1][0]
    assert value == pytest.approx(before["kernel"][1][0] + 0.5, abs=0.02)
    page.type("#scale", ALL + "0.5" + ENTER)
    assert text_code.decode(address(page)[0])["scale"] == 0.5
    page.type(cell, ALL + "loud" + ENTER)
    assert message(page, "is no number") == (
        'kernel, higher pitch, after: "loud" is no number from -10000 to 10000.'
    )
    page.click("#reset")
    assert text_code.decode(address(page)[0]) == before


def test_effects_are_chosen(page):
    page.click("#play")
    loud(page)
    page.click("#effects button:nth-child(2)")
    assert address(page)[:2] == [
        text_code.encode(locate.read("noise")), "name=noise",
    ]  # fmt: skip
    page.wait("app.player.playing.settings.nFft === 512")
    page.wait("!app.player.playing.changing")
    loud(page)


def test_any_effect_comes_by_address(page):
    code = text_code.encode(locate.read("dark"))
    name = "<i>dark</i>"
    page.run("location.hash = values[0]", f"{code}&name={name}&amount=0.3")
    page.wait("app.origin.name === values[0]", name)
    assert page.text("#effects button:nth-child(4)") == name
    assert page.attribute("#amount", "aria-valuenow") == "0.3"
    page.run("location.hash = values[0]", code[:-1])
    assert message(page, "damaged").endswith("copy all of it.")
    page.click("#play")
    loud(page)


def test_an_effect_at_another_rate_takes_over(page):
    bright = load_effect("bright")
    slow = dataclasses.replace(
        bright, spectrogram=SpectrogramSettings(22050, 1024, 256)
    )
    page.click("#play")
    loud(page)
    length = page.run("return app.sound.planes[0].length")
    page.run("location.hash = values[0]", text_code.encode(to_document(slow)))
    page.wait("app.player.playing?.settings.sampleRate === 22050")
    assert page.run("return app.player.context.sampleRate") == 22050
    assert page.run("return app.sound.planes[0].length") == round(length / 2)
    loud(page)
    page.click("#effects button:nth-child(1)")
    page.wait("app.player.playing?.settings.sampleRate === 44100")
    loud(page)


def test_a_stop_before_it_plays_is_one(page):
    page.run("app.toggle(); app.toggle();")
    page.run("await new Promise(next => setTimeout(next, 500))")
    assert page.run("return [app.running, app.player.playing]") == [False, None]
    assert page.attribute("#play", "aria-label") == "Play"


def test_the_command_is_what_is_turned(page):
    page.type("#amount", "7")
    page.type("#size-time", "\ue013")
    page.click("#flip-time")
    page.type("#bias", ALL + "0.25" + ENTER)
    cak, command, *words = page.run("return app.command()").split()
    assert (cak, command) == ("cak", "apply")
    given = apply.make_parser().parse_args(words)
    assert (given.amount, given.mix, given.flip) == (0.7, 1.0, "time")
    assert parse_size(given.size) == (2, 1)
    assert text_code.decode(given.effect[0])["bias"] == 0.25
    assert page.run("return app.link()").endswith(
        f"index.html#{given.effect[0]}&name=bright&amount=0.7&size=2x1&flip=time"
    )


def test_nothing_leaves_the_page(page):
    # Without a policy this would do: it needs no network.
    script = "return fetch('data:,x').then(() => 'went', () => 'refused')"
    assert page.run(script) == "refused"
    said = page.complaints()
    assert said and all("Content Security Policy" in line for line in said)
