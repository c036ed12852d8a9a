"""The routes: answers are written, and nothing that does not fit is."""

import json

import pytest
from support.rating import fill, rated
from support.sounds import put

from cak_jax.apps.rate import server

JSON = "application/json"


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "sounds")


@pytest.fixture
def table(tmp_path):
    return tmp_path / "ratings.csv"


@pytest.fixture
def page(folder, table):
    with rated(folder, table, question="How warm?") as page:
        yield page


def test_the_page_and_its_headers(page):
    for path in ("/", "/page.js", "/page.css"):
        assert page.request(path).status == 200
    answer = server_headers(page, "/state")
    assert "default-src 'none'" in answer["content-security-policy"]
    assert answer["x-content-type-options"] == "nosniff"
    assert answer["cache-control"] == "no-store"
    html = page.request("/").body.decode()
    assert "http" not in html.replace("http-equiv", "")


def server_headers(page, path):
    from support.app_server import DIRECT

    with DIRECT.open(page.address + path, timeout=20) as response:
        return {name.lower(): text for name, text in response.headers.items()}


def test_answers_are_written_at_once(page, table):
    state = page.state()
    assert (state["question"], state["done"], state["total"]) == ("How warm?", 0, 5)
    assert not table.exists()
    [first] = state["sounds"]
    after = page.answer(8)
    assert table.read_text() == f"file,rating\n{first['name']},8\n"
    assert (after["done"], after["place"], after["back"]) == (1, 1, True)
    before = page.state("?before=1")
    assert before["sounds"] == [first] and before["answer"] == "8"
    assert before["forward"] and not before["back"]
    assert page.state("?after=0")["place"] == 1
    changed = json.loads(page.send(before, 2).body)
    assert changed["place"] == 1
    assert table.read_text() == f"file,rating\n{first['name']},2\n"


def test_sounds_are_served(page):
    for number in range(5):
        answer = page.request(f"/sound/{number}")
        assert answer.status == 200 and answer.body.startswith(b"RIFF")
    assert page.request("/sound/5").status == 404


def test_stale_pages_change_nothing(page, table):
    stale = page.state()
    page.answer(1)
    written = table.read_text()
    assert page.send(stale, 5).status == 409
    state = page.state()
    for changes in (
        {"run": "0"},
        {"run": None},
        {"revision": 0},
        {"sounds": [99]},
        {"sounds": []},
        {"place": 0},
    ):
        answer = page.send(state, 5, **changes)
        assert answer.status == 409 and "as it is now" in answer.sentence
    assert table.read_text() == written


@pytest.mark.parametrize("value", [10, -1, "5", 5.0, True, None, [5]])
def test_values_that_are_no_ratings(page, table, value):
    assert page.send(page.state(), value).status == 400
    assert not table.exists()


@pytest.mark.parametrize("place", [-1, 5, 2**70, "0", None, True])
def test_places_that_are_none(page, table, place):
    assert page.send(page.state(), 5, place=place).status in (400, 409)
    assert not table.exists()


def test_strangers_are_refused(page, table):
    body = json.dumps({"run": "x"}).encode()
    for headers in (
        {"Origin": "http://evil.example.org"},
        {"Origin": "null"},
        {"Host": "evil.example.org"},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        answer = page.request("/answer", body, Content_Type=JSON, **headers)
        assert answer.status == 403
    assert page.request("/answer", body, Content_Type="text/plain").status == 415
    assert page.request("/state", Host="evil.example.org").status == 403
    assert page.request("/state", Origin=page.address).status == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"3", b"[" * 4000, b"\xff", b"{}", b"x" * 5000]
)
def test_messages_that_are_none(page, body):
    answer = page.request("/answer", body, Content_Type=JSON)
    assert answer.status in (400, 409, 413)
    assert page.state()["done"] == 0


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd", "/page.py", "/state?before=x", "/state?at=1",
        "/state?before=-1", "/sound/", "/sound/-1", "/sound/1x", "/sound/%D9%A3",
        "/index.html", "/sound/0/../1", "/?x",
    ],
)  # fmt: skip
def test_other_paths_hold_nothing(page, path):
    assert page.request(path).status in (400, 404)
    assert page.request(path, b"{}").status in (404, 415)


def test_a_table_that_breaks_is_said_and_kept(page, table):
    state = page.state()
    table.write_text("file,rating\nx.wav,loud\n")
    answer = page.send(state, 5)
    assert answer.status == 409 and "line 2: 'loud' is no number" in answer.sentence
    assert table.read_text() == "file,rating\nx.wav,loud\n"
    table.unlink()
    assert page.send(state, 5).status == 200


def test_a_table_that_cannot_be_written_is_said(page, table, monkeypatch):
    state = page.state()

    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("cak_jax.apps.rate.table.replace_file", full)
    answer = page.send(state, 5)
    assert answer.status == 500
    assert answer.sentence.startswith("ratings.csv cannot be written (No space left")
    monkeypatch.undo()
    assert page.send(state, 5).status == 200 and page.state()["done"] == 1


def test_a_damaged_file_is_left_out_and_places_stay(folder, table):
    put(folder, "silent.wav", [0.0] * 4000)
    with rated(folder, table) as page:
        site = page.site
        number = site.numbers["silent.wav"]
        place = site.rater.order.index("silent.wav")
        answer = page.request(f"/sound/{number}")
        assert answer.status == 422
        assert answer.sentence == "silent.wav: cannot be rated: silent; it is left out"
        for value in range(5):
            assert page.answer(value)["total"] == 5
        state = page.state()
        assert state["sounds"] == [] and state["done"] == 5
        seen = []
        while state["back"]:
            state = page.state(f"?before={state['place']}")
            seen.append(state["place"])
        assert sorted([*seen, place]) == list(range(6))


def test_skipped_files_come_last(page):
    first = page.state()
    second = json.loads(page.send(first, path="/skip").body)
    assert second["sounds"] != first["sounds"] and second["done"] == 0
    for _ in range(4):
        state = page.answer(1)
    assert state["sounds"] == first["sounds"] and state["done"] == 4
    assert page.answer(1)["sounds"] == []


def test_pairs(folder, table):
    with rated(folder, table, pairs=True) as page:
        state = page.state()
        assert state["pairs"] and len(state["sounds"]) == 2
        assert page.send(state, 3).status == 400
        for value in (1, 2, 0, 1):
            state = page.answer(value)
        assert state["done"] == 4 and state["total"] == 10
        rows = table.with_name("ratings.pairs.csv").read_text().splitlines()
        assert len(rows) == 5
        back = page.state("?before=4")
        assert back["place"] == 3 and back["answer"] == "1"
    with rated(folder, table, pairs=True) as page:
        assert page.state()["sounds"] == state["sounds"]
        # An earlier row of a file that is gone is passed over.
        page.site.rater.leave_out(back["sounds"][0]["name"])
        assert page.state("?before=4")["place"] != 3


def test_sounds_that_are_kept_are_few(page, monkeypatch):
    monkeypatch.setattr(server, "KEPT_SOUNDS", 2)
    for number in (0, 1, 2, 0):
        assert page.request(f"/sound/{number}").status == 200
    assert list(page.site._sounds) == [2, 0]
