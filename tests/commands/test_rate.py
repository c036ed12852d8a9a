"""The command line of `cak rate`: lists, refuses in one line, ends by a signal."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest
from support.app_server import DIRECT, wait_for_lines
from support.ports import free_port
from support.rating import fill
from support.sounds import put

from cak_jax.commands import cli, rate

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def sounds(tmp_path):
    return fill(tmp_path / "sounds", 3)


def refusal(capsys, *arguments):
    """Return the one line of a refused command."""
    assert rate.main(list(map(str, arguments))) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: ") and err.count("\n") == 1 and out == ""
    return err


def test_the_list_is_a_table(sounds, tmp_path, capsys):
    table = tmp_path / "r.csv"
    table.write_text("file,rating\nlow/1.wav,7\n")
    put(sounds, "broken.wav", [0.0]).write_bytes(b"RIFF")
    assert cli.main(["rate", str(sounds), "--list", f"--output={table}"]) == 0
    out, err = capsys.readouterr()
    assert out == "file,rating\n0.wav,\n2.wav,\nlow/1.wav,7\n"
    assert err.startswith("note: broken.wav: ") and err.endswith("; it is left out\n")
    # It is gone on with after some lines were filled in.
    other = tmp_path / "other.csv"
    other.write_text(out.replace("0.wav,", "0.wav,2.5"))
    assert rate.main([str(sounds), "--list", f"--output={other}"]) == 0
    assert capsys.readouterr().out == out.replace("0.wav,", "0.wav,2.5")


def test_many_damaged_files_are_counted(sounds, tmp_path, capsys):
    for number in range(14):
        (sounds / f"{number:02d}-broken.wav").write_bytes(b"RIFF")
    table = f"--output={tmp_path / 'r.csv'}"
    assert rate.main([str(sounds), "--list", table]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == rate.MOST_NAMED + 1
    assert lines[-1] == "note: 4 more files are left out"


def test_unusable_folders(tmp_path, capsys):
    table = f"--output={tmp_path / 'r.csv'}"
    missing = refusal(capsys, tmp_path / "no", table, "--list")
    assert missing.endswith(
        "no does not exist; name a folder of sounds, one sound, or a zip\n"
    )
    (tmp_path / "empty").mkdir()
    empty = refusal(capsys, tmp_path / "empty", table, "--list")
    assert "holds no usable sound file (it is empty); name a folder" in empty
    assert "corpus.path" not in missing + empty


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--output=r.txt", "--output=r.txt: must end in .csv"),
        ("--output=", "--output: is empty; name a file"),
        ("--output=/dev/null", "is no ordinary file; name another"),
        ("--output=no/such/r.csv", "the folder does not exist; make it first"),
        ("--port=0", "--port=0: must be between 1 and 65535; name another"),
        ("--port=65536", "--port=65536: must be between"),
        ("--question=a\nb", "--question: must be one line"),
        (f"--question={'x' * 201}", "--question: must be one line of at most 200"),
    ],
)
def test_unusable_flags(sounds, flag, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in refusal(capsys, sounds, flag)
    assert not list(tmp_path.glob("*.csv"))


def test_the_port_is_taken(sounds, tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = f"--port={server.getsockname()[1]}"
        said = refusal(capsys, sounds, port, f"--output={tmp_path / 'r.csv'}")
    assert f"{port}: Address already in use; name another --port" in said


def test_tables_of_others_are_kept(sounds, tmp_path, capsys):
    table = tmp_path / "r.csv"
    for content, words in {
        "file,warmth\n0.wav,1\n": "has the columns file, warmth",
        "file,rating\nother.wav,1\n": "belongs to another folder",
    }.items():
        table.write_text(content)
        for flags in ([], ["--list"]):
            assert words in refusal(capsys, sounds, f"--output={table}", *flags)
        assert table.read_text() == content


def test_from_end_to_end(sounds, tmp_path):
    """Served, answered, ended by SIGTERM with a sum; started again, it goes on."""
    log, port = tmp_path / "log.txt", free_port()
    command = [sys.executable, "-m", "cak_jax", "rate", sounds, f"--port={port}"]
    for _ in range(2):
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command, "--no-browser"],
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
        try:
            address = f"http://127.0.0.1:{port}"
            assert wait_for_lines(log, process, 1) == [f"{address} (Ctrl-C ends it)"]
            request = urllib.request.Request(f"{address}/sound/0")
            with DIRECT.open(request, timeout=30) as response:
                assert response.read(4) == b"RIFF"
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.wait()
        assert log.read_text().splitlines()[1].startswith("0 of 3 files rated in ")


def test_a_browser_is_opened_where_there_is_a_screen(sounds, tmp_path, monkeypatch):
    opened = []

    def open_and_leave(address):
        opened.append(address)
        raise KeyboardInterrupt

    monkeypatch.setattr(rate.webbrowser, "open", open_and_leave)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    assert not rate.has_screen()
    monkeypatch.setenv("DISPLAY", ":0")
    port = free_port()
    table = f"--output={tmp_path / 'r.csv'}"
    assert rate.main([str(sounds), table, f"--port={port}"]) == 0
    assert opened == [f"http://127.0.0.1:{port}"]
