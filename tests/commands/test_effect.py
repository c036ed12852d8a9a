"""`cak effect`: shows, checks, mixes and converts."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import pytest
from support.applying import EFFECT, HEARD, effect_file, load, run, said
from support.sounds import noise, put

from cak_jax.commands import cli, effect, effects
from cak_jax.effect import locate, text_code
from cak_jax.effect.effect import (
    Quality,
    dumps,
    from_document,
    load_effect,
    save_effect,
)
from cak_jax.effect.morph import morph
from cak_jax.model.quality_names import WORDS

ROOT = pathlib.Path(__file__).parent.parent.parent
MODEL = ROOT / "tests" / "golden" / "published_model.json"
CODE = text_code.encode(locate.read("published"))


def call(*arguments):
    return cli.main(["effect", *map(os.fspath, arguments)])


def test_show_is_the_details_and_the_code(tmp_path, capsys):
    for given in ("bright", CODE, effect_file(tmp_path)):
        assert effects.main([given]) == 0
        details = capsys.readouterr().out
        assert call("show", given) == 0
        out = capsys.readouterr().out
        assert out.startswith(details)
        code = out.removeprefix(details).split()[-1]
        assert text_code.decode(code)["kernel"] is not None
        assert code == text_code.encode(locate.read(given))
        assert call("show", given, "--json") == 0
        assert capsys.readouterr().out == dumps(load_effect(given))


def test_version_2_is_shown_checked_and_converted(tmp_path, capsys):
    path = effect_file(tmp_path, HEARD)
    assert call("show", path) == 0
    out = capsys.readouterr().out
    assert "more sustained: less attack, by 0.75 natural log at amount 1\n" in out
    code = out.split()[-1]
    assert code.startswith("cak2") and len(code) == 180
    assert call("validate", path, code) == 0
    said = "8000 Hz, more sustained: less attack, by 0.75 natural log at amount 1, even"
    assert all(said in line for line in capsys.readouterr().out.splitlines())
    assert call("convert", path, "--to=code") == 0
    assert capsys.readouterr().out == f"{code}\n"
    assert call("convert", code, "--to=json", "--name=heard") == 0
    again = from_document(json.loads(capsys.readouterr().out))
    assert (again.spacing, again.quality) == (HEARD.spacing, HEARD.quality)
    assert again.knob == pytest.approx(HEARD.knob, rel=1e-7)
    taught = dataclasses.replace(HEARD, quality=Quality("warmth", "points", 2.0))
    assert call("show", effect_file(tmp_path, taught)) == 0
    out = capsys.readouterr().out
    assert "\nmore warmth, by 2 points at amount 1\n" in out
    note = (
        "note: the code leaves out the quality 'warmth', because it knows "
        f"{', '.join(WORDS)} only; the knob is kept\n"
    )
    assert out.endswith(f"\n{note}") and "\ntext code  cak2" in out
    assert call("convert", effect_file(tmp_path, taught), "--to=code") == 0
    out, error = capsys.readouterr()
    again = from_document(text_code.decode(out.strip()))
    assert (again.quality, again.knob) == (None, pytest.approx(HEARD.knob, rel=1e-7))
    assert error == note


def test_a_morph_of_different_spacings_is_refused(tmp_path, capsys):
    path, target = effect_file(tmp_path, HEARD), tmp_path / "m.json"
    assert call("morph", path, "bright", f"--output={target}") == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == (
        "error: a morph takes effects of one spacing: heard has 4 by 3 (bins by "
        "frames), bright has 1 by 1 (bins by frames)"
    )
    assert not target.exists()


def test_show_without_a_code_says_why(tmp_path, capsys):
    path = effect_file(tmp_path, dataclasses.replace(EFFECT, bias=1e-60))
    assert call("show", path) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("text code  none: bias is too small for a text code")


def test_validate_says_one_line_each(tmp_path, capsys):
    good, bad = effect_file(tmp_path), tmp_path / "bad.json"
    bad.write_text(dumps(EFFECT).replace('"scale": 0.8', '"scale": "0.8"'))
    folder = pathlib.Path(good).parent
    assert call("validate", good, folder, "bright", CODE) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert err == "" and len(lines) == 4
    assert lines[0] == f"{good}: ok: small, 256 samples a frame, hop 64, 8000 Hz"
    assert lines[1].startswith(f"{folder}: ok: small") and ": ok: code-" in lines[3]
    damaged = CODE[:-1] + "-"
    assert call("validate", bad, good, tmp_path / "none.json", damaged) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == lines[:1]
    missing, lost, wrong = err.splitlines()
    assert missing == f"error: {bad}: scale must be a number, got str"
    assert lost.startswith(f"error: {tmp_path / 'none.json'}: there is no such file")
    assert "is a damaged text code: its checksum" in wrong


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"\x80\x04\x95", b"[" * 30000, b"{}" + b" " * 2**20, b'{"a": 1e999}',
     dumps(EFFECT).encode("utf-16"), dumps(EFFECT).encode()[:-30]],
    ids=lambda data: ascii(data[:8]),
)  # fmt: skip
def test_validate_survives_hostile_files(tmp_path, capsys, data):
    path = tmp_path / "hostile\n\x1b.json"
    path.write_bytes(data)
    assert call("validate", path) == 1
    line = said(capsys)
    assert "\x1b" not in line and "hostile\\n\\x1b.json: " in line


def test_validate_does_not_wait_for_a_pipe(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.json")
    assert call("validate", tmp_path / "pipe.json", "x" * 300, "\0") == 1
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 3


def test_morph_writes_the_morph(tmp_path, capsys):
    target = tmp_path / "between.json"
    flags = ["--weights=3,1", f"--output={target}"]
    assert call("morph", "bright", "published", *flags) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"{target}: bright-75-published-25\n", "")
    expected = morph([load_effect("bright"), load_effect("published")], [0.75, 0.25])
    assert load_effect(target) == expected
    assert os.listdir(tmp_path) == ["between.json"]
    # Equal weights, codes and files as well, another name, in place of the old one.
    flags = [f"--output={target}", "--overwrite", "--name=mine"]
    assert call("morph", CODE, effect_file(tmp_path), "noise", *flags) == 0
    notes = capsys.readouterr().out.splitlines()
    made = load_effect(target)
    assert made.name == "mine"
    assert made.spectrogram == load_effect("published").spectrogram
    assert {part["weight"] for part in made.provenance["morph"]} == {1 / 3}
    assert notes[:-1] == [
        f"note: {name} was made for {own}; taken are the settings of code-4e31c364: "
        "2048 samples a frame, hop 512, 44100 Hz"
        for name, own in (
            ("small", "256 samples a frame, hop 64, 8000 Hz"),
            ("noise", "512 samples a frame, hop 128, 44100 Hz"),
        )
    ]


def test_a_morph_can_be_played(tmp_path):
    path = effect_file(tmp_path)
    target, source = tmp_path / "m.json", put(tmp_path, "x.wav", noise(3001))
    assert call("morph", path, path, "--weights=1,0", f"--output={target}") == 0
    assert run(path, source, output=tmp_path / "own.wav") == 0
    assert run(target, source, output=tmp_path / "morph.wav") == 0
    assert (tmp_path / "own.wav").read_bytes() == (tmp_path / "morph.wav").read_bytes()


def test_convert_there_and_back(tmp_path, capsys):
    assert call("convert", "published", "--to=code") == 0
    assert capsys.readouterr().out == f"{CODE}\n"
    assert call("convert", CODE, "--to=code") == 0
    assert capsys.readouterr().out == f"{CODE}\n"
    target = tmp_path / "other.json"
    assert call("convert", CODE, "--to=json", f"--output={target}", "--name=t") == 0
    assert capsys.readouterr().out == f"{target}\n"
    document = json.loads(target.read_text("utf-8"))
    assert document == text_code.decode(CODE) | {"name": "t"}
    assert call("convert", target, "--to=code", f"--output={tmp_path / 'code'}") == 0
    assert (tmp_path / "code").read_text() == f"{CODE}\n"
    capsys.readouterr()
    # A file that holds all comes back as it is, unknown keys too.
    save_effect(dataclasses.replace(EFFECT, extra={"more": [1]}), target)
    assert call("convert", target, "--to=json") == 0
    assert capsys.readouterr().out == target.read_text("utf-8")


def test_convert_reads_the_published_model(tmp_path, capsys):
    assert call("convert", MODEL, "--to=json") == 0
    made = from_document(json.loads(capsys.readouterr().out))
    expected = dataclasses.replace(
        load_effect("published"), name="published_model", provenance=made.provenance
    )
    assert made == expected and "2508.02643" in made.provenance["source"]
    assert call("convert", MODEL, "--to=code") == 0
    code = capsys.readouterr().out.strip()
    assert code == text_code.encode(locate.read("published"))


@pytest.mark.parametrize(
    "field, value, words",
    [
        ("bias", None, "effect.bias is missing"),
        ("threshold", None, "effect.threshold is missing"),
        ("scale", "1", "scale must be a number"),
        ("kernel", [[1]], "kernel must be 3 rows"),
        ("spectrogram", [], "spectrogram must be an object"),
        ("normalization", {}, "normalization.alpha is missing"),
    ],
)
def test_a_broken_model_is_refused_by_name(tmp_path, capsys, field, value, words):
    model = json.loads(MODEL.read_text("utf-8"))["effect"] | {field: value}
    if value is None:
        del model[field]
    path = tmp_path / "model.json"
    path.write_text(json.dumps({"effect": model}))
    assert call("convert", path, "--to=json") == 2
    assert said(capsys).startswith(f"{path}: {words}")


def test_other_commands_take_a_code(tmp_path, capsys):
    source = put(tmp_path, "x.wav", noise(3001), 44100, subtype="PCM_24")
    assert run(CODE, source, control="1") == 0
    assert run("published", source, control="1") == 0
    coded, named = (
        tmp_path / "x__code-4e31c364_c100.wav",
        tmp_path / "x__published_c100.wav",
    )
    difference = load(coded)[0] // 2**8 - load(named)[0] // 2**8
    assert abs(difference).max() <= 2**23 * 1e-6
    assert effects.main([CODE]) == 0
    assert "code-4e31c364" in capsys.readouterr().out
    assert run(CODE.replace("o", "0"), source) == 2
    assert "damaged text code" in capsys.readouterr().err


def test_as_a_module_from_elsewhere(tmp_path):
    command = [sys.executable, "-m", "cak_jax", "effect", "morph", "bright", "tones"]
    done = subprocess.run(
        [*command, "--output=new.json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert load_effect(tmp_path / "new.json").name == "bright-50-tones-50"


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as caught:
        effect.main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(f"    {name} " in text for name in ("show", "validate", "morph"))
