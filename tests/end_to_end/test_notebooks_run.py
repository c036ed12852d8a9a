"""The notebooks executed without a browser, and what comes of them.

They run from the package as it is installed, in folders of their own. The sweep of
`reproduce_the_paper` is shared by eight devices; what one device makes of it is slow.
So is playing where there are eight: it uses one, and two other notebooks begin there.
"""

import base64
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest
import soundfile
from support.compiling import flags
from support.executing import SMALLEST

import cak_jax
from cak_jax.apps.notebook import files as notebook_files, mirror
from cak_jax.effect import locate, schema, text_code

ROOT = pathlib.Path(__file__).parent.parent.parent
NAMES = ("train_your_effect", "play_with_effects", "reproduce_the_paper")


def execute(site, folder, name, devices, **values):
    """Run a notebook in a folder; return it executed."""
    folder.mkdir(parents=True, exist_ok=True)
    target, parameters = folder / f"{name}.ipynb", folder / "parameters.json"
    parameters.write_text(json.dumps(SMALLEST[name] | values))
    source = ROOT / "colab" / f"{name}.ipynb"
    command = [ROOT / "tests" / "support" / "executing.py", source, target, parameters]
    done = subprocess.run(
        [sys.executable, *command],
        env=os.environ
        | {
            "PYTHONPATH": str(site),
            "IPYTHONDIR": str(folder / "ipython"),
            "XLA_FLAGS": flags(devices),
        },
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    executed = nbformat.read(target, as_version=4)
    said = printed(executed, "install")
    assert said.split() == ["0.1.0", "on", "cpu", "devices:", str(devices)]
    return executed


def outputs(notebook, cell):
    return next(c.outputs for c in notebook.cells if c.id == cell)


def printed(notebook, cell):
    """What a cell wrote; an error would be one, and warnings are none of ours."""
    found = [o for o in outputs(notebook, cell) if o.output_type == "stream"]
    assert {o.name for o in found} <= {"stdout"}, found
    return "".join(o.text for o in found)


def shown(notebook, cell, kind):
    return [o.data[kind] for o in outputs(notebook, cell) if kind in o.get("data", {})]


def labels(html):
    return re.findall(r"<div>([^<]*)</div><audio", html)


@pytest.fixture(scope="module")
def executed(site, tmp_path_factory):
    """Every notebook that the suite runs: (notebook, its folder) by name."""
    base = tmp_path_factory.mktemp("notebooks")

    def train():
        first, second = base / "train", base / "lost"
        yield "train", execute(site, first, NAMES[0], 1, MIRROR="mirror")
        # A session that is lost after the first epoch goes on in another, on other
        # devices: all there is are the archives, and the last one is damaged.
        shutil.copytree(first / "mirror", second / "mirror")
        (second / "mirror" / "my_effect.000002.tar").write_bytes(b"cut short")
        yield "lost", execute(site, second, NAMES[0], 8, MIRROR="mirror")

    def play():
        yield "play", execute(site, base / "play", NAMES[1], 1)

    def reproduce():
        yield "paper 8", execute(site, base / "paper 8", NAMES[2], 8)

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        started = [threads.submit(list, make()) for make in (reproduce, train, play)]
        found = dict(pair for own in started for pair in own.result())
    return {name: (notebook, base / name) for name, notebook in found.items()}


def test_trained(executed):
    notebook, folder = executed["train"]
    run = folder / "runs" / "my_effect"
    code = printed(notebook, "keep").split()[0]
    document = schema.read_document(run / "effect.json")
    assert text_code.encode(document) == code
    assert document["name"] == "synthetic instruments"
    said = printed(notebook, "train")
    assert "epoch   2/2" in said and "resumed" not in said
    # One picture and one row of players, whatever was in their places before.
    assert len(shown(notebook, "train", "image/png")) == 1
    (row,) = shown(notebook, "train", "text/html")
    assert labels(row) == ["dry", "after epoch 2, amount 0.7"]
    (row,) = shown(notebook, "listen", "text/html")
    assert labels(row) == ["dry", "amount 0.5"]
    for cell in ("see", "kernel"):
        (picture,) = shown(notebook, cell, "image/png")
        assert base64.b64decode(picture).startswith(b"\x89PNG")


def test_mirrored(executed):
    _, folder = executed["train"]
    copy = folder / "elsewhere" / "my_effect"
    assert len(mirror.restore(copy, folder / "mirror")) == 1
    run = folder / "runs" / "my_effect"
    files = [path.relative_to(run) for path in run.rglob("*") if path.is_file()]
    files = [path for path in files if not path.name.startswith(".")]
    assert pathlib.Path("report.html") in files and len(files) > 10
    for path in files:
        assert (copy / path).read_bytes() == (run / path).read_bytes(), path


def test_a_lost_session_goes_on(executed):
    notebook, folder = executed["lost"]
    said = printed(notebook, "train")
    assert "my_effect.000002.tar: is damaged" in said
    assert "restored from my_effect.000001.tar" in said
    assert "resumed after epoch 1" in said and "epoch   1/2" not in said
    found, expected = (
        schema.read_document(place / "runs" / "my_effect" / "effect.json")
        for place in (folder, executed["train"][1])
    )
    np.testing.assert_allclose(found["kernel"], expected["kernel"], atol=1e-5)
    assert found["bias"] == pytest.approx(expected["bias"], abs=1e-5)
    assert (folder / "mirror" / "my_effect.000003.tar").is_file()


def check_played(notebook, folder):
    effect = cak_jax.load_effect("bright")
    sound, rate = notebook_files.choose_sound("embedded", 1.0)
    wet = cak_jax.render(effect, sound, rate, amount=0.6)
    wet = wet / max(1.0, np.abs(wet).max())
    written, found = soundfile.read(folder / "played.wav", dtype="float64")
    assert found == rate and soundfile.info(folder / "played.wav").subtype == "PCM_24"
    np.testing.assert_allclose(written, wet[0], rtol=0, atol=2e-5)
    document = schema.read_document(locate.find("bright"))
    assert text_code.encode(document) in printed(notebook, "keep")
    assert "dark" in printed(notebook, "effects")
    (row,) = shown(notebook, "morph", "text/html")
    ends = ["100% bright, 0% tones 0.6", "0% bright, 100% tones 0.6"]
    assert labels(row) == ["dry", *ends]
    (row,) = shown(notebook, "shape", "text/html")
    assert labels(row) == ["dry", "as it is", "size 4 x 1", "flip time", "both"]
    for cell in ("knob", "kernel", "morph"):
        assert len(shown(notebook, cell, "image/png")) == 1


def test_played(executed):
    check_played(*executed["play"])


@pytest.mark.slow
def test_played_on_eight_devices(site, tmp_path):
    check_played(execute(site, tmp_path / "eight", NAMES[1], 8), tmp_path / "eight")


def check_reproduced(notebook, folder, devices):
    runs = folder / "runs" / "reproduce"
    lines = (runs / "test_sweep" / "table.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["status"] for row in rows] == ["done"] * 6
    plural = "s" if devices > 1 else ""
    assert f"on cpu, {devices} device{plural}\n" in printed(notebook, "sweep")
    for cell in ("figure1", "figure2", "absolute", "relative", "zero", "maps"):
        assert len(shown(notebook, cell, "image/png")) == 1, cell
    assert len(shown(notebook, "figure3", "image/png")) == 2
    (table,) = shown(notebook, "zero", "text/html")
    cells = re.findall(r"<td>([^<]*)</td>", table)
    assert len(cells) == 9 and cells[2::3] == ["bit-exact"] * 3
    assert all(cell.endswith(" dB") for cell in cells[1::3])
    return {row["run"]: row["audit.relative.calibrated.slope"] for row in rows}


def test_reproduced(executed):
    notebook, folder = executed["paper 8"]
    check_reproduced(notebook, folder, 8)


@pytest.mark.slow
def test_reproduced_on_one_device(executed, site, tmp_path):
    notebook = execute(site, tmp_path / "one", NAMES[2], 1)
    alone = check_reproduced(notebook, tmp_path / "one", 1)
    shared = check_reproduced(*executed["paper 8"], 8)
    assert alone == pytest.approx(shared, abs=1e-4)
    kernels = [
        schema.read_document(
            folder / "runs" / "reproduce" / "test_paper" / "effect.json"
        )["kernel"]
        for folder in (tmp_path / "one", executed["paper 8"][1])
    ]
    np.testing.assert_allclose(*kernels, atol=1e-5)
