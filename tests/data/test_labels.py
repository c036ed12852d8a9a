"""Labels: closed forms, tables in every shape, and one line for every mistake."""

import json

import numpy as np
import pytest

from cak_jax.data import labels
from cak_jax.data.label_table import LabelError
from cak_jax.data.labels import make_labels

FILES = ["a/kick.wav", "a/kick.wav", "snare.wav", "b/hat.wav"]
MEASURED = {"rms": [4.0, 1.0, 3.0, 2.0], "centroid": [1.0, 1.0, 1.0, 0.0]}


def make(source, column="", files=FILES, **options):
    return make_labels(str(source), column, files, MEASURED, seed=3, **options)


def test_random_labels_are_those_of_numpy():
    values, source, _ = make("random")
    expected = np.random.default_rng(3).uniform(0.1, 1, 4).astype(np.float32)
    np.testing.assert_array_equal(values, expected)
    assert source == "random, seed 3"
    np.testing.assert_array_equal(labels.random_labels(2, 3), expected[:2])
    many = labels.random_labels(10_000, 0)
    assert 0.1 <= many.min() < 0.101
    assert 0.999 < many.max() <= 1
    np.testing.assert_allclose(many.mean(), 0.55, atol=0.01)


def test_descriptor_is_spread_by_rank():
    np.testing.assert_allclose(make("rms")[0], [1.0, 0.1, 0.7, 0.4], rtol=1e-6)
    # Ties keep the order of the clips.
    np.testing.assert_allclose(make("centroid")[0], [0.4, 0.7, 1.0, 0.1], rtol=1e-6)
    assert labels.rank_scaled([9.0]).tolist() == [np.float32(0.55)]


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(LabelError, match=r"'loudness' is neither .*\(rms, centroid\)"):
        make("loudness")


