"""The metrics of a run: of its steps, their means over an epoch, and the file of all.

`metrics.jsonl` has one record per line: `kind` ("train" or "held_out"), `epoch`, `step`
and numbers. TensorBoard gets the same numbers if it is installed.
"""

import dataclasses
import json
import math
import pathlib
from typing import Any

import numpy as np

from cak_jax.runtime import json_file
from cak_jax.runtime.files import replace_file

# Metrics that are learned numbers: an epoch keeps their last value, and the mean of all
# other metrics.
LEARNED = ("scale", "bias", "kernel_sum")
REMEDY = (
    "stopped with the last good state kept. Start in another --workdir with a lower "
    "train.learning_rate_critic or train.learning_rate_generator"
)


def epoch_means(columns: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the mean of every metric `[step]`; of learned numbers the last value.

    >>> epoch_means({"violation": np.array([0.5, 0.25]), "scale": np.array([1.0, 2.0])})
    {'violation': 0.375, 'scale': 2.0}
    """
    means = {
        name: float(np.mean(column, dtype=np.float64))
        for name, column in columns.items()
    }
    last = {name: float(columns[name][-1]) for name in LEARNED if name in columns}
    return means | last


def not_finite(values: dict[str, float]) -> str:
    """Return "NAME is VALUE" of the first metric that is not finite, or ""."""
    faults = (f"{n} is {v}" for n, v in values.items() if not math.isfinite(v))
    return next(faults, "")


@dataclasses.dataclass
class EpochSeries:
    """The steps of a single run in its current epoch.

    Attributes:
      limit: how many steps of the whole run may be taken back as not finite.
      rows: the metrics of each step; "skipped" is 1 where it was taken back.
      skipped: steps of the whole run that were taken back.
    """

    limit: int
    rows: list[dict[str, float]] = dataclasses.field(default_factory=list)
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, columns: dict[str, np.ndarray]) -> list[dict[str, float]]:
        """Append the steps of a dispatch, every metric `[step]`, and return them."""
        rows = [
            {name: float(value) for name, value in zip(columns, values, strict=True)}
            for values in zip(*columns.values(), strict=True)
        ]
        self.rows += rows
        self.skipped += sum(int(values["skipped"]) for values in rows)
        return rows

    @property
    def too_many(self) -> bool:
        """Say whether more steps were taken back than the limit allows."""
        return self.skipped > self.limit

    def fault(self, epoch: int, steps: int) -> str:
        """Return why training cannot go on after epochs of so many steps, or ""."""
        skipped = [n for n, values in enumerate(self.rows) if values["skipped"]]
        if len(skipped) == steps:
            why = "none of this epoch's steps was"
        elif skipped and self.too_many:
            why = f"{self.skipped} steps were not, train.skip_limit is {self.limit}"
        else:
            return ""
        value = not_finite(self.rows[skipped[-1]]) or "an update is"
        step = epoch * steps + skipped[-1]
        return f"step {step}: {value} not finite ({why}); {REMEDY}"

    def finish(self) -> dict[str, float]:
        """Return `epoch_means` of the good steps, and begin the next epoch.

        "skipped" counts the steps of the epoch that were taken back.
        """
        good = [values for values in self.rows if not values["skipped"]]
        # An epoch that an earlier version began may have a metric that we do not.
        common = [name for name in good[0] if all(name in row for row in good)]
        columns = {name: np.array([row[name] for row in good]) for name in common}
        skipped = float(len(self.rows) - len(good))
        self.rows = []
        return epoch_means(columns) | {"skipped": skipped}

    def to_json(self) -> dict[str, Any]:
        """Return the current epoch's steps as a checkpoint keeps them."""
        # JSON has no NaN; only steps that were taken back hold such numbers.
        return {"rows": json_file.finite(self.rows), "skipped": self.skipped}

    def load(self, document: dict[str, Any]) -> None:
        """Take up the steps that `to_json` returned."""
        self.skipped = document["skipped"]
        self.rows = [
            {name: math.nan if value is None else value for name, value in r.items()}
            for r in document["rows"]
        ]


def record_head(kind: str, epoch: int, steps_per_epoch: int) -> dict[str, Any]:
    """Return the first fields of a record: kind, epochs done and steps done."""
    return {"kind": kind, "epoch": epoch, "step": epoch * steps_per_epoch}


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """Return the records of a metrics log up to the first line that holds none.

    A run that was killed may leave an incomplete last line.
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
    """Appends records to `metrics.jsonl`, and scalars to TensorBoard if installed.

    Records of epochs after `epochs_done`, which a killed run may leave, are removed.
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


def _tensorboard(folder: pathlib.Path) -> Any:
    try:
        import tensorboardX
    except ImportError:  # an extra, `pip install "cak_jax[tensorboard]"`
        return None
    return tensorboardX.SummaryWriter(str(folder / "tensorboard"))
