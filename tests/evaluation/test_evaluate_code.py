"""The command `evaluate` given a text code: an effect without a file and a run."""

import hashlib
import json

from support.applying import EFFECT, said
from support.sounds import grain, put

from cak_jax.commands import evaluate
from cak_jax.effect import text_code
from cak_jax.effect.effect import to_document

CODE = text_code.encode(to_document(EFFECT))


def test_a_code_is_judged(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for index in range(3):
        put(tmp_path / "sounds", f"{index}.wav", grain(index))
    target = tmp_path / "out.json"
    flags = [f"--corpus={tmp_path / 'sounds'}", f"--json={target}", "--clips=2"]
    assert evaluate.main([f"--effect={CODE}", *flags]) == 0
    document = json.loads(target.read_text("utf-8"))
    assert document["effect"] == {
        "name": text_code.decode(CODE)["name"],
        "sha256": hashlib.sha256(CODE.encode()).hexdigest(),
        "audit": None,
    }
    assert document["corpus"]["chosen"] == "not known to be held out"
    # Control 0 gives every clip back bit for bit.
    assert document["null_db"] is None and document["clips"] == 2


def test_a_damaged_code_is_called_so(tmp_path, capsys):
    (tmp_path / "sounds").mkdir()
    arguments = [f"--effect={CODE[:-1]}", f"--corpus={tmp_path / 'sounds'}"]
    assert evaluate.main(arguments) == 2
    assert "is a damaged text code: it has 115 characters" in said(capsys)
