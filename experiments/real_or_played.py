"""Can a classifier tell what an effect makes of poor sounds from sounds that are rich?

    python experiments/real_or_played.py NAME=FOLDER=SWEEP ...

SWEEP is a finished folder of `configs/sweep_adversary.py` on the sounds of FOLDER. The
held-out clips are parted at the median of the quality: those with less of it are the
dry sounds, those with more the real ones. Each dry clip is played at the amount that is
to bring it to the median of the real ones. A logistic regression then tells played from
real sounds by their octave-band levels and how these move: twelve bands, mean and
spread over time, the whole level taken off, of stretches of 1.5 s. No clip is in both
halves of its five folds. It prints the area under its curve, 0.5 where it cannot tell,
for the dry sounds and for those that the effects make, and the distance of the means in
units of the spread. Needs scikit-learn, which librosa brings.
"""

import numpy as np
from command_line import arguments
from heard_study import read
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import print_table

from cak_jax.evaluation import heard
from cak_jax.evaluation.knob_response import loudest
from cak_jax.rendering.in_memory import render
from cak_jax.training import config as config_lib, run_corpus

STRETCH_SECONDS, CLIP_SECONDS, WINDOW, BANDS, FOLDS = 1.5, 6.0, 1024, 12, 5
LOWEST_HERTZ = 40.0


def features(sound, rate):
    """Return `[stretch, 2 BANDS]`: mean and spread of each band's level in dB."""
    frequency = np.fft.rfftfreq(WINDOW, 1 / rate)
    edges = np.geomspace(LOWEST_HERTZ, rate / 2, BANDS + 1)
    length, rows = round(STRETCH_SECONDS * rate), []
    for start in range(0, len(sound) - length + 1, length):
        power = np.square(heard.magnitudes(sound[start : start + length], WINDOW))
        power += 1e-6 * power.mean()
        place = np.digitize(frequency, edges)
        bands = np.stack(
            [power[:, place == i].sum(axis=1) for i in range(1, BANDS + 1)], axis=1
        )
        level = 10 * np.log10(bands + 1e-12)
        mean = level.mean(axis=0)
        rows.append(np.concatenate([mean - mean.mean(), level.std(axis=0)]))
    return np.array(rows)


def told_apart(ours, real):
    """Return the area under the curve, and the distance of the means.

    Args:
      ours, real: lists of `[stretch, feature]`, one for each clip.
    """
    groups = np.concatenate([
        np.full(len(rows), index) for index, rows in enumerate([*ours, *real])
    ])  # fmt: skip
    is_real = np.concatenate([
        np.full(len(rows), index >= len(ours))
        for index, rows in enumerate([*ours, *real])
    ])  # fmt: skip
    rows = np.concatenate([*ours, *real])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
    chance = cross_val_predict(
        model, rows, is_real, groups=groups, cv=GroupKFold(FOLDS),
        method="predict_proba",
    )[:, 1]  # fmt: skip
    gap = (rows[is_real].mean(0) - rows[~is_real].mean(0)) / rows[is_real].std(0)
    return roc_auc_score(is_real, chance), float(np.sqrt(np.mean(gap**2)))


def main(sweeps):
    head = ["corpus", "sounds", "area under the curve", "gap of the means"]
    table = []
    for word in sweeps:
        name, folder, sweep = word.split("=", 2)
        config = config_lib.load_file(config_lib.find("default"))
        config.update_from_flattened_dict({"corpus.path": folder})
        settings = config_lib.build(config)
        corpus = run_corpus.load_whole(settings)
        rate = settings.spectrogram.sample_rate
        clips = [
            loudest(np.asarray(clip), round(CLIP_SECONDS * rate))
            for clip in run_corpus.clips_at(corpus, corpus.evaluation)
        ]
        own = np.array(
            [heard.measure(clip, rate, WINDOW)["spectral_flatness"] for clip in clips]
        )
        middle = np.median(own)
        goal = np.median(own[own > middle])
        dry = [clip for clip, value in zip(clips, own, strict=True) if value <= middle]
        values = own[own <= middle]
        real = [
            features(clip, rate)
            for clip, value in zip(clips, own, strict=True)
            if value > middle
        ]
        plain = told_apart([features(clip, rate) for clip in dry], real)
        table.append([name, "dry", *plain])
        for label, runs in read(sweep).items():
            found = []
            for _, effect in runs:
                way = effect.quality.target - values
                amounts = np.clip((goal - values) / np.maximum(way, 1e-6), 0.0, 1.0)
                wet = [
                    features(render(effect, clip, rate, amount=float(a)), rate)
                    for clip, a in zip(dry, amounts, strict=True)
                ]
                found.append(told_apart(wet, real))
            table.append([name, label, *np.mean(found, axis=0)])
    print_table(head, table)


if __name__ == "__main__":
    main(arguments(__doc__, 1))
