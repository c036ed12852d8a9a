r"""Rendering beside the published application, and where our time and memory go.

    pip install -e ".[benchmark]"
    python experiments/benchmark_render.py [--parts=render,steps,...] [--long]

One table, by parts: `render`, a sound in memory by the published path, one channel
after the other, and by ours; `steps`, each step of our program beside the Fourier
transforms alone; `files`, the command beside reading and writing the file and nothing
else; `cold`, whole processes; `linear`, lengths and numbers of channels; `memory`, the
command's peak on long files (`--long` adds three hours). Every side is a process of its
own, the sides of a part take turns, the first turn does not count, times are medians,
ratios medians over turns. Nothing is timed before the published path gives the golden
vectors. A quick look at everything takes a minute or two:

    python experiments/benchmark_render.py --rounds=1 --seconds=5 --minutes=0.5 \
        --lengths=2,4
"""

import importlib.metadata
import pathlib
import subprocess
import sys
import tempfile

# Nothing that imports JAX: what this process holds counts in its children's peaks.
import benchmark_flags
import soundfile
from alternation import HERE, Turns, compare, take_turns, whole_process
from render_sides import RATE, THREADS, make_sound

HEAD = ("part", "what", "channels x s", "seconds", "ms per channel-second",
        "times real time", "ratio", "peak MB")  # fmt: skip


def row(part, what, turns, sound=None, ratio="", shown=True):
    """Return a row of the table; `sound` is `(channels, seconds)`."""
    seconds = turns.median
    cells = [part, what, "", f"{seconds:.3g}", "", "", ratio, ""]
    if sound is not None:
        heard = sound[0] * sound[1]
        cells[2] = f"{sound[0]} x {sound[1]:g}"
        cells[4] = f"{1e3 * seconds / heard:.3g}"
        cells[5] = f"{heard / seconds:.3g}" if shown else ""
    if shown:
        cells[7] = f"{turns.megabytes:.0f}"
    return cells


def render_rows(options, folder):
    """The published path and ours, warm, in memory."""
    sound = options.channels, options.seconds
    given = {**common(options), "seconds": options.seconds, "channels": sound[0]}
    wanted = {
        "ours": ("ours", given),
        "ours, channels apart": ("ours", given | {"linked": False}),
    }
    if options.published:
        wanted = {"published path": ("published", given), **wanted}
    found = compare(options.rounds, **wanted)
    for name, turns in found.items():
        ratio = "" if name == "ours" else f"{turns.over(found['ours']):.3g} x ours"
        yield row("render", name, turns, sound, ratio)


def step_rows(options, folder):
    """Each step of our program beside the transforms' own cost."""
    sound = options.channels, options.seconds
    given = {**common(options), "seconds": options.seconds, "channels": sound[0]}
    names = ("transforms", "analysis", "elementwise", "synthesis", "limit", "program")
    wanted = {name: ("part", given | {"name": name}) for name in names}
    wanted["level match"] = "level match", given
    wanted["whole"] = "ours", given
    found = compare(options.rounds, **wanted)
    glue = Turns()
    columns = (found[name].seconds for name in ("whole", "program", "level match"))
    for whole, program, match in zip(*columns, strict=True):
        glue.add(whole - program - match, 0.0)
    found["glue: whole less program and level match"] = glue
    for name, turns in found.items():
        ratio = f"{turns.over(found['transforms']):.3g} x transforms"
        shown = turns is not glue
        yield row("steps", name, turns, sound, "" if name == "transforms" else ratio,
                  shown)  # fmt: skip


def file_rows(options, folder):
    """The command, warm, beside reading and writing alone."""
    sound = options.channels, options.seconds
    for format in ("WAV", "FLAC"):
        source = write_sound(folder, format, options.seconds, options.channels)
        target = str(source.with_stem("out"))
        files = {"source": str(source), "target": target}
        alone, command = f"{format}: read and write", f"{format}: apply"
        found = compare(options.rounds, **{
            alone: ("read and write", files),
            command: ("apply", {**common(options), **files}),
        })  # fmt: skip
        ratio = f"{found[command].over(found[alone]):.3g} x read and write"
        yield row("files", alone, found[alone], sound)
        yield row("files", command, found[command], sound, ratio)


