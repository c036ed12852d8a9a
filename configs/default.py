"""The default: an effect of one's own in a minute on a laptop.

    python -m cak_jax.main --config=configs/default.py --workdir=runs/default
    python -m cak_jax.main --config=configs/default.py --workdir=runs/mine \\
        --config.corpus.path=FOLDER

Without `corpus.path` it trains on an embedded synthetic corpus. On two CPU cores 200
clips take half a minute of training, and reach a slope of 1.00 and R2 above 0.99 on
held-out clips (`experiments/README.md`). What differs from the paper, and why: random
crops in time and frequency, a critic a quarter as wide and three critic steps (time),
pairs drawn at random (so that the requested values cover the knob), the relative audit
and a heavier compliance term (so that the requested value can be met on every clip).
The paper to the letter is `configs/paper.py`.
"""

from ml_collections import config_dict


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration; every field has its value here."""
    config = config_dict.ConfigDict()
    # Everything random (split, labels, pairs, crops, initial values) follows from it.
    config.seed = 0
    config.name = "my effect"  # stands in effect.json and in names of rendered files

    config.corpus = corpus = config_dict.ConfigDict()
    corpus.path = ""  # a folder of sounds, searched in depth; "" is the embedded corpus
    corpus.clip = "all"  # every segment of a file; "centre": only its middle (paper)
    corpus.seconds = 15.0  # of a clip
    corpus.fade_seconds = 2.0  # linear, in and out of every clip
    corpus.short = (
        "centre"  # where a shorter file sits in its clip; "start" (published)
    )
    corpus.held_out = 0.2  # share of the files kept for evaluation
    corpus.max_clips = 200  # training clips at most; 0: no limit
    corpus.max_held_out = 40  # held-out clips at most; 0: no limit
    # "random"; a descriptor measured from the clip (rms, crest_factor,
    # spectral_centroid, spectral_flatness, spectral_rolloff, zero_crossing_rate,
    # onset_density); or the path of a CSV or JSON table by file name.
    corpus.labels = "random"
    corpus.label_column = ""  # of the table; "" where it has only one
    corpus.cache = ""  # folder of prepared clips; "": the user's cache folder
    corpus.synthetic_clips = 160  # of the embedded corpus

    config.spectrogram = spectrogram = config_dict.ConfigDict()
    spectrogram.sample_rate = 44100  # Hz
    spectrogram.n_fft = 2048  # samples, the window's length too
    spectrogram.hop_length = 512  # samples
    spectrogram.alpha = 10.0  # of the normalisation, design constants of the paper
    spectrogram.gamma = 0.85

    config.game = game = config_dict.ConfigDict()
    game.audit = "relative"  # or "absolute" (paper)
    # What it asks for: "gated", as much of c as the gate lets through; "control", c
    # itself (paper).
    game.request = "gated"
    game.pairing = "random"  # or "paper", "published_code"
    game.generator = "cak"  # or "film", to compare with; configs/film.py
    game.critic_widths = (8, 16, 32)  # paper: (32, 64, 128)
    game.critic_steps = 3  # critic updates per generator update; paper: 5
    game.critic_dtype = "float32"  # or "bfloat16", for accelerators
    game.weight_adversarial = 1.0
    game.weight_gradient_penalty = 10.0
    game.weight_compliance = 20.0  # paper: 2
    game.weight_reconstruction = 5.0
    game.weight_pattern = 0.01
    # How hard all other terms together may pull at the generator, as a share of the
    # audit's pull: below 1 the audit wins against any critic. 0: no limit (paper).
    game.leash = 0.5
    # How uneven the kernel's first draw is (Xavier-normal; its sum is the paper's). The
    # kernel keeps much of that shape: more gives more character. Paper: 0.1.
    game.kernel_gain = 1.0

    config.gate = gate = config_dict.ConfigDict()
    gate.threshold = 0.3
    gate.temperature_initial = 2.0
    gate.temperature_final = 20.0
    gate.anneal_epochs = 5.0  # epochs from the one to the other

    config.train = train = config_dict.ConfigDict()
    train.epochs = 8
    train.batch_size = 8  # items; paper: 16
    train.crop_frames = 64  # per item, at a random place; 0: the whole clip (paper)
    train.microbatch = 0  # items that pass the critic at once; 0: what memory allows
    # Where batches are gathered: "auto", on the device if the corpus fits; "float32",
    # "float16", on the device; "stream", on the host.
    train.storage = "auto"
    # Of the corpus's training clips only so many, drawn by the training's seed, the
    # fewer among the more; constants and batches are of these alone. 0: all of them.
    train.clips = 0
    train.seed = -1  # of that draw, batches, crops and initial values; -1: `seed`
    train.devices = 1  # that share every batch; 0: all there are
    train.steps_per_dispatch = 10  # iterations between looks at the metrics, at most
    # A step in which anything is not finite is taken back and counted; a run with more
    # of them stops.
    train.skip_limit = 5
    train.crop_bins = 256  # per item, at a random place; 0: the whole band (paper)
    train.learning_rate_generator = 4e-3  # paper: 1e-4
    train.learning_rate_critic = 4e-3  # paper: 1e-4
    train.learning_rate_decay = "cosine"  # to 0 over the run; or "none" (paper)
    train.evaluate_every = 4  # epochs between evaluations on held-out clips
    train.checkpoint_every = 1  # epochs between checkpoints
    train.checkpoints_kept = 3

    config.output = output = config_dict.ConfigDict()
    output.previews = 3  # held-out clips rendered for listening
    output.preview_controls = (0.0, 0.5, 1.0)
    output.figures = True  # needs matplotlib, the extra `plot`
    return config
