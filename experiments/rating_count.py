"""How many ratings teach a reader, and are single ratings or pairs better?

    python experiments/rating_count.py FOLDER [FOLDER ...]

Simulated raters hear a hidden mix of a file's qualities: four weights, drawn anew for
each of 200 raters. The mix has a mean of 4.5 and a standard deviation of 2 points over
the files. What is heard is the mix and noise of 1 or 1.5 points. A rating is that,
rounded, from 0 to 9. A comparison is of two files that are heard anew; they are equal
where both round to the same number. A judgement is a rating or a comparison.

Files come in the order of `cak rate`, and pairs are those that `cak rate --pairs`
chooses. The reader (`taught.fit_reader`) is fitted on the ratings, and predicts the
hidden mix of a quarter of the files, which were never judged. A cell of the table shows
the correlation with it (mean over the raters, and 10th percentile), R2 (median), and
the share of raters whose ratings a training would refuse. No effect is trained.
"""

import pathlib

import numpy as np
from command_line import arguments
from tables import print_table

from cak_jax.apps.rate import order, pairs
from cak_jax.apps.rate.pairs import EQUAL, FIRST, SECOND, Comparison
from cak_jax.apps.rate.raters import RATINGS
from cak_jax.training import config as config_lib, hearing, run_corpus, taught

COUNTS, NOISES, DRAWS = (8, 15, 25, 40, 80, 120), (1.0, 1.5), 200
MEAN, SPREAD = 4.5, 2.0
LOWEST, HIGHEST = min(RATINGS), max(RATINGS)
# Clips that are measured of a folder; many files have several.
CLIPS = 800


def features_of(folder):
    """Return the qualities of each file of a folder, `[file, quality]`."""
    config = config_lib.load_file(config_lib.find("default"))
    config.corpus.update(path=folder, held_out=0.0, max_clips=CLIPS)
    settings = config_lib.build(config)
    corpus = run_corpus.load_whole(settings)
    crops, clips = hearing.crops_of_clips(settings, corpus, hearing.RATED)
    values = hearing.measure_crops(settings, crops)
    files = np.array(run_corpus.files_of(corpus, clips))
    return np.stack([values[files == name].mean(axis=0) for name in np.unique(files)])


def hidden_mix(features, generator):
    """Return what a rater hears in each file, `[file]`: mean 4.5, SD 2."""
    weights = generator.standard_normal(features.shape[1]) / features.std(axis=0)
    mix = (features - features.mean(axis=0)) @ weights
    return MEAN + SPREAD * mix / mix.std()


def rate_singly(files, mix, counts, noise, generator):
    """Return file -> rating after so many ratings, for each of the counts."""
    heard = mix[files] + noise * generator.standard_normal(len(files))
    points = np.clip(np.rint(heard), LOWEST, HIGHEST)
    rated = dict(zip(files.tolist(), points.tolist(), strict=True))
    return {n: dict([*rated.items()][:n]) for n in counts if n <= len(files)}


def compare(files, mix, counts, noise, generator):
    """Return file -> fitted rating after so many comparisons, for each count."""
    done, fitted = [], {}
    while len(done) < max(counts) and (pair := pairs.next_pair(files.tolist(), done)):
        heard = [mix[file] + noise * generator.standard_normal() for file in pair]
        more = EQUAL if round(heard[0]) == round(heard[1]) else FIRST
        more = SECOND if more == FIRST and heard[1] > heard[0] else more
        done.append(Comparison(*pair, more))
        if len(done) in counts:
            fitted[len(done)] = pairs.ratings_of(done)
    return fitted


def judge(features, mix, ratings, others):
    """Return correlation, R2 and "refused" of a reader on the files `others`."""
    rated = np.array(list(ratings))
    targets = np.array(list(ratings.values()))
    if np.ptp(targets) == 0:
        return 0.0, 0.0, 1.0
    reading = taught.fit_reader(features[rated], targets, rated.tolist())
    read = (features[others] - features[rated].mean(axis=0)) @ reading.weights
    read, hidden = read + targets.mean(), mix[others]
    moves = np.ptp(read) > 1e-6
    correlation = np.corrcoef(read, hidden)[0, 1] if moves else 0.0
    r2 = 1 - np.mean((read - hidden) ** 2) / hidden.var()
    return correlation, r2, float(not reading.r2 >= taught.LEAST_R2)


def rows_of(features, name):
    """Simulate the raters of a folder; return its rows of the table."""
    rows = []
    for noise in NOISES:
        results = {}
        for draw in range(DRAWS):
            generator = np.random.default_rng(draw)
            mix = hidden_mix(features, generator)
            held_out = generator.permutation(len(mix))[: len(mix) // 4]
            files = np.array(order.spread_order(range(len(mix)), draw))
            files = files[~np.isin(files, held_out)]
            for kind, give in (("ratings", rate_singly), ("pairs", compare)):
                given = give(files, mix, COUNTS, noise, generator)
                for count, ratings in given.items():
                    row = judge(features, mix, ratings, held_out)
                    results.setdefault((count, kind), []).append(row)
        for kind in ("ratings", "pairs"):
            cells = [summary(results.get((count, kind))) for count in COUNTS]
            rows.append([name, noise, kind, *cells])
    return rows


def summary(results):
    """Return the cell of a count: what all raters' readers reached."""
    if results is None:
        return ""
    correlation, r2, refused = np.transpose(results)
    low = np.percentile(correlation, 10)
    median = np.median(r2)
    return f"{correlation.mean():.2f} ({low:.2f}), {median:.2f}, {refused.mean():.0%}"


def main(*folders):
    """Print a row for every folder, noise and kind of judgement."""
    rows = []
    for folder in folders:
        features = features_of(folder)
        rows += rows_of(features, f"{pathlib.Path(folder).name}, {len(features)} files")
    print_table(["folder", "noise", "judgements", *map(str, COUNTS)], rows)


if __name__ == "__main__":
    main(*arguments(__doc__, 1))
