"""Clips, measured two at a time."""

import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cak_jax.data.scan import Progress


def over_clips(
    function: Callable[[Any], Any],
    clips: Iterable[Any],
    stage: str,
    progress: Progress | None = None,
) -> list[Any]:
    """Return the function's value of every clip, computed two at a time.

    Much of the work runs on one core, so a second clip can use another one. The first
    clip is alone, because both would compile the program. `progress` is told the stage
    after every clip.
    """
    threads = concurrent.futures.ThreadPoolExecutor(2)
    clips, results = list(clips), []

    def found() -> Iterator[Any]:
        yield from map(function, clips[:1])
        yield from threads.map(function, clips[1:])

    try:
        for result in found():
            results.append(result)
            if progress is not None:
                progress(len(results), len(clips), stage)
    finally:
        # After Ctrl-C the remaining clips are not computed.
        threads.shutdown(wait=True, cancel_futures=True)
    return results
