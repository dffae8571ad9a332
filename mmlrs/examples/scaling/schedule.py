"""How long tasks take on slots: Spark gives each free slot the next task."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

__all__ = ["makespan"]


def makespan(seconds: Sequence[float], slots: int, dispatch: float = 0.0) -> float:
    """Return when the last task ends.

    Parameters
    ----------
    seconds : sequence of float
        How long each task takes, in the order in which the driver launches them.
    slots : int
        Tasks that run at once, at least 1.
    dispatch : float, default 0.0
        Seconds that the driver needs to launch one task. It launches one at a time.

    Returns
    -------
    float
        Seconds from the first launch to the last end; 0 without tasks.

    Examples
    --------
    >>> from mmlrs.examples.scaling.schedule import makespan
    >>> makespan([1.0, 1.0, 1.0], slots=2)
    2.0
    >>> makespan([1.0, 1.0], slots=2, dispatch=0.25)
    1.5
    """
    free = [0.0] * min(slots, len(seconds))
    launched = 0.0
    for task in seconds:
        launched = max(launched + dispatch, free[0])
        heapq.heapreplace(free, launched + task)
    return max(free, default=0.0)
