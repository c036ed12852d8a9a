"""Effects that come with the package: each file is sound and found by its name."""

import configparser
import dataclasses
import json
import pathlib
import re

import numpy as np
import pytest
from support.applying import EFFECT, effect_file, load, run
from support.sounds import noise, put

import cak_jax
from cak_jax.effect import effect as effect_lib, locate
from cak_jax.effect.effect import load_effect, save_effect
from cak_jax.effect.schema import EffectError

PACKAGE = pathlib.Path(cak_jax.__file__).parent
HASH = "[0-9a-f]{64}"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three effects in a folder of the test's own."""
    folder = tmp_path / "effect_files"
    folder.mkdir()
    for name in ("warm-tape", "grain", "cold-grain"):
        save_effect(dataclasses.replace(EFFECT, name=name), folder / f"{name}.json")
    (folder / "notes.txt").write_text("no effect")
    monkeypatch.setattr(locate, "FOLDER", folder)
    return folder


@pytest.mark.parametrize("name", locate.names())
def test_a_shipped_file_is_sound(name):
    path = locate.find(name)
    effect = load_effect(name)
    assert effect == effect_lib.from_document(json.loads(path.read_text("utf-8")))
    assert re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", name)
    assert (effect.name, path.name) == (name, f"{name}.json")
    assert path.stat().st_size < 4096
    given = effect.provenance
    assert isinstance(given["character"], str) and given["character"].isprintable()
    if "source" in given:  # made elsewhere
        assert given["source"].isprintable() and given["licence"] == "MIT"
        return
    assert effect.quality is not None and effect.knob is not None
    assert given["heard"].startswith(effect.quality.more.capitalize())
    assert set(given["corpus"]) >= {"name", "clips", "held_out", "sha256"}
    assert re.fullmatch(HASH, given["corpus"]["sha256"])
    assert re.fullmatch(HASH, given["config_sha256"])
    assert set(given["metrics"]) >= {"slope", "r2", "mae"}
    assert {"corpus.path", "corpus.cache"}.isdisjoint(given["config"])
    assert "/" not in json.dumps([given["corpus"], given["config"]])


def test_the_folder_holds_nothing_else():
    extra = [p.name for p in locate.FOLDER.iterdir() if p.suffix != ".json"]
    assert extra == [] and "published" in locate.names()


def test_the_folder_travels_with_the_package():
    settings = configparser.ConfigParser()
    settings.read(PACKAGE.parent / "setup.cfg")
    data = settings["options.package_data"]["cak_jax"].split()
    assert "effect/shipped/*.json" in data
    found = PACKAGE.glob("effect/shipped/*.json")
    assert sorted(found) == [locate.find(n) for n in locate.names()]


def test_the_published_one_is_the_golden_one():
    # The shipped set of golden numbers, not that of CAK_GOLDEN_DIR: it is the source.
    golden = pathlib.Path(__file__).parents[1] / "golden" / "published_model.json"
    model = json.loads(golden.read_text("utf-8"))["effect"]
    document = json.loads(locate.find("published").read_text("utf-8"))
    gate = {name: model.pop(name) for name in ("threshold", "temperature")}
    assert model | {"gate": gate} == {k: document[k] for k in (*model, "gate")}
    learned = cak_jax.load_effect("published")
    flat = [*np.ravel(learned.kernel), learned.bias, learned.scale]
    assert flat == [*np.ravel(model["kernel"]), model["bias"], model["scale"]]


def test_names_are_the_files(folder):
    assert locate.names() == ["cold-grain", "grain", "warm-tape"]
    assert load_effect("grain") == dataclasses.replace(EFFECT, name="grain")
    (folder / "grain.json").rename(folder / "new.json")
    assert locate.names() == ["cold-grain", "new", "warm-tape"]


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("grian", "grain"),
        ("Warm-Tape", "warm-tape"),
        ("warmtape", "warm-tape"),
        ("xyz", None),
        ("grain.jso", "grain"),
    ],
)
def test_an_unknown_name_lists_the_known(folder, given, near):
    with pytest.raises(EffectError) as caught:
        load_effect(given)
    hint = f"; did you mean {near}?" if near else ""
    assert str(caught.value) == (
        f"{given}: there is no such file, and no effect of that name comes with "
        f"cak_jax (cold-grain, grain, warm-tape){hint}"
    )


@pytest.mark.parametrize("given", ["./grain", "effects/grain", "grain.json", "/grain"])
def test_a_path_is_no_name(folder, tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EffectError, match="there is no such file; give an effect"):
        load_effect(given)


def test_what_exists_wins_over_a_name(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = dataclasses.replace(EFFECT, name="own", scale=0.25)
    save_effect(own, "grain")
    assert load_effect("grain") == own
    assert load_effect("cold-grain").name == "cold-grain"
    pathlib.Path("grain").unlink()
    pathlib.Path("grain").mkdir()
    with pytest.raises(EffectError, match="the folder grain hides the effect"):
        load_effect("grain")
    save_effect(own, "grain/effect.json")
    assert load_effect("grain") == load_effect(pathlib.Path("grain")) == own
    # A broken file wins as well: nothing else is played in its place.
    pathlib.Path("warm-tape").write_text("{}")
    with pytest.raises(EffectError, match="warm-tape: format is missing"):
        load_effect("warm-tape")


def test_apply_takes_a_name(tmp_path, capsys):
    samples = noise(3001)
    source = put(tmp_path, "x.wav", samples, 44100, subtype="PCM_24")
    assert run("published", source, control="0") == 0
    assert run("published", source, control="1") == 0
    zero, full = (tmp_path / f"x__published_c{c}.wav" for c in ("000", "100"))
    assert capsys.readouterr().out.split("\n")[0] == str(zero)
    (dry, _), (wet, _), (changed, _) = map(load, (source, zero, full))
    assert wet.tobytes() == dry.tobytes() and (changed != dry).any()
    # The name and the file are one effect.
    again = effect_file(tmp_path, load_effect("published"))
    assert run(again, source, control="1", output=tmp_path / "again.wav") == 0
    assert (tmp_path / "again.wav").read_bytes() == full.read_bytes()


def test_apply_refuses_an_unknown_name(tmp_path, capsys):
    source = put(tmp_path, "x.wav", noise(100))
    assert run("publishd", source) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: publishd: ")
    assert line.endswith("; did you mean published?")
    assert [p.name for p in tmp_path.iterdir()] == ["x.wav"]
