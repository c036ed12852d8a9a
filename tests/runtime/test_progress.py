"""Progress bars on a terminal, and lines that are printed meanwhile."""

import io
import sys
import threading

import tqdm

from cak_jax.runtime import progress
from cak_jax.runtime.console import complain, say
from cak_jax.runtime.progress import Bars


class Terminal(io.StringIO):
    """A stream that shows bars; it keeps what was written."""

    def isatty(self) -> bool:
        return True


def screen(written: str) -> list[str]:
    """The lines that stand on a terminal after some output without cursor moves."""
    lines = [""]
    for line in written.split("\n"):
        shown = ""
        for part in line.split("\r"):
            shown = part + shown[len(part) :]
        lines[-1] = shown.rstrip()
        lines.append("")
    return lines[:-1]


def test_lines_stand_above_the_bar_and_the_bar_goes(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    with Bars() as bars:
        bars(1, 4, "rendering")
        line = screen(terminal.getvalue())[-1]
        assert "rendering: " in line and line.endswith(" left")
        say("a.wav")
        complain("b.wav: is damaged", 1)
        first, second, last = screen(terminal.getvalue())
        assert (first, second) == ("a.wav", "error: b.wav: is damaged")
        assert "rendering:  25%" in last
        bars(0, 2, "writing")
        assert "writing:   0%" in screen(terminal.getvalue())[-1]
    assert screen(terminal.getvalue()) == ["a.wav", "error: b.wav: is damaged", ""]


def test_a_clock_runs_where_nothing_can_be_counted(monkeypatch):
    terminal, ticked = Terminal(), threading.Event()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "TICK", 0.001)
    refresh = tqdm.tqdm.refresh
    monkeypatch.setattr(
        tqdm.tqdm, "refresh", lambda *a, **k: (refresh(*a, **k), ticked.set())
    )
    with Bars() as bars:
        bars(1, 4, "reading")
        with bars.waiting("compiling"):
            ticked.clear()
            assert ticked.wait(60)
            assert screen(terminal.getvalue())[-1].startswith("compiling: 00:0")
        bars(1, 2, "training")
        assert "training: " in screen(terminal.getvalue())[-1]
    assert screen(terminal.getvalue()) == [""]


def test_there_are_no_bars_elsewhere(capsys):
    with Bars() as bars:
        with bars.waiting("compiling"):
            pass
        bars(1, 2, "rendering")
        say("a line")
    assert capsys.readouterr() == ("a line\n", "")
