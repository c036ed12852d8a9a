"""Pair the clips of an epoch and crop them: pure functions of (seed, epoch).

An epoch over n clips has 2n items: n identity items (a clip with itself, control 0)
and n transformation items (a low-labelled clip, a high-labelled one, control = the
difference of their labels). Source: arXiv 2508.02643 and the published data set class.
Uniform pairing has no identity items, and few clips come more than twice.
"""

import dataclasses

import numpy as np

from cak_jax.runtime.errors import InputError

PAIRINGS = ("paper", "published_code", "random", "uniform")


@dataclasses.dataclass(frozen=True)
class Items:
    """The items of an epoch or a batch, as parallel arrays `[item]`.

    Attributes:
      low, high: clip indices, int32; equal in an identity item.
      control: requested value, float32; 0 in an identity item.
    """

    low: np.ndarray
    high: np.ndarray
    control: np.ndarray

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self.control)

    def take(self, order: np.ndarray) -> "Items":
        """Return the items at the positions `order`."""
        return Items(self.low[order], self.high[order], self.control[order])


def transformation_pairs(
    labels: np.ndarray, pairing: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the low and high clip of every transformation item, `[n]` each.

    - "paper": rank i of the lower half meets rank i of the upper half; all these
      pairs are used in turn.
    - "published_code": the same pairs, but only those that the published index
      arithmetic reaches: pair `idx mod (n // 2)` for odd idx below 2n. If n // 2 is
      even, that is every other pair, twice as often.
    - "random": two different clips, drawn anew; the one with the lower label first.

    Args:
      labels: `[n]`, n at least 2.
      pairing: one of `PAIRINGS`, but for "uniform".
      rng: used by "random".

    Raises:
      InputError: there are fewer than 2 clips.
      ValueError: the pairing is unknown.
    """
    count = len(labels)
    if count < 2:
        raise InputError(f"pairs need at least 2 clips, got {count}")
    if pairing not in PAIRINGS or pairing == "uniform":
        raise ValueError(f"pairing must be one of {PAIRINGS[:3]}, got {pairing!r}")
    if pairing == "random":
        first = rng.integers(count, size=count)
        # A shift of 1 to n - 1 gives each other clip the same chance.
        second = (first + rng.integers(1, count, size=count)) % count
        swap = labels[first] > labels[second]
        return np.where(swap, second, first), np.where(swap, first, second)
    ranks = np.argsort(labels, kind="stable")
    half = count // 2
    if pairing == "paper":
        pair = np.arange(count) % half
    else:
        pair = np.arange(1, 2 * count, 2) % half
    return ranks[pair], ranks[half + pair]


def held_out_items(labels: np.ndarray) -> list[tuple[int, int, float]]:
    """Return `(low, high, control)` of the items for the held-out losses.

    They are the pairs of the paper by the labels `[n]`, n at least 2, and as many
    identity items of their low clips.
    """
    low, high = transformation_pairs(labels, "paper", np.random.default_rng(0))
    half = len(labels) // 2
    pairs = zip(low[:half], high[:half], strict=True)
    items = [(a, b, labels[b] - labels[a]) for a, b in pairs]
    return items + [(a, a, 0.0) for a in low[:half]]


def uniform_items(
    labels: np.ndarray, rng: np.random.Generator, times: int = 2
) -> Items:
    """Return the items of each clip, with controls spread evenly over [0, 1].

    The target is the clip whose label is nearest to the input's and the control; a game
    without a critic does not read it.

    Args:
      labels: `[n]` in [0, 1].
      rng: for the controls.
      times: items of each clip.
    """
    count = times * len(labels)
    low = np.tile(np.arange(len(labels)), times)
    control = (rng.permutation(count) + rng.random(count)) / count
    ranks = np.argsort(labels, kind="stable")
    place = np.searchsorted(labels[ranks], labels[low] + control)
    place = np.clip(place, 1, len(labels) - 1)
    below, above = ranks[place - 1], ranks[place]
    aim = labels[low] + control
    high = np.where(aim - labels[below] < labels[above] - aim, below, above)
    return Items(
        low.astype(np.int32), high.astype(np.int32), control.astype(np.float32)
    )


def epoch_items(
    labels: np.ndarray, pairing: str, seed: int, epoch: int, times: int = 2
) -> Items:
    """Return the items of an epoch, shuffled, by the labels `[n]` in [0, 1].

    They are `times` of each clip; another number than 2 goes with "uniform" only.
    """
    rng = np.random.default_rng([seed, epoch])
    if pairing == "uniform":
        items = uniform_items(labels, rng, times)
        return items.take(rng.permutation(len(items)))
    low, high = transformation_pairs(labels, pairing, rng)
    clips = np.arange(len(labels))
    control = np.concatenate([np.zeros(len(labels)), labels[high] - labels[low]])
    items = Items(
        low=np.concatenate([clips, low]).astype(np.int32),
        high=np.concatenate([clips, high]).astype(np.int32),
        control=control.astype(np.float32),
    )
    return items.take(rng.permutation(len(items)))


def times_of(clips: int, batch_size: int, least_steps: int) -> int:
    """Return how often each clip comes in an epoch: 2, or what the least steps need.

    >>> times_of(200, 8, 36), times_of(10, 8, 36)
    (2, 29)
    """
    return max(2, -(-least_steps * batch_size // max(1, clips)))


def steps_per_epoch(clips: int, batch_size: int, least_steps: int = 0) -> int:
    """Return the number of full batches in an epoch.

    The left-over items differ in every epoch. 200 clips and a batch of 16 give 25.

    Args:
      clips: that are trained on.
      batch_size: items.
      least_steps: as many there are at least; few clips come more often for it.

    Raises:
      InputError: there are too few clips for one batch.
    """
    steps = max(2 * clips // batch_size, least_steps)
    if steps < 1:
        raise InputError(
            f"a batch of {batch_size} is more than the {2 * clips} items that "
            f"{clips} training clips give; make it smaller, make more of the sounds by "
            "a smaller corpus.seconds, or add sounds"
        )
    return steps


def crop_starts(
    items: Items, content: np.ndarray, frames: int, hop: int, seed: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the first frame of a random time crop for each side of each item.

    If the content of a clip is long enough, a crop stays within it, so that training
    does not see the zeros around a short sound. An identity item has one crop.

    Args:
      items: `[batch]`.
      content: `[clip, 2]`, first and last + 1 sample that is not padding.
      frames, hop: length of the crop, and samples per frame.
      seed: determines the draws.

    Returns:
      First frames for low and high, `[batch]` int each.
    """
    rng = np.random.default_rng(seed)
    first = content[:, 0] // hop
    last = np.maximum(first, content[:, 1] // hop + 1 - frames)
    draws = rng.random((2, len(items)))

    def start(clips: np.ndarray, draw: np.ndarray) -> np.ndarray:
        span = last[clips] - first[clips] + 1
        starts: np.ndarray = first[clips] + np.floor(draw * span).astype(np.int64)
        return starts

    low = start(items.low, draws[0])
    high = np.where(items.low == items.high, low, start(items.high, draws[1]))
    return low, high
