"""The page in a real browser: hear, rate by keys, go back, reload, compare two."""

import pytest
from support import browser
from support.browser import TAB
from support.rating import fill, rated
from support.sounds import put, sound

LEFT, RIGHT, SPACE = "\ue012", "\ue014", " "
pytestmark = browser.needed()


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    with browser.opened(folder, "--window-size=900,800") as made:
        yield made


@pytest.fixture
def window(opened):
    opened.open("about:blank")
    opened.complaints()
    return opened


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "sounds")


def read(table):
    return dict(line.split(",") for line in table.read_text().splitlines()[1:])


def shown(window, progress):
    """Wait until the page shows so much progress and plays; return the file names."""
    window.wait(
        "!busy && document.querySelector('#progress').textContent === values[0] &&"
        " players.every(player => player.src)",
        progress,
    )
    return window.run(
        "return [...document.querySelectorAll('.name')].map(name => name.textContent)"
    )


def press(window, keys):
    window.type("body", keys)


def test_keys_rate_play_skip_and_go_back(window, folder, tmp_path):
    table = tmp_path / "ratings.csv"
    with rated(folder, table, question="How <b>bright</b>?") as page:
        window.open(page.address)
        [first] = shown(window, "0 of 5")
        assert window.text("#question") == "How <b>bright</b>?"
        assert window.element("#back").is_enabled() is False
        window.wait("players[0].currentTime > 0.05")
        press(window, "7")
        [second] = shown(window, "1 of 5")
        assert read(table) == {first: "7"}
        window.wait("players[0].currentTime > 0.05")
        # Space plays it from the beginning.
        window.wait("players[0].ended")
        press(window, SPACE)
        window.wait("!players[0].paused && players[0].currentTime < 0.6")
        press(window, "u")
        window.wait("document.querySelector('.name').textContent !== values[0]", second)
        [third] = shown(window, "1 of 5")
        assert third not in (first, second) and read(table) == {first: "7"}
        press(window, LEFT)
        window.wait("document.querySelector('.name').textContent === values[0]", second)
        press(window, LEFT)
        window.wait("document.querySelector('.name').textContent === values[0]", first)
        chosen = window.element("#answers [aria-pressed=true]")
        assert chosen.text == "7" and window.element("#back").is_enabled() is False
        press(window, "3")
        window.wait("document.querySelector('.name').textContent === values[0]", third)
        assert read(table) == {first: "3"}
        assert window.complaints() == []


def test_a_reload_goes_on_until_all_are_rated(window, folder, tmp_path):
    table = tmp_path / "ratings.csv"
    with rated(folder, table) as page:
        window.open(page.address)
        shown(window, "0 of 5")
        press(window, "2")
        [name] = shown(window, "1 of 5")
        window.open("about:blank")
    with rated(folder, table) as page:
        window.open(page.address)
        assert shown(window, "1 of 5") == [name]
        for done in range(1, 5):
            press(window, str(done))
            window.wait("!busy && state.done === values[0]", done + 1)
        assert window.text("#progress").startswith("5 of 5: all done.")
        assert len(read(table)) == 5
        press(window, LEFT)
        window.wait("!busy && state.sounds.length === 1")
        assert window.element("#answers [aria-pressed=true]").text == "4"
        press(window, RIGHT)
        window.wait("!busy && state.sounds.length === 0")
        assert window.complaints() == []


def test_a_second_tab_and_the_server_s_end_are_said(window, folder, tmp_path):
    table = tmp_path / "ratings.csv"
    with rated(folder, table) as page:
        window.open(page.address)
        [first] = shown(window, "0 of 5")
        page.answer(9)
        press(window, "1")
        window.wait("!busy && document.querySelector('#message').textContent")
        assert "another tab" in window.text("#message")
        [second] = shown(window, "1 of 5")
        assert read(table) == {first: "9"} and second != first
        # A message of the browser, not of the page.
        window.complaints()
    press(window, "1")
    window.wait("!busy && document.querySelector('#message').textContent")
    assert window.text("#message").startswith("cak rate has ended.")
    assert read(table) == {first: "9"}


