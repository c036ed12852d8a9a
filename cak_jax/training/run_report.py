"""The end of a run: its evaluation, figures, previews and page."""

import pathlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from cak_jax.audio.sound_file import decode_preview, encode_preview, write
from cak_jax.data import pairs
from cak_jax.data.scan import Progress
from cak_jax.effect.effect import Effect, save_effect
from cak_jax.evaluation import (
    agreement,
    audit as audit_lib,
    convergence,
    evaluate,
    generator_audit,
    heard,
    knob_response,
)
from cak_jax.evaluation.over_clips import over_clips
from cak_jax.model.generators.table import GENERATORS
from cak_jax.rendering import in_memory
from cak_jax.rendering.knob import Knob, Unit
from cak_jax.rendering.loudness import decibels, fitting_gain, matching_gain
from cak_jax.report import run_page, style
from cak_jax.runtime import json_file
from cak_jax.runtime.console import say
from cak_jax.training import last_words, run_evaluation, run_summary
from cak_jax.training.even_knob import with_knob
from cak_jax.training.last_words import LastWords
from cak_jax.training.metrics_log import MetricsWriter, record_head
from cak_jax.training.run_corpus import clips_at
from cak_jax.training.snapshot import Snapshot, effect_of

EVALUATING, REPORT = "evaluating", "report"  # stages of the progress
SPECTROGRAM_TURNS = (0.5, 1.0)
# Of two loudnesses, the difference that may be heard.
HEARD_DB = 0.1
# Figures that the report shows before its numbers.
PICTURES = ("spectrograms", "kernel")
NO_EFFECT = (
    "There is no effect file and no preview: a {title} generator is more than the "
    "eleven numbers of an effect can hold."
)
# Name of a figure -> figure, title and caption.
Figures = dict[str, tuple[Any, str, str]]


def finish(
    snapshot: Snapshot, log: MetricsWriter, folder: pathlib.Path, bars: Progress
) -> LastWords:
    """Evaluate the finished run; write effect, evaluation, figures and report.

    The effect is written, and said, before the evaluation, so that it can be played
    meanwhile; then again with its measures. `bars` shows the progress.
    """
    snapshot = with_knob(snapshot)
    if (early := effect_of(snapshot, {})) is not None:
        save_effect(early, folder / "effect.json")
        say(f"the effect is there: {run_summary.hear_command(folder, early)}")
    clips = clips_at(snapshot.corpus, snapshot.corpus.evaluation)
    total = 2 * len(clips)  # each is measured, and then listened to
    measured = run_evaluation.measure_clips(
        snapshot, progress=lambda done, half, stage: bars(done, total, EVALUATING)
    )
    logged = [record["epoch"] for record in log.of_kind("held_out")]
    # Logged already by a run that was stopped after it.
    if snapshot.epoch and snapshot.epoch not in logged:
        head = record_head("held_out", snapshot.epoch, snapshot.steps_per_epoch)
        log.write({**head, **run_evaluation.evaluate_epoch(snapshot, measured)})
    effect = snapshot.effect()
    if effect is None:
        return finish_generator(snapshot, measured, log, folder)
    document = evaluate.evaluate(
        effect,
        clips,
        measured,
        lambda done, half, stage: bars(half + done, total, EVALUATING),
    )
    document["settled"] = convergence.settling(run_evaluation.patterns(folder))
    effect = run_evaluation.write_evaluation(snapshot, document, folder)
    audit, held_out = snapshot.settings.game.audit, snapshot.has_held_out
    words = last_words.of_effect(effect, document, audit, held_out, folder)
    pages = snapshot.settings.output["previews"] + 2  # figures, and the page itself
    bars(0, pages, REPORT)
    # Figures are drawn on one core, so sounds are encoded on another one.
    beside = ThreadPoolExecutor(1, "previews")
    previews = beside.submit(
        write_previews,
        snapshot,
        effect,
        folder / "previews",
        lambda done: bars(done, pages, REPORT),
    )
    beside.shutdown(wait=False)
    write_page(
        snapshot,
        log,
        folder,
        lambda: draw_heard(document) | draw_effect(snapshot, effect, measured),
        previews.result,
        title=f"{effect.name}: a learned audio effect",
        summary=words.sentences,
        notes=run_summary.sentences(snapshot, effect, document),
        facts=run_summary.facts(snapshot),
        kernel=effect.kernel,
        bias=effect.bias,
        scale=effect.scale,
        tables=[
            *run_summary.heard_tables(document),
            run_summary.audit_table(document),
            run_summary.change_table(document),
        ],
        commands=[run_summary.hear_command(folder, effect)],
    )
    return words


