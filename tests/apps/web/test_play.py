"""The exported page in a real Chromium: undo, surprise, hints, MIDI, units, demos."""

import math

import numpy as np
from support.browser import ALL, ENTER, PACKING, unpacked
from support.web_pages import RATE, address, loud, message

CENTRE = "#cells input:nth-child(5)"
# A controller with one knob; values: the number of a knob and its position, 0 to 127.
MIDI = """
const input = {};
const access = { inputs: new Map([["one", input]]) };
navigator.requestMIDIAccess = async () => access;
window.turnMidi = (number, value, status = 0xb0) =>
  input.onmidimessage({ data: new Uint8Array([status, number, value]) });
"""


def settled(page):
    """The hint, once the page has judged its state."""
    address(page)
    return page.run("await app.guard(); return $('hint').textContent")


def test_every_turn_is_undone_and_done_again(page):
    states = ["&".join(address(page))]
    assert not page.element("#undo").is_enabled()
    for selector, keys in [
        ("#amount", "7"),
        (CENTRE, ALL + "0.5" + ENTER),
        ("#size-time", "\ue013"),
    ]:
        page.type(selector, keys)
        states.append("&".join(address(page)))
    page.click("#effects button:nth-child(2)")
    states.append("&".join(address(page)))
    assert len(set(states)) == 5
    for state in states[-2::-1]:
        page.click("#undo")
        assert "&".join(address(page)) == state
    assert not page.element("#undo").is_enabled()
    page.run("document.activeElement.blur()")
    page.type("body", "\ue009\ue008Z\ue000")  # Ctrl-Shift-Z
    assert "&".join(address(page)) == states[1]
    page.click("#redo")
    assert "&".join(address(page)) == states[2]
    # Another turn ends what could be done again.
    page.type("#amount", "3")
    address(page)
    assert not page.element("#redo").is_enabled()


def test_a_surprise_is_another_kernel_that_is_heard(page):
    before = address(page)
    page.click("#surprise")
    page.wait("!$('surprise').disabled")
    after = address(page)
    assert after[0] != before[0] and page.text("#about") == "edited by hand"
    assert settled(page) == ""
    page.click("#undo")
    assert address(page) == before


def test_surprises_keep_the_strength_of_the_kernel_and_can_be_played(page):
    """A hundred of them, without listening."""
    made = page.run(
        """
        const effect = app.given[1].effect;
        const kernels = app.given.map(g => g.effect.kernel);
        return Array.from({length: 100}, () => {
          const found = surprise({ effect, knobs: app.knobs, kernels });
          checkEffect(found.effect);
          readAddress(writeAddress({ ...found, name: "x" }));
          const { size, tilt } = found.knobs;
          return [found.effect.kernel, effect.kernel, size, tilt];
        });
        """
    )
    kernels = np.array([kernel for kernel, *_ in made])
    norms = np.linalg.norm(kernels, axis=1)
    np.testing.assert_allclose(norms, np.linalg.norm(made[0][1]), rtol=1e-5)
    assert len({tuple(kernel) for kernel in kernels.tolist()}) == 100
    assert len({tuple(size) for _, _, size, _ in made}) > 2
    assert all(abs(tilt) <= 1 for *_, tilt in made)


def test_what_an_edited_kernel_ends_in_is_said(page):
    for demo, kernel, bias, words in [
        ("chords", [0] * 9, -3, "Most of the sound is taken away"),
        ("loop", [0] * 9, 0, "This kernel changes nothing that can be heard"),
        ("drums", [0] * 9, 3, "The sound ends in noise"),
        ("loop", [0, 0, 0, 0, 0.2, 0, 0, 0, 0], -0.05, ""),
    ]:
        page.run("await app.playDemo(values[0]); app.choose(app.given[0])", demo)
        assert settled(page) == ""  # not edited
        made = {"kernel": kernel, "bias": bias}
        page.run("app.turn({amount: 1}); app.edit(values[0])", made)
        assert settled(page).startswith(words) and bool(words) == bool(settled(page))
    page.click("#reset")
    assert settled(page) == ""


