"""Make folders like a run folder, and archives; no tests here."""

import hashlib
import io
import json
import tarfile

from cak_jax.apps.notebook import mirror


def make_run(folder, step, settings="a"):
    """Make a folder like a run folder, at a step."""
    files = {
        "config.json": json.dumps({"config_sha256": settings}),
        "metrics.jsonl": "{}\n" * step,
        f"checkpoints/{step}/state/d/0": "x" * 3000,
        f"checkpoints/{step}/_METADATA": "{}",
        "effects/epoch 001 \u00e9.json": "{}",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder


def content(folder):
    """Return path -> bytes for every file, and None for every empty folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        if path.is_file()
        else None
        for path in folder.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


def write_archive(there, members, name="my run.000009.tar", sha256=None):
    """Write an archive with any members, and its hash, which is right by default."""
    there.mkdir(parents=True, exist_ok=True)
    path = there / name
    with tarfile.open(path, "w") as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    computed = hashlib.sha256(path.read_bytes()).hexdigest()
    mirror.hash_path(path).write_text(f"{sha256 or computed}  {name}\n")
    return path


def plain(name, data=b"x", **fields):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for field, value in fields.items():
        setattr(member, field, value)
    return member, data
