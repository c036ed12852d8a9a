"""The allowed values of every configuration field, and one line per fault.

`RANGES` has the numbers and `choices` the names; rules on several fields stand in
`faults`. The corpus's own fields are checked by `data.settings.CorpusSettings`, and a
sweep's by `sweep.grid`. A new field needs a value in `configs/default.py` and a line
here.
"""

import os
from typing import Any, NamedTuple

from ml_collections import config_dict

from cak_jax.runtime import json_file
from cak_jax.runtime.text import printable, suggestion


class Range(NamedTuple):
    """The numbers from `low` to `high`; `above` leaves `low` itself out."""

    low: float
    high: float
    above: bool = False

    def fault(self, field: str, value: float) -> str:
        """Return the line for a value outside of the range, NaN included, or ""."""
        inside = self.low < value if self.above else self.low <= value
        if inside and value <= self.high:
            return ""
        bound = f"{'above' if self.above else 'from'} {self.low:g} to {self.high:g}"
        return f"{field}: must be {bound}, got {value}"


RANGES = {
    "seed": Range(0, 2**31 - 1),
    "corpus.synthetic_clips": Range(4, 100_000),
    "spectrogram.sample_rate": Range(4000, 768_000),
    "spectrogram.n_fft": Range(16, 65_536),
    "spectrogram.hop_length": Range(1, 32_768),
    "spectrogram.alpha": Range(1e-6, 1e6),
    "spectrogram.gamma": Range(0.01, 100.0),
    "game.critic_steps": Range(0, 1000),
    "game.leash": Range(0.0, 1e6),
    "game.kernel_gain": Range(0.0, 100.0),
    "gate.threshold": Range(-10.0, 10.0),
    "gate.temperature_initial": Range(0.0, 1e4),
    "gate.temperature_final": Range(0.0, 1e4),
    "gate.anneal_epochs": Range(0.0, 1e6),
    "train.epochs": Range(0, 1_000_000),
    "train.batch_size": Range(1, 65_536),
    "train.least_steps": Range(0, 100_000),
    "train.crop_frames": Range(0, 10_000_000),
    "train.crop_bins": Range(0, 32_769),
    "train.microbatch": Range(0, 65_536),
    "train.steps_per_dispatch": Range(1, 65_536),
    "train.skip_limit": Range(0, 1_000_000),
    "train.clips": Range(0, 10_000_000),
    "train.seed": Range(-1, 2**31 - 1),
    "train.devices": Range(0, 4096),
    "train.learning_rate_generator": Range(0.0, 10.0, above=True),
    "train.learning_rate_critic": Range(0.0, 10.0, above=True),
    "train.learning_rate_warmup": Range(0.0, 1.0),
    "train.evaluate_every": Range(1, 1_000_000),
    "train.checkpoint_every": Range(1, 1_000_000),
    "train.checkpoints_kept": Range(1, 1000),
    "output.previews": Range(0, 100),
}
# The range of every weight of a loss term, `game.weight_NAME`.
WEIGHT_PREFIX, WEIGHT = "game.weight_", Range(0.0, 1e6)
WIDTH = Range(1, 4096)  # of each of the critic's three convolutions
SPACING = Range(1, 16)  # bins and frames between the kernel's cells
CONTROL = Range(0, 10)  # of each preview
# At least 16 bins and frames, because the convolutions halve them three times and the
# normalisation needs several values.
SMALLEST_CROP = 16
LONGEST_NAME = 200
DECAYS = ("none", "cosine")
UNREAD = ("refuse", "train")
PATHS = ("corpus.path", "corpus.cache", "corpus.labels")
# Names of types for people.
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "True or False",
    "list": "a tuple",
    "NoneType": "None",
}


