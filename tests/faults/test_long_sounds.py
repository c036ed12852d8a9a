"""Three hours through the command line: in bounded memory, and as in one piece.

A minute or so each: `pytest -m slow tests/faults/test_long_sounds.py`.
"""

import os
import pathlib
import resource
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from support.applying import EFFECT, effect_file
from support.sounds import RATE, SPECTROGRAM, noise

from cak_jax.rendering import in_memory

pytestmark = pytest.mark.slow
ROOT = pathlib.Path(__file__).parent.parent.parent
HOURS = 3
FRAMES = HOURS * 3600 * RATE


def write_long(path, **kind):
    """Write so many hours of noise that never repeats, a minute at a time."""
    with soundfile.SoundFile(path, "w", RATE, 1, **kind) as file:
        for minute in range(HOURS * 60):
            file.write(0.1 * noise(60 * RATE, 1, minute))


@pytest.mark.parametrize("kind", ["WAV", "FLAC"])
def test_three_hours(tmp_path, kind):
    source, output = tmp_path / "x.wav", tmp_path / "y.wav"
    if kind == "FLAC":
        source, output = tmp_path / "x.flac", tmp_path / "y.flac"
    write_long(source, format=kind, subtype="PCM_16")
    effect = effect_file(tmp_path)
    command = [sys.executable, "-m", "cak_jax.apply", f"--effect={effect}"]
    command += ["--control=0.8", "--loudness=none", "--dither=none"]
    subprocess.run(
        [*command, f"--output={output}", source],
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    # In kilobytes, the most that any process of the tests has had.
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    # In one piece the sound alone is 700 MB, its spectrogram ten times that.
    assert most < 1_000_000
    assert soundfile.info(output).frames == FRAMES
    hop = SPECTROGRAM.hop_length
    for start in (0, FRAMES // 2 // hop * hop, (FRAMES - 100 * RATE) // hop * hop):
        stretch = {"start": start, "stop": start + 100 * RATE}
        dry, wet = (soundfile.read(p, **stretch)[0] for p in (source, output))
        wanted = in_memory.render(EFFECT, dry, RATE, 0.8, loudness="none", peaks="none")
        inside = slice(RATE if start else 0, 99 * RATE)
        np.testing.assert_allclose(wet[inside], wanted[inside], atol=2.0**-15)
        assert np.abs(wet - dry).max() > 0.01
