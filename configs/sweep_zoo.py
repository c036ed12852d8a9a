"""64 effects from one corpus, and a map of them that plays.

    python -m cak_jax.main --config=configs/sweep_zoo.py --workdir=runs/zoo \\
        --config.corpus.path=FOLDER

It sweeps four resolutions, two sources of labels, two gains of the kernel's first draw
and four seeds. Each run trains on 40 clips, which its seed draws from the corpus.
`zoo.html` lays the effects out by their change of three held-out sounds and plays each
on one of them. `table.csv` and `runs/NAME/effect.json` are those of any sweep. There is
one program for each resolution.
"""

from ml_collections import config_dict

from cak_jax.sweep.grid import add_sweep, part
from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the relative audit's configuration with a sweep of 64 runs."""
    config = load_sibling(__file__, "relative")
    config.name = "zoo"
    # 10 iterations an epoch, 200 in all; the gate is warm after half of them.
    config.train.clips = 40
    config.train.epochs = 20
    config.gate.anneal_epochs = 10.0
    add_sweep(
        config,
        __file__,
        all=part(
            grid={
                "spectrogram.n_fft": (512, 1024, 2048, 8192),
                "corpus.labels": ("random", "spectral_flatness"),
                "game.kernel_gain": (1.0, 4.0),
                "train.seed": (0, 1, 2, 3),
            },
            follow={"spectrogram.hop_length": (128, 256, 512, 2048)},
            leader="spectrogram.n_fft",
        ),
    )
    config.sweep.probe_clips = 3
    return config
