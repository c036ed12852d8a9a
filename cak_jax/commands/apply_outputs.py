"""From inputs to outputs: which file becomes which, and what is refused before work."""

import dataclasses
import errno
import os
import pathlib
import re
from collections.abc import Callable

from cak_jax.audio import sound_file
from cak_jax.audio.formats import SUFFIXES, check_size
from cak_jax.commands.apply_inputs import Source
from cak_jax.rendering.settings import RATES
from cak_jax.runtime.text import printable

# Other endings that a container is known by.
ALSO = {".aiff": (".aif", ".aifc"), ".rf64": (".wav",), ".wav": (".wave", ".bwf")}
EARLIER = re.compile(r"(?s).*__[\w.-]+_[ac]\d{3,4}")
"""Stems of what this command writes; see `label`."""
EARLIER_RUN = "was written by an earlier run, as its name says"
# A header that declares more samples per byte than this is not believed.
_SUSPICIOUS = 100
# A second of 16-bit stereo.
_USUAL_BYTES = 176_400


@dataclasses.dataclass(frozen=True)
class OutputOptions:
    """Where outputs go.

    Attributes:
      output: a file or a folder; None for beside each input.
      keep_names: give outputs the names of their inputs.
      overwrite: replace outputs that exist.
    """

    output: str | None = None
    keep_names: bool = False
    overwrite: bool = False


@dataclasses.dataclass(frozen=True)
class Job:
    """One input and what becomes of it.

    Attributes:
      source: the input.
      target: the output; None where there is a reason against it.
      found: the input's header.
      size: of the input, bytes.
      format, subtype: of the output, in soundfile's names.
      fault: why it cannot be rendered.
      skipped: why it is not to be rendered.
    """

    source: pathlib.Path
    target: pathlib.Path | None = None
    found: sound_file.AudioInfo | None = None
    size: int = 0
    format: str = ""
    subtype: str = ""
    fault: str = ""
    skipped: str = ""

    @property
    def frames(self) -> int | None:
        """Declared samples per channel; None where the header cannot be right."""
        if self.found is None:
            return None
        most = _SUSPICIOUS * self.size
        samples = self.found.frames * self.found.channels
        return self.found.frames if 0 <= samples <= most else None

    @property
    def seconds(self) -> float:
        """Length of the sound, a guess where the header cannot be right; 0 if none."""
        if self.target is None:
            return 0.0
        if self.frames is None:
            return self.size / _USUAL_BYTES
        return self.frames / max(self.found.sample_rate, 1)


