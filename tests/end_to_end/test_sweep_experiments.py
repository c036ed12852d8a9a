"""The scripts of the study and of the benchmark, on little."""

import importlib
import itertools
import json
import pathlib

import numpy as np
import pytest

EXPERIMENTS = pathlib.Path(__file__).parent.parent.parent / "experiments"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(EXPERIMENTS)
    return importlib.import_module


def test_the_study_reads_a_table(script, tmp_path, capsys):
    study = script("corpus_gate")
    planes = itertools.chain(
        itertools.product((5, 50), (20.0, 80.0), (0.3,)),
        itertools.product((50,), (20.0, 80.0), (0.0, 0.3)),
        itertools.product((5, 50), (20.0,), (0.0, 0.3)),
    )
    lines = []
    for clips, heat, threshold in sorted(set(planes)):
        for seed in range(3):
            own = dict.fromkeys(study.MEASURES, 0.5)
            own |= {"status": "done", study.CLIPS: clips, study.HEAT: heat,
                    study.THRESHOLD: threshold, "train.seed": seed,
                    study.R2: 1 - seed / clips, "bit_exact_at_0": 1.0}  # fmt: skip
            lines.append(json.dumps(own))
    lines.append(json.dumps({"status": "diverged"}))
    (tmp_path / "table.jsonl").write_text("\n".join(lines) + "\n")
    study.main(str(tmp_path), str(tmp_path / "figure.png"))
    said = capsys.readouterr().out
    assert "21 runs; 1 gave no effect" in said
    assert "bit-exact at control 0: 21 of 21" in said
    # Seeds 0, 1, 2 of 5 clips: R2 1, 0.8, 0.6.
    assert "| 5 | 3 | 0.5 | 0.8 (0.6 to 1) |" in said
    assert "| 5 | 0.6000 | 0.6000 |" in said and "| 50 | 0.9600 | 0.9600 |" in said
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(SystemExit, match="holds no table"):
        study.main(str(tmp_path / "none"), "x.png")


@pytest.mark.slow
def test_the_benchmark_times_both_sides(script, capsys):
    benchmark = script("benchmark_sweep")
    benchmark.SINGLES = 1
    tiny = {
        "corpus.seconds": 0.5, "corpus.fade_seconds": 0.1,
        "spectrogram.sample_rate": 8000, "spectrogram.n_fft": 128,
        "spectrogram.hop_length": 64, "game.critic_widths": (2, 2, 2),
        "game.critic_steps": 1, "train.crop_frames": 16, "train.crop_bins": 16,
        "sweep.vectorise": "map",
    }  # fmt: skip
    benchmark.main(8, (2,), **tiny)
    lines = capsys.readouterr().out.splitlines()
    assert any("8 iterations" in line for line in lines)
    cells = [cell.strip() for cell in lines[-1].strip("|").split("|")]
    assert cells[0] == "2" and cells[5] == "1"
    numbers = np.array(list(map(float, cells[1:5])))
    # Printed to a tenth of a second, a fast machine shows as 0.
    assert np.isfinite(numbers).all() and (numbers >= 0).all()
