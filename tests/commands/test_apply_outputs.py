"""Which output belongs to which input, and what is refused before any work."""

import argparse
import dataclasses
import os
import re
from pathlib import Path

import pytest
import soundfile
from support.applying import snapshot
from support.sounds import noise, put

from cak_jax.audio import sound_file
from cak_jax.commands import apply_inputs
from cak_jax.commands.apply_names import EARLIER_RUN, PATTERN, Naming
from cak_jax.commands.apply_outputs import EXISTS, Job, Output, is_work, plan
from cak_jax.runtime.errors import InputError

NAMING = Naming("bright", "c080")


@pytest.fixture
def drums(tmp_path, monkeypatch):
    """A folder of three sounds, seen from the folder above."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.wav", "kick/b.wav", "kick/deep/c.wav"):
        put(tmp_path / "drums", name, noise(50), subtype="PCM_16")
    return Path("drums")


def flags(**options):
    defaults = {"output": None, "keep_names": False, "overwrite": False}
    defaults |= {"skip_existing": False, "format": None, "depth": None}
    return argparse.Namespace(**defaults | options)


def planned(*arguments, name=PATTERN, **options):
    sources = apply_inputs.collect(list(map(str, arguments)))
    return plan(sources, dataclasses.replace(NAMING, pattern=name), flags(**options))


def targets(*arguments, **options):
    """Return input -> output, and insist that all goes well."""
    jobs = planned(*arguments, **options)
    assert not any(job.fault or job.skipped for job in jobs), jobs
    return {str(job.source): str(job.output.path) for job in jobs}


def test_beside_the_inputs(drums):
    wanted = {
        f"drums/{name}.wav": f"drums/{name}__bright_c080.wav"
        for name in ("a", "kick/b", "kick/deep/c")
    }
    assert targets("drums") == targets(*wanted) == targets("drums/**/*.wav") == wanted


@pytest.mark.parametrize("output", ["out", "out/", "made/of/many", "drums/out"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_is_mirrored(drums, output, exists):
    if exists:
        Path(output).mkdir(parents=True)
    found = targets("drums", output=output)
    assert found == {
        f"drums/{name}.wav": f"{Path(output)}/{name}__bright_c080.wav"
        for name in ("a", "kick/b", "kick/deep/c")
    }
    assert Path(output).exists() == exists
    patterns = targets("drums/*.wav", "drums/**/[bc].wav", output=output)
    assert patterns == found
    # A pattern's folder is the one that it begins with.
    [target] = targets("drums/kick/*.wav", output=output).values()
    assert target == f"{Path(output)}/b__bright_c080.wav"
    # A file that is named has no tree.
    [target] = targets("drums/kick/deep/c.wav", output=f"{output}/").values()
    assert target == f"{Path(output)}/c__bright_c080.wav"


def test_one_input_one_file(drums):
    for source in ("drums/a.wav", "drums/*.wav", "drums/kick/deep"):
        assert list(targets(source, output="x.wav").values()) == ["x.wav"]
    # What is no sound's name is a folder, where more than one could have been found.
    [target] = targets("drums/*.wav", output="x").values()
    assert target == "x/a__bright_c080.wav"
    [job] = planned("drums/a.wav", output="x")
    assert job.fault == (
        "the output is WAV: its name ends in .wav; for another kind add --format"
    )


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", "--output: is empty"),
        ("x.wav", "--output=x.wav: is no folder, and there are many inputs"),
        ("drums/a.wav", "--output=drums/a.wav: is no folder, and there are many"),
        ("file", "--output=file: is no folder, and there are many inputs"),
        ("n" * 300, "cannot be used \\(File name too long\\)"),
        ("drums/a.wav/x", "cannot be used \\(Not a directory\\)"),
    ],
)
def test_an_output_that_many_inputs_cannot_have(drums, output, words):
    Path("file").touch()
    for arguments in (["drums"], ["drums/a.wav", "drums/kick/b.wav"]):
        with pytest.raises(ValueError, match=words):
            planned(*arguments, output=output)


def test_names_are_kept_elsewhere(drums):
    put(drums, "kick/d.mp3", noise(2000), 44100, format="MP3", subtype=None)
    put(drums, "e.AIF", noise(50), format="AIFF", subtype="PCM_16")
    put(drums, "no suffix", noise(50), subtype="PCM_16")
    found = targets("drums", "drums/no suffix", output="out", keep_names=True)
    assert found == {
        "drums/a.wav": "out/a.wav",
        "drums/e.AIF": "out/e.AIF",
        "drums/kick/b.wav": "out/kick/b.wav",
        "drums/kick/d.mp3": "out/kick/d.wav",
        "drums/kick/deep/c.wav": "out/kick/deep/c.wav",
        "drums/no suffix": "out/no suffix.wav",
    }


def test_names_are_not_kept_among_the_inputs(drums):
    os.symlink("drums/kick", "link")
    for output in ("drums", "drums/out", "link", "drums/../drums/kick"):
        with pytest.raises(ValueError, match="lies among the inputs in drums"):
            planned("drums", output=output, keep_names=True)
    for options in ({}, {"output": "x.wav"}):
        with pytest.raises(ValueError, match="--keep-names: needs --output=FOLDER"):
            planned("drums/a.wav", keep_names=True, **options)
    with pytest.raises(ValueError, match="lies among the inputs in drums"):
        planned("drums/a.wav", output="drums", keep_names=True)
    # Beside the folder is elsewhere, and so is the folder around it.
    for output in ("drum", "."):
        assert len(targets("drums", output=output, keep_names=True)) == 3


EARLIER = ["a__bright_c080.wav", "a__my-effect_2.1_a100.wav", "x__y__z_c1000.flac"]
OTHER = ["a_bright_c080.wav", "a__bright_b080.wav", "a__bright.wav", "a__b c_c080.wav"]


@pytest.mark.parametrize("output", [None, "drums", "drums/out", "drums/kick"])
def test_what_earlier_runs_wrote_is_passed_over(drums, output):
    wanted = len(planned("drums"))
    for name in EARLIER:
        put(drums, f"kick/{name}", noise(50), subtype="PCM_16")
        put(drums, f"out/{name}", noise(50), subtype="PCM_16")
    for arguments in (["drums"], ["drums/**"]):
        jobs = planned(*arguments, output=output, overwrite=True)
        skipped = {str(job.source) for job in jobs if job.skipped}
        assert skipped == {f"drums/{f}/{n}" for f in ("kick", "out") for n in EARLIER}
        assert {job.skipped for job in jobs} == {"", EARLIER_RUN}
        assert not any(job.fault for job in jobs) and len(jobs) == wanted + 6
    # Who names one means it.
    named = f"drums/kick/{EARLIER[0]}"
    assert len(targets(named)) == 1
    # Elsewhere those are passed over of which the input is there: a, and not x__y.
    jobs = planned("drums", output="elsewhere")
    assert sum(job.skipped == EARLIER_RUN for job in jobs) == 4
    assert {job.source.name for job in jobs if job.output} == {
        *("a.wav", "b.wav", "c.wav", EARLIER[2])
    }


def test_other_names_are_no_earlier_outputs(drums):
    for name in OTHER:
        put(drums, name, noise(50), subtype="PCM_16")
    assert len(targets("drums")) == 3 + len(OTHER)


def test_nothing_but_earlier_outputs_is_no_work(drums):
    sources = apply_inputs.collect(["drums"])
    assert is_work(sources, plan(sources, NAMING, flags()))
    for path in drums.rglob("*.wav"):
        path.rename(path.with_name("a__b_c080.wav"))
    for arguments, work in (
        (["drums"], False),
        (["nothing*"], False),
        (["drums/kick/*.wav", "x*"], False),
        (["drums", "missing.wav"], True),
    ):
        sources = apply_inputs.collect(arguments)
        assert is_work(sources, plan(sources, NAMING, flags())) == work


def test_outputs_of_one_name_keep_the_suffixes_of_their_inputs(drums):
    put(drums, "a.ogg", noise(5000), 44100, format="OGG", subtype="VORBIS")
    found = targets("drums", output="out")
    assert found == {
        "drums/a.ogg": "out/a.ogg__bright_c080.wav",
        "drums/a.wav": "out/a.wav__bright_c080.wav",
        "drums/kick/b.wav": "out/kick/b__bright_c080.wav",
        "drums/kick/deep/c.wav": "out/kick/deep/c__bright_c080.wav",
    }
    found = targets("drums/a.wav", "drums/a.ogg", output="out/", keep_names=True)
    assert found == {"drums/a.wav": "out/a.wav", "drums/a.ogg": "out/a.ogg.wav"}
    # They are known later, too.
    put(drums, "a.ogg__bright_c080.wav", noise(50), subtype="PCM_16")
    [job] = [j for j in planned("drums", output="out") if j.skipped]
    assert job.source.name == "a.ogg__bright_c080.wav"


def test_what_cannot_be_told_apart_costs_no_other_file(drums):
    put(Path("more"), "kick/b.wav", noise(50), subtype="PCM_16")
    jobs = planned("drums", "more", output="out")
    said = {str(job.source): job.fault for job in jobs if job.fault}
    assert said.keys() == {"drums/kick/b.wav", "more/kick/b.wav"}
    assert said["more/kick/b.wav"].startswith(
        "would become out/kick/b.wav__bright_c080.wav, as drums/kick/b.wav; give one"
    )
    assert sum(job.output is not None for job in jobs) == 2


def test_names_of_a_pattern(drums):
    found = targets("drums", output="out", name="{number} {stem} ({effect} {amount})")
    assert list(found.values()) == [
        "out/1 a (bright c080).wav",
        "out/kick/2 b (bright c080).wav",
        "out/kick/deep/3 c (bright c080).wav",
    ]
    # Its own outputs beside the inputs are known, others are not.
    put(drums, "a-bright.wav", noise(50), subtype="PCM_16")
    put(drums, "z-bright.wav", noise(50), subtype="PCM_16")
    jobs = planned("drums", name="{stem}-{effect}", overwrite=True)
    assert [j.source.name for j in jobs if j.skipped] == ["a-bright.wav"]
    for pattern, words in (
        ("{stem} {depth}", "knows the fields {stem}, {effect}, {amount}, {number}"),
        ("{stem", "knows the fields"),
        ("x/{stem}", "without folders"),
        ("{effect}", "needs {stem} or {number}"),
        (" ", "must be the name of a file"),
    ):
        with pytest.raises(InputError, match=f"--name=.*{re.escape(words)}"):
            Naming("bright", "c080", pattern)


def test_formats_and_depths_of_choice(drums):
    put(drums, "m.mp3", noise(5000), 44100, format="MP3", subtype=None)
    put(drums, "f.wav", noise(50), subtype="FLOAT")
    put(drums, "w.wav", noise(50), format="WAVEX", subtype="PCM_24")

    def kinds(**options):
        jobs = planned("drums/*.*", output="out", **options)
        return {
            job.source.name: (
                job.output.format,
                job.output.subtype,
                job.output.path.suffix,
            )
            for job in jobs
            if job.output
        }

    assert kinds() == {
        "a.wav": ("WAV", "PCM_16", ".wav"),
        "f.wav": ("WAV", "FLOAT", ".wav"),
        "m.mp3": ("WAV", "PCM_24", ".wav"),
        "w.wav": ("WAVEX", "PCM_24", ".wav"),
    }
    assert set(kinds(format="flac").values()) == {
        ("FLAC", "PCM_16", ".flac"),
        ("FLAC", "PCM_24", ".flac"),
    }
    assert set(kinds(format="wav", depth="float").values()) == {
        ("WAV", "FLOAT", ".wav"),
        ("WAVEX", "FLOAT", ".wav"),
    }
    assert kinds(format="aiff")["f.wav"] == ("AIFF", "FLOAT", ".aiff")
    assert kinds(depth="16")["m.mp3"] == ("WAV", "PCM_16", ".wav")
    [said] = {j.fault for j in planned("drums/*.wav", format="flac", depth="float")}
    assert said == (
        "FLAC cannot hold 2 channels of FLOAT: take another --format or --depth"
    )


def test_existing_outputs_are_skipped_on_request(drums):
    put(drums, "a__bright_c080.wav", noise(50), subtype="PCM_16")
    jobs = planned("drums", skip_existing=True)
    assert [job.skipped for job in jobs] == [EXISTS, EARLIER_RUN, "", ""]
    sources = apply_inputs.collect(["drums/a.wav"])
    jobs = plan(sources, NAMING, flags(skip_existing=True))
    assert is_work(sources, jobs) and jobs[0].skipped == EXISTS


def faults(*arguments, **options):
    return {str(j.source): j.fault for j in planned(*arguments, **options) if j.fault}


def test_an_output_that_is_an_input_or_exists(drums):
    put(drums, "a__bright_c080.wav", noise(50), subtype="PCM_16")
    exists = "drums/a__bright_c080.wav exists; add --overwrite to replace it"
    assert faults("drums") == {"drums/a.wav": exists}
    assert faults("drums", overwrite=True) == {}
    named = ["drums/a.wav", "drums/a__bright_c080.wav"]
    [said] = faults(*named, overwrite=True).values()
    assert said == "drums/a__bright_c080.wav is another input; name another --output"
    [said] = faults("drums/a.wav", output="drums/a.wav", overwrite=True).values()
    assert said == "the output is the input itself; name another --output"


def test_a_folder_that_cannot_be_made(drums, monkeypatch):
    Path("out").mkdir()
    Path("out/kick").touch()
    wanted = dict.fromkeys(
        ("drums/kick/b.wav", "drums/kick/deep/c.wav"),
        "the folder out/kick is no folder",
    )
    assert faults("drums", output="out") == wanted
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    [said] = faults("drums/*.wav", output="new/er").values()
    assert said == "the folder . cannot be written to"


def test_headers_that_lie_give_no_length(drums):
    path = drums / "long.flac"
    soundfile.write(path, noise(500), 8000, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    [honest] = planned(path)
    assert honest.output.frames == 500 and honest.seconds == 500 / 8000
    word = int.from_bytes(data[18:26], "big") >> 36 << 36 | (1 << 36) - 1
    data[18:26] = word.to_bytes(8, "big")
    path.write_bytes(data)
    [lying] = planned(path)
    assert lying.output.frames is None and 0 < lying.seconds < 1
    assert lying.output.header.frames == (1 << 36) - 1


def test_too_long_for_the_format_is_known_before(drums, monkeypatch):
    real = sound_file.info
    monkeypatch.setattr(
        sound_file, "info", lambda path: dataclasses.replace(real(path), frames=3 << 30)
    )
    [job] = planned("drums/a.wav")
    assert job.fault == "", "a header is not believed against the file's own size"
    monkeypatch.setattr(Output, "frames", property(lambda o: o.header.frames))
    [job] = planned("drums/a.wav")
    assert job.fault == "is too long for WAV (4 GB): split it"


def test_an_unused_job_has_no_length():
    assert Job(Path("x")).seconds == 0.0


def test_a_thousand_files(drums):
    first = (drums / "a.wav").read_bytes()
    for number in range(1000):
        (drums / f"{number:04d}.wav").write_bytes(first)
    before = snapshot(Path("."))
    assert len(targets("drums", output="out")) == 1003
    assert snapshot(Path(".")) == before and not Path("out").exists()


def test_the_name_of_an_effect_becomes_plain():
    for effect, wanted in (("my effect/2", "my-effect-2"), ("..", "effect")):
        assert Naming(effect, "lfo").stem(Path("x.wav"), 1) == f"x__{wanted}_lfo"
