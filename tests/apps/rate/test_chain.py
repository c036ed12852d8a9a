"""From the page to the training: the table is taken by `data/labels.py`."""

import os

import numpy as np
import pytest
from support.rating import rated
from support.sounds import loader, put, sound

from cak_jax.data.label_table import LabelError

NAMES = ["b/x.wav", "x.wav", "a, b.wav", " blank.wav", "c/ä;'.wav", "back\\slash.wav"]


@pytest.mark.parametrize("pairs", [False, True])
def test_a_table_of_the_page_labels_the_corpus(tmp_path, pairs):
    folder, table = tmp_path / "sounds", tmp_path / "ratings.csv"
    load = loader(folder, tmp_path / "cache")
    for index, name in enumerate(NAMES):
        put(folder, name, sound(1.2, seed=index))
    try:
        raw = os.fsencode(folder) + b"/no-text-\xff.wav"
        os.rename(put(folder, "raw.wav", sound(1.2, seed=9)), raw)
    except OSError:
        pass  # the file system takes Unicode names only
    put(folder, "same.wav", sound(1.2, seed=0))
    (folder / "damaged.wav").write_bytes(b"RIFF")
    given = {}
    with rated(folder, table, pairs=pairs) as page:
        for number in range(25):
            state = page.state()
            if not state["sounds"]:
                break
            value = number % 3 if pairs else number
            given[state["sounds"][0]["name"]] = value
            page.answer(value)
        ratings = page.site.rater.ratings()
    corpus = load(labels=str(table))
    files = [name.rsplit(" @ ", 1)[0] for name in corpus.names]
    assert set(files) == set(ratings) and len(files) >= len(NAMES)
    expected = [float(ratings[file]) for file in files]
    np.testing.assert_array_equal(corpus.ratings.values, expected)
    if not pairs:
        assert expected == [given[file] for file in files]


def test_a_part_of_the_ratings_is_enough_for_the_heard_game(tmp_path):
    folder, table = tmp_path / "sounds", tmp_path / "ratings.csv"
    load = loader(folder, tmp_path / "cache")
    for index, name in enumerate(NAMES):
        put(folder, name, sound(1.2, seed=index))
    with rated(folder, table) as page:
        for value in (2, 7):
            page.answer(value)
    with pytest.raises(LabelError, match="no label for 4 of 6 files"):
        load(labels=str(table))
    values = load(labels=str(table), partial_labels=True).ratings.values
    assert sorted(values[np.isfinite(values)]) == [2, 7]
