"""Is an effect that is taught by ratings an effect of what was rated?

    python experiments/taught_labels.py MUSIC [CLIPS,...] [FIELD=VALUE ...]

Synthetic raters rate every clip from 1 to 7 by a hidden mix of its qualities, with
noise of half the mix's spread. An effect is taught by the ratings of so many training
clips (CLIPS, for example 0,40; 0 for all of them). It is rendered on the held-out clips
at amounts 0.25 to 1, and the change of the *hidden* mix is measured, in units of its
range on the training clips. Slope 1 and R2 1 would be perfect. `n_fft` of the two
measures: 1024 as in the game, and 4096; what is read is the mean of both.
"""

import ast
import dataclasses

import numpy as np
from command_line import arguments
from tables import joined, print_table

from cak_jax.data.labels import Ratings
from cak_jax.effect.effect import Quality
from cak_jax.effect.quality import reader
from cak_jax.evaluation import heard
from cak_jax.model.quality_names import WORDS
from cak_jax.training import config as config_lib, even_knob, hearing, run_corpus
from cak_jax.training.trainer import Trainer

# By rater: the weight of each quality, in units of its spread over the clips.
RATERS = {
    "bright": {"spectral_centroid": 1.0},
    "calm": {"attack": -1.0, "spectral_flatness": -0.5},
    "lively": {"attack": 1.0, "spectral_centroid": 0.5},
}
LOWEST, HIGHEST, NOISE = 1, 7, 0.5


def qualities_of(sounds, rate):
    """Return the qualities of each sound, `[sound, quality]`."""
    return np.array(
        [list(heard.measure(s, rate, heard.WINDOWS[0]).values()) for s in sounds]
    )


def hidden_weights(mix, measured):
    """Return a rater's points per unit of each quality, `[quality]`.

    The mix has a standard deviation of 1 over the clips `measured [clip, quality]`.
    """
    weights = np.array([mix.get(name, 0.0) for name in WORDS]) / measured.std(axis=0)
    return weights / (measured @ weights).std()


def rate(measured, weights, seed):
    """Return whole points for each clip, around the middle of the scale."""
    mix = (measured - measured.mean(axis=0)) @ weights
    noise = NOISE * np.random.default_rng(seed).standard_normal(len(mix))
    points = (LOWEST + HIGHEST) / 2 + mix + noise
    return np.clip(np.rint(points), LOWEST, HIGHEST)


def train(settings, corpus):
    """Return the effect that is taught."""
    trainer = Trainer(settings, corpus)
    while not trainer.done:
        trainer.run_epoch(lambda metrics: None)
    return even_knob.with_knob(trainer.snapshot()).effect()


def row(name, count, settings, whole, measured):
    """Teach an effect by a rater; return its row of the table."""
    weights = hidden_weights(RATERS[name], measured)
    ratings = Ratings(name, rate(measured, weights, settings.train.seed))
    drawn = dataclasses.replace(settings.train, clips=count)
    corpus = run_corpus.draw(
        dataclasses.replace(whole, ratings=ratings),
        dataclasses.replace(settings, train=drawn),
    )
    effect = train(settings, corpus)
    # The range of the hidden mix is taken as that of the rating that is read.
    mixes = measured[corpus.training] @ weights
    span = float(np.subtract(*np.percentile(mixes, hearing.PERCENTS[::-1])))
    mix = dict(zip(WORDS, map(float, weights), strict=True))
    hidden = dataclasses.replace(effect, quality=Quality(name, "points", span, mix))
    clips = run_corpus.clips_at(corpus, corpus.evaluation)
    document = heard.measure_heard(hidden, clips)
    fits = list(document["quality"]["windows"].values())
    changes = np.array([document["changes"][word] for word in WORDS])
    read = np.array(list(effect.quality.reader.values()))
    asked = np.array(reader(effect.quality)) @ changes
    both = np.mean([fit["measured"] for fit in fits], axis=0)
    spread = measured.std(axis=0)
    return [
        name, len(corpus.training), effect.quality.r2,
        np.corrcoef(measured @ read, measured @ weights)[0, 1],
        np.dot(read * spread, weights * spread)
        / np.linalg.norm(read * spread) / np.linalg.norm(weights * spread),
        joined(asked), both @ asked / (asked @ asked),
        *(joined(fit["measured"]) for fit in fits),
        joined(fit["slope"] for fit in fits), joined(fit["r2"] for fit in fits),
        f"{document['side_effects']['level_db']:+.1f} dB",
    ]  # fmt: skip


def main(music, counts="0,40", *fields):
    """Print a row for every rater and number of rated clips."""
    config = config_lib.load_file(config_lib.find("default"))
    given = dict(field.split("=", 1) for field in fields)
    config.update_from_flattened_dict(
        {"corpus.path": music}
        | {name: ast.literal_eval(value) for name, value in given.items()}
    )
    settings = config_lib.build(config)
    whole = run_corpus.load_whole(settings)
    measured = qualities_of(whole.audio, settings.spectrogram.sample_rate)
    rows = []
    for count in map(int, counts.split(",")):
        for name in RATERS:
            rows.append(row(name, count, settings, whole, measured))
            print(*rows[-1], flush=True)
    print_table(
        ["rater", "clips", "R2, unseen files", "read and hidden: correlation",
         "weights: cosine", "what is read, at 0.25 to 1",
         "slope of hidden on read", "hidden mix, at 0.25 to 1",
         "the same, n_fft 4096", "slope", "R2", "level at 1"],
        rows,
    )  # fmt: skip


if __name__ == "__main__":
    main(*arguments(__doc__, 1))
