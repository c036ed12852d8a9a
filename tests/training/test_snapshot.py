"""An effect says where it comes from: what it was made of, and no path."""

import dataclasses
import json
import types

import numpy as np
import pytest
from support.applying import EFFECT
from support.sounds import fill

from cak_jax.commands import train
from cak_jax.effect.effect import dumps, from_document, load_effect
from cak_jax.model import spectrogram_settings
from cak_jax.training import config as config_lib, snapshot

SMALL = (
    "--config=smoke",
    "--config.spectrogram.sample_rate=8000",
    "--config.spectrogram.n_fft=256",
    "--config.spectrogram.hop_length=64",
    "--config.output.previews=0",
    "--config.output.figures=False",
    "--config.train.epochs=0",
    "--config.corpus.seconds=1.0",
    "--config.corpus.fade_seconds=0.1",
)
SMOKE = {
    "corpus.fade_seconds": 0.1,
    "corpus.labels": "random",
    "corpus.seconds": 1.0,
    "corpus.synthetic_clips": 8,
    "game.audit": "relative",
    "game.critic_steps": 2,
    "game.critic_widths": [2, 4, 8],
    "game.leash": 0.5,
    "game.pairing": "random",
    "game.spacing": [1, 1],
    "game.weight_compliance": 20.0,
    "game.weight_direction": 0.0,
    "game.weight_level": 0.0,
    "game.weight_pattern": 0.01,
    "game.weight_pattern_size": 0.0,
    "game.weight_reconstruction": 5.0,
    "spectrogram.hop_length": 64,
    "spectrogram.n_fft": 256,
    "spectrogram.sample_rate": 8000,
    "train.batch_size": 4,
    "train.crop_bins": 64,
    "train.crop_frames": 16,
    "train.epochs": 0,
    "train.evaluate_every": 1,
    "train.least_steps": 0,
    "train.learning_rate_generator": 4e-3,
    "train.learning_rate_warmup": 0.0,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run on a folder, with a table of labels, all below a telling path."""
    top = tmp_path_factory.mktemp("Secret Client")
    fill(top / "bells & bows")
    table = top / "Very Private" / "notes.csv"
    table.parent.mkdir()
    rows = [f"{i}.wav,{0.2 * (i + 1)}\n" for i in range(4)]
    table.write_text("file,bright\n" + "".join(rows))
    arguments = (
        f"--config.corpus.path={top / 'bells & bows'}",
        f"--config.corpus.labels={table}",
        f"--config.corpus.cache={top / 'cache'}",
        "--config.corpus.held_out=0.25",
        "--config.seed=7",
        f"--workdir={top / 'run'}",
    )
    assert train.main([*SMALL, *arguments]) == 0
    return top / "run"


def test_it_says_what_it_was_made_of(finished):
    provenance = load_effect(finished).provenance
    manifest = json.loads((finished / "corpus.json").read_text("utf-8"))
    written = json.loads((finished / "config.json").read_text("utf-8"))
    clips = [clip["held_out"] for file in manifest["files"] for clip in file["clips"]]
    assert provenance["corpus"] == {
        "name": "bells & bows",
        "clips": clips.count(False),
        "held_out": clips.count(True),
        "sha256": manifest["sha256"],
    }
    assert clips.count(True) == 2 and clips.count(False) == 6
    assert provenance["corpus_sha256"] == manifest["sha256"]
    assert provenance["config_sha256"] == written["config_sha256"]
    assert (provenance["seed"], provenance["epochs"]) == (7, 0)
    changed = {"corpus.held_out": 0.25, "corpus.labels": "notes.csv"}
    assert provenance["config"] == SMOKE | changed
    assert set(provenance["metrics"]) == {"slope", "r2", "mae"}


def test_no_path_is_in_it(finished):
    path = finished / "effect.json"
    text = path.read_text("utf-8")
    for part in ("Secret", "Client", "Private", "cache", str(finished), "run", "/"):
        assert part not in text
    assert path.stat().st_size < 4096


def test_the_embedded_corpus_has_a_name(tmp_path):
    assert train.main([*SMALL, f"--workdir={tmp_path}"]) == 0
    provenance = load_effect(tmp_path).provenance
    assert provenance["corpus"]["name"] == "synthetic instruments"
    assert (provenance["corpus"]["clips"], provenance["corpus"]["held_out"]) == (6, 2)
    assert provenance["config"] == SMOKE and provenance["seed"] == 0


def test_changes_are_the_fields_that_differ():
    config = config_lib.load_file(config_lib.shipped("default"))
    flat = config_lib.flatten(config)
    assert config_lib.changes(flat) == {}
    same = {"name": "x", "seed": 3, "corpus.path": "/a/b", "corpus.cache": "~/c",
            "output.previews": 9, "output.figures": False}  # fmt: skip
    assert config_lib.changes(flat | same) == {}
    changed = {"train.epochs": 9, "game.critic_widths": [1, 2, 3]}
    # A field that only some other configuration has could hold anything.
    assert config_lib.changes(flat | changed | {"corpus.source": "/home/me"}) == changed
    # Given back as flags they make the same settings.
    as_flags = changed | {"game.critic_widths": (1, 2, 3)}
    config.update_from_flattened_dict(as_flags)
    assert config_lib.build(config).changes == changed


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        ("rms", "rms"),
        ("/home/me/x y.csv", "x y.csv"),
        ("~/x.json", "x.json"),
        ("..\\me\\x.csv", "x.csv"),
        ("x.csv", "x.csv"),
    ],
)
def test_a_table_of_labels_is_named_by_its_file(labels, kept):
    flat = config_lib.flatten(config_lib.load_file(config_lib.shipped("default")))
    changed = config_lib.changes(flat | {"corpus.labels": labels})
    assert changed == {"corpus.labels": kept}


def snapshot_of(name, path_name, changes):
    """What a run hands over, with every number as long as it gets."""
    constants = spectrogram_settings.Normalization(1 / 3e-5, 100 / 3, -1e-4 / 3, 50 / 3)
    effect = dataclasses.replace(
        EFFECT,
        name=name,
        kernel=(((-1e4 / 3,) * 3,) * 3),
        bias=-1e-4 / 3,
        scale=-1e-4 / 3,
        normalization=constants,
    )
    held_out = np.arange(100_000) % 3 == 0
    corpus = types.SimpleNamespace(
        sha256="f" * 64,
        held_out=held_out,
        training=np.flatnonzero(~held_out),
        manifest={"path_name": path_name},
    )
    settings = types.SimpleNamespace(
        config_sha256="f" * 64,
        changes=changes,
        train=types.SimpleNamespace(seed=2**31 - 1),
        game=types.SimpleNamespace(audit="relative"),
    )
    return types.SimpleNamespace(
        settings=settings,
        corpus=corpus,
        epoch=1_000_000,
        effect=lambda provenance: dataclasses.replace(effect, provenance=provenance),
    )


def changed_all():
    """Every field of the default that is kept, changed to something long."""
    flat = config_lib.flatten(config_lib.load_file(config_lib.shipped("default")))
    longest = {float: 10 / 3, int: 999_999, list: [4096] * 3, str: "spectral_centroid"}
    other = {field: longest.get(type(value), value) for field, value in flat.items()}
    return config_lib.changes(other)


METRICS = {"slope": -1 / 3e-5, "r2": float("nan"), "mae": 1 / 3e-5}
ALL = {"cak_jax", "config_sha256", "corpus_sha256", "corpus", "seed", "epochs",
       "audit", "config", "metrics"}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "path_name", "dropped"),
    [
        ("my effect", "music", set()),
        ("n" * 100, "p" * 100, set()),
        ("n" * 200, "\\udcff" * 255, {"config"}),
        ("\U0001f600" * 200, "\U0001f600" * 63, {"config", "corpus"}),
    ],
)
def test_the_file_stays_under_4_kb(name, path_name, dropped):
    changes = changed_all()
    assert len(changes) >= 30
    effect = snapshot.effect_of(snapshot_of(name, path_name, changes), METRICS)
    text = dumps(effect)
    assert len(text.encode()) < 4096
    assert from_document(json.loads(text)) == effect and effect.name == name
    assert set(effect.provenance) == ALL - dropped
    if not dropped:
        assert effect.provenance["config"] == changes
        assert effect.provenance["metrics"]["r2"] is None