def plan(
    sources: list[Source],
    label: str,
    options: OutputOptions,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> list[Job]:
    """Choose an output for every input; touch nothing.

    Args:
      sources: from `apply_inputs.collect`.
      label: the end of the outputs' names, from `label`.
      options: where outputs go.
      progress: called as `progress(done, total, what)`.

    Raises:
      ValueError: outputs that would have one name, or no possible output.
    """
    folder = output_folder(sources, options)
    if options.keep_names:
        check_keep_names(sources, folder)
    # No output may take the place of these.
    inputs = {os.path.realpath(s.path) for s in sources if not is_earlier(s, folder)}
    jobs = []
    for done, source in enumerate(sources):
        progress(done, len(sources), "reading headers")
        jobs.append(make_job(source, folder, label, options))
    check_collisions(jobs)
    return [
        _checked(job, inputs, folder is not None, options.overwrite) for job in jobs
    ]


def output_folder(sources: list[Source], options: OutputOptions) -> pathlib.Path | None:
    """Return the folder of all outputs; None for beside the input, or for a file.

    Raises:
      ValueError: `output` names nothing that so many inputs can be written to.
    """
    if options.output is None:
        return None
    if not options.output:
        raise ValueError("--output: is empty; name a file or a folder")
    shown = f"--output={printable(options.output)}"
    output = pathlib.Path(options.output)
    if os.path.isdir(output):
        return output
    some = [s for s in usable(sources) if not is_earlier(s, None)]
    is_sound = output.suffix.lower() in SUFFIXES
    if not options.output.endswith(os.sep):
        if len(some) < 2 and (is_sound or not any(s.searched for s in some)):
            return None
        if is_sound or os.path.lexists(output):
            raise ValueError(f"{shown}: is no folder, and there are many inputs")
    try:
        os.lstat(output)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise ValueError(f"{shown}: cannot be used ({error.strerror})") from error
    return output


def is_work(sources: list[Source], jobs: list[Job]) -> bool:
    """Say whether there is any file to be rendered, be it in vain."""
    pairs = zip(sources, jobs, strict=True)
    return any(not source.fault and not job.skipped for source, job in pairs)


def usable(sources: list[Source]) -> list[Source]:
    """Return the sources that nothing is known against."""
    return [s for s in sources if not s.fault and not s.skipped]


def is_earlier(source: Source, folder: pathlib.Path | None) -> bool:
    """Say whether a source is an output of an earlier run that a search came across.

    Where outputs go elsewhere than among the inputs, such files are as good as others.
    """
    stem = os.path.splitext(os.path.basename(source.path))[0]
    if not source.searched or EARLIER.fullmatch(stem) is None:
        return False
    return folder is None or is_below(folder, source.root)


def is_below(path: str | os.PathLike, folder: str | os.PathLike) -> bool:
    """Say whether a path is a folder or lies in it."""
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    return os.path.commonpath([path, folder]) == folder


def check_keep_names(sources: list[Source], folder: pathlib.Path | None) -> None:
    """Refuse names of inputs for outputs among them.

    Raises:
      ValueError: there is no output folder, or it lies below an input's.
    """
    if folder is None:
        raise ValueError("--keep-names: needs --output=FOLDER, away from the inputs")
    for source in usable(sources):
        if is_below(folder, source.root):
            raise ValueError(
                f"--keep-names: --output={printable(folder)} lies among the inputs in "
                f"{printable(source.root)}; name a folder elsewhere"
            )


def make_job(
    source: Source, folder: pathlib.Path | None, label: str, options: OutputOptions
) -> Job:
    """Read a source's header and name its output."""
    path = pathlib.Path(source.path)
    if source.fault or source.skipped:
        return Job(path, fault=source.fault, skipped=source.skipped)
    if is_earlier(source, folder):
        return Job(path, skipped=EARLIER_RUN)
    try:
        found, size = sound_file.info(source.path), os.stat(path).st_size
    except sound_file.AudioError as error:
        return Job(path, fault=error.reason)
    except OSError as error:
        return Job(path, fault=f"cannot be read ({error.strerror})")
    if not RATES[0] <= found.sample_rate <= RATES[1]:
        rates = f"{RATES[0]} to {RATES[1]} can be rendered"
        return Job(path, fault=f"declares {found.sample_rate} Hz; {rates}")
    format, subtype, suffix = sound_file.output_format(found)
    if options.keep_names:
        own = path.suffix.lower() in (suffix, *ALSO.get(suffix, ()))
        name = path.name if own else path.stem + suffix
    else:
        name = f"{path.stem}__{label}{suffix}"
    if folder is not None:
        target = folder / os.path.relpath(path.parent, source.root) / name
    elif options.output is not None:
        target = pathlib.Path(options.output)
    else:
        target = path.parent / name
    return Job(path, target, found, size, format, subtype)


def label(effect: str, knob: str) -> str:
    """Return the end of default output names, `<effect>_<knob>`.

    >>> label("my effect", "c080")
    'my-effect_c080'
    """
    plain = re.sub(r"[^\w.-]+", "-", effect).strip("-.") or "effect"
    return f"{plain}_{knob}"


def check_collisions(jobs: list[Job]) -> None:
    """Refuse two inputs whose outputs would have one name.

    Raises:
      ValueError: naming both.
    """
    first: dict[str, pathlib.Path] = {}
    for job in jobs:
        if job.target is None:
            continue
        place = os.path.join(os.path.realpath(job.target.parent), job.target.name)
        if place in first:
            raise ValueError(
                f"{printable(first[place])} and {printable(job.source)} would both "
                f"become {printable(job.target)}; give one of them another --output"
            )
        first[place] = job.source


def _checked(job: Job, inputs: set[str], makes_folders: bool, overwrite: bool) -> Job:
    if job.target is None:
        return job
    try:
        check_target(job, inputs, overwrite)
        check_folder(job.target.parent, makes_folders)
        samples = (job.frames or 0) * job.found.channels
        check_size(job.source, job.format, job.subtype, samples)
    except sound_file.AudioError as error:
        return dataclasses.replace(job, target=None, fault=error.reason)
    except (ValueError, OSError) as error:
        return dataclasses.replace(job, target=None, fault=str(error))
    return job


def check_target(job: Job, inputs: set[str], overwrite: bool) -> None:
    """Refuse an output that would destroy something or mislead.

    Raises:
      ValueError: without the name of the input.
    """
    target, shown = job.target, printable(job.target)
    try:
        os.lstat(target)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            raise ValueError(f"{shown}: {error.strerror}") from error
    if target.exists() and target.samefile(job.source):
        raise ValueError("the output is the input itself; name another --output")
    if os.path.realpath(target) in inputs:
        raise ValueError(f"{shown} is another input; name another --output")
    if os.path.lexists(target) and not overwrite:
        raise ValueError(f"{shown} exists; add --overwrite to replace it")
    suffix = sound_file.output_format(job.found)[2]
    if target.suffix.lower() not in (suffix, *ALSO.get(suffix, ())):
        raise ValueError(
            f"the output keeps the input's kind: its name ends in {suffix}"
        )


def check_folder(folder: pathlib.Path, made: bool) -> None:
    """Refuse a folder that cannot be written to, nor `made` where it is missing.

    Raises:
      ValueError: naming the folder.
    """
    while made and not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        what = "is no folder" if made else "does not exist"
        raise ValueError(f"the folder {printable(folder)} {what}")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"the folder {printable(folder)} cannot be written to")
