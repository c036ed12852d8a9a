"""Where a notebook's sounds come from and where its results go, on Colab or not.

The only importer of `google.colab`; elsewhere than on Colab a path is what is left.
"""

import os
import pathlib

import numpy as np

from cak_jax.apps.notebook.errors import NotebookError, told
from cak_jax.audio import sound_file
from cak_jax.data.synthetic import corpus

EMBEDDED, UPLOAD, DRIVE = "embedded", "upload", "drive"
_MOUNT = pathlib.Path("/content/drive")
# One of each: strokes, plucked strings, a pad beneath them.
_PHRASE = {"drum": 0.5, "pluck": 0.8, "pad": 0.3}
_PHRASE_SEED = 7


def colab():
    """Return the module `google.colab`; None elsewhere than on Colab."""
    try:
        import google.colab
    except ImportError:
        return None
    return google.colab


@told()
def choose_folder(choice: str, new: str = "sounds") -> str:
    """Return the folder of sounds that a notebook's form names.

    Args:
      choice: "embedded" for the sounds that come with the package; "upload" to choose
        files in the browser, on Colab; "drive/FOLDER" in Google Drive, on Colab; or
        the path of a folder.
      new: folder that uploads go to.

    Returns:
      The folder, "" for the embedded sounds.

    Raises:
      NotebookError: one line with the remedy.
    """
    if choice == EMBEDDED:
        return ""
    if choice == UPLOAD:
        return str(_upload(pathlib.Path(new)))
    folder = place(choice)
    if not folder.is_dir():
        raise NotebookError(f"{choice}: there is no such folder")
    return str(folder)


@told()
def choose_sound(choice: str, seconds: float) -> tuple[np.ndarray, int]:
    """Return the sound that a notebook's form names, or as much of it as is wanted.

    Args:
      choice: "embedded", "upload", "drive/FILE", or the path of a sound file.
      seconds: used of it, from its start.

    Returns:
      `[channels, samples]` float32 and its sample rate.

    Raises:
      NotebookError: one line with the remedy.
    """
    if not 0.1 <= seconds <= 600:
        raise NotebookError(f"seconds must be from 0.1 to 600, got {seconds}")
    if choice == EMBEDDED:
        return phrase(seconds, 44100), 44100
    path = place(choice)
    if choice == UPLOAD:
        path = min(_upload(pathlib.Path("sound")).iterdir(), key=_age)
    with sound_file.guarded():
        found = sound_file.info(path)
        parts, left = [], round(seconds * found.sample_rate)
        for block in sound_file.blocks(path):
            parts.append(block[:left])
            left -= len(parts[-1])
            if not left:
                break
    if not parts:
        raise NotebookError(f"{path}: holds no sound")
    return np.concatenate(parts).T.copy(), found.sample_rate


def phrase(seconds: float, sample_rate: int) -> np.ndarray:
    """Return some of the embedded sounds together, `[1, samples]` float32."""
    samples = round(seconds * sample_rate)
    names = [corpus.name_clip(index).split()[0] for index in range(8)]
    sound = np.zeros(samples, np.float32)
    for name, weight in _PHRASE.items():
        index = names.index(name)
        part = corpus.synthesise_clip(index, samples, sample_rate, _PHRASE_SEED)
        sound += np.float32(weight) * part / np.abs(part).max()
    return 0.5 * sound[None] / np.abs(sound).max()


def place(choice: str) -> pathlib.Path:
    """Return the path that a form names; "drive" or "drive/..." mounts Google Drive.

    Raises:
      NotebookError: for Drive elsewhere than on Colab.
    """
    head, _, rest = choice.partition("/")
    if head != DRIVE:
        return pathlib.Path(choice).expanduser()
    if colab() is None:
        raise NotebookError(f"{choice}: Drive is there on Colab only; give a path")
    from google.colab import drive

    drive.mount(str(_MOUNT))
    return _MOUNT / "MyDrive" / rest


@told()
def choose_mirror(choice: str) -> pathlib.Path | None:
    """Return the second folder that a form names for a run's archives; "" for none."""
    return place(choice) if choice else None


@told()
def offer(path: str | os.PathLike) -> None:
    """Download a file in the browser on Colab; say where it lies elsewhere."""
    path = pathlib.Path(path)
    print(f"{path}: {path.stat().st_size:,} bytes")
    if colab() is not None:
        from google.colab import files

        files.download(str(path))


def _upload(folder: pathlib.Path) -> pathlib.Path:
    """Let somebody choose files in the browser; return the folder that holds them."""
    if colab() is None:
        raise NotebookError("upload: works on Colab only; give a path instead")
    from google.colab import files

    folder.mkdir(parents=True, exist_ok=True)
    found = files.upload()
    if not found:
        raise NotebookError("upload: no file was chosen; run the cell again")
    for name, data in found.items():
        path = folder / pathlib.PurePath(name).name
        path.write_bytes(data)
        # Colab keeps a copy in the working folder.
        here = pathlib.Path(name)
        if here.is_file() and here.resolve() != path.resolve():
            here.unlink()
    return folder


def _age(path: pathlib.Path) -> float:
    return -path.stat().st_mtime
