"""Keys: the bytes that terminals send, and a pseudo-terminal."""

import io
import pathlib
import subprocess
import sys

import pytest

from cak_jax.apps.live import session

ROOT = pathlib.Path(__file__).parent.parent.parent.parent

BYTES = [
    (b"", [], b""),
    (b"q", ["q"], b""),
    (b"+-05b", ["+", "-", "0", "5", "b"], b""),
    (b"\x1b[A\x1b[B", ["up", "down"], b""),
    (b"\x1bOA\x1bOB\x1b[C\x1b[D", ["up", "down", "right", "left"], b""),
    (b"\x1b", [], b"\x1b"),
    (b"5\x1b[", ["5"], b"\x1b["),
    (b"\x1b[1;5Aq", ["q"], b""),
    (b"\x1b[15~\x1b[3~b", ["b"], b""),
    (b"\x1bq", ["q"], b""),
    (b"\x00\x01\n\t\x7f \xc3\xa4", [], b""),
    (b"\x1b[" + b"1" * 100, [], b"\x1b[" + b"1" * 30),
]


@pytest.mark.parametrize(("data", "keys", "rest"), BYTES, ids=str)
def test_the_keys_of_bytes(data, keys, rest):
    assert session.split_keys(data) == (keys, rest)


@pytest.mark.parametrize("stream", [None, io.StringIO("q"), io.BytesIO(b"q")])
def test_no_terminal_no_keys(monkeypatch, stream):
    monkeypatch.setattr(sys, "stdin", stream)
    with session.Keyboard() as keys:
        assert not keys.listens and keys.keys(0.0) == []


def test_no_terminal_interface_no_keys(monkeypatch):
    monkeypatch.setattr(session, "HAS_TERMINALS", False)
    with session.Keyboard() as keys:
        assert not keys.listens and keys.keys(0.0) == []


CHILD = """
import signal, sys, termios
from cak_jax.apps.live.session import Keyboard
def echo():
    return bool(termios.tcgetattr(0)[3] & termios.ECHO)
print("BEFORE", echo(), flush=True)
try:
    with Keyboard() as keyboard:
        print("DURING", echo(), keyboard.listens, flush=True)
        found = []
        while "q" not in found:
            found += keyboard.keys(0.05)
            if "t" in found:
                signal.raise_signal(signal.SIGTERM)
finally:
    print("KEYS", *found, flush=True)
    print("AFTER", echo(), flush=True)
"""
# Copies its own input to a new terminal's, in which the child is in the foreground.
PARENT = """
import os, pty, sys
code = pty.spawn([sys.executable, "-c", sys.argv[1]])
sys.exit(os.waitstatus_to_exitcode(code))
"""


def converse(data: bytes):
    """Run the child in a terminal, press keys; return its words and code."""
    command = [sys.executable, "-W", "ignore", "-c", PARENT, CHILD]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.stdin.write(data)
        process.stdin.flush()
        lines += process.stdout.readlines()
    return [line.decode().split() for line in lines], process.returncode


def test_a_real_terminal_is_read_and_put_back():
    lines, code = converse(b"+\x1b[A3\x1bOBq")
    assert code == 0
    before, during, keys, after = lines
    assert before == ["BEFORE", "True"] and during == ["DURING", "False", "True"]
    assert keys == ["KEYS", "+", "up", "3", "down", "q"] and after == ["AFTER", "True"]


def test_a_terminal_is_put_back_when_ended_from_outside():
    lines, code = converse(b"t")
    assert code == 143 and lines[-1] == ["AFTER", "True"]
