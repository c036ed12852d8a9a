"""Choose the output of each input; refuse outputs that cannot be written."""

import argparse
import contextlib
import dataclasses
import os
import pathlib
from collections.abc import Callable

from cak_jax.audio import sound_file
from cak_jax.audio.formats import (
    SUFFIXES,
    AudioError,
    AudioInfo,
    check_size,
    choose_format,
    is_lossy,
    suffix_of,
)
from cak_jax.commands.apply_inputs import Source
from cak_jax.commands.apply_names import (
    EARLIER_RUN,
    Naming,
    is_named_like_an_output,
)
from cak_jax.rendering.settings import RATES
from cak_jax.runtime.errors import InputError
from cak_jax.runtime.text import printable

# Other suffixes of the same containers.
ALSO = {".aiff": (".aif", ".aifc"), ".rf64": (".wav",), ".wav": (".wave", ".bwf")}
EXISTS = "its output exists already"
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
      may_be_float: whether it becomes 32-bit float where it would be turned down.
    """

    path: pathlib.Path
    header: AudioInfo
    size: int
    format: str
    subtype: str
    may_be_float: bool = False

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
    naming: Naming,
    options: argparse.Namespace,
    progress: Callable[[int, int, str], None] = lambda done, total, stage: None,
) -> list[Job]:
    """Choose an output for every input; write nothing.

    Args:
      sources: from `apply_inputs.collect`.
      naming: of the outputs.
      options: the flags --output, --keep-names, --overwrite, --skip-existing, --format
        and --depth.
      progress: called with the number of headers read, that of all, and the stage.

    Raises:
      InputError: outputs cannot go there.
    """
    folder = output_folder(sources, options.output, naming)
    if options.keep_names:
        check_keep_names(sources, folder)
        naming = dataclasses.replace(naming, pattern="{stem}")
    earlier = earlier_outputs(sources, folder, naming)
    # Files that no output may replace.
    inputs = {os.path.realpath(s.path) for s in sources if s not in earlier}
    used = [s for s in sources if s.usable and s not in earlier]
    naming = dataclasses.replace(naming, digits=len(str(len(used))))
    numbers = {source: number for number, source in enumerate(used, 1)}
    jobs = []
    for done, source in enumerate(sources):
        progress(done, len(sources), "reading headers")
        if source in earlier:
            jobs.append(Job(pathlib.Path(source.path), skipped=EARLIER_RUN))
        else:
            number = numbers.get(source, 0)
            jobs.append(make_job(source, folder, naming, options, number))
    return [
        _checked(job, inputs, folder is not None, options)
        for job in tell_apart(jobs, naming, numbers)
    ]


def earlier_outputs(
    sources: list[Source], folder: pathlib.Path | None, naming: Naming
) -> set[Source]:
    """Return the sources that a search found and an earlier run has written.

    Where outputs go beside the inputs, the name alone tells. Elsewhere, and for a
    pattern of one's own, the input must be there, too. A file that is named is none.
    """
    paths = [pathlib.Path(s.path) for s in sources if s.usable]
    names = {path.stem for path in paths} | {path.name for path in paths}
    found = set()
    for source in sources:
        if not source.searched or not source.usable:
            continue
        stem = pathlib.Path(source.path).stem
        is_near = folder is None or is_below(folder, source.root)
        if (is_near and is_named_like_an_output(stem)) or naming.original(stem, names):
            found.add(source)
    return found


def output_folder(
    sources: list[Source], name: str | None, naming: Naming
) -> pathlib.Path | None:
    """Return the folder of all outputs; None if `--output` names a file or nothing."""
    if name is None:
        return None
    if not name:
        raise InputError("--output: is empty; name a file or a folder")
    shown, output = f"--output={printable(name)}", pathlib.Path(name)
    if os.path.isdir(output):
        return output
    earlier = earlier_outputs(sources, output, naming)
    some = [s for s in sources if s.usable and s not in earlier]
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
    """Return whether any input will be attempted, or was done by an earlier run."""
    pairs = zip(sources, jobs, strict=True)
    return any(not s.fault and j.skipped in ("", EXISTS) for s, j in pairs)


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
    source: Source,
    folder: pathlib.Path | None,
    naming: Naming,
    options: argparse.Namespace,
    number: int,
) -> Job:
    """Read a source's header and name its output."""
    path = pathlib.Path(source.path)
    if not source.usable:
        return Job(path, fault=source.fault, skipped=source.skipped)
    try:
        header, size = sound_file.info(source.path), os.stat(path).st_size
    except AudioError as error:
        return Job(path, fault=error.reason)
    except OSError as error:
        return Job(path, fault=f"cannot be read ({error.strerror})")
    if not RATES[0] <= header.sample_rate <= RATES[1]:
        rates = f"{RATES[0]} to {RATES[1]} can be rendered"
        return Job(path, fault=f"declares {header.sample_rate} Hz; {rates}")
    try:
        format, subtype = choose_format(header, options.format, options.depth)
    except AudioError as error:
        return Job(path, fault=error.reason)
    suffix = suffix_of(format)
    name = naming.stem(path, number) + suffix
    if naming.pattern == "{stem}" and path.suffix.lower() in ALSO.get(suffix, ()):
        name = path.name
    if folder is not None:
        target = folder / os.path.relpath(path.parent, source.root) / name
    elif options.output is not None:
        target = pathlib.Path(options.output)
    else:
        target = path.parent / name
    # What a lossy file's samples need is not known before they are rendered.
    may_be_float = options.depth is None and is_lossy(header) and format != "FLAC"
    return Job(path, Output(target, header, size, format, subtype, may_be_float))