def choices() -> dict[str, tuple[str, ...]]:
    """Return the allowed names of every field that selects one of several things."""
    # Imported here, because a wrong flag should be refused before JAX is loaded.
    from cak_jax.data.pairs import PAIRINGS
    from cak_jax.model.audits.request import REQUESTS
    from cak_jax.model.audits.table import AUDITS
    from cak_jax.model.generators.table import GENERATORS
    from cak_jax.model.train_state import CRITIC_DTYPES, PULLS
    from cak_jax.training.batch_plan import STORAGES

    return {
        "corpus.unread_labels": UNREAD,
        "game.audit": tuple(AUDITS),
        "game.critic_dtype": CRITIC_DTYPES,
        "game.generator": tuple(GENERATORS),
        "game.pairing": PAIRINGS,
        "game.pull": PULLS,
        "game.request": REQUESTS,
        "train.learning_rate_decay": DECAYS,
        "train.storage": STORAGES,
    }


def flatten(config: Any) -> dict[str, Any]:
    """Return `{"train.epochs": 10, ...}`, tuples as lists as JSON has them."""
    return {
        field: list(value) if isinstance(value, tuple) else value
        for field, value in json_file.leaves(config)
    }


def kind_faults(flat: dict[str, Any], default: dict[str, Any]) -> list[str]:
    """Return one line per field that is missing, unknown or of another kind.

    Flags refuse such values, but a configuration file is a program and may set them.
    Both arguments are flat; the default has all fields and their kinds.
    """
    lines = [f"{field}: is missing" for field in default.keys() - flat.keys()]
    for field, value in flat.items():
        kind, got = type(default.get(field)).__name__, type(value).__name__
        if field not in default:
            lines.append(f"{field}: there is no such field")
        elif got != kind and (got, kind) != ("int", "float"):
            lines.append(f"{field}: must be {KINDS[kind]}, got {KINDS.get(got, got)}")
    return sorted(lines)


def faults(config: config_dict.ConfigDict) -> list[str]:
    """Return one line per field whose value cannot be used, if no kind is at fault."""
    flat = flatten(config)
    weights = {field: WEIGHT for field in flat if field.startswith(WEIGHT_PREFIX)}
    ranges = RANGES | weights
    lines = [range_.fault(field, flat[field]) for field, range_ in ranges.items()]
    lines = list(filter(None, lines))
    in_range = not lines
    if in_range:  # a crop is compared with other fields
        lines += _crop_faults(flat)
    for field, names in choices().items():
        if flat[field] not in names:
            got = flat[field]
            lines.append(
                f"{field}: must be one of {', '.join(names)}; got "
                f"{printable(got)[:80]}{suggestion(got, names)}"
            )
    lines += _heard_faults(flat)
    lines += _preview_faults(flat)
    if flat["train.least_steps"] and flat["game.pairing"] != "uniform":
        lines.append(
            "train.least_steps: goes with game.pairing=uniform only; set it to 0"
        )
    batch, part = flat["train.batch_size"], flat["train.microbatch"]
    if (0 < part <= batch and batch % part) or (part > batch and in_range):
        lines.append(f"train.microbatch: must divide train.batch_size {batch}: {part}")
    widths = flat["game.critic_widths"]
    if len(widths) != 3 or not all(_is_whole(w, WIDTH) for w in widths):
        lines.append(
            f"game.critic_widths: must be 3 sizes from {WIDTH.low} to {WIDTH.high}: "
            f"{widths}"
        )
    lines += [
        f"{field}: holds a character that no path has"
        for field in PATHS
        if not _is_path(flat[field])
    ]
    name = flat["name"]
    if not (len(name) <= LONGEST_NAME and name.isprintable()):
        lines.append(f"name: must be at most {LONGEST_NAME} printable characters")
    return lines


