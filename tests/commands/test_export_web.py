"""`cak export-web`: one file that needs no other, and what it refuses."""

import base64
import configparser
import dataclasses
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from support.applying import EFFECT, HEARD, effect_file, said

from cak_jax.apps.web import build_page
from cak_jax.commands import cli
from cak_jax.effect import locate, text_code
from cak_jax.effect.effect import Quality, load_effect, save_effect, to_document
from cak_jax.model.spectrogram_settings import SpectrogramSettings


def export(*effects, output, flags=()):
    given = [f"--effect={os.fspath(effect)}" for effect in effects]
    return cli.main(["export-web", *given, f"--output={output}", *flags])


def page_of(folder):
    return (folder / "index.html").read_text("utf-8")


def data(page, name):
    """What a script element that is no script holds."""
    return re.search(rf'<script type="[^"]*" id="{name}">(.*?)</script>', page, re.S)[1]


def test_the_page_holds_effects_as_codes(tmp_path, capsys):
    target = tmp_path / "new" / "page"
    assert export("bright", effect_file(tmp_path), output=target) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"{target}/index.html: bright, small\n", "")
    assert os.listdir(target) == ["index.html"]
    bright, small = json.loads(data(page_of(target), "given"))
    document = locate.read("bright")
    assert bright == {
        "name": "bright",
        "about": build_page.entry(document)["about"],
        "code": text_code.encode(document),
    }
    assert (small["name"], small["about"]) == ("small", "")
    decoded = text_code.decode(small["code"])
    assert decoded["spectrogram"]["n_fft"] == EFFECT.spectrogram.n_fft


def test_the_page_loads_nothing(tmp_path):
    assert export("bright", output=tmp_path) == 0
    page = page_of(tmp_path)
    page = page.replace("http://www.w3.org/2000/svg", "")
    links = re.findall(r'(?:src|href)="([^"]*)"', page) + re.findall(
        r"url\((.*?)\)", page
    )
    assert set(links) == {"data:,", "#metal"}
    for word in ("http:", "https:", "@import", "fetch(", "XMLHttpRequest", "eval("):
        assert word not in page
    policy = html.unescape(re.search(r'Policy" content="([^"]*)"', page)[1])
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and "connect-src" not in rules
    page = page_of(tmp_path)
    for kind in ("style", "script"):
        text = re.search(rf"<{kind}>(.*?)</{kind}>", page, re.S)[1]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules[f"{kind}-src"]
        assert "unsafe" not in policy


def test_a_name_is_only_text(tmp_path):
    name = "</script><script>alert(1)</script><!-- & \"'"
    made = dataclasses.replace(EFFECT, name=name)
    made = dataclasses.replace(made, provenance={"character": f"<b>{name}"})
    save_effect(made, tmp_path / "e.json")
    assert export(tmp_path / "e.json", output=tmp_path) == 0
    page = page_of(tmp_path)
    assert "alert(1)</script>" not in page and "<!--" not in page
    assert page.count("<script") == page.count("</script>") == 3
    (given,) = json.loads(data(page, "given"))
    assert (given["name"], given["about"]) == (name, f"<b>{name}")
    assert html.unescape(re.search("<title>(.*?)</title>", page)[1]) == name


def test_what_was_heard_and_how_far_it_is_usable_is_said():
    document = to_document(HEARD)
    heard = {"character": "dry", "usable_to": 0.8, "heard": "Drier by 2 dB."}
    about = build_page.entry(document | {"provenance": heard})["about"]
    assert about == "dry; use up to 0.8; Drier by 2 dB"


def test_what_is_said_of_an_effect_is_one_line():
    document = locate.read("published")
    for about in (7, ["x"], "a\nb", "x" * 300, None):
        changed = document | {"provenance": {"character": about}}
        assert build_page.entry(changed)["about"] == ""


def test_the_line_about_an_effect_says_what_its_knob_changes():
    document = to_document(HEARD)
    entry = build_page.entry(document | {"provenance": {"character": "dry"}})
    assert entry["about"] == (
        "dry; more sustained: less attack, by 0.75 natural log at amount 1; even knob: "
        "amount 0.5 is 60% of the pattern, amount 1 120%; cells 4 bins and 3 frames "
        "apart"
    )
    assert entry["code"].startswith("cak2")


def test_without_an_effect_it_holds_all_that_come_with_the_package(tmp_path, capsys):
    assert export(output=tmp_path) == 0
    held = json.loads(data(page_of(tmp_path), "given"))
    assert [effect["name"] for effect in held] == locate.names()
    assert capsys.readouterr().err == ""


def test_an_effect_without_a_name_is_called_after_its_folder(tmp_path):
    for run, name in (("drums", "my effect"), ("pads", "my effect"), ("x", "keys")):
        (tmp_path / run).mkdir()
        made = dataclasses.replace(EFFECT, name=name)
        save_effect(made, tmp_path / run / "effect.json")
    runs = [tmp_path / run for run in ("drums", "pads", "x")]
    assert export(*runs, output=tmp_path / "page") == 0
    held = json.loads(data(page_of(tmp_path / "page"), "given"))
    assert [effect["name"] for effect in held] == ["drums", "pads", "keys"]