def finish_generator(
    snapshot: Snapshot,
    measured: dict[str, Any],
    log: MetricsWriter,
    folder: pathlib.Path,
) -> LastWords:
    """Do as `finish` for a generator that no effect file can hold.

    It gets an evaluation, figures and a report, but no effect and no previews.
    `measured` is of `generator_audit.measure_clips`.
    """
    title = GENERATORS[snapshot.settings.game.generator].TITLE
    document = {
        "generator": snapshot.settings.game.generator,
        "note": NO_EFFECT.format(title=title),
        "clips": len(snapshot.corpus.evaluation),
        "audit": {
            audit: {"raw": agreement.fit(agreement.CONTROLS, curve)}
            for audit, curve in measured["audit"].items()
        },
        "held_out": run_evaluation.held_out_losses(snapshot),
        "residual_at_zero": generator_audit.residual_at_zero(measured),
    }
    json_file.write(folder / "evaluation.json", document)
    summary = run_summary.generator_sentences(snapshot, title, document)
    curve = measured["audit"][snapshot.settings.game.audit]
    write_page(
        snapshot,
        log,
        folder,
        lambda: draw_audit(curve),
        title=f"{snapshot.settings.name}: a {title} generator",
        summary=summary,
        facts=[("Generator", title), *run_summary.facts(snapshot)],
        tables=[run_summary.audit_table(document)],
    )
    return last_words.of_generator(summary, folder)


def write_page(
    snapshot: Snapshot,
    log: MetricsWriter,
    folder: pathlib.Path,
    draw: Callable[[], Figures],
    previews: Callable[[], list[dict[str, Any]]] = list,
    **sections: Any,
) -> None:
    """Write `figures/` and `report.html`, with the sections that every run has.

    Args:
      snapshot, log, folder: of the finished run.
      draw: gives the figures of the generator, if figures are wanted.
      previews: gives the sounds; called after the figures.
      **sections: of `run_page.write_report`, without pictures, figures, previews,
        warnings and config.
    """
    figures, pictures, warnings = [], [], []
    if snapshot.settings.output["figures"] and style.available():
        drawn = draw() | draw_training(snapshot, log)
        first = {name: drawn.pop(name) for name in PICTURES if name in drawn}
        pictures = style.save_figures(first, folder / "figures")
        figures = style.save_figures(drawn, folder / "figures")
    elif snapshot.settings.output["figures"]:
        warnings.append(f"No figures: matplotlib is missing; {style.INSTALL} adds it.")
    if not snapshot.has_held_out:
        by = snapshot.corpus.manifest["held_out_by"]
        warnings.append(f"Held out here means nothing: {by}.")
    config = json_file.read(folder / "config.json")["config"]
    common = {"pictures": pictures, "figures": figures, "warnings": warnings}
    common |= {"config": config, "previews": previews()}
    run_page.write_report(folder, common | sections)


def unit_of(effect: Effect) -> Unit:
    """Return the knob that a report plays: the even one of an effect with a quality."""
    return "control" if effect.quality is None else "amount"


def write_previews(
    snapshot: Snapshot,
    effect: Effect,
    folder: pathlib.Path,
    on_clip: Callable[[int], None] = lambda done: None,
) -> list[dict[str, Any]]:
    """Render held-out clips at each turn of the knob: 24-bit WAV, MP3 for the report.

    The knob is that of `unit_of`. All sounds of a clip are equally loud. `on_clip` is
    called with the number of clips done.
    """
    folder.mkdir(exist_ok=True)
    corpus, output = snapshot.corpus, snapshot.settings.output
    rate = effect.spectrogram.sample_rate
    unit = unit_of(effect)
    turns = [float(turn) for turn in output["preview_controls"]]
    clips = corpus.evaluation
    picked = clips[np.linspace(0, len(clips) - 1, output["previews"]).astype(int)]
    shown = []
    for number, clip in enumerate(dict.fromkeys(picked.tolist()), start=1):
        on_clip(number - 1)
        dry = np.asarray(corpus.audio[clip])
        wets = [
            np.atleast_2d(
                in_memory.render(effect, dry, rate, compiled=True, **{unit: turn})
            )
            for turn in turns
        ]
        # The ceiling that a rendered sound goes through may lower its loudness.
        wets = [wet * np.float32(matching_gain(dry, wet, rate)) for wet in wets]
        # One gain for all turns of a clip, so that they stay equally loud.
        gain = np.float32(fitting_gain(*wets))
        wets = [wet * gain for wet in wets]
        items = []
        for turn, wet, data in zip(turns, wets, encode_alike(wets, rate), strict=True):
            path = folder / f"{number:02d}_{Knob(turn, unit).short_name}.wav"
            write(path, wet, rate, "WAV", "PCM_24", overwrite=True)
            label = f"{turn:g}" if turn else "dry"
            items.append({"label": label, "mime": "audio/mpeg", "data": data})
        note = f" (all at {decibels(gain):.1f} dB)" if gain < 1 else ""
        name = corpus.names[clip] + note
        shown.append({"name": name, "knob": unit, "items": items})
    return shown


