"""Tables of a sweep's report: rows by what was swept, and the best one marked."""

import pytest
from support import browser

from cak_jax.report import run_page
from cak_jax.sweep import results, table
from cak_jax.sweep.table import STAR

R2 = "audit.heard.calibrated.r2"
SHOWN = {R2: "R2", "audit.heard.raw.r2": "R2, raw knob", "m": "measure"}
FIELDS = {"corpus.labels": "quality", "train.seed": "train.seed"}


def records():
    """Two qualities by two seeds; R2 and a measure in closed form."""
    return [
        {"run": f"labels{quality}-seed{seed}", "status": "done", "fault": "",
         "corpus.labels": quality, "train.seed": seed, "training_clips": 4,
         "steps": 9, "train_seconds": 0.5, "evaluate_seconds": None,
         R2: 0.5 + 0.1 * (2 * kind + seed), "audit.heard.raw.r2": 1.0 - seed,
         "m": kind + 2.0 * seed, "trustworthy": 0.0}
        for kind, quality in enumerate(("attack", "spectral_flatness"))
        for seed in (0, 1)
    ]  # fmt: skip


def test_the_best_is_the_highest_r2_of_those_to_be_trusted():
    made = records()
    assert table.best_of(made, SHOWN) == "labelsspectral_flatness-seed1"
    made[1]["trustworthy"] = 1.0
    assert table.best_of(made, SHOWN) == "labelsattack-seed1"
    for record in made:
        record["status"] = "diverged"
    assert table.best_of(made, SHOWN) == ""


def test_rows_are_grouped_by_what_was_swept():
    made = records()
    made[0] |= {"status": "diverged", R2: None, "m": None}
    best = table.best_of(made, SHOWN)
    grouped = table.by_values(made, FIELDS, SHOWN, best)
    assert grouped["columns"] == ["runs", "quality", "R2", "R2, raw knob", "measure"]
    assert grouped["rows"][0] == ["1 of 2", "attack", 0.6, 0.0, 2.0]
    assert grouped["rows"][1] == [
        f"{STAR} 2", "spectral_flatness", "0.75 ± 0.05", "0.5 ± 0.5", "2 ± 1"
    ]  # fmt: skip
    assert grouped["best"] == 1
    single = table.every_run(made, SHOWN, best)
    assert single["columns"][:3] == ["run", "status", "R2"]
    assert single["best"] == 3 and single["rows"][3][0] == f"{STAR} {best}"


def test_the_command_plays_the_best(tmp_path):
    line = table.hear_command(records(), "labelsattack-seed1", tmp_path)
    assert f"--effect={tmp_path / 'runs' / 'labelsattack-seed1'} " in line
    assert "runs/labelsattack-seed0 " in table.hear_command(records(), "", tmp_path)


def test_of_many_rows_the_best_are_shown():
    many = [
        record | {"run": f"{record['run']}-{number}", R2: number / 1000}
        for number in range(table.MOST_ROWS // 2)
        for record in records()
    ]
    made = table.every_run(many, SHOWN, table.best_of(many, SHOWN))
    assert len(made["rows"]) == table.MOST_ROWS < len(many)
    assert f"These are the best {table.MOST_ROWS} of {len(many)} rows" in made["note"]
    scores = [row[1] for row in made["rows"]]
    assert min(scores) >= sorted(record[R2] for record in many)[-len(scores)]


@pytest.mark.slow  # a browser
@browser.needed()
@pytest.mark.parametrize("width", [1200, 390])
def test_tables_are_whole_on_a_screen_and_on_a_phone(tmp_path, width):
    long = [r | {"run": "-".join([r["run"]] * 4)} for r in records()]
    shown = SHOWN | {f"m{n}": f"a measure with a long name, {n}" for n in range(9)}
    for number, record in enumerate(long):
        record |= {f"m{n}": n + number / 7 for n in range(9)}
    fields = results.swept_fields(long)
    best = table.best_of(long, shown)
    tables = [table.by_values(long, {name: name for name in fields}, shown, best),
              table.every_run(long, shown, best)]  # fmt: skip
    page = run_page.write_report(tmp_path, {"title": "t", "tables": tables})
    with browser.opened(tmp_path) as window:
        # A window is not made as narrow as a phone, but what it shows can be.
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        window.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        window.open(page.as_uri())
        right = window.run(
            "return Math.max(...[...document.querySelectorAll('td')].map("
            "cell => cell.getBoundingClientRect().right))"
        )
        assert window.run("return innerWidth") == width and 0.8 * width < right <= width
        assert window.run("return document.documentElement.scrollWidth") <= width
