"""FiLM in place of CAK, all else as in the paper: the comparison of its figure 1.

    python -m cak_jax.main --config=configs/film.py --workdir=runs/film \\
        --config.corpus.path=FOLDER

The paper conditions FiLM (Perez et al. 2018) on 24 numbers and does not describe its
network. Ours is small and, like any FiLM, has no identity at control 0. The gated
control `c gate(c)` becomes 24 Gaussian bumps, `e_i = exp(-(23 c gate(c) - i)^2 / 2)`
for i = 0 ... 23. A dense layer maps them to 16 changes d and 16 shifts b. The network
is a convolution 3x3 from 1 to 16 channels, `(1 + d) h + b`, LeakyReLU 0.2, and a
convolution 3x3 to 1 channel, which is added to the input. Initial values are uniform in
+-1/sqrt(fan_in), as the critic's. It has 1105 numbers. Pairs, gate, critic, audit,
losses and learning rates are those of `configs/paper.py`. Only the audit uses the
detector, and the pattern term reads `mean|y - x|` in place of CAK's `mean|D(x)|`.

The run ends with `evaluation.json`, figures and a report. It writes no effect file and
no previews, because the network does not fit into the eleven numbers of an effect.

It takes longer than `configs/paper.py`, days on two CPU cores, and is meant for an
accelerator. These flags make it small enough for minutes
(`experiments/film_against_cak.py` trains both generators with them):

        --config.train.epochs=8 --config.train.batch_size=8 \\
        --config.train.crop_frames=64 --config.train.crop_bins=256 \\
        --config.train.steps_per_dispatch=10 --config.corpus.clip=all \\
        --config.corpus.max_held_out=8 --config.game.critic_steps=3 \\
        "--config.game.critic_widths=(8,16,32)"
"""

from ml_collections import config_dict

from cak_jax.training.config import load_sibling


def get_config() -> config_dict.ConfigDict:
    """Return the paper's configuration with a FiLM generator."""
    config = load_sibling(__file__, "paper")
    config.name = "film"
    config.game.generator = "film"
    config.output.previews = 0  # there is no effect to render
    return config
