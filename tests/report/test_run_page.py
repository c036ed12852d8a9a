"""The report: one well-formed page that holds everything and loads nothing."""

import base64
import errno
import re
import subprocess
import sys
from html.parser import HTMLParser

import jinja2
import pytest

from cak_jax.report import run_page
from cak_jax.report.html_page import embed, fill, policy_hash, typeset_column

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
HOSTILE = "<script>alert('\"x')</script> & \x00 \udcff.wav"
VOID = {"meta", "img", "br", "input"}


class Page(HTMLParser):
    """Collects elements and text, and fails where tags do not nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.text, self.raw = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        inside = self.open[-1] if self.open else ""
        (self.raw if inside in ("style", "script") else self.text).append(data)

    def attributes(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture
def content():
    return {
        "title": f"Run {HOSTILE}",
        "summary": ["Trained for 3 epochs.", f"On {HOSTILE}."],
        "facts": [("epochs", 3), ("slope", 1.03125), ("note", HOSTILE), ("r2", None)],
        "kernel": [[-0.08, 0.05, 0.21], [0.02, 0.31, -0.12], [0.17, -0.05, 0.09]],
        "bias": -0.002,
        "scale": 1.61,
        "tables": [
            {
                "title": HOSTILE,
                "note": HOSTILE,
                "columns": ["system", "slope"],
                "rows": [["ours", 1.0912], [HOSTILE, None], ["none", 0.1]],
            }
        ],
        "figures": [{"title": HOSTILE, "caption": HOSTILE, "png": PNG}],
        "previews": [
            {
                "name": HOSTILE,
                "knob": "amount",
                "items": [
                    {"label": "dry", "mime": "audio/mpeg", "data": b"\xff\xfbdry"},
                    {"label": HOSTILE, "mime": "audio/mpeg", "data": b"\xff\xfbwet"},
                ],
            }
        ],
        "config": {"corpus": {"path": HOSTILE, "clips": 60}},
        "commands": [f"cak apply '{HOSTILE}'"],
        "warnings": [f"skipped {HOSTILE}"],
    }


@pytest.fixture
def page(tmp_path, content):
    path = run_page.write_report(tmp_path, content)
    assert path == tmp_path / "report.html"
    return Page(path.read_bytes().decode("utf-8"))


def test_everything_given_is_on_the_page(page):
    for words in (
        *(
            "Trained for 3 epochs.",
            "epochs 3",
            "slope 1.031",
            "ours 1.091",
            "none 0.100",
        ),
        *("\N{MINUS SIGN}0.0800", "+0.3100", "bias \N{MINUS SIGN}0.002", "scale 1.61"),
        *("kernel sum 0.6", '"clips": 60', "cak apply", "skipped", "Commands"),
    ):
        assert words in page.words


def test_kernel_is_shown_with_frequency_upwards(page):
    weights = re.findall(r"[+\N{MINUS SIGN}]0\.\d{4}\b", page.words)
    top_row = ["+0.1700", "\N{MINUS SIGN}0.0500", "+0.0900"]
    assert weights[:3] == top_row
    assert len(weights) == 9


def test_images_and_sounds_are_embedded_whole(page):
    (image,) = page.attributes("img")
    kind, data = image["src"].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == PNG
    players = page.attributes("audio")
    assert [base64.b64decode(p["src"].split(",")[1]) for p in players] == [
        b"\xff\xfbdry",
        b"\xff\xfbwet",
    ]
    for player in players:
        assert player["preload"] == "none"
        assert "controls" in player


def test_hostile_names_stay_text(page):
    assert len(page.attributes("script")) == 1
    shown = page.words.count(
        "<script>alert('\"x')</script> & \N{REPLACEMENT CHARACTER}"
    )
    # Page title, heading, summary, fact, table (title, note, cell), figure (title,
    # caption), preview (name, label twice), command, warning.
    assert shown == 14
    assert page.attributes("img")[0]["alt"].startswith("<script>alert('\"x')")
    for _, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes)


def test_page_loads_nothing(page):
    for tag, attributes in page.elements:
        assert tag not in {"link", "iframe", "object", "embed", "base"}
        for name, value in attributes.items():
            if name in {"src", "href", "srcset", "poster", "data", "action"}:
                assert value.startswith("data:")
    style, script = page.raw
    assert "url(" not in style
    assert "@import" not in style
    policy = page.attributes("meta")[1]["content"]
    assert policy.startswith("default-src 'none'")
    assert policy.endswith(f"script-src {policy_hash(script)}")
    assert not re.search(r"fetch|import|https?:|XMLHttp", script)


def test_links_in_messages_stay_text(tmp_path, content):
    content["warnings"] = ['see https://example.org/"><img src=https://example.org>']
    page = Page(run_page.write_report(tmp_path, content).read_text())
    assert len(page.attributes("img")) == 1
    assert "https://example.org" in page.words


def test_size_is_that_of_the_contents(tmp_path, content):
    before = run_page.write_report(tmp_path, content).stat().st_size
    assert before < 16_000
    content["figures"][0]["png"] = PNG + bytes(300_000)
    after = run_page.write_report(tmp_path, content).stat().st_size
    assert after - before == pytest.approx(400_000, rel=0.01)


def test_a_title_alone_is_enough(tmp_path):
    page = Page(run_page.write_report(tmp_path, {"title": "Empty"}).read_text())
    assert page.words == "Empty Empty"


def test_numbers_only_columns_are_set_flush_right(page):
    assert [cell.get("class") for cell in page.attributes("td")[-2:]] == [
        None,
        "number",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tittle": "x"}, "tittle"),
        ({"kernel": [[1, 2, 3]] * 2}, "kernel must be 3x3"),
        ({"kernel": [[1, 2, float("nan")]] * 3}, "finite"),
        ({"figures": [{"title": "f", "png": b"GIF89a"}]}, "'f' is not a PNG"),
        ({"tables": [{"title": "t", "columns": ["a"], "rows": [[1, 2]]}]}, "'t' has 1"),
    ],
)
def test_content_that_does_not_fit_is_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        run_page.write_report(tmp_path, {"title": "x"} | change)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("mime", ['audio/x" onerror="', "text/html", "audio/", ""])
def test_only_plain_media_types_are_embedded(mime):
    with pytest.raises(ValueError, match=r"^mime must be"):
        embed(mime, b"")


def test_failed_write_keeps_the_old_page(tmp_path, monkeypatch):
    run_page.write_report(tmp_path, {"title": "old"})

    def fail(*_):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space"):
        run_page.write_report(tmp_path, {"title": "new"})
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert "old" in (tmp_path / "report.html").read_text()


def test_columns_share_decimals_unless_small_numbers_would_vanish():
    assert typeset_column([123.456, 1.0]) == ["123.5", "1.0"]
    assert typeset_column([1000.0, 1e-5]) == ["1000", "1e\N{MINUS SIGN}05"]
    assert typeset_column([3, 12]) == ["3", "12"]
    assert typeset_column([0.5, float("nan"), "<"]) == ["0.5000", "\N{EN DASH}", "<"]


@pytest.fixture
def template(tmp_path):
    path = tmp_path / "template.html"
    path.write_text('<p title="{{ value }}">{{ value }}</p>')
    return path


def test_a_filled_template_holds_no_markup_of_a_value(template):
    escaped = "&lt;a href=&#34;x&#34; title=&#39;y&#39;&gt;&amp;"
    assert fill(template, value="<a href=\"x\" title='y'>&") == (
        f'<p title="{escaped}">{escaped}</p>'
    )


def test_a_filled_template_holds_no_control_character(template):
    value = "".join(map(chr, (*range(32), 127)))
    page = fill(template, value=value)
    assert set(page) & set(value) == {"\t", "\n", "\r"}
    assert page.count("\N{REPLACEMENT CHARACTER}") == 2 * 30


def test_a_template_without_a_value_is_refused(template):
    with pytest.raises(jinja2.UndefinedError, match="'value' is undefined"):
        fill(template)


def test_report_needs_neither_jax_nor_matplotlib():
    code = (
        "import sys, cak_jax.report.html_page, cak_jax.report.run_page; "
        "assert not {'jax', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_listening_comes_first_then_words_and_a_picture_then_numbers(tmp_path, content):
    content["pictures"] = [{"title": "The change", "png": PNG}]
    content["notes"] = ["The audit reads 1."]
    words = Page(run_page.write_report(tmp_path, content).read_text()).words
    order = ("Listen", "What it does", "Trained for", "The change", "In numbers",
             "The audit reads 1.", "slope 1.031", "kernel sum", "Commands")  # fmt: skip
    places = [words.index(text) for text in order]
    assert places == sorted(places)
