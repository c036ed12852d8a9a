"""Plans and where the corpus lies: the same batches whichever way they come."""

import contextlib
import dataclasses
import pathlib

import jax
import jax.export
import numpy as np
import pytest
from support.compiling import optimised_training

from cak_jax.data import batch as batch_lib
from cak_jax.model import spectral
from cak_jax.model.spectrogram_settings import Normalization, SpectrogramSettings
from cak_jax.training import batch_plan, config as config_lib, devices, run, steps
from cak_jax.training.trainer import Trainer

SMALL = SpectrogramSettings(8000, 64, 16)
CONSTANTS = spectral.constant_arrays(Normalization(10.0, 0.85, 0.0, 3.0))
CONFIGS = pathlib.Path(__file__).parent.parent.parent / "configs"
BINS = SMALL.bins


@dataclasses.dataclass
class Choices:
    seed: int = 3
    pairing: str = "random"
    batch_size: int = 4
    least_steps: int = 0
    crop_frames: int = 5


def corpus(clips=6, samples=400):
    rng = np.random.default_rng(0)
    audio = rng.normal(0.0, 0.3, (clips, samples)).astype(np.float32)
    content = np.tile(np.int32([0, samples]), (clips, 1))
    return audio, np.linspace(0.1, 1.0, clips), content


def plan_of(crop=(BINS, 5), epoch=0, **choices):
    _, labels, content = corpus()
    return batch_plan.make_plan(labels, content, Choices(**choices), crop, SMALL, epoch)


def test_few_clips_come_more_often():
    plan = plan_of(pairing="uniform", least_steps=10)
    assert plan.clip.shape == (10, 2, 4)
    # 40 places for 6 clips of 7 items each.
    counts = np.bincount(plan.clip[:, 0].ravel(), minlength=6)
    assert counts.max() == 7 and counts.min() >= 5


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_device_gathers_what_the_host_gathers(dtype):
    audio = corpus()[0]
    # Windows before, across and beyond both ends of a clip.
    frames = np.int32([-9, -1, 0, 3, 20, 24, 26, 40])
    clips = np.int32([0, 5, 1, 2, 3, 4, 5, 0])
    expected = batch_lib.gather(audio.astype(dtype), clips, frames, 4, SMALL)
    samples = batch_lib.gather_resident(
        jax.device_put(audio.astype(dtype)), clips, frames, 4, SMALL
    )
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, expected)
    assert not expected[-1].any() and expected[3].all()


def test_a_plan_follows_from_seed_and_epoch():
    for name in ("clip", "first_frame", "first_bin", "control"):
        same = getattr(plan_of((16, 5)), name)
        np.testing.assert_array_equal(same, getattr(plan_of((16, 5)), name))
        for other in (plan_of((16, 5), epoch=1), plan_of((16, 5), seed=4)):
            assert not np.array_equal(same, getattr(other, name)), name


def test_a_plan_keeps_to_clips_and_band():
    plan = plan_of((16, 5))
    assert len(plan) == 3  # 12 items, 4 a step
    assert plan.clip.shape == plan.first_frame.shape == (3, 2, 4)
    identity = plan.control == 0
    assert identity.sum() == 6
    np.testing.assert_array_equal(plan.clip[:, 0][identity], plan.clip[:, 1][identity])
    many = [plan_of((BINS - 2, 5), epoch=epoch).first_bin for epoch in range(20)]
    assert set(np.ravel(many)) == {0, 1, 2}
    assert not plan_of((BINS, 5)).first_bin.any()
    assert not plan_of((BINS, 26), crop_frames=0).first_frame.any()


def test_bands_are_cut_from_the_whole_spectrogram():
    audio = jax.device_put(corpus()[0])
    plan = plan_of((16, 5))
    step = jax.tree.map(lambda values: values[1], plan)
    whole = batch_plan.batch_of(step, audio, (BINS, 5), SMALL, CONSTANTS)
    cut = batch_plan.batch_of(step, audio, (16, 5), SMALL, CONSTANTS)
    for item, first in enumerate(step.first_bin):
        for name in ("x_in", "x_target"):
            expected = getattr(whole, name)[item, first : first + 16]
            np.testing.assert_array_equal(getattr(cut, name)[item], expected)


