"""Tables as spreadsheets and pandas write them, and other spellings of names."""

import unicodedata

import numpy as np
import pytest

from cak_jax.data.label_table import LabelError, is_table, read_table, values_of

FILES = ["kick.wav", "\u00e4.wav", "b/hat.wav"]
WANTED = [0.2, 0.3, 1.0]

TABLES = {
    "german Excel": "file;texture\r\nkick.wav;0,2\r\n\u00e4.wav;0,3\r\nhat.wav;1\r\n",
    "sep": "sep=;\r\nfile;texture\r\nkick.wav;0,2\r\n\u00e4.wav;0,3\r\nhat.wav;1,0\r\n",
    "unicode text": "file\tv\r\nkick.wav\t0,2\r\n\u00e4.wav\t0,3\r\nhat.wav\t1\r\n",
    "empty rows": "file,texture\nkick.wav,.2\n,\n\u00e4.wav,.3\nhat.wav,1\n,\n , \n\n",
    "empty columns": "file,texture,,\nkick.wav,.2,,\n\u00e4.wav,.3,,\nhat.wav,1,,\n",
    "pandas": ",file,texture\n0,kick.wav,.2\n1,\u00e4.wav,.3\n2,hat.wav,1\n",
    "pandas twice": "Unnamed: 0,file,v\n0,kick.wav,.2\n1,\u00e4.wav,.3\n2,hat.wav,1\n",
    "names second": "texture,Path\n.2,kick.wav\n.3,\u00e4.wav\n1,hat.wav\n",
    "no header": "kick.wav,0.2\n\u00e4.wav,0.3\nhat.wav,1\n",
    "quoted comma": 'file,texture\nkick.wav,"0,2"\n\u00e4.wav,"0,3"\nhat.wav,1\n',
    "old Mac": "file,texture\rkick.wav,.2\r\u00e4.wav,.3\rhat.wav,1\r",
}
ENCODINGS = {"german Excel": "cp1252", "sep": "utf-8-sig", "unicode text": "utf-16"}


@pytest.mark.parametrize("name", TABLES)
def test_what_spreadsheets_and_pandas_write(tmp_path, name):
    path = tmp_path / "x.csv"
    path.write_bytes(TABLES[name].encode(ENCODINGS.get(name, "utf-8")))
    table, column = read_table(str(path), "")
    assert column in TABLES[name] or column == "value"
    np.testing.assert_allclose(values_of(FILES, table, "x", False), WANTED, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,texture\nKick.wav,0,2\n", "line 2 has 3 cells under 2 columns: .*0\\.2"),
        ("file;v\na.wav;1.5\nb.wav;1,25\n", "points and commas in one column"),
        ('file,v\na.wav,"1,500"\nb.wav,"2,000"\n', "1,500 may be a thousand"),
        ("file;v\na.wav;1.000,5\n", "must be a finite number"),
        ("file,v\n,3\n", "line 2 has no file name"),
        ("file,v\na.wav\n", "got nothing"),
    ],
)
def test_a_number_that_can_be_read_in_two_ways_is_refused(tmp_path, text, words):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(LabelError, match=words):
        read_table(str(path), "v" if "v\n" in text else "texture")


def test_spreadsheets_are_named(tmp_path):
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"PK\3\4")
    assert is_table(str(path)) and is_table("x.TSV")
    with pytest.raises(LabelError, match="is a spreadsheet: save it as CSV"):
        read_table(str(path), "")


SPELLINGS = {
    "decomposed": lambda name: unicodedata.normalize("NFD", name),
    "upper case": str.upper,
    "folder in front": lambda name: f"drums/{name}",
    "another machine": lambda name: f"C:\\me\\drums\\{name}".replace("/", "\\"),
    "no suffix": lambda name: name.removesuffix(".wav"),
    "bare and upper": lambda name: name.rsplit("/")[-1].upper(),
}


@pytest.mark.parametrize("kind", SPELLINGS)
def test_names_spelled_otherwise(tmp_path, kind):
    path = tmp_path / "x.csv"
    rows = [f"{SPELLINGS[kind](f)},{v}" for f, v in zip(FILES, WANTED, strict=True)]
    path.write_text("file,v\n" + "\n".join(rows), encoding="utf-8")
    table, _ = read_table(str(path), "")
    assert values_of(FILES, table, "x", False) == WANTED
    # The folder of a Mac has the decomposed names.
    names = [unicodedata.normalize("NFD", name) for name in FILES]
    assert values_of(names, table, "x", False) == WANTED


def test_a_name_that_can_mean_two_files_is_no_ones():
    for files, table in (
        (["a/kick.wav", "b/kick.wav"], {"KICK.WAV": 1.0}),
        (["kick.wav"], {"x/KICK.WAV": 1.0, "y/Kick.wav": 2.0}),
        (["kick.wav", "kick.aiff"], {"kick": 1.0}),
        (["old/kick.wav"], {"new/kick.wav": 1.0}),
    ):
        with pytest.raises(LabelError, match="no label for"):
            values_of(files, table, "x", False)


def test_both_spellings_are_shown():
    with pytest.raises(LabelError) as caught:
        values_of(["kick 1.wav", "zzz.wav"], {"kick_1.wav": 1.0}, "x.csv", False)
    assert str(caught.value) == (
        "x.csv: no label for 2 of 2 files (kick 1.wav; the table has kick_1.wav, "
        "zzz.wav): add them, or remove the files"
    )


def test_an_exact_name_comes_before_a_similar_one():
    table = {"Kick.wav": 1.0, "kick.wav": 2.0}
    assert values_of(["kick.wav"], table, "x", False) == [2.0]
    assert values_of(["kick.wav", "Kick.wav"], table, "x", False) == [2.0, 1.0]