def cold_rows(options, folder):
    """Whole processes on a short file."""
    source = write_sound(folder, "WAV", options.cold_seconds, options.channels)
    sound = options.channels, options.cold_seconds
    empty = "python -c 'import jax'"
    commands = {
        empty: [sys.executable, "-c", "import jax"],
        "apply": apply_command(options, source, folder / "ours.wav"),
    }
    if options.published:
        commands["published path"] = [
            *(sys.executable, str(HERE / "published_render.py"), str(source)),
            *(str(folder / "theirs.wav"), str(options.control), options.effect),
        ]

    def turn(command):
        (folder / "theirs.wav").unlink(missing_ok=True)
        return whole_process(command)

    found = take_turns(
        {name: lambda c=command: turn(c) for name, command in commands.items()},
        options.rounds,
    )
    apply, theirs = found["apply"], found.get("published path")
    yield row("cold", empty, found[empty])
    yield row("cold", "apply", apply, sound, f"{apply.over(found[empty]):.3g} x import")
    if theirs:
        ratio = f"{theirs.over(apply):.3g} x apply"
        yield row("cold", "published path", theirs, sound, ratio)


def linear_rows(options, folder):
    """Whether twice as long, or twice as many channels, takes twice the time."""
    for channels in options.widths:
        given = common(options) | {"channels": channels}
        found = compare(options.rounds, **{
            f"{seconds:g}": ("ours", given | {"seconds": seconds})
            for seconds in options.lengths
        })  # fmt: skip
        least = options.lengths[0]
        for seconds, turns in zip(options.lengths, found.values(), strict=True):
            each = turns.over(found[f"{least:g}"]) * least / seconds
            ratio = "" if seconds == least else f"{each:.3g} x that of {least:g} s"
            yield row("linear", "ours", turns, (channels, seconds), ratio)


def memory_rows(options, folder):
    """The command's peak memory on long files, each once."""
    for minutes in options.minutes:
        seconds = minutes * 60
        source = write_sound(folder, "WAV", seconds, options.channels)
        turns, target = Turns(), folder / "out.wav"
        turns.add(*whole_process(apply_command(options, source, target)))
        source.unlink()
        target.unlink()
        name = f"apply, {minutes:g} min"
        yield row("memory", name, turns, (options.channels, seconds))


PARTS = {
    "render": render_rows,
    "steps": step_rows,
    "files": file_rows,
    "cold": cold_rows,
    "linear": linear_rows,
    "memory": memory_rows,
}


def common(options) -> dict:
    return {"effect": options.effect, "control": options.control}


def apply_command(options, source, target) -> list[str]:
    """Return the command line that renders a file, replacing what is there."""
    return [
        *(sys.executable, "-m", "cak_jax.apply", f"--effect={options.effect}"),
        *(f"--control={options.control}", f"--output={target}", "--overwrite"),
        str(source),
    ]


def write_sound(folder, format, seconds, channels) -> pathlib.Path:
    """Write a 24-bit file second by second, so that this process stays small."""
    path, samples = folder / f"in.{format.lower()}", round(seconds * RATE)
    layout = {"samplerate": RATE, "channels": channels, "subtype": "PCM_24"}
    with soundfile.SoundFile(path, "w", format=format, **layout) as file:
        for start in range(0, samples, RATE):
            count = min(RATE, samples - start)
            file.write(make_sound(start, count, channels).T)
    return path


def check_published() -> None:
    """Hold the published path against the golden vectors, in a process of its own."""
    command = [sys.executable, str(HERE / "published_render.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print((done.stderr.strip().splitlines() or ["error: no word"])[-1],
              file=sys.stderr)  # fmt: skip
        sys.exit(1)
    print("published path against the golden vectors:",
          "; ".join(done.stdout.splitlines()))  # fmt: skip


def versions(options) -> str:
    """Return a line on what the numbers belong to."""
    names = ["jax", "soundfile"] + ["torch", "librosa"] * options.published
    found = [f"{name} {importlib.metadata.version(name)}" for name in names]
    effect = f"effect {options.effect}, control {options.control:g}"
    return ", ".join([f"{THREADS} threads", *found, effect, f"{options.rounds} turns"])


def print_row(cells) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    options = benchmark_flags.read(arguments, __doc__)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        benchmark_flags.check_room(options, folder)
        if options.published:
            check_published()
        print(versions(options) + "\n")
        print_row(HEAD)
        print_row(["---"] * len(HEAD))
        for part in options.parts:
            for cells in PARTS[part](options, pathlib.Path(folder)):
                print_row(cells)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