def test_a_midi_knob_is_learned_and_turns_the_big_one(page):
    page.run(MIDI)
    page.click("#midi")
    assert message(page, "Turn a knob of the MIDI controller.")
    assert page.attribute("#midi", "aria-pressed") == "true"
    page.run("turnMidi(60, 100, 0x90); turnMidi(123, 0)")  # a note, all notes off
    assert page.attribute("#midi", "aria-pressed") == "true"
    page.run("turnMidi(21, 127)")
    assert page.text("#midi") == "MIDI: knob 21 on channel 1"
    assert page.attribute("#amount", "aria-valuenow") == "1"
    page.run("turnMidi(22, 5); turnMidi(21, 5, 0xb1)")  # others
    assert page.attribute("#amount", "aria-valuenow") == "1"
    page.run("turnMidi(21, 32)")
    assert page.attribute("#amount", "aria-valuenow") == "0.25"
    page.click("#midi")
    page.run("turnMidi(7, 0, 0xb3)")
    assert page.text("#midi") == "MIDI: knob 7 on channel 4"
    assert "amount=0" in address(page)


def test_midi_that_is_not_allowed_is_a_sentence(page):
    page.run(
        "navigator.requestMIDIAccess = async () => {"
        " throw new DOMException('no', 'NotAllowedError'); }"
    )
    page.click("#midi")
    assert message(page, "MIDI").endswith("permit it for this page.")
    assert page.attribute("#midi", "aria-pressed") == "false"


def test_spectrograms_have_units(page):
    marks = page.run(
        "return [...document.querySelectorAll('figure:first-child .pitches span')]"
        ".map(e => [e.textContent, e.offsetTop + e.offsetHeight / 2,"
        " $('before').clientHeight])"
    )
    assert [text for text, *_ in marks] == ["100 Hz", "1 kHz", "10 kHz"]
    for hertz, (_, place, height) in zip((100, 1000, 10000), marks, strict=True):
        octaves = math.log2(hertz / 50) / math.log2(RATE / 2 / 50)
        # The style moves a mark up by half its height.
        assert abs(place - height * (1 - octaves)) < 12
    # As far as the bar is long, the picture moves in one second.
    bar = page.run("return $('second').getBoundingClientRect().width")
    moved = page.run(
        """
        const canvas = $("before"), picture = new Spectrogram(canvas);
        const context = { sampleRate: 44100, currentTime: 5 };
        let level = 0;
        const analyser = { context, frequencyBinCount: 64,
          getFloatFrequencyData: levels => levels.fill(level) };
        picture.draw(analyser);
        const frames = [0.016, 0.001, 0.03, 0.1];
        for (let i = 0; context.currentTime < 5.1; i++) {
          context.currentTime += frames[i % 4];
          picture.draw(analyser);
        }
        level = -200;
        const began = context.currentTime;
        for (let i = 0; context.currentTime < began + 1; i++) {
          const next = context.currentTime + frames[i % 4];
          context.currentTime = Math.min(began + 1, next);
          picture.draw(analyser);
        }
        const { data } = picture.context.getImageData(0, 20, canvas.width, 1);
        let x = canvas.width - 1;
        while (data[4 * x] < 100) x--;
        return (canvas.width - 1 - x) / devicePixelRatio;
        """
    )
    assert abs(moved - bar) <= 4 and bar == 120


def test_the_page_brings_sounds_of_its_own(page):
    names = page.run("return Object.keys(DEMOS)")
    assert names == ["loop", "drums", "chords", "bells", "voice"]
    means = set()
    for name in names:
        twice = "const made = () => demoSound(values[0], 22050);"
        twice += "return packed([...made(), ...made()])"
        found = unpacked(page.run(PACKING + twice, name))
        np.testing.assert_array_equal(found[:2], found[2:])
        assert found.shape[1] == round(8 * 60 / 104 * 22050)
        assert 0.2 < np.abs(found).max() < 1 and np.abs(found.mean()) < 0.03
        means.add(float(np.square(found).mean()))
    assert len(means) == len(names) and min(means) > 1e-4
    page.click("#play")
    loud(page)
    page.run(
        "$('demos').value = 'bells'; $('demos').dispatchEvent(new Event('change'))"
    )
    page.wait("app.title === 'bells' && app.player.playing")
    loud(page)
    assert page.run("return app.fileName()").startswith("bells__bright_")


def test_a_stranger_is_told_what_it_is(page):
    assert page.text("h1") == "Learned audio effects"
    assert "open a sound of your own" in page.text("header p")
    for knob in ("amount", "mix", "tilt", "size-time", "size-pitch"):
        assert len(page.attribute(f"#{knob}", "title")) > 20
    page.click(".kernel summary")
    assert "earlier and later, higher and lower" in page.text(".kernel details p")