def test_streamed_batches_are_the_resident_ones():
    audio = corpus()[0]
    plan = plan_of((16, 5))
    filled = batch_plan.fill(plan, audio, 5, SMALL)
    for index in range(len(plan)):
        resident, streamed = (
            batch_plan.batch_of(
                jax.tree.map(lambda values: values[index], source),  # noqa: B023
                place,
                (16, 5),
                SMALL,
                CONSTANTS,
            )
            for source, place in ((plan, jax.device_put(audio)), (filled, None))
        )
        np.testing.assert_array_equal(resident.x_in, streamed.x_in)
        np.testing.assert_array_equal(resident.x_target, streamed.x_target)


def test_placement(monkeypatch):
    audio = corpus()[0]
    assert batch_plan.place(audio, "stream").audio is None
    half = batch_plan.place(audio, "float16")
    assert half.audio.dtype == np.float16 and "float16" in half.description
    np.testing.assert_array_equal(batch_plan.place(audio, "auto").audio, audio)
    monkeypatch.setattr(devices, "memory", lambda: 2 * audio.nbytes)
    assert batch_plan.place(audio, "auto").audio is None
    assert batch_plan.place(audio, "float32").audio is not None
    monkeypatch.setattr(devices, "memory", lambda: 3 * audio.nbytes)
    assert batch_plan.place(audio, "auto").audio is not None


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="host memory is CPU's")
def test_a_mapped_corpus_is_not_copied(tmp_path):
    stored = np.memmap(tmp_path / "clips", "<f4", "w+", shape=(4, 5000))
    placed = batch_plan.place(stored, "auto").audio
    assert placed.unsafe_buffer_pointer() == stored.ctypes.data


@pytest.mark.parametrize(
    ("count", "limit", "size"),
    [(50, 10, 10), (32, 10, 8), (7, 10, 7), (13, 10, 1), (1, 1, 1), (9, 4, 3)],
)
def test_a_dispatch_divides_the_epoch(count, limit, size):
    assert devices.largest_divisor(count, limit) == size


def learned(**overrides):
    """The state's leaves and the metrics after an epoch of a small run."""
    config = config_lib.load_file(CONFIGS / "smoke.py")
    config.update_from_flattened_dict(
        {
            "spectrogram.sample_rate": 8000,
            "spectrogram.n_fft": 256,
            "spectrogram.hop_length": 64,
            "game.critic_steps": 1,
            **overrides,
        }
    )
    settings = config_lib.build(config)
    trainer = Trainer(settings, run.prepare_corpus(settings))
    seen = []
    trainer.run_epoch(seen.append)
    return trainer, jax.device_get(trainer.state.params), seen


@pytest.fixture(scope="module")
def plain():
    with optimised_training():
        return learned()


@pytest.mark.parametrize(
    ("overrides", "tolerance"),
    [
        ({"train.storage": "stream"}, 0.0),
        # Another program: the same sums in another order, which Adam with beta1 = 0
        # turns into steps of up to the learning rate where a gradient is nearly 0.
        ({"train.steps_per_dispatch": 1}, 2e-3),
        ({"train.microbatch": 2}, 2e-3),
        ({"train.storage": "float16"}, 2e-2),
    ],
)
def test_how_batches_come_does_not_change_what_is_learned(plain, overrides, tolerance):
    trainer, params, seen = plain
    # The same bits of two programs are asked of what users compile.
    with contextlib.nullcontext() if tolerance else optimised_training():
        _, other_params, other_seen = learned(**overrides)
    assert len(seen) == len(other_seen) == trainer.steps_per_epoch
    for name in ("kernel", "bias"):
        np.testing.assert_allclose(
            other_params["detector"][name],
            params["detector"][name],
            rtol=0,
            atol=tolerance,
        )
    if "train.storage" in overrides:
        moved = not np.array_equal(
            other_params["detector"]["kernel"], params["detector"]["kernel"]
        )
        assert moved == (overrides["train.storage"] == "float16")


def test_one_program_for_the_whole_run(plain, caplog):
    trainer = plain[0]
    with jax.log_compiles():
        caplog.clear()
        trainer.run_epoch(lambda metrics: None)
    assert not [r for r in caplog.records if "Compiling" in r.getMessage()]


def test_a_dispatch_lowers_for_every_platform(plain):
    """Batches from a resident corpus, and the iterations on them."""
    trainer = plain[0]
    program = jax.jit(steps.train_steps, static_argnames="static")
    platforms = ("cpu", "cuda", "tpu")
    exported = jax.export.export(program, platforms=platforms)(
        trainer.state,
        next(trainer.dispatches(0)),
        trainer.placement.audio,
        trainer.hparams,
        trainer.constants,
        static=trainer.static,
    )
    assert exported.platforms == platforms
