"""64 effects from one corpus, and a map of what they do that plays.

    python -m cak_jax.main --config=configs/sweep_zoo.py --workdir=runs/zoo \\
        --config.corpus.path=FOLDER

Four resolutions, two sources of labels, two strengths of the kernel's first draw and
four seeds; each trains on 40 clips that its seed draws, another slice of the corpus
for each. `zoo.html` lays the effects out by what they do to three held-out sounds and
plays each on one of them; `table.csv` and `runs/NAME/effect.json` are as of any sweep.
One program for each resolution.
"""

from ml_collections import config_dict

from cak_jax.sweep.grid import part
from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration and 64 ways to depart from it."""
    config = load_sibling(__file__, "sweep")
    config.name = "zoo"
    # 10 iterations an epoch, 200 in all; the gate is warm after half of them.
    config.train.clips = 40
    config.train.epochs = 20
    config.gate.anneal_epochs = 10.0
    config.sweep.parts = config_dict.ConfigDict(
        {
            "all": part(
                grid={
                    "spectrogram.n_fft": (512, 1024, 2048, 8192),
                    "corpus.labels": ("random", "spectral_flatness"),
                    "game.kernel_gain": (1.0, 4.0),
                    "train.seed": (0, 1, 2, 3),
                },
                follow={"spectrogram.hop_length": (128, 256, 512, 2048)},
                leader="spectrogram.n_fft",
            )
        }
    )
    config.sweep.probe_clips = 3
    return config
