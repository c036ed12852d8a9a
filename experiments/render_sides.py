"""What `benchmark_render.py` times: each side runs in a process of its own.

    python experiments/render_sides.py SIDE OPTIONS

OPTIONS is JSON. Every line of input is answered with the seconds that the side's work
took and the process's peak memory in MB; the first answer, before any input, says that
the side is ready. JAX and PyTorch are imported by the sides that need them.
"""

import contextlib
import functools
import io
import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from command_line import arguments

RATE = 44100
THREADS = len(os.sched_getaffinity(0))


def make_sound(start: int, samples: int, channels: int) -> np.ndarray:
    """Return part of an endless sound, `[channels, samples]` float32.

    Noise that swells and fades over 60 dB every 4 s, other noise in each channel: loud
    and nearly silent bins, as in music.

    Args:
      start: first sample, a multiple of `RATE`.
      samples: how many.
      channels: how many.
    """
    seconds = range(start // RATE, -(-(start + samples) // RATE))
    white = [
        np.random.default_rng(second).standard_normal((channels, RATE), np.float32)
        for second in seconds
    ]
    noise = np.concatenate([np.zeros((channels, 0), np.float32), *white], axis=1)
    turn = (start + np.arange(samples)) / (4 * RATE)
    level = 10 ** (-0.6 - 1.5 * (1 + np.cos(2 * np.pi * turn)))
    return noise[:, :samples] * level.astype(np.float32)


def whole_sound(seconds, channels):
    return make_sound(0, round(seconds * RATE), channels)


def published(effect, control, seconds, channels):
    """Render by the published application's way, channel by channel."""
    import published_render
    import torch

    from cak_jax.effect import locate

    torch.set_num_threads(THREADS)
    application = published_render.Application(locate.read(effect))
    dry = whole_sound(seconds, channels)
    return lambda: application.render(dry, control)


def ours(effect, control, seconds, channels, linked=True):
    """Render by `cak_jax.render.render`, loudness matched."""
    from cak_jax.effect.effect import load_effect
    from cak_jax.rendering import in_memory

    loaded, dry = load_effect(effect), whole_sound(seconds, channels)
    options = {"loudness": "lufs", "channels": "linked" if linked else "independent"}
    return lambda: in_memory.render(
        loaded, dry, RATE, control, compiled=True, **options
    )


def level_match(effect, control, seconds, channels):
    """Measure both loudnesses and apply the gain, as rendering does at its end."""
    from cak_jax.rendering import blocks
    from cak_jax.rendering.loudness import Match

    dry = whole_sound(seconds, channels)
    wet, spare = dry * np.float32(1.5), np.empty_like(dry)

    def match():
        found = Match("lufs", RATE, channels)
        for pair in zip(blocks.slices(dry), blocks.slices(wet), strict=True):
            found.add(*pair)
        np.multiply(wet, found.gain()[0], out=spare)

    return match


def block_inputs(effect, control, dry):
    """Cut a sound as rendering does: each block's samples, factors and rims.

    Args:
      effect: an `Effect`.
      control: the raw knob.
      dry: `[channels, samples]` at the effect's sample rate.

    Returns:
      `(layout, numbers, blocks)`, a block being `(segment, factors, exists, power)` as
      `residual.block` takes them.
    """
    from cak_jax.effect.gate import amount
    from cak_jax.rendering import blocks, residual
    from cak_jax.rendering.settings import RenderSettings

    settings, hops = RenderSettings(), blocks.BLOCK_HOPS
    layout = residual.layout_of(effect, settings)
    spectrogram, reach = effect.spectrogram, layout.overlap + layout.look
    hop, frames = spectrogram.hop_length, spectrogram.frames(dry.shape[1])
    found = []
    for first in range(0, -(-dry.shape[1] // hop), hops):
        start, stop = residual.segment_span(first, hops, layout)
        inside = dry[:, max(start, 0) : stop]
        before = max(-start, 0)
        after = stop - start - before - inside.shape[1]
        index = np.arange(first - reach, first + hops + reach)
        exists = ((index >= 0) & (index < frames)).astype(np.float32)
        factors = np.full(len(index) - 2 * layout.look, amount(effect, control))
        found.append((
            np.pad(inside, ((0, 0), (before, after))),
            factors.astype(np.float32),
            exists,
            residual.block_power(first, hops, frames, layout),
        ))  # fmt: skip
    return layout, residual.numbers_of(effect, settings), found


def steps(layout, numbers):
    """Return what one block goes through, each step a program of its own.

    Returns:
      Name -> function: "forward" and "inverse", the transforms alone; "analysis" of a
      segment; "elementwise", from a spectrum to what is added to it; "synthesis" of
      that; "limit" of the sound. The last four in a row are `residual.block`.
    """
    import jax
    import jax.numpy as jnp

    from cak_jax.rendering import residual

    spectrogram = layout.spectrogram
    hop, half = spectrogram.hop_length, spectrogram.n_fft // 2
    begin = (layout.overlap - layout.aside) * hop + half

    def elementwise(spectrum, factors, exists):
        magnitude = residual.magnitudes(spectrum, layout.linked)
        x = residual.normalised(magnitude, exists, numbers.constants)
        return residual.change(spectrum, magnitude, x, factors, exists, numbers, layout)

    def synthesis(added, power):
        audio = residual.synthesise(added, spectrogram)
        return audio[:, begin : begin + len(power)] * power[None, :]

    def limit(audio, segment):
        place = begin + layout.look * hop
        return residual.held(audio, segment, place, hop, numbers, layout)

    found = {
        "forward": jnp.fft.rfft,
        "inverse": functools.partial(jnp.fft.irfft, n=spectrogram.n_fft),
        "analysis": lambda segment: residual.analyse(segment, spectrogram),
        "elementwise": elementwise,
        "synthesis": synthesis,
        "limit": limit,
    }
    return {name: jax.jit(function) for name, function in found.items()}


def part(effect, control, seconds, channels, name):
    """Run one step of the program over all blocks, as many at a time as rendering.

    `name` is a name of `steps`, "transforms" (forward and inverse) or "program", all of
    it as one.
    """
    import jax

    from cak_jax.effect.effect import load_effect
    from cak_jax.model import spectral
    from cak_jax.rendering import blocks

    loaded = load_effect(effect)
    dry = whole_sound(seconds, channels)
    layout, numbers, inputs = block_inputs(loaded, control, dry)
    step = steps(layout, numbers)

    def before(block):
        """Make what the step is given."""
        segment, factors, exists, power = block
        if name == "program":
            return block
        if name == "analysis":
            return (segment,)
        spectrum = step["analysis"](segment)
        if name == "transforms":
            frames = spectral.frame(jax.numpy.asarray(segment), layout.spectrogram)
            return frames, spectrum[:, layout.look : spectrum.shape[1] - layout.look]
        if name == "elementwise":
            return spectrum, factors, exists
        added = step["elementwise"](spectrum, factors, exists)
        if name == "synthesis":
            return added, power
        return step["synthesis"](added, power), segment

    def run(given):
        if name == "program":
            return blocks.block_program(*given, numbers, layout=layout)
        if name == "transforms":
            return step["forward"](given[0]), step["inverse"](given[1])
        return step[name](*given)

    given = [jax.block_until_ready(before(block)) for block in inputs]
    pool = ThreadPoolExecutor(blocks.THREADS)
    return lambda: list(pool.map(lambda one: jax.block_until_ready(run(one)), given))


def read_and_write(source, target):
    """Read a file and write it again with soundfile, nothing else."""
    import soundfile

    def copy():
        with soundfile.SoundFile(source) as file:
            kind = {"format": file.format, "subtype": file.subtype}
            samples = file.read(dtype="int32")
        soundfile.write(target, samples, RATE, **kind)

    return copy


def apply_file(effect, control, source, target):
    """Render a file by the command line, in this process, so that it is warm."""
    from cak_jax.commands import apply

    arguments = [f"--effect={effect}", f"--control={control}", f"--output={target}"]

    def run():
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = apply.main([*arguments, "--overwrite", source])
        if code:
            raise SystemExit(said.getvalue().strip())

    return run


SIDES = {
    "published": published,
    "ours": ours,
    "level match": level_match,
    "part": part,
    "read and write": read_and_write,
    "apply": apply_file,
}


def answer(**found) -> None:
    """Print one line for the process that asks."""
    print(json.dumps(found), flush=True)


def main(side: str, options: str) -> None:
    """Prepare a side, then work whenever a line of input comes."""
    work = SIDES[side](**json.loads(options))
    answer(ready=True)
    for _ in sys.stdin:
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        answer(seconds=seconds, megabytes=peak)


if __name__ == "__main__":
    # Ctrl-C reaches this process, too; the one that asks says what there is to say.
    with contextlib.suppress(KeyboardInterrupt):
        main(*arguments(__doc__, 2, 2))
