"""The metrics of an epoch's steps: which were taken back, and the means of the rest."""

import dataclasses
import math

import numpy as np

# Of an epoch the last value of these is kept; of everything else the mean.
LEARNED = ("scale", "bias", "kernel_sum")
REMEDY = (
    "stopped with the last good state kept. Start in another --workdir with a lower "
    "train.learning_rate_critic or train.learning_rate_generator"
)


@dataclasses.dataclass
class EpochSeries:
    """The steps done in the epoch that is not over.

    Attributes:
      limit: steps of the whole run that may be taken back as not finite.
      rows: the metrics of each step, with "skipped", 1 where it was taken back.
      skipped: steps that were, over the whole run.
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
        """Say whether more steps were taken back than may be."""
        return self.skipped > self.limit

    def fault(self, epoch: int, steps: int) -> str:
        """Return why training cannot go on, in one line; "" if it can.

        Args:
          epoch: epochs done.
          steps: of an epoch.
        """
        skipped = [n for n, values in enumerate(self.rows) if values["skipped"]]
        if len(skipped) == steps:
            why = "none of this epoch's steps was"
        elif skipped and self.too_many:
            why = f"{self.skipped} steps were not, train.skip_limit is {self.limit}"
        else:
            return ""
        values = self.rows[skipped[-1]]
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        what = f"{wrong[0]} is {values[wrong[0]]}" if wrong else "an update is"
        return (
            f"step {epoch * steps + skipped[-1]}: {what} not finite ({why}); {REMEDY}"
        )

    def finish(self) -> dict[str, float]:
        """Return the means over the good steps, and begin the next epoch.

        Learned numbers are as they are after the last good step; "skipped" counts the
        steps of the epoch that were taken back.
        """
        good = [values for values in self.rows if not values["skipped"]]
        means = {name: np.mean([s[name] for s in good]) for name in good[0]}
        last = {name: good[-1][name] for name in LEARNED if name in good[-1]}
        last["skipped"] = len(self.rows) - len(good)
        self.rows = []
        return {name: float(value) for name, value in (means | last).items()}

    def to_json(self) -> dict:
        """Return what a checkpoint keeps of it."""
        # A number that is not finite is of a step that was taken back.
        rows = [
            {name: value if math.isfinite(value) else None for name, value in r.items()}
            for r in self.rows
        ]
        return {"rows": rows, "skipped": self.skipped}

    def load(self, document: dict) -> None:
        """Go on from what `to_json` gave."""
        self.skipped = document["skipped"]
        self.rows = [
            {name: math.nan if value is None else value for name, value in r.items()}
            for r in document["rows"]
        ]