@pytest.mark.parametrize("silent", ["a.wav", "z.wav"])
def test_a_file_that_cannot_be_played_is_named(window, tmp_path, silent):
    """One of the two comes first, the other is fetched while the first is played."""
    folder = tmp_path / "sounds"
    put(folder, "m.wav", sound(0.6))
    put(folder, silent, [0.0] * 4000)
    with rated(folder, tmp_path / "ratings.csv") as page:
        window.open(page.address)
        window.wait("!busy && document.querySelector('#message').textContent")
        said = f"{silent}: cannot be rated: silent"
        assert window.text("#message") == f"{said}; it is left out"
        assert window.text(".name") == "m.wav"
        assert page.reported == [(silent, "cannot be rated: silent")]
        press(window, "5")
        window.wait("!busy && state.done === 1")
        assert window.text("#progress").startswith("1 of 1: all done.")


def test_two_are_compared(window, folder, tmp_path):
    table = tmp_path / "ratings.csv"
    with rated(folder, table, pairs=True) as page:
        window.open(page.address)
        first, second = shown(window, "0 of 10 comparisons")
        assert first.startswith("1: ") and second.startswith("2: ")
        window.wait("!players[1].paused")  # after the first
        press(window, "9")  # no answer here
        press(window, "2")
        shown(window, "1 of 10 comparisons")
        [row] = table.with_name("ratings.pairs.csv").read_text().splitlines()[1:]
        assert row == f"{first[3:]},{second[3:]},2"
        ratings = read(table)
        assert float(ratings[second[3:]]) > float(ratings[first[3:]])
        press(window, LEFT)
        window.wait("!busy && state.place === 0")
        assert (
            window.element("#answers [aria-pressed=true]").text == "2 Second has more"
        )
        window.click("#answers [data-value='0']")
        shown(window, "1 of 10 comparisons")
        window.wait("!busy && state.place === 1")
        assert set(read(table).values()) == {"4.50"}
        assert window.complaints() == []


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize("width", [360, 900])
def test_it_fits_and_is_labelled(window, folder, tmp_path, pairs, width):
    with rated(folder, tmp_path / "ratings.csv", pairs=pairs) as page:
        window.phone(width, 740)
        try:
            window.open(page.address)
            window.wait("state && !busy")
            size = "document.documentElement"
            assert window.run(f"return {size}.scrollWidth <= {size}.clientWidth")
            small = window.run(
                "return [...document.querySelectorAll('button')].filter(button =>"
                " Math.min(button.offsetWidth, button.offsetHeight) < 40).length"
            )
            assert small == 0
            assert window.label(".play").endswith("sound")
            answers = window.driver.find_elements("css selector", "#answers button")
            labels = [button.accessible_name for button in answers]
            if pairs:
                assert labels == ["First has more", "Equal", "Second has more"]
            else:
                assert labels[:2] == ["Rate 0, least", "Rate 1"]
                assert labels[9] == "Rate 9, most"
            window.type("body", TAB)
            outline = "return getComputedStyle(document.activeElement).outlineStyle"
            assert window.run(outline) == "solid"
        finally:
            window.phone(0, 0)


def test_space_presses_a_button_that_tab_reached(window, folder, tmp_path):
    with rated(folder, tmp_path / "ratings.csv") as page:
        window.open(page.address)
        shown(window, "0 of 5")
        press(window, TAB)
        for _ in range(3):
            window.driver.switch_to.active_element.send_keys(TAB)
        assert window.run("return document.activeElement.dataset.value") == "2"
        window.driver.switch_to.active_element.send_keys(SPACE)
        shown(window, "1 of 5")
        assert [*read(tmp_path / "ratings.csv").values()] == ["2"]
        # After a click, space plays again.
        window.click("#answers [data-value='4']")
        shown(window, "2 of 5")
        window.wait("players[0].ended")
        press(window, SPACE)
        window.wait("!players[0].paused")
        assert page.state()["done"] == 2


def test_nothing_leaves_the_page(window, folder, tmp_path):
    with rated(folder, tmp_path / "ratings.csv") as page:
        window.open(page.address)
        shown(window, "0 of 5")
        script = "return fetch('data:,x').then(() => 'went', () => 'refused')"
        assert window.run(script) == "refused"
        said = window.complaints()
        assert said and all("Content Security Policy" in line for line in said)


def test_a_large_folder_says_how_many_are_enough(window, tmp_path):
    folder, table = fill(tmp_path / "sounds", 41), tmp_path / "ratings.csv"
    with rated(folder, table) as page:
        window.open(page.address)
        shown(window, "0 of 41; some 40 are enough")
    with rated(folder, table, pairs=True) as page:
        window.open(page.address)
        shown(window, "0 of 120 comparisons")
