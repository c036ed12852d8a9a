"""Folders with files that crash their decoder: they are named, the rest is done."""

import gc
import pathlib

import numpy as np
import pytest
from hostile import SAID, STRICT, install, put_hostile
from support.applying import effect_file, outputs, run
from support.sounds import put, reasons, sound

from cak_jax.audio.isolated_decoding import pool
from cak_jax.audio.isolated_decoding.pool import guarded

OWN_DECODERS = True
ROOT = pathlib.Path(__file__).parent.parent.parent


def test_a_folder_of_them_becomes_a_corpus(folder, load, tmp_path, monkeypatch):
    install(tmp_path, monkeypatch)
    for number in range(4):
        put(folder, f"good{number}.wav", sound(1.0, seed=number))
    # What happens behind the last clip happens to nobody.
    slow = [title for title in SAID if "too long" in SAID[title]]
    bad = SAID.keys() - {"segv end", "abort read", "error open", *slow}
    for title in bad:
        put_hostile(folder, title)
    with guarded(STRICT):
        found = load()
    said = {title.replace(" ", "-") + ".wav": SAID[title] for title in bad}
    assert reasons(found) == said
    assert sorted(n[:9] for n in found.names) == [f"good{n}.wav" for n in range(4)]


@pytest.fixture
def no_collection():
    """Nothing is freed by chance in between."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collection")
def test_a_file_that_is_left_out_keeps_no_process(folder, load):
    """The reason is kept, and not the frames that hold the open file."""
    for number in range(4):
        put(folder, f"good{number}.wav", sound(1.0, seed=number))
        bad = sound(1.0, seed=number)
        bad[100] = np.nan
        put(folder, f"bad{number}.wav", bad, subtype="FLOAT")
    with guarded(STRICT):
        found = load()
        decoders = pool.current()
        assert decoders._all and decoders._all == set(decoders._idle)
    assert set(reasons(found)) == {f"bad{number}.wav" for number in range(4)}


def test_apply_names_them_and_does_the_rest(tmp_path, monkeypatch, capsys):
    install(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    folder = pathlib.Path("sounds")
    put(folder, "a.wav", sound(0.2))
    put(folder, "z.wav", sound(0.2))
    bad = ["segv open", "segv end", "hoard read", "exit read"]
    for title in bad:
        put_hostile(folder, title)
    with guarded(STRICT):
        assert run(effect_file(tmp_path), folder, output="out") == 1
    out, err = capsys.readouterr()
    said = {f"error: sounds/{t.replace(' ', '-')}.wav: {SAID[t]}" for t in bad}
    assert set(err.splitlines()) == said and len(out.splitlines()) == 2
    wanted = [f"out/{name}__small_c080.wav" for name in "az"]
    assert outputs("out") == wanted


def test_what_it_costs_can_be_measured(monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "experiments")
    import decoding_overhead

    decoding_overhead.run(seconds=0.2, files=5, repeats=1)
    head, *rows = capsys.readouterr().out.splitlines()
    assert "in process" in head and len(rows) == 4
    assert all(float(row.split()[-1]) > 0 for row in rows)
