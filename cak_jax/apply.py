"""Render sound files through an effect: files in, files out.

Sample rate, channels, length and bit depth stay as they are; a lossy or unwritable
format becomes 24-bit WAV. At control 0 the default mode gives the samples back bit for
bit. Exit codes: 0 done, 1 some inputs failed (the rest is done), 2 unusable arguments.
"""

import argparse
import contextlib
import os
import pathlib
import re
import sys

EXIT_DONE, EXIT_SOME_FAILED, EXIT_UNUSABLE, EXIT_INTERRUPTED = 0, 1, 2, 130
# Other endings that a container is known by.
ALSO = {".aiff": (".aif",), ".rf64": (".wav",)}


def make_parser() -> argparse.ArgumentParser:
    """Return the command line of `python -m cak_jax.apply`."""
    parser = argparse.ArgumentParser(
        prog="python -m cak_jax.apply", description=__doc__, allow_abbrev=False
    )
    parser.add_argument("inputs", nargs="+", metavar="IN", help="sound files")
    parser.add_argument(
        "--effect",
        required=True,
        help="an effect.json, a run folder, a name that `cak effects` lists, or a text "
        "code",
    )
    knob = parser.add_mutually_exclusive_group(required=True)
    knob.add_argument("--control", type=float, help="the raw knob, 0 (identity) to 10")
    knob.add_argument(
        "--amount",
        type=float,
        help="the knob with the gate inverted, 0 to 1: equal turns, equal change",
    )
    parser.add_argument(
        "--mode",
        default="residual",
        choices=("residual", "published"),
        help="published: what the published application does, for comparison",
    )
    parser.add_argument(
        "--channels",
        default="linked",
        choices=("linked", "independent"),
        help="one gain map for all channels (keeps the image), or one each",
    )
    parser.add_argument(
        "--loudness",
        default="rms",
        choices=("rms", "none"),
        help="match the input's loudness, or do not",
    )
    parser.add_argument(
        "--output", help="file (one input) or folder; default: beside each input"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace outputs that exist"
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = make_parser().parse_args(arguments)
    # After parsing, so that --help and a wrong flag answer at once.
    from jax.errors import JaxRuntimeError

    from cak_jax import render
    from cak_jax.effect import EffectError, calibrate, load_effect

    try:
        effect = load_effect(options.effect)
        if options.amount is not None:
            options.control = calibrate(effect, options.amount)
        render.check_control(options.control)
        targets = plan_outputs(options)
        # No output may take the place of these; outputs join them.
        taken = {os.path.realpath(source) for source, _ in targets}
    except (EffectError, ValueError, OSError) as error:
        return complain(error, EXIT_UNUSABLE)
    failed = 0
    for source, target in targets:
        try:
            line = render_file(effect, source, target, options, taken)
        # The latter two when memory runs out.
        except (ValueError, OSError, MemoryError, JaxRuntimeError) as error:
            failed += 1
            complain(f"{source}: {strip(error, source)}", EXIT_SOME_FAILED)
        except KeyboardInterrupt:
            return complain(f"{source}: stopped, not written", EXIT_INTERRUPTED)
        else:
            say(line)
    return EXIT_SOME_FAILED if failed else EXIT_DONE


def say(line: str) -> None:
    """Print a line; a terminal that cannot show it, or is gone, fails no file."""
    with contextlib.suppress(OSError):
        try:
            print(line, flush=True)
        except UnicodeEncodeError:
            print(ascii(line)[1:-1], flush=True)


def complain(error, code: int) -> int:
    """Print one line to stderr and return the code."""
    with contextlib.suppress(OSError):
        print(f"error: {printable(str(error))}", file=sys.stderr)
    return code


def printable(path) -> str:
    """Return a path as one line of text."""
    from cak_jax import audio

    return audio.printable(path)


def strip(error: Exception, source) -> str:
    """Return an error's text without the file name it may begin with."""
    text = str(error) or type(error).__name__
    return text.removeprefix(f"{printable(source)}: ")


def plan_outputs(options) -> list[tuple[pathlib.Path, pathlib.Path | None]]:
    """Pair inputs with outputs; None stands for "beside the input".

    Raises:
      ValueError: outputs that would collide with each other, or no output.
    """
    inputs = [pathlib.Path(p) for p in options.inputs]
    if options.output is None:
        return [(source, None) for source in inputs]
    if not options.output:
        raise ValueError("--output: is empty; name a file or a folder")
    output = pathlib.Path(options.output)
    if output.is_dir():
        stems = [source.stem for source in inputs]
        twice = sorted({stem for stem in stems if stems.count(stem) > 1})
        if twice:
            raise ValueError(
                f"--output={output}: two inputs are called {twice[0]}; their outputs "
                "would have one name. Render them one by one"
            )
        return [(source, output) for source in inputs]
    if len(inputs) > 1:
        raise ValueError(f"--output={output}: is no folder, and there are many inputs")
    return [(inputs[0], output)]


def default_name(source: pathlib.Path, effect: str, knob: str, suffix: str) -> str:
    """Return `<stem>__<effect>_<knob>.wav`."""
    plain = re.sub(r"[^\w.-]+", "-", effect).strip("-.") or "effect"
    return f"{source.stem}__{plain}_{knob}{suffix}"


def knob_name(options) -> str:
    """Return how the knob stands, for file names: `c080`, or `a080` for an amount."""
    if options.amount is not None:
        return f"a{round(options.amount * 100):03d}"
    return f"c{round(options.control * 100):03d}"


def render_file(effect, source: pathlib.Path, target, options, taken: set[str]) -> str:
    """Render one file and return a line about it.

    Args:
      effect: what to apply.
      source: the input.
      target: a file, a folder, or None for the input's own folder.
      options: the parsed command line.
      taken: real paths of inputs and of outputs so far; the output is added.

    Raises:
      ValueError, OSError: the file is left undone, nothing is written.
    """
    import numpy as np

    from cak_jax import audio, render

    found = audio.info(source)
    format, subtype, suffix = audio.output_format(found)
    if target is None or target.is_dir():
        folder = source.parent if target is None else target
        target = folder / default_name(source, effect.name, knob_name(options), suffix)
    check_target(source, target, suffix, options.overwrite, taken)
    samples, found = audio.read(source)
    dry = audio.to_float(samples)
    # Float files may hold numbers whose squares overflow: seen below, in one line.
    with np.errstate(over="ignore", invalid="ignore"):
        wet = render.render(
            effect,
            dry,
            found.sample_rate,
            options.control,
            mode=options.mode,
            loudness=options.loudness,
            channels=options.channels,
        )
    if not np.isfinite(wet).all():
        raise ValueError("is too loud to render: its samples are far above full scale")
    wet, note = keep_below_full_scale(wet, subtype)
    audio.write(
        target, wet, found.sample_rate, format, subtype, overwrite=options.overwrite
    )
    taken.add(os.path.realpath(target))
    return f"{printable(target)}{note}"


def check_target(
    source, target: pathlib.Path, suffix: str, overwrite: bool, taken: set[str]
) -> None:
    """Refuse an output that would destroy something or mislead, before the work."""
    if target.exists() and target.samefile(source):
        raise ValueError("the output is the input itself; name another --output")
    if os.path.realpath(target) in taken:
        raise ValueError(
            f"{printable(target)} is another input, or another input's output; "
            "name another --output"
        )
    if os.path.lexists(target) and not overwrite:
        raise ValueError(f"{printable(target)} exists; add --overwrite to replace it")
    if not target.parent.is_dir():
        raise ValueError(f"the folder {printable(target.parent)} does not exist")
    if not os.access(target.parent, os.W_OK):
        raise ValueError(f"the folder {printable(target.parent)} cannot be written to")
    if target.suffix.lower() not in (suffix, *ALSO.get(suffix, ())):
        raise ValueError(
            f"the output keeps the input's kind: its name ends in {suffix}"
        )


def keep_below_full_scale(wet, subtype: str):
    """Scale what an integer format could not hold by one gain; say how many dB."""
    import numpy as np

    if subtype in ("FLOAT", "DOUBLE") or wet.size == 0:
        return wet, ""
    peak = float(np.abs(wet).max())
    if peak <= 1.0:
        return wet, ""
    gain = 1.0 / peak
    decibels = 20 * np.log10(gain)
    return wet * gain, f"  ({decibels:.2f} dB, as it would have clipped)"


if __name__ == "__main__":
    sys.exit(main())
