"""The Python examples of the documents run, in a folder that holds `your.wav`."""

import doctest

import pytest
from support.documents import DOCUMENTS, ROOT, examples
from support.sounds import put, sound

EXAMPLES = {
    document: list(examples((ROOT / document).read_text("utf-8")))
    for document in DOCUMENTS
}
WITH_EXAMPLES = [document for document, found in EXAMPLES.items() if found]


@pytest.mark.parametrize("document", WITH_EXAMPLES, ids=str)
def test_examples_run(document, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    put(tmp_path, "your.wav", sound(0.5))
    # A reader tries the examples of a document one after the other.
    names = {"__name__": "example"}
    for number, (code, reason) in enumerate(EXAMPLES[document], 1):
        place = f"{document}, example {number}"
        if reason:
            continue
        if ">>>" not in code:
            exec(compile(code, place, "exec"), names)
            continue
        test = doctest.DocTestParser().get_doctest(code, names, place, place, 0)
        runner = doctest.DocTestRunner()
        assert runner.run(test, clear_globs=False) == (0, len(test.examples))
        names |= test.globs


def test_examples_are_found():
    left_out = [reason for found in EXAMPLES.values() for _, reason in found if reason]
    assert len(WITH_EXAMPLES) > 5 and 0 < len(left_out) < 5