def tell_apart(
    jobs: list[Job], naming: Naming, numbers: dict[Source, int]
) -> list[Job]:
    """Give outputs of one name the suffixes of their inputs; else a fault.

    `kick.wav` and `kick.mp3` become `kick.wav__...` and `kick.mp3__...`.
    """
    by_name = _by_output(jobs)
    clashing = [job for group in by_name.values() if len(group) > 1 for job in group]
    if not clashing:
        return jobs
    places = {source.path: number for source, number in numbers.items()}
    renamed = {}
    for job in clashing:
        assert job.output is not None
        path = job.output.path
        number = places.get(os.fspath(job.source), 0)
        stem = naming.stem(job.source, number, with_suffix=True)
        # An input that keeps its name and its suffix has it already.
        keeps = path.name == job.source.name
        name = path.name if keeps else stem + path.suffix
        output = dataclasses.replace(job.output, path=path.with_name(name))
        renamed[job] = dataclasses.replace(job, output=output)
    jobs = [renamed.get(job, job) for job in jobs]
    first: dict[Job, Job] = {}
    for group in _by_output(jobs).values():
        first |= {job: group[0 if job is not group[0] else 1] for job in group[1:]}
        if len(group) > 1:
            first[group[0]] = group[1]
    return [_clash(job, first[job]) if job in first else job for job in jobs]


def _by_output(jobs: list[Job]) -> dict[str, list[Job]]:
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        if job.output is not None:
            path = job.output.path
            real = os.path.join(os.path.realpath(path.parent), path.name)
            groups.setdefault(real, []).append(job)
    return groups


def _clash(job: Job, other: Job) -> Job:
    assert job.output is not None
    fault = f"would become {printable(job.output.path)}, as {printable(other.source)}"
    remedy = "give one of them another --output, or --name with {number}"
    return Job(job.source, fault=f"{fault}; {remedy}")


def _checked(
    job: Job, inputs: set[str], makes_folders: bool, options: argparse.Namespace
) -> Job:
    output = job.output
    if output is None:
        return job
    is_input = os.path.realpath(output.path) in inputs
    if options.skip_existing and os.path.lexists(output.path) and not is_input:
        return Job(job.source, skipped=EXISTS)
    try:
        check_path(job.source, output, inputs, options.overwrite)
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
    suffix = suffix_of(output.format)
    if path.suffix.lower() not in (suffix, *ALSO.get(suffix, ())):
        raise InputError(
            f"the output is {output.format}: its name ends in {suffix}; for another "
            "kind add --format"
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
