"""The sounds that a notebook reads and the files that it hands out."""

import os
import pathlib
from typing import Any

import numpy as np

from cak_jax.apps.notebook.show import NotebookError, short_errors
from cak_jax.audio import sound_file
from cak_jax.audio.isolated_decoding.pool import guarded
from cak_jax.data.synthetic import corpus
from cak_jax.runtime.console import say
from cak_jax.runtime.text import printable

EMBEDDED, UPLOAD, DRIVE = "embedded", "upload", "drive"
_MOUNT = pathlib.Path("/content/drive")
# The level of each instrument: strokes, plucked strings, a pad beneath them.
_PHRASE = {"drum": 0.5, "pluck": 0.8, "pad": 0.3}
_PHRASE_SEED = 7


def colab() -> Any:
    """Return the module `google.colab`; None if this is not Colab."""
    try:
        import google.colab
    except ImportError:
        return None
    return google.colab


@short_errors()
def choose_folder(choice: str, new: str = "sounds") -> str:
    """Return the folder of sounds that a notebook's form names.

    Args:
      choice: "embedded" for the sounds that come with the package, which gives ""; on
        Colab "upload" to choose files in the browser, or "drive/FOLDER" in Google
        Drive; or the path of a folder.
      new: the folder for uploads.
    """
    if choice == EMBEDDED:
        return ""
    if choice == UPLOAD:
        return str(_upload(pathlib.Path(new)))
    folder = find_path(choice)
    if not folder.is_dir():
        raise NotebookError(f"{choice}: there is no such folder")
    return str(folder)


@short_errors()
def choose_sound(choice: str, seconds: float) -> tuple[np.ndarray, int]:
    """Return the beginning of the sound that a notebook's form names.

    Args:
      choice: "embedded", "upload", "drive/FILE", or the path of a sound file.
      seconds: length of the beginning, 0.1 to 600; a shorter sound is returned whole.

    Returns:
      `[channels, samples]` float32 and its sample rate.
    """
    if not 0.1 <= seconds <= 600:
        raise NotebookError(f"seconds must be from 0.1 to 600, got {seconds}")
    if choice == EMBEDDED:
        return phrase(seconds, 44100), 44100
    path = find_path(choice)
    if choice == UPLOAD:
        uploads = _upload(pathlib.Path("sound")).iterdir()
        path = max(uploads, key=lambda path: path.stat().st_mtime)
    with guarded():
        header = sound_file.info(path)
        sample_rate = header.sample_rate
        notes = dict.fromkeys(header.notes)
        parts, left = [], round(seconds * sample_rate)
        for block in sound_file.blocks(path, note=notes.setdefault):
            parts.append(block[:left])
            left -= len(parts[-1])
            if not left:
                break
    for note in notes:
        say(printable(f"note: {path.name} {note}"))
    if not parts:
        raise NotebookError(f"{path}: holds no sound")
    return np.concatenate(parts).T.copy(), sample_rate


def phrase(seconds: float, sample_rate: int) -> np.ndarray:
    """Return a mix of some embedded sounds, `[1, samples]` float32, peak 0.5."""
    samples = round(seconds * sample_rate)
    names = [corpus.name_clip(index).split()[0] for index in range(8)]
    sound = np.zeros(samples, np.float32)
    for name, weight in _PHRASE.items():
        index = names.index(name)
        part = corpus.synthesise_clip(index, samples, sample_rate, _PHRASE_SEED)
        sound += np.float32(weight) * part / np.abs(part).max()
    return 0.5 * sound[None] / np.abs(sound).max()


def find_path(choice: str) -> pathlib.Path:
    """Return the path that a form names; "drive" and "drive/..." mount Google Drive."""
    head, _, rest = choice.partition("/")
    if head != DRIVE:
        return pathlib.Path(choice).expanduser()
    if colab() is None:
        raise NotebookError(f"{choice}: Drive exists on Colab only; give a path")
    from google.colab import drive

    drive.mount(str(_MOUNT))
    return _MOUNT / "MyDrive" / rest


@short_errors()
def choose_mirror(choice: str) -> pathlib.Path | None:
    """Return the folder that a form names for a run's archives; None for ""."""
    return find_path(choice) if choice else None


@short_errors()
def offer(path: str | os.PathLike[str]) -> None:
    """Print path and size of a file; on Colab, download it in the browser, too."""
    path = pathlib.Path(path)
    print(f"{path}: {path.stat().st_size:,} bytes")
    if colab() is not None:
        from google.colab import files

        files.download(str(path))


def _upload(folder: pathlib.Path) -> pathlib.Path:
    """Let the user choose files in the browser; return the folder that holds them."""
    if colab() is None:
        raise NotebookError("upload: works on Colab only; give a path instead")
    from google.colab import files

    folder.mkdir(parents=True, exist_ok=True)
    uploaded = files.upload()
    if not uploaded:
        raise NotebookError("upload: no file was chosen; run the cell again")
    for name, data in uploaded.items():
        path = folder / pathlib.PurePath(name).name
        path.write_bytes(data)
        # Colab writes a copy into the working folder; it is deleted.
        copy = pathlib.Path(name)
        if copy.is_file() and copy.resolve() != path.resolve():
            copy.unlink()
    return folder