def test_the_workflow_makes_the_page_that_it_uploads(tmp_path, monkeypatch):
    text = (build_page.ASSETS.parents[3] / ".github/workflows/pages.yml").read_text()
    (command,) = re.findall(r"- run: cak (.*)", text)
    monkeypatch.chdir(tmp_path)
    assert cli.main(command.split()) == 0
    (folder,) = re.findall(r"path: (.*)", text)
    assert (tmp_path / folder / "index.html").exists()
    assert "secrets." not in text


def test_an_output_is_never_replaced_unasked(tmp_path, capsys):
    assert export("bright", output=tmp_path) == 0
    capsys.readouterr()
    before = page_of(tmp_path)
    assert export("tones", output=tmp_path) == 2
    assert said(capsys).startswith(f"--output={tmp_path}/index.html: exists; add")
    assert page_of(tmp_path) == before
    assert export("tones", output=tmp_path, flags=["--overwrite"]) == 0
    assert "tones" in page_of(tmp_path)


@pytest.mark.parametrize(
    "changes, words",
    [
        ((44100, 3000, 750), "spectrogram.n_fft is 3000; the page's transform takes"),
        (
            (4000, 256, 64),
            "spectrogram.sample_rate is 4000; browsers play 8000 to 96000",
        ),
        ((192000, 256, 64), "spectrogram.sample_rate is 192000"),
    ],
)
def test_what_a_browser_cannot_play_is_refused(tmp_path, capsys, changes, words):
    made = dataclasses.replace(EFFECT, spectrogram=SpectrogramSettings(*changes))
    path = tmp_path / "e.json"
    save_effect(made, path)
    assert export("bright", path, output=tmp_path / "page") == 2
    assert said(capsys).startswith(f"{path}: {words}")
    assert not (tmp_path / "page").exists()


def test_unusable_arguments_are_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    (tmp_path / "taken" / "index.html").mkdir(parents=True)
    tiny = effect_file(tmp_path, dataclasses.replace(EFFECT, bias=1e-60))
    for effects, output, words in [
        (["brigh"], tmp_path, "brigh: there is no such file"),
        (
            ["bright", "bright"],
            tmp_path,
            "--effect=bright: there are two of the name bright",
        ),
        ([tiny], tmp_path, f"{tiny}: bias is too small for a text code"),
        (["bright"], "", "--output: is empty; name a folder"),
        (["bright"], tmp_path / "file", f"--output={tmp_path}/file: is a file; name a"),
        (["bright"], tmp_path / "taken", f"--output={tmp_path}/taken/index.html: is a"),
    ]:
        assert export(*effects, output=output) == 2
        assert said(capsys).startswith(f"{words}")
    for output in (tmp_path / "file" / "page", "/proc/page", tmp_path / ("x" * 300)):
        assert export("bright", output=output) in (1, 2)
        assert said(capsys).startswith(f"--output={output}")


def test_all_of_it_travels_in_the_package():
    """What the page is made of is what lies there, and setup.cfg packs all of it."""
    used = {f"{name}.js" for name in (*build_page.AUDIO_THREAD, *build_page.PAGE)}
    settings = configparser.ConfigParser()
    settings.read(build_page.ASSETS.parents[3] / "setup.cfg")
    assert "apps/web/assets/*" in settings["options.package_data"]["cak_jax"].split()
    found = {path.name for path in build_page.ASSETS.iterdir()}
    assert found == used | {"index.html", "style.css"}
    lengths = {path.name: len(path.read_text("utf-8").splitlines())
               for path in build_page.ASSETS.iterdir()}  # fmt: skip
    assert {name: n for name, n in lengths.items() if n > 300} == {}
    for name in used:
        assert "</script" not in (build_page.ASSETS / name).read_text("utf-8")


@pytest.mark.skipif(
    shutil.which("node") is None, reason="there is no node here: apt install nodejs"
)
def test_the_programs_are_javascript(tmp_path):
    assert export("bright", output=tmp_path) == 0
    page = page_of(tmp_path)
    programs = {
        "worklet.js": data(page, "worklet"),
        "page.js": re.search("<script>(.*?)</script>", page, re.S)[1],
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        command = ["node", "--check", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_as_a_module_from_elsewhere(tmp_path):
    command = [sys.executable, "-m", "cak_jax", "export-web", "--effect=bright"]
    root = build_page.ASSETS.parents[3]
    done = subprocess.run(
        [*command, "--output=page"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert load_effect("bright").name in page_of(tmp_path / "page")


def test_a_taught_effect_is_played_without_its_reader(tmp_path):
    taught = Quality("warmth", "points", 2.0, {"attack": 1.0}, 0.6)
    path = effect_file(tmp_path, dataclasses.replace(HEARD, quality=taught))
    target = tmp_path / "page"
    assert export(path, output=target) == 0
    (held,) = json.loads(data(page_of(target), "given"))
    assert 'more "warmth", a rating read from the sound' in held["about"]
    assert text_code.decode(held["code"])["spectrogram"]["spacing"] == list(
        HEARD.spacing
    )