def _is_path(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _preview_faults(flat: dict[str, Any]) -> list[str]:
    from cak_jax.model.generators.table import GENERATORS

    lines = []
    generator = GENERATORS.get(flat["game.generator"])
    count, controls = flat["output.previews"], flat["output.preview_controls"]
    if generator is not None and generator.effect_numbers is None and count:
        lines.append(
            f"output.previews: {generator.TITLE} makes no effect to render; set 0: "
            f"{count}"
        )
    if not all(type(c) in (int, float) and not CONTROL.fault("", c) for c in controls):
        lines.append(
            f"output.preview_controls: must be from {CONTROL.low} to {CONTROL.high}, "
            f"got {controls}"
        )
    return lines


def _heard_faults(flat: dict[str, Any]) -> list[str]:
    """Return one line per field that does not fit the heard audit, or needs it."""
    from cak_jax.data.label_table import is_table
    from cak_jax.model import quality_names
    from cak_jax.model.audits.table import AUDITS

    spacing, lines = flat["game.spacing"], []
    if len(spacing) != 2 or not all(_is_whole(s, SPACING) for s in spacing):
        lines.append(
            f"game.spacing: must be 2 numbers from {SPACING.low} to {SPACING.high}, "
            f"bins and frames: {spacing}"
        )
        return lines
    if flat["game.audit"] not in AUDITS:
        return lines  # `faults` has a line for it
    if flat["game.audit"] != "heard":
        alone = {
            "game.spacing": spacing != [1, 1],
            "game.critic_steps": not flat["game.critic_steps"],
            "game.weight_level": flat["game.weight_level"] > 0,
            "game.weight_direction": flat["game.weight_direction"] > 0,
        }
        return [
            f"{field}: {flat[field]} is for game.audit=heard only"
            for field, is_set in alone.items()
            if is_set
        ]
    source = flat["corpus.labels"]
    if quality_names.split(source)[0] not in quality_names.WORDS and not is_table(
        source
    ):
        lines.append(
            "corpus.labels: game.audit=heard asks for a quality, one of "
            f"{', '.join(quality_names.WORDS)}, with a minus in front for less, or for "
            f"the ratings of a .csv or .json file; got {printable(source)[:80]}"
        )
    if flat["game.generator"] != "cak":
        lines.append("game.generator: game.audit=heard needs cak")
    if flat["train.crop_bins"]:
        lines.append("train.crop_bins: game.audit=heard needs the whole band; set 0")
    n_fft, hop = flat["spectrogram.n_fft"], flat["spectrogram.hop_length"]
    least = heard_frames(n_fft, hop, spacing[1])
    crop, frames = flat["train.crop_frames"], _clip_frames(flat)
    if 0 < (crop or frames) < least:
        field = "train.crop_frames" if crop else "corpus.seconds"
        lines.append(
            f"{field}: game.audit=heard needs crops of {least} frames or more with "
            f"this window and spacing; got {crop or frames}"
        )
    return lines


def heard_frames(n_fft: int, hop_length: int, frames_aside: int) -> int:
    """Return the frames of the shortest crop in which a quality can be measured.

    Its ends are not heard, and a quality needs some frames of its own.

    Args:
      n_fft, hop_length: of the spectrogram.
      frames_aside: between the kernel's cells, `game.spacing[1]`.
    """
    from cak_jax.model import qualities, resynthesis

    margins = 2 * resynthesis.margin(n_fft, hop_length, frames_aside)
    samples = margins + 16 * qualities.HOP - n_fft
    return 1 + -(-samples // hop_length)


def _clip_frames(flat: dict[str, Any]) -> int:
    """Return the frames of a clip; 0 for a length that is refused elsewhere."""
    seconds, rate = flat["corpus.seconds"], flat["spectrogram.sample_rate"]
    if not 0.01 <= seconds <= 3600:
        return 0
    return 1 + int(seconds * rate) // max(1, flat["spectrogram.hop_length"])


def _is_whole(value: Any, allowed: Range) -> bool:
    return type(value) is int and not allowed.fault("", value)


def _crop_faults(flat: dict[str, Any]) -> list[str]:
    crop, frames = flat["train.crop_frames"], _clip_frames(flat)
    if not frames:
        return []  # `CorpusSettings` has a line for it
    if crop > frames:
        return [f"train.crop_frames: {crop} is longer than a clip ({frames} frames)"]
    if min(crop or frames, frames) < SMALLEST_CROP:
        return [f"train.crop_frames: must be 0 or at least {SMALLEST_CROP}, got {crop}"]
    bins, available = flat["train.crop_bins"], flat["spectrogram.n_fft"] // 2 + 1
    if bins and not SMALLEST_CROP <= bins <= available:
        span = f"0 or from {SMALLEST_CROP} to {available}"
        return [f"train.crop_bins: must be {span}, got {bins}"]
    return []