def encode_alike(sounds: Sequence[np.ndarray], rate: int) -> list[bytes]:
    """Encode equally loud sounds `[channels, samples]` as equally loud MP3 files.

    MP3 drops the highest band, and with it up to 0.6 LU of a sound that was made noisy.
    Where that can be heard, the others are made as soft as the softest one, so that
    nothing clips.
    """

    def encode(sound: np.ndarray) -> bytes:
        return encode_preview(sound, rate)

    encoded = over_clips(encode, sounds, REPORT)
    decoded = [decode_preview(data) for data in encoded]
    first, mp3_rate = decoded[0]
    gains = [matching_gain(first, heard, mp3_rate) for heard, _ in decoded]
    if decibels(max(gains) / min(gains)) < HEARD_DB:
        return encoded
    alike = [
        sound * np.float32(gain / max(gains))
        for sound, gain in zip(sounds, gains, strict=True)
    ]
    return over_clips(encode, alike, REPORT)


def draw_heard(measured: dict[str, Any]) -> Figures:
    """Draw requested against heard change of an effect with a quality; else nothing."""
    from cak_jax.report import run_figures

    quality = convergence.heard_quality(measured)
    if quality is None or not heard.is_finite(measured["heard"]):
        return {}
    figure = run_figures.heard(measured["heard"]["amount"], quality["windows"])
    caption = (
        f"The change of rendered sound in units of the range, {quality['range']:.3g} "
        f"{quality['unit']}, at two lengths of frames, in samples."
    )
    return {"heard": (figure, "Requested and heard", caption)}


def draw_effect(
    snapshot: Snapshot, effect: Effect, measured: dict[str, Any]
) -> Figures:
    """Draw what was learned: kernel, audit and spectrograms of a clip."""
    from cak_jax.report import kernel_figure

    clip, controls = snapshot.corpus.evaluation[0], agreement.CONTROLS
    curves = [
        audit_lib.audit_curve(
            effect,
            measured,
            knob_response.controls_of(effect, knob, controls),
            snapshot.settings.game.audit,
        )
        for knob in knob_response.KNOBS
    ]
    return {
        "kernel": (
            kernel_figure.kernel(effect.kernel, effect.spectrogram, effect.spacing),
            "The learned kernel",
            "Nine of the eleven numbers, where they point, and what they respond to.",
        ),
        **draw_audit(*curves),
        "spectrograms": (
            draw_spectrograms(effect, np.asarray(snapshot.corpus.audio[clip])),
            "What it changes",
            f"{snapshot.corpus.names[clip]}: above the sound, dry and with the effect; "
            "below what the effect changes. Red became louder, blue softer.",
        ),
    }


def draw_audit(raw: np.ndarray, calibrated: np.ndarray | None = None) -> Figures:
    """Draw requested against measured control, `[clip, control]`, of each knob."""
    from cak_jax.report import run_figures

    figure = run_figures.audit(agreement.CONTROLS, raw, calibrated)
    return {
        "audit": (figure, "Requested and measured", "Each line is a held-out clip.")
    }


def draw_training(snapshot: Snapshot, log: MetricsWriter) -> Figures:
    """Draw labels and training history, of any generator."""
    from cak_jax.report import run_figures

    corpus, train = snapshot.corpus, snapshot.settings.train
    labels = corpus.labels[corpus.training]
    times = pairs.times_of(len(labels), train.batch_size, train.least_steps)
    items = pairs.epoch_items(labels, train.pairing, train.seed, 0, times)
    requested = np.asarray(items.control)[items.low != items.high]
    drawn: Figures = {
        "labels": (
            run_figures.label_histogram(labels, requested),
            "Labels and requested values",
            "Labels of the clips, and controls that the pairs of an epoch request.",
        ),
    }
    if log.of_kind("train"):
        history = run_figures.history(log.of_kind("train"), log.of_kind("held_out"))
        drawn["history"] = (history, "Training history", "Means over each epoch.")
    return drawn


def draw_spectrograms(effect: Effect, dry: np.ndarray) -> Any:
    """Draw a clip's spectrogram dry and at two turns of the knob of `unit_of`."""
    import jax.numpy as jnp

    from cak_jax.model import spectral
    from cak_jax.report import sound_figures

    settings = effect.spectrogram
    rate, hop_length = settings.sample_rate, settings.hop_length

    def levels(audio: np.ndarray) -> np.ndarray:
        return decibels(np.abs(spectral.stft(jnp.asarray(audio), settings)), floor=1e-5)

    unit = unit_of(effect)
    wets = [
        levels(in_memory.render(effect, dry, rate, compiled=True, **{unit: turn}))
        for turn in SPECTROGRAM_TURNS
    ]
    return sound_figures.spectrograms(
        levels(dry), wets, SPECTROGRAM_TURNS, rate, hop_length, unit.capitalize()
    )