TABLES = {
    "comma.csv": "file,texture\na/kick.wav,0.2\nsnare.wav,0.3\nhat.wav,1\n",
    "semicolon.csv": "file;texture\r\nkick.wav;0.2\r\nsnare.wav;0.3\r\n\r\nhat.wav;1",
    "bom.csv": "\ufefffile,who,texture\nkick.wav,me,0.2\nsnare.wav,x,.3\nhat.wav,,1\n",
    "windows.csv": "f,texture\n.\\a\\kick.wav,0.2\nsnare.wav,0.3\nb\\hat.wav,1\n",
    "plain.json": '{"kick.wav": 0.2, "./snare.wav": 0.3, "b/hat.wav": 1}',
    "rows.json": '[{"file": "kick.wav", "texture": 0.2},'
    ' {"file": "snare.wav", "texture": 0.3}, {"file": "hat.wav", "texture": 1}]',
    "nested.json": '{"kick.wav": {"texture": 0.2}, "snare.wav": {"texture": "0.3"},'
    ' "hat.wav": {"texture": 1}}',
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(tmp_path, name):
    path = tmp_path / name
    path.write_text(TABLES[name], encoding="utf-8", newline="")
    values, source, _ = make(path)
    np.testing.assert_allclose(values, [0.2, 0.2, 0.3, 1.0], rtol=1e-6)
    assert source == f"{name}, {'value' if name == 'plain.json' else 'texture'}"


def test_relative_path_comes_before_the_bare_name(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("file,v\nkick.wav,0.9\na/kick.wav,0.1\nother.wav,77\n")
    values, *_ = make(path, files=["a/kick.wav", "b/kick.wav"])
    np.testing.assert_allclose(values, [0.1, 0.9], rtol=1e-6)


def test_odd_names_are_found(tmp_path):
    """Blanks at the ends and backslashes, as a table has them or the folder."""
    path = tmp_path / "x.csv"
    path.write_text("file,v\n a.wav,0.1\nb\\c.wav,0.2\n\\udcff.wav,0.3\n")
    values, *_ = make(path, files=[" a.wav", "b\\c.wav", "\\udcff.wav"])
    np.testing.assert_allclose(values, [0.1, 0.2, 0.3], rtol=1e-6)


def test_named_column_and_min_max_scaling(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("file,v,w\nkick.wav,1,10\nsnare.wav,2,30\nhat.wav,3,20\n")
    values, source, _ = make(path, "w")
    np.testing.assert_allclose(values, [0.1, 0.1, 1.0, 0.55], rtol=1e-6)
    assert source == "x.csv, w, scaled from [10, 30] to [0.1, 1]"
    with pytest.raises(LabelError, match=r"label_column \(found: v, w\)"):
        make(path)
    with pytest.raises(LabelError, match=r"x\.csv: 'u' of 'kick\.wav' .*got nothing"):
        make(path, "u")


@pytest.mark.parametrize("value", ["nan", "inf", "", "loud", "1e999"])
def test_what_is_no_finite_number_is_refused(tmp_path, value):
    path = tmp_path / "x.csv"
    path.write_text(f"file,v\nkick.wav,{value}\nsnare.wav,1\nhat.wav,1\n")
    with pytest.raises(
        LabelError, match=r"x\.csv: 'v' of 'kick\.wav' must be a finite"
    ):
        make(path, "v")


def test_ratings_keep_the_units_of_the_table(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("file,warmth\nkick.wav,-1\nsnare.wav,20\nhat.wav,3.5\n")
    ratings = make(path).ratings
    assert ratings.name == "warmth" and ratings.values.dtype == np.float64
    assert ratings.values.tolist() == [-1, -1, 20, 3.5]
    assert make("random").ratings is None and make("rms").ratings is None


def test_true_in_json_is_no_number(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"kick.wav": True, "snare.wav": 0.1, "hat.wav": 0.1}))
    with pytest.raises(LabelError, match="must be a finite number, got True"):
        make(path, "value")


def test_missing_labels_are_counted(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("file,v\nkick.wav,0.1\n")
    with pytest.raises(LabelError, match=r"2 of 3 files \(snare\.wav, b/hat\.wav\)"):
        make(path)
    many = [f"{n}.wav" for n in range(9)]
    with pytest.raises(
        LabelError, match=r"9 of 9 files \(0.wav, 1.wav, 2.wav, \.\.\.\)"
    ):
        make(path, files=many)


def test_some_labels_may_be_missing_where_that_is_asked_for(tmp_path):
    """A bare name is no other file's label; without any label it is refused."""
    path = tmp_path / "x.csv"
    path.write_text("file,v\nkick.wav,1\nb/hat.wav,3\n")
    files = ["a/kick.wav", "a/kick.wav", "kick.wav", "c/hat.wav", "b/hat.wav"]
    values, source, ratings = make(path, files=files, partial=True)
    np.testing.assert_array_equal(ratings.values, [np.nan, np.nan, 1, np.nan, 3])
    np.testing.assert_allclose(values, [0.55, 0.55, 0.1, 0.55, 1], rtol=1e-6)
    assert source.endswith("to [0.1, 1], 2 of 4 files without a label")
    # The same name in another folder, where the corpus has no such file.
    values, *_ = make(path, files=["a/kick.wav", "x.wav"], partial=True)
    np.testing.assert_allclose(values, [1, 0.55], rtol=1e-6)
    with pytest.raises(LabelError, match=r"2 of 2 files"):
        make(path, files=["x.wav", "y.wav"], partial=True)


def test_contradiction_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("file,v\nkick.wav,0.1\n./kick.wav,0.2\n")
    with pytest.raises(LabelError, match="two different labels"):
        make(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.csv", b"", "needs a header"),
        ("x.csv", b"file,v\n", "has no rows"),
        ("x.csv", b"file\nkick.wav\n", "needs a header"),
        ("x.csv", b"file,v\nkick.wav,loud\n", "found: none"),
        ("x.csv", b"\xff\xfe\x00", "not UTF-8"),
        ("x.json", b"{", "not JSON"),
        ("x.json", b"[" * 100_000, "not JSON"),
        ("x.json", b"3", "object or list"),
        ("x.json", b"[3]", 'needs a "file"'),
        ("x.json", b"{}", "has no rows"),
    ],
)
def test_unusable_tables_are_named_in_one_line(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(LabelError, match=words) as caught:
        make(path)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_table_is_named(tmp_path):
    with pytest.raises(LabelError, match=r"no\.csv: No such file"):
        make(tmp_path / "no.csv")
