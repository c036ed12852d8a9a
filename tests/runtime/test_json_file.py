"""JSON documents: strict, whole, and the sealed ones known again only unchanged."""

import hashlib
import json
import math

import numpy as np
import pytest

from cak_jax.runtime import json_file


def test_numbers_that_strict_json_lacks_become_null(tmp_path):
    value = {"a": [math.nan, (1.5, -math.inf)], "b": {"c": math.inf}, "d": "nan"}
    path = tmp_path / "document.json"
    json_file.write(path, value)
    expected = {"a": [None, [1.5, None]], "b": {"c": None}, "d": "nan"}
    assert json_file.read(path) == expected == json_file.finite(value)
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == expected


def test_the_digest_is_that_of_sorted_keys():
    text = b'{"a": [1, 2.5], "b": "x"}'
    assert json_file.digest({"b": "x", "a": [1, 2.5]}) == (
        hashlib.sha256(text).hexdigest()
    )


def test_a_sealed_document_is_read_only_as_it_was_written(tmp_path):
    path = tmp_path / "note.json"
    assert json_file.read_sealed(path) is None
    value = {"files": [["a.wav", 0.1]], "version": 2}
    json_file.write_sealed(path, value)
    assert json_file.read_sealed(str(path)) == value
    written = path.read_bytes()
    generator = np.random.default_rng(0)
    for place in generator.integers(len(written), size=60):
        changed = bytearray(written)
        changed[place] ^= 1 << int(generator.integers(7))
        path.write_bytes(changed)
        assert json_file.read_sealed(path) in (None, value)
    for other in (b"", b"[1]", b"null", written[:-1], b'{"sha256": "", "value": 1}'):
        path.write_bytes(other)
        assert json_file.read_sealed(path) is None


def test_leaves_give_every_value_its_place():
    document = {"a": {"b": 1, "c": {}, "d": [2, {"e": (3,)}]}, "f": None}
    assert list(json_file.leaves(document)) == [
        ("a.b", 1),
        ("a.d", [2, {"e": (3,)}]),
        ("f", None),
    ]
    assert list(json_file.leaves(document, lists=True)) == [
        ("a.b", 1),
        ("a.d.0", 2),
        ("a.d.1.e.0", 3),
        ("f", None),
    ]
    assert list(json_file.leaves(5, "provenance")) == [("provenance", 5)]
