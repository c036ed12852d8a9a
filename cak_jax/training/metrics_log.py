"""What a run writes about itself: config.json, metrics.jsonl, TensorBoard if there."""

import json
import pathlib
from typing import Any

from cak_jax.runtime import json_file
from cak_jax.runtime.files import replace_file


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """Return the records of a metrics log up to the first line that is none.

    A run that was killed may leave its last line torn.
    """
    if not path.exists():
        return []
    records = []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            break
        if not isinstance(record, dict) or not isinstance(record.get("epoch"), int):
            break
        records.append(record)
    return records


class MetricsWriter:
    """Appends one record per line, and scalars to TensorBoard if it is installed.

    Args:
      folder: the run folder.
      epochs_done: records of later epochs, left by a killed run, are dropped.
    """

    def __init__(self, folder: pathlib.Path, epochs_done: int):
        path = folder / "metrics.jsonl"
        kept = [r for r in read_lines(path) if r["epoch"] <= epochs_done]
        text = "".join(json.dumps(record) + "\n" for record in kept)
        replace_file(path, text.encode())
        self.records = kept
        self._file = path.open("a", encoding="utf-8")
        self._board = _tensorboard(folder)

    def write(self, record: dict[str, Any]) -> None:
        """Append one record with the keys "kind", "epoch", "step" and numbers."""
        record = json_file.finite(record)
        self.records.append(record)
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in record.items():
                if isinstance(value, int | float):
                    tag = f"{record['kind']}/{name}"
                    self._board.add_scalar(tag, value, record["step"])

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Return the records of one kind, "train" or "held_out", oldest first."""
        return [record for record in self.records if record["kind"] == kind]

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()


def _tensorboard(folder):
    try:
        import tensorboardX
    except ImportError:  # an extra, `pip install "cak_jax[tensorboard]"`
        return None
    return tensorboardX.SummaryWriter(str(folder / "tensorboard"))
