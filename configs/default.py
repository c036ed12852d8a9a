"""The default: a knob that moves what your own sounds are like to the ear.

    python -m cak_jax.main --config=configs/default.py --workdir=runs/default
    cak train FOLDER --config.corpus.labels=attack

Without `corpus.path` it trains on an embedded synthetic corpus. `corpus.labels` names
the quality that the knob moves: `spectral_flatness`, `attack`, `spectral_centroid` or
`spectral_contrast`, with a minus in front for less of it. It may also be the path of a
table of ratings, which the run learns to read from the sound.

The audit plays every crop back and measures the quality of the resynthesised sound. The
gated control asks for its share of the way to a target, which lies one range of the
training clips beyond their mean. So a sound that has little of the quality moves
further than one that has much. For less of a quality, every sound is asked for the same
change. After the training, full turn is as far as the effect reaches. A change of level
does not count, and costs a little.

In a corpus a quality seldom rises alone. So the game also asks the other qualities to
go with it as they do there, and a run says at its end how far they went.

There is no critic. One that pulls as strongly as the audit was tried on three corpora:
the training took four times as long, the knob became no better, and the seeds agreed
less (`experiments/heard_audit.md`).

The kernel's cells stand apart, because neighbouring frames overlap by three quarters
and are nearly the same frame: a kernel of such neighbours is nearly a single cell.

`configs/relative.py` asks for a change of the spectrogram instead of the sound, and
`configs/paper.py` follows the paper exactly.
"""

from ml_collections import config_dict


