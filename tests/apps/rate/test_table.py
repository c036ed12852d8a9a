"""The tables: what is written is read, and nothing that a person wrote is lost."""

import doctest
import os

import pytest

from cak_jax.apps.rate import table
from cak_jax.apps.rate.pairs import Comparison
from cak_jax.apps.rate.raters import PairRater, SingleRater
from cak_jax.apps.rate.table import TableError
from cak_jax.data.label_table import file_key, read_table

NAMES = [
    "a, b.wav",
    'quote".wav',
    " blank.wav",
    "low/ä.wav",
    "\\udcff.wav",
    "x;y\t.wav",
]
KEYS = {file_key(name): name for name in NAMES}


def test_examples():
    assert doctest.testmod(table).failed == 0


def test_odd_names_come_back(tmp_path):
    path = tmp_path / "ratings.csv"
    ratings = {name: str(number) for number, name in enumerate(NAMES)}
    table.write_ratings(path, ratings)
    assert table.read_ratings(path, KEYS) == ratings
    done = [Comparison(NAMES[0], NAMES[1], 2), Comparison(NAMES[2], NAMES[4], 0)]
    table.write_comparisons(path, done)
    assert table.read_comparisons(path, KEYS) == done
    assert [p.name for p in tmp_path.iterdir()] == ["ratings.csv"]


def test_a_table_of_an_editor(tmp_path):
    """Other names of the same files, empty rows and cells, decimals, equal rows."""
    path = tmp_path / "ratings.csv"
    path.write_text("\ufefffile, rating\r\n.\\low\\ä.wav, 7.5 \r\n\r\ngone.wav,1\n"
                    "x.wav,\nlow/ä.wav,7.5\n", "utf-8")  # fmt: skip
    assert table.read_ratings(path, KEYS) == {"low/ä.wav": "7.5", "gone.wav": "1"}
    rater = SingleRater(path, NAMES)
    rater.answer(rater.open_place(), 3)
    first = rater.order[0]
    assert rater.ratings() == {"low/ä.wav": "7.5", "gone.wav": "1", first: "3"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"file,warmth\na.wav,1\n", "has the columns file, warmth, and file, rating"),
        (b"a.wav,1\n", "has the columns a.wav, 1"),
        (b"file,rating\na.wav,1,2\n", "line 2: needs 2 cells"),
        (b"file,rating\n\na.wav,loud\n", "line 3: 'loud' is no number"),
        (b"file,rating\na.wav,nan\n", "line 2: 'nan' is no number"),
        (b"file,rating\na.wav,1\na.wav,2\n", "line 3: a.wav has another rating"),
        (b"file,rating\n\xff,1\n", "is no CSV table"),
        (b'file,rating\n"a.wav,1\n', "is no CSV table"),
    ],
)
def test_other_tables_are_refused_and_kept(tmp_path, content, words):
    path = tmp_path / "ratings.csv"
    path.write_bytes(content)
    for rater in (SingleRater, PairRater):
        with pytest.raises(TableError) as caught:
            rater(path, ["a.wav"])
        assert words in str(caught.value) and "\n" not in str(caught.value)
        assert "--output" in str(caught.value)
    assert path.read_bytes() == content


def test_other_comparisons_are_refused(tmp_path):
    path = tmp_path / "ratings.csv"
    beside = table.pairs_path(path)
    for content, words in {
        "first,second\n": "has the columns first, second",
        "first,second,more\na,b,3\n": "line 2: '3' is none of 1, 2 and 0",
    }.items():
        beside.write_text(content)
        with pytest.raises(TableError, match=words):
            PairRater(path, ["a", "b"])
        assert beside.read_text() == content


def test_an_empty_file_is_an_empty_table(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_bytes(b"")
    assert table.read_ratings(path, {}) == {}
    assert table.read_ratings(tmp_path / "none.csv", {}) == {}


def test_tables_of_another_folder(tmp_path):
    path = tmp_path / "ratings.csv"
    assert table.check_names(path, ["a", "b"], ["a", "b", "c"], "F") == ""
    assert table.check_names(path, [], ["a"], "F") == ""
    note = table.check_names(path, ["a", "x"], ["a"], "F")
    assert "1 of its files are not usable in F (x); their ratings are kept" in note
    with pytest.raises(TableError, match="belongs to another folder; F has none"):
        table.check_names(path, ["x", "y"], ["a"], "F")


def test_ratings_and_comparisons_are_not_mixed(tmp_path):
    path = tmp_path / "ratings.csv"
    rater = SingleRater(path, ["a", "b"])
    rater.answer(0, 4)
    with pytest.raises(TableError, match="without --pairs, or name another"):
        PairRater(path, ["a", "b"])
    path.unlink()
    PairRater(path, ["a", "b"]).answer(0, 1)
    with pytest.raises(TableError, match="go on with --pairs, or name another"):
        SingleRater(path, ["a", "b"])


def test_a_rating_of_another_program_stays(tmp_path):
    path = tmp_path / "ratings.csv"
    one, other = (SingleRater(path, ["a", "b", "c"]) for _ in range(2))
    one.answer(0, 1)
    other.answer(1, 2)
    one.answer(2, 3)
    assert list(other.ratings().values()) == ["1", "2", "3"]
    assert one.open_place() is None and one.question(None).names == ()


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_a_link_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "ratings.csv"
    link.symlink_to(tmp_path / "real" / "r.csv")
    table.write_ratings(link, {"a": "1"})
    assert link.is_symlink() and read_table(str(link), "")[0] == {"a": 1.0}


def test_pairs_go_on_and_change(tmp_path):
    path, names = tmp_path / "ratings.csv", list("abcd")
    rater = PairRater(path, names)
    assert rater.open_place() == 0 and rater.last_place() == -1
    first = rater.question(0).names
    rater.answer(0, 1)
    rater = PairRater(path, names)
    assert rater.open_place() == 1 and rater.question(0).answer == "1"
    assert rater.question(0).names == first
    before = rater.ratings()
    rater.answer(0, 2)
    assert rater.ratings() == dict(zip(before, [*before.values()][::-1], strict=True))
    skipped = rater.question(1).names
    rater.skip(1)
    assert set(rater.question(1).names) != set(skipped) and rater.open_place() == 1
    rater.leave_out("a")
    while (place := rater.open_place()) is not None:
        assert "a" not in rater.question(place).names
        rater.answer(place, 0)
    assert rater.question(None).names == ()
