"""The metrics of training steps: their means over an epoch, and those not finite."""

import dataclasses
import math

import numpy as np

# Metrics that are learned numbers: an epoch keeps their last value, and the mean of all
# other metrics.
LEARNED = ("scale", "bias", "kernel_sum")
REMEDY = (
    "stopped with the last good state kept. Start in another --workdir with a lower "
    "train.learning_rate_critic or train.learning_rate_generator"
)


def epoch_means(columns: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the mean of every metric over an epoch; of learned numbers the last value.

    Args:
      columns: every metric `[step]`.

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
    names = [name for name, value in values.items() if not math.isfinite(value)]
    return f"{names[0]} is {values[names[0]]}" if names else ""


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
        """Return why training cannot go on, in one line; "" if it can.

        Args:
          epoch: epochs done.
          steps: number of steps in an epoch.
        """
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
        columns = {name: np.array([row[name] for row in good]) for name in good[0]}
        skipped = float(len(self.rows) - len(good))
        self.rows = []
        return epoch_means(columns) | {"skipped": skipped}

    def to_json(self) -> dict:
        """Return the current epoch's steps as a checkpoint keeps them."""
        # JSON has no NaN; only steps that were taken back hold such numbers.
        rows = [
            {name: value if math.isfinite(value) else None for name, value in r.items()}
            for r in self.rows
        ]
        return {"rows": rows, "skipped": self.skipped}

    def load(self, document: dict) -> None:
        """Take up the steps that `to_json` returned."""
        self.skipped = document["skipped"]
        self.rows = [
            {name: math.nan if value is None else value for name, value in r.items()}
            for r in document["rows"]
        ]
