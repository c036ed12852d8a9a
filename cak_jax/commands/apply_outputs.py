"""Choose the output of each input; refuse outputs that cannot be written."""

import argparse
import contextlib
import dataclasses
import os
import pathlib
import re
from collections.abc import Callable

from cak_jax.audio import sound_file
from cak_jax.audio.formats import (
    SUFFIXES,
    AudioError,
    AudioInfo,
    check_size,
    output_format,
)
from cak_jax.commands.apply_inputs import Source
from cak_jax.rendering.settings import RATES
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import printable

# Other suffixes of the same containers.
ALSO = {".aiff": (".aif", ".aifc"), ".rf64": (".wav",), ".wav": (".wave", ".bwf")}
# Stems of this command's own outputs; see `label`.
EARLIER = re.compile(r"(?s).*__[\w.-]+_(?:[ac]|aim)\d{3,4}")
EARLIER_RUN = "was written by an earlier run, as its name says"
# Samples per byte. A header that declares more is wrong, because no codec holds more.
_MOST_SAMPLES_PER_BYTE = 100
# Bytes in a second of 16-bit stereo at 44.1 kHz.
_USUAL_BYTES = 176_400


@dataclasses.dataclass(frozen=True)
class Output:
    """The output of one input.

    Attributes:
      header, size: of the input; bytes.
      format, subtype: of the output, in soundfile's names.
    """

    path: pathlib.Path
    header: AudioInfo
    size: int
    format: str
    subtype: str

    @property
    def frames(self) -> int | None:
        """Declared samples per channel; None where they are unknown or impossible."""
        frames = self.header.frames
        if frames is None or frames < 0:
            return None
        possible = frames * self.header.channels <= _MOST_SAMPLES_PER_BYTE * self.size
        return frames if possible else None

    @property
    def seconds(self) -> float:
        """Length of the sound; a guess where the header must be wrong."""
        if self.frames is None:
            return self.size / _USUAL_BYTES
        return self.frames / max(self.header.sample_rate, 1)


@dataclasses.dataclass(frozen=True)
class Job:
    """One input and its output, or the reason why there is none.

    Attributes:
      output: None where there is a fault or the input is skipped.
      fault: why the input cannot be rendered.
      skipped: why the input is not rendered, although it could be.
    """

    source: pathlib.Path
    output: Output | None = None
    fault: str = ""
    skipped: str = ""

    @property
    def seconds(self) -> float:
        """Length of the sound to render."""
        return 0.0 if self.output is None else self.output.seconds


def plan(
    sources: list[Source],
    label: str,
    options: argparse.Namespace,
    progress: Callable[[int, int, str], None] = lambda done, total, stage: None,
) -> list[Job]:
    """Choose an output for every input; write nothing.

    Args:
      sources: from `apply_inputs.collect`.
      label: the end of the outputs' names, from the function `label`.
      options: the flags --output, --keep-names and --overwrite.
      progress: called with the number of headers read, that of all, and the stage.

    Raises:
      InputError: two outputs would have one name, or outputs cannot go there.
    """
    folder = output_folder(sources, options.output)
    if options.keep_names:
        check_keep_names(sources, folder)
    # Files that no output may replace.
    inputs = {os.path.realpath(s.path) for s in sources if not is_earlier(s, folder)}
    jobs = []
    for done, source in enumerate(sources):
        progress(done, len(sources), "reading headers")
        jobs.append(make_job(source, folder, label, options))
    check_collisions(jobs)
    return [
        _checked(job, inputs, folder is not None, options.overwrite) for job in jobs
    ]


def output_folder(sources: list[Source], name: str | None) -> pathlib.Path | None:
    """Return the folder of all outputs; None if `--output` names a file or nothing."""
    if name is None:
        return None
    if not name:
        raise InputError("--output: is empty; name a file or a folder")
    shown, output = f"--output={printable(name)}", pathlib.Path(name)
    if os.path.isdir(output):
        return output
    some = [s for s in sources if s.usable and not is_earlier(s, None)]
    is_sound = output.suffix.lower() in SUFFIXES
    if not name.endswith(os.sep):
        if len(some) < 2 and (is_sound or not any(s.searched for s in some)):
            return None
        if is_sound or os.path.lexists(output):
            raise InputError(f"{shown}: is no folder, and there are many inputs")
    try:
        os.lstat(output)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(f"{shown}: cannot be used ({error.strerror})") from error
    return output


def is_work(sources: list[Source], jobs: list[Job]) -> bool:
    """Return whether any input will be attempted, even if it may fail."""
    pairs = zip(sources, jobs, strict=True)
    return any(not source.fault and not job.skipped for source, job in pairs)


def is_earlier(source: Source, folder: pathlib.Path | None) -> bool:
    """Return whether a search found a source that an earlier run has written.

    Such a file is an input like others if it is named, or if outputs go to a folder
    outside of the searched one.
    """
    stem = os.path.splitext(os.path.basename(source.path))[0]
    if not source.searched or EARLIER.fullmatch(stem) is None:
        return False
    return folder is None or is_below(folder, source.root)


