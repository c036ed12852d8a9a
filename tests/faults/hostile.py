"""A soundfile that does, for files with certain titles, the worst; no tests here."""

import pathlib

import soundfile
from support.sounds import RATE, put, sound

from cak_jax.audio.isolated_decoding.client import Limits

STRICT = Limits(memory=400 << 20, silence=60, busy=1)
# Where the test waits for it; a busy machine may be silent as long.
HURRIED = Limits(memory=400 << 20, silence=3, busy=60)

SAID = {
    "segv read": "crashed its decoder (SIGSEGV)",
    "segv open": "crashed its decoder (SIGSEGV)",
    "segv end": "crashed its decoder (SIGSEGV)",
    "abort read": "crashed its decoder (SIGABRT)",
    "exit read": "crashed its decoder (exit code 3)",
    "error open": "crashed its decoder (exit code 1)",
    "spin read": "takes too long to decode (over 1 s of processor time)",
    "sleep end": "takes too long to decode (nothing came for 3 s)",
    "hoard read": "wants too much memory to be decoded",
    "allocate open": "wants too much memory to be decoded",
    "nonsense read": "crashed its decoder (which answers nonsense)",
}

MODULE = """
import ctypes, importlib.util, os, sys, time

spec = importlib.util.spec_from_file_location("real_soundfile", {real!r})
real = importlib.util.module_from_spec(spec)
sys.modules["real_soundfile"] = real
spec.loader.exec_module(real)
SoundFileError = real.SoundFileError


def hoard():
    parts = []
    while True:
        parts.append(bytearray(1 << 24))


def spin():
    while True:
        pass


def chatter():
    for stream in (1, 2):
        os.write(stream, bytes(1 << 20))


def write():
    try:
        with open({written!r}, "w") as file:
            file.write("x" * 100)
    except OSError:
        return
    os._exit(9)


DEEDS = {{
    "segv": lambda: ctypes.string_at(0),
    "abort": os.abort,
    "exit": lambda: os._exit(3),
    "error": lambda: 1 / 0,
    "spin": spin,
    "sleep": lambda: time.sleep(1000),
    "hoard": hoard,
    "allocate": lambda: bytearray(1 << 40),
    "nonsense": lambda: os.write(int(sys.argv[1]), b"S" + bytes(range(255)) * 9),
    "chatter": chatter,
    "write": write,
}}


class SoundFile(real.SoundFile):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.act("open")

    def act(self, place):
        deed, _, where = self.title.partition(" ")
        if where == place:
            DEEDS[deed]()

    def buffer_read_into(self, buffer, dtype):
        count = super().buffer_read_into(buffer, dtype)
        if self.title == "endless":
            return len(buffer) // 4
        # At the end, so that samples came before.
        if count == 0:
            self.act("end")
        self.act("read")
        return count

    def copy_metadata(self):
        self.act("tags")
        return super().copy_metadata()

    def close(self):
        # Also called when such an object is thrown away.
        if self.__dict__.get("_file") is not None and not self.closed:
            self.act("close")
        super().close()
"""


def install(folder: pathlib.Path, monkeypatch) -> pathlib.Path:
    """Put it where decoding processes look first; the file it may try to write."""
    written = folder / "written"
    text = MODULE.format(real=soundfile.__file__, written=str(written))
    place = folder / "modules"
    place.mkdir()
    (place / "soundfile.py").write_text(text)
    # This process has the real one already.
    monkeypatch.syspath_prepend(place)
    return written


def put_hostile(folder: pathlib.Path, title: str, seconds: float = 1.0):
    """Write a sound that makes that soundfile act."""
    name = title.replace(" ", "-") + ".wav"
    seed = sum(map(ord, title))
    path = put(folder, name, sound(seconds, seed=seed), subtype="PCM_16")
    samples = soundfile.read(path, dtype="int16")[0]
    with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
        file.title = title
        file.write(samples)
    return path
