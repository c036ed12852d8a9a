"""FiLM in place of CAK, everything else the paper's: its figure 1, to compare with.

    python -m cak_jax.main --config=configs/film.py --workdir=runs/film \\
        --config.corpus.path=FOLDER

The paper conditions FiLM (Perez et al. 2018) on 24 numbers and does not give its
network. Ours is small and has no identity at control 0, as FiLM has none: the gated
control `c gate(c)` as 24 Gaussian bumps, `e_i = exp(-(23 c gate(c) - i)^2 / 2)` for
i = 0 ... 23; a dense layer from them to 16 changes d and 16 shifts b; convolution 3x3
from 1 to 16 channels, `(1 + d) h + b`, LeakyReLU 0.2, convolution 3x3 to 1 channel,
added to the input; initial values uniform in +-1/sqrt(fan_in), as the critic's. 1105
numbers. Pairs, gate, critic, audit, losses and learning rates are those of
`configs/paper.py`; the detector is the audit's alone, and the pattern term reads
`mean|y - x|` where CAK's reads `mean|D(x)|`.

The run ends with `evaluation.json`, figures and a report. There is no effect file, for
a network is not eleven numbers, and so there are no previews.

Longer than `configs/paper.py`, days on two CPU cores; meant for an accelerator. Small,
in minutes (`experiments/film_against_cak.py` trains both generators so):

        --config.train.epochs=8 --config.train.batch_size=8 \\
        --config.train.crop_frames=64 --config.train.crop_bins=256 \\
        --config.train.steps_per_dispatch=10 --config.corpus.clip=all \\
        --config.corpus.max_held_out=8 --config.game.critic_steps=3 \\
        "--config.game.critic_widths=(8,16,32)"
"""

from cak_jax.training.config import load_sibling


def get_config():
    """Return the paper's configuration with a FiLM generator."""
    config = load_sibling(__file__, "paper")
    config.name = "film"
    config.game.generator = "film"
    config.output.previews = 0  # there is no effect to render
    return config