def is_below(path: pathlib.Path, folder: str) -> bool:
    """Return whether a path is a folder or lies below it."""
    real = pathlib.Path(os.path.realpath(path))
    return real.is_relative_to(os.path.realpath(folder))


def check_keep_names(sources: list[Source], folder: pathlib.Path | None) -> None:
    """Raise `InputError` if outputs with the inputs' names would lie among them."""
    if folder is None:
        raise InputError("--keep-names: needs --output=FOLDER, away from the inputs")
    for source in sources:
        if source.usable and is_below(folder, source.root):
            raise InputError(
                f"--keep-names: --output={printable(folder)} lies among the inputs in "
                f"{printable(source.root)}; name a folder elsewhere"
            )


def make_job(
    source: Source, folder: pathlib.Path | None, label: str, options: argparse.Namespace
) -> Job:
    """Read a source's header and name its output."""
    path = pathlib.Path(source.path)
    if not source.usable:
        return Job(path, fault=source.fault, skipped=source.skipped)
    if is_earlier(source, folder):
        return Job(path, skipped=EARLIER_RUN)
    try:
        header, size = sound_file.info(source.path), os.stat(path).st_size
    except AudioError as error:
        return Job(path, fault=error.reason)
    except OSError as error:
        return Job(path, fault=f"cannot be read ({error.strerror})")
    if not RATES[0] <= header.sample_rate <= RATES[1]:
        rates = f"{RATES[0]} to {RATES[1]} can be rendered"
        return Job(path, fault=f"declares {header.sample_rate} Hz; {rates}")
    format, subtype, suffix = output_format(header)
    if options.keep_names:
        fits = path.suffix.lower() in (suffix, *ALSO.get(suffix, ()))
        name = path.name if fits else path.stem + suffix
    else:
        name = f"{path.stem}__{label}{suffix}"
    if folder is not None:
        target = folder / os.path.relpath(path.parent, source.root) / name
    elif options.output is not None:
        target = pathlib.Path(options.output)
    else:
        target = path.parent / name
    return Job(path, Output(target, header, size, format, subtype))


def label(effect: str, knob: str) -> str:
    """Return the end of default output names, `<effect>_<knob>`.

    >>> label("my effect", "c080")
    'my-effect_c080'
    """
    plain = re.sub(r"[^\w.-]+", "-", effect).strip("-.") or "effect"
    return f"{plain}_{knob}"


def check_collisions(jobs: list[Job]) -> None:
    """Raise `InputError` if two inputs' outputs would have one name."""
    first: dict[str, pathlib.Path] = {}
    for job in jobs:
        if job.output is None:
            continue
        path = job.output.path
        real = os.path.join(os.path.realpath(path.parent), path.name)
        if real in first:
            raise InputError(
                f"{printable(first[real])} and {printable(job.source)} would both "
                f"become {printable(path)}; give one of them another --output"
            )
        first[real] = job.source


def _checked(job: Job, inputs: set[str], makes_folders: bool, overwrite: bool) -> Job:
    output = job.output
    if output is None:
        return job
    try:
        check_path(job.source, output, inputs, overwrite)
        check_folder(output.path.parent, makes_folders)
        samples = (output.frames or 0) * output.header.channels
        check_size(job.source, output.format, output.subtype, samples)
    except AudioError as error:
        return Job(job.source, fault=error.reason)
    except InputError as error:
        return Job(job.source, fault=str(error))
    except OSError as error:
        return Job(job.source, fault=f"{printable(output.path)}: {error.strerror}")
    return job


def check_path(
    source: pathlib.Path, output: Output, inputs: set[str], overwrite: bool
) -> None:
    """Raise `InputError` if an output would replace a file or its suffix is wrong."""
    path, shown = output.path, printable(output.path)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path)  # such as a name that is too long
    if path.exists() and path.samefile(source):
        raise InputError("the output is the input itself; name another --output")
    if os.path.realpath(path) in inputs:
        raise InputError(f"{shown} is another input; name another --output")
    if os.path.lexists(path) and not overwrite:
        raise InputError(f"{shown} exists; add --overwrite to replace it")
    suffix = output_format(output.header)[2]
    if path.suffix.lower() not in (suffix, *ALSO.get(suffix, ())):
        raise InputError(
            f"the output keeps the input's kind: its name ends in {suffix}"
        )


def check_folder(folder: pathlib.Path, can_be_made: bool) -> None:
    """Refuse a folder that cannot be written to, or made if it `can_be_made`."""
    while can_be_made and not os.path.lexists(folder):
        folder = folder.parent
    if not folder.is_dir():
        fault = "is no folder" if can_be_made else "does not exist"
        raise InputError(f"the folder {printable(folder)} {fault}")
    if not os.access(folder, os.W_OK):
        raise InputError(f"the folder {printable(folder)} cannot be written to")
