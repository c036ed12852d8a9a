"""The clips to evaluate an effect on: held out by its run, or all of a folder."""

import contextlib
import dataclasses
import pathlib
from typing import Any

import numpy as np

from cak_jax.data import scan, sound_zip
from cak_jax.data.clip_store import cache_folder
from cak_jax.data.clips import Clips, spread_clips
from cak_jax.data.corpus import Corpus, load_corpus
from cak_jax.data.label_table import LabelError
from cak_jax.data.scan import Progress
from cak_jax.data.settings import CorpusSettings
from cak_jax.effect.effect import Effect
from cak_jax.model.audits.table import AUDITS
from cak_jax.runtime import json_file
from cak_jax.training import config as config_lib
from cak_jax.training.config import ConfigError
from cak_jax.training.run_corpus import HARMLESS, clips_at, draw, files_of

CLIPS = 40


@dataclasses.dataclass(frozen=True)
class JudgedClips:
    """Clips of a corpus, and whether the effect was trained on them.

    Attributes:
      held_out: True if no clip was trained on, False if at least one was, None if that
        is not known; `chosen` says it in words.
      audit: by which the effect was trained, "" if that is not known.
    """

    corpus: Corpus
    indices: np.ndarray
    held_out: bool | None
    chosen: str
    audit: str

    @property
    def files(self) -> list[str]:
        """Return the file of each clip."""
        return files_of(self.corpus, self.indices)

    @property
    def broken(self) -> list[tuple[str, str]]:
        """Return (file, reason) of the sound files that could not be used."""
        left_out = self.corpus.manifest["left_out"]
        return [
            (entry["file"], entry["reason"])
            for entry in left_out
            if not entry["reason"].startswith(HARMLESS)
        ]

    @property
    def clips(self) -> Clips:
        """Return the clips."""
        return clips_at(self.corpus, self.indices)


def choose(
    effect: Effect,
    path: pathlib.Path | None,
    folder: str,
    limit: int,
    progress: Progress,
) -> JudgedClips:
    """Choose the clips that the effect's run held out, or all clips of the folder.

    Args:
      effect: to be evaluated.
      path: its file; the run folder that holds it names the training clips. None for an
        effect without a file.
      folder: of sounds.
      limit: clips at most; 0 for all that the run held out, or `CLIPS`.
      progress: of reading them.

    Raises:
      CorpusError: nothing usable in the folder.
    """
    run = run_folder(path)
    settings = run_settings(run)
    noted = str(effect.provenance.get("audit"))
    audit = settings.game.audit if settings is not None else noted
    audit = audit if audit in AUDITS else ""
    manifest = _manifest(run, effect)
    if settings is not None and _holds(folder, manifest, progress):
        # Its table of labels may be gone.
        with contextlib.suppress(LabelError):
            corpus = load(settings, folder, progress)
            if corpus.sha256 == manifest.get("sha256"):
                known = bool(corpus.held_out.any())
                chosen = "held out in training" if known else "NOT held out: trained on"
                picked = spread_clips(corpus.evaluation, limit)
                return JudgedClips(corpus, picked, known, chosen, audit)
    every = CorpusSettings(folder, held_out=0.0, max_clips=limit or CLIPS)
    if settings is not None:
        seconds, fade = settings.corpus.seconds, settings.corpus.fade_seconds
        every = dataclasses.replace(every, seconds=seconds, fade_seconds=fade)
    alpha = effect.normalization.alpha
    corpus = load_corpus(every, effect.spectrogram, alpha, progress)
    trained, of = _trained_on(corpus, manifest)
    if trained:
        chosen = f"NOT held out: {trained} of {of} files were trained on"
    else:
        chosen = "not known to be held out"
        chosen += "; none of the files themselves was trained on" if of else ""
    indices = np.arange(len(corpus.names))
    return JudgedClips(corpus, indices, False if trained else None, chosen, audit)


def run_folder(path: pathlib.Path | None) -> pathlib.Path | None:
    """Return the run folder that holds an effect file; None if there is none."""
    if path is None:
        return None
    path = path.resolve()
    folder = path if path.is_dir() else path.parent
    # The effects of single epochs lie one folder deeper.
    places = (folder, folder.parent) if folder.name == "effects" else (folder,)
    return next((p for p in places if (p / "config.json").is_file()), None)


def run_settings(run: pathlib.Path | None) -> config_lib.Settings | None:
    """Return the settings of a run folder; None if it has no usable configuration."""
    if run is None:
        return None
    config = config_lib.load_file(config_lib.find("default"))
    try:
        flat = json_file.read(run / "config.json")["config"]
        config.update_from_flattened_dict(
            {
                field: tuple(value) if isinstance(value, list) else value
                for field, value in (config_lib.LATER | flat).items()
            }
        )
        return config_lib.build(config)
    except (ConfigError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def load(settings: config_lib.Settings, folder: str, progress: Progress) -> Corpus:
    """Prepare a folder with a run's settings: the same clips, labels and split.

    Raises:
      CorpusError, LabelError: no usable sound in the folder, or no labels for it.
    """
    cache = settings.corpus.cache
    # The run may have been trained on another machine, with another cache folder.
    cache = cache if cache and pathlib.Path(cache).expanduser().is_dir() else ""
    changed = dataclasses.replace(settings.corpus, path=folder, cache=cache)
    corpus = load_corpus(changed, settings.spectrogram, settings.alpha, progress)
    return draw(corpus, settings)


def _manifest(run: pathlib.Path | None, effect: Effect) -> dict[str, Any]:
    """Return the `corpus.json` of a run; {} if the effect names another corpus."""
    if run is None:
        return {}
    try:
        manifest = json_file.read(run / "corpus.json")
        same = manifest["sha256"] == effect.provenance.get("corpus_sha256")
        for entry in manifest["files"]:
            list(entry["clips"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return manifest if same else {}


def _holds(folder: str, manifest: dict[str, Any], progress: Progress) -> bool:
    """Say whether a folder holds every file that a run used, without decoding."""
    used = {entry.get("sha256") for entry in manifest.get("files", [])}
    if not used - {None}:
        return False
    folder = str(pathlib.Path(folder).expanduser())
    try:
        listing = scan.scan(sound_zip.folder_of(folder, cache_folder("")))
    except sound_zip.ZipError as error:
        raise scan.CorpusError(f"corpus.path: {error}") from None
    sources, _ = scan.probe(listing.folder, listing.names, {}, progress)
    return used <= {source.sha256 for source in sources}


def _trained_on(corpus: Corpus, manifest: dict[str, Any]) -> tuple[int, int]:
    """Return how many of a corpus's files a run trained on, and how many it has.

    (0, 0) if the run's files are not known.
    """
    known = [entry for entry in manifest.get("files", []) if entry.get("sha256")]
    if not known:
        return 0, 0
    trained = {
        entry["sha256"]
        for entry in known
        if not all(clip.get("held_out") for clip in entry["clips"])
    }
    files = [entry["sha256"] for entry in corpus.manifest["files"]]
    return sum(sha256 in trained for sha256 in files), len(files)