def get_config() -> config_dict.ConfigDict:
    """Return the default configuration; every field has its value here."""
    config = config_dict.ConfigDict()
    # All random choices (split, labels, pairs, crops, initial values) follow from it.
    config.seed = 0
    # In effect.json, in the report and in the names of rendered files; "": the name of
    # the corpus's folder.
    config.name = ""

    config.corpus = corpus = config_dict.ConfigDict()
    corpus.path = ""  # a folder of sounds, with its subfolders; "": the embedded corpus
    corpus.clip = "all"  # every segment of a file; "centre": only its middle (paper)
    corpus.seconds = 15.0  # of a clip
    corpus.fade_seconds = 2.0  # linear, in and out of every clip
    corpus.short = "centre"  # place of a shorter file in its clip; "start" (published)
    corpus.held_out = 0.2  # share of the files kept for evaluation
    corpus.max_clips = 200  # training clips at most; 0: no limit
    corpus.max_held_out = 40  # held-out clips at most; 0: no limit
    # Under the heard audit the quality that the knob moves: attack, spectral_flatness,
    # spectral_centroid, spectral_contrast, with a minus in front for less. Under the
    # others "random", or a descriptor measured from the clip (rms, crest_factor,
    # spectral_centroid, spectral_flatness, spectral_rolloff, zero_crossing_rate,
    # onset_density). Under all of them the path of a CSV or JSON table by file name.
    corpus.labels = "spectral_flatness"
    corpus.label_column = ""  # of the table; "" if it has only one
    # Ratings of a table that the heard audit cannot read from the sound: "refuse" to
    # train on them, or "train" all the same.
    corpus.unread_labels = "refuse"
    corpus.cache = ""  # folder of prepared clips; "": the user's cache folder
    corpus.synthetic_clips = 160  # of the embedded corpus

    config.spectrogram = spectrogram = config_dict.ConfigDict()
    spectrogram.sample_rate = 44100  # Hz
    # Samples, also the window's length. 0: chosen, with hop_length and game.spacing, by
    # short trainings (heard audit).
    spectrogram.n_fft = 2048
    spectrogram.hop_length = 512  # samples
    spectrogram.alpha = 10.0  # of the normalisation; both from the paper
    spectrogram.gamma = 0.85

    config.game = game = config_dict.ConfigDict()
    game.audit = "heard"  # or "relative", "absolute" (paper)
    # The requested change: "gated", the control c times its gate; "control", c itself
    # (paper).
    game.request = "gated"
    # "uniform": every clip takes controls spread evenly over the turn. Or pairs of a
    # lower and a higher label: "random", "paper", "published_code".
    game.pairing = "uniform"
    game.generator = "cak"  # or "film", for comparison; see configs/film.py
    # Bins and frames between the kernel's cells. (1, 1) is the paper's, and only the
    # heard audit takes others.
    game.spacing = (4, 4)
    game.critic_widths = (8, 16, 32)  # paper: (32, 64, 128)
    game.critic_steps = 0  # critic updates per generator update; 0: none; paper: 5
    game.critic_dtype = "float32"  # or "bfloat16", for accelerators
    game.weight_adversarial = 1.0
    game.weight_gradient_penalty = 10.0
    game.weight_compliance = 1.0  # of the audit; paper: 2
    game.weight_reconstruction = 0.0  # paper: 5
    game.weight_pattern = 0.0  # paper: 0.01
    # Of the change of level, in bels; heard audit only. With less, and sounds that
    # differ as widely as the embedded ones, some draws end without a pattern: they fill
    # all gaps evenly (experiments/heard_audit.md).
    game.weight_level = 0.4
    # Of the corpus's direction: in it a quality seldom rises alone. Noisier clips may
    # be brighter and more percussive as well; with a weight the game asks for that too.
    # 0: for the one quality alone.
    game.weight_direction = 0.5
    # Of the sum of the kernel's squares; keeps small what the audit leaves free.
    game.weight_pattern_size = 0.2
    # Largest gradient of all other terms together, as a share of the audit's gradient:
    # below 1 the audit wins against any critic. 0: no limit (paper).
    game.leash = 0.0
    # What the generator follows of those terms: "whole" (paper), or "across", only the
    # part that does not change the audit.
    game.pull = "whole"
    # Unevenness of the kernel's first draw (Xavier-normal; its sum is the paper's).
    # Under the relative audit the kernel keeps much of that shape. Paper: 0.1.
    game.kernel_gain = 0.1

    config.gate = gate = config_dict.ConfigDict()
    gate.threshold = 0.3
    gate.temperature_initial = 2.0
    gate.temperature_final = 20.0
    gate.anneal_epochs = 1.0  # epochs from the initial to the final temperature

    config.train = train = config_dict.ConfigDict()
    # Each takes every clip twice. More hardly change what is heard
    # (experiments/heard_audit.md).
    train.epochs = 2
    train.batch_size = 8  # items; paper: 16
    # Iterations of an epoch at least: with fewer clips each comes more often. 0: no
    # such limit; other pairings than "uniform" have none.
    train.least_steps = 60
    train.crop_frames = 130  # per item, at a random place; 0: the whole clip (paper)
    train.microbatch = 0  # items that the critic takes at once; 0: as memory allows
    # Place where batches are gathered: "auto", on the device if the corpus fits;
    # "float32", "float16", on the device; "stream", on the host.
    train.storage = "auto"
    # Number of training clips, drawn from the corpus by the training's seed; a smaller
    # draw is part of a larger one. Constants and batches come from these clips only.
    # 0: all clips of the corpus.
    train.clips = 0
    train.seed = -1  # of that draw, batches, crops and initial values; -1: `seed`
    train.devices = 1  # number of devices that share every batch; 0: all
    train.steps_per_dispatch = 10  # most iterations between two reads of the metrics
    # A step with a value that is not finite is taken back and counted; the run stops
    # after more of them than this.
    train.skip_limit = 5
    train.crop_bins = 0  # per item, at a random place; 0: the whole band (paper)
    train.learning_rate_generator = 4e-2  # paper: 1e-4
    train.learning_rate_critic = 4e-3  # paper: 1e-4
    train.learning_rate_decay = "cosine"  # to 0 over the run; or "none" (paper)
    # Share of the run in which the rates rise from 0. Without it the first iterations
    # throw the kernel far, and some draws never come back. Paper: 0.
    train.learning_rate_warmup = 0.1
    train.evaluate_every = 4  # epochs between evaluations on held-out clips
    train.checkpoint_every = 1  # epochs between checkpoints
    train.checkpoints_kept = 3

    config.output = output = config_dict.ConfigDict()
    output.previews = 3  # held-out clips rendered for listening
    output.preview_controls = (0.0, 0.25, 0.5, 0.75, 1.0)
    output.figures = True  # need matplotlib, the extra `plot`
    return config
