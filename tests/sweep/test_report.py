"""The end of a sweep of heard runs: its table, page and counts."""

import csv
import json
import pathlib
import re

import pytest

from cak_jax.commands import train
from cak_jax.evaluation import convergence
from cak_jax.sweep import report, results

CONFIG = pathlib.Path(__file__).parent.parent / "support/small_heard_sweep_config.py"
WINDOWS = ("372", "1488")  # 1024 and 4096 at 44.1 kHz

# Slow, because a sweep of two heard runs takes 40 s.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweeps") / "heard"
    assert train.main([f"--config={CONFIG}", f"--workdir={folder}"]) == 0
    return folder


@pytest.fixture(scope="module")
def documents(finished):
    paths = sorted((finished / "runs").glob("*/evaluation.json"))
    return {p.parent.name: json.loads(p.read_text("utf-8")) for p in paths}


def test_the_table_has_what_is_heard(finished, documents):
    with (finished / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    assert rows.keys() == documents.keys() and len(rows) == 2
    for name, row in rows.items():
        heard = documents[name]["heard"]
        for window in WINDOWS:
            fitted = heard["quality"]["windows"][window]
            place = f"heard.quality.windows.{window}"
            assert float(row[f"{place}.slope"]) == fitted["slope"]
            assert float(row[f"{place}.measured.3"]) == fitted["measured"][3]
        level = heard["side_effects"]["level_db"]
        assert float(row["heard.side_effects.level_db"]) == level
        trusted = convergence.trustworthy(documents[name], "heard")
        assert float(row["trustworthy"]) == trusted


def test_the_page_shows_what_is_heard(finished, documents):
    page = (finished / "report.html").read_text("utf-8")
    words = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    for window in WINDOWS:
        assert f"heard slope, frames of {window}" in words
    assert words.index("What was swept") < words.index("Every run")
    trusted = sum(convergence.trustworthy(d, "heard") for d in documents.values())
    assert f"2 of 2 runs gave an effect, {trusted} of them trustworthy." in words
    assert "--amount=0.5 YOUR.wav" in words


def test_a_run_is_described_by_what_is_heard(finished, documents):
    for row in results.read_rows(finished).values():
        line = results.describe_row(row, "heard", 1, 2)
        heard = documents[row["run"]]["heard"]
        slopes = [f"{heard['quality']['windows'][w]['slope']:.3f}" for w in WINDOWS]
        assert f"slopes {slopes[0]} and {slopes[1]}; level " in line


def test_columns_are_those_that_a_run_has():
    records = [
        {"heard.quality.windows.1024.slope": 1.0, "heard.quality.windows.372.r2": 0.9},
        {"heard.quality.windows.372.r2": None, "knob.gate.dead_zone": 0.1},
    ]
    assert report.shown_measures(records, "heard") == {
        "heard.quality.windows.1024.slope": "heard slope, frames of 1024",
        "heard.quality.windows.372.r2": "heard R2, frames of 372",
        "knob.gate.dead_zone": "dead zone, raw",
    }
    assert report.shown_measures(records[1:], "relative") == {
        "knob.gate.dead_zone": "dead zone, raw"
    }
