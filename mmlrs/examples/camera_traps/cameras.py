"""Which cameras train and which test, so that no place is on both sides."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from mmlrs._messages import counted, shown
from mmlrs.errors import InvalidParamError

__all__ = ["Split", "split_by_camera"]

#: Share of the cameras that test.
TEST_SHARE = 0.2
#: Parts of the training cameras, each of which is scored by a model that was trained on the others. Fewer if fewer cameras show the
#: target.
FOLDS = 4
#: Random splits that are tried until both sides have the target and something else.
_TRIES = 200
_NAME = "camera_traps"


@dataclass(frozen=True)
class Split:
    """The cameras of both sides.

    Parameters
    ----------
    folds : dict of str to int
        The part of each training camera.
    test : tuple of str
        The test cameras.
    how : str
        How they were chosen, in words.
    """

    folds: dict[str, int]
    test: tuple[str, ...]
    how: str

    @property
    def count(self) -> int:
        """The number of parts of the training cameras."""
        return len(set(self.folds.values()))


@dataclass(frozen=True)
class _Camera:
    name: str
    frames: int
    targets: int


def split_by_camera(table: pa.Table, target: str, seed: int) -> Split:
    """Split pictures by camera.

    Parameters
    ----------
    table : pyarrow.Table
        The columns `location`, `target` (1.0 or 0.0) and `split` ("train", "test" or null).
    target : str
        Name of the target, for errors.
    seed : int
        The same seed gives the same split.

    Returns
    -------
    Split
        The split of the labels, if they have one by camera. Else a fifth of the cameras that show the target test, and a fifth of the
        others, at least one camera in all.

    Raises
    ------
    InvalidParamError
        No split is possible: fewer than two cameras, or fewer than three that show the target, or none shows anything else.

    Examples
    --------
    >>> import pyarrow as pa
    >>> from mmlrs.examples.camera_traps.cameras import split_by_camera
    >>> names = [name for name in "ABCDE" for _ in range(2)]
    >>> table = pa.table({"location": names, "target": [0.0, 1.0] * 5, "split": pa.nulls(10, pa.string())})
    >>> split = split_by_camera(table, "cat", seed=0)
    >>> len(split.folds), len(split.test), split.count
    (4, 1, 4)
    """
    cameras = _cameras(table)
    _refuse_hopeless(cameras, target)
    given = _given(table, cameras)
    if given is not None:
        folds = _dealt([camera for camera in cameras if camera.name not in given], random.Random(seed))  # noqa: S311
        if folds is not None:
            return Split(folds, tuple(sorted(given)), "as the labels say, by camera")
    shuffled = random.Random(seed)  # noqa: S311 (no secret depends on it)
    for _ in range(_TRIES):
        test = _drawn(cameras, shuffled)
        folds = _dealt([camera for camera in cameras if camera.name not in test], shuffled)
        if folds is not None and _has_both(camera for camera in cameras if camera.name in test):
            how = f"{counted(len(test), 'camera')} of {len(cameras):,} drawn with the seed {seed}"
            return Split(folds, tuple(sorted(test)), how)
    raise InvalidParamError(
        f"{_NAME}: param `images`: no split of the {len(cameras):,} cameras leaves pictures with and without {shown(target)} on both sides; "
        "add cameras whose pictures show both"
    )


def _cameras(table: pa.Table) -> list[_Camera]:
    groups = table.group_by("location").aggregate([("target", "count"), ("target", "sum")]).to_pylist()
    cameras = (_Camera(row["location"], row["target_count"], int(row["target_sum"])) for row in groups)
    return sorted(cameras, key=lambda camera: camera.name)


def _refuse_hopeless(cameras: list[_Camera], target: str) -> None:
    if len(cameras) < 2:
        raise InvalidParamError(
            f"{_NAME}: param `images`: all pictures are of one camera ({shown(cameras[0].name)}), so no camera is left to test on; put the "
            "pictures of each camera in a folder of its own, or name the cameras in the labels as `location`"
        )
    showing = [camera.name for camera in cameras if camera.targets]
    if len(showing) < 3:
        raise InvalidParamError(
            f"{_NAME}: param `target`: {counted(len(showing), 'camera')} ({', '.join(showing)}) of {len(cameras):,} shows {shown(target)}, "
            "but three are needed: one to test, and two to train, of which each finds the threshold for the other; label pictures of "
            "more cameras"
        )
    if all(camera.targets == camera.frames for camera in cameras):
        raise InvalidParamError(
            f"{_NAME}: param `labels`: every picture shows {shown(target)}; add pictures that show something else, or nothing"
        )


def _given(table: pa.Table, cameras: list[_Camera]) -> set[str] | None:
    """Return the test cameras of the labels, or None if their split is not by camera or has a side without one of both kinds."""
    sides: dict[str, set[str | None]] = {}
    for camera, side in zip(table["location"].to_pylist(), table["split"].to_pylist(), strict=True):
        sides.setdefault(camera, set()).add(side)
    if not all(found in ({"train"}, {"test"}) for found in sides.values()):
        return None
    test = {name for name, found in sides.items() if found == {"test"}}
    return test if _has_both(camera for camera in cameras if camera.name in test) else None


def _drawn(cameras: list[_Camera], shuffled: random.Random) -> set[str]:
    """Draw test cameras: a share of those with the target, at least one, and of those without."""
    test: set[str] = set()
    wanted = max(1, round(TEST_SHARE * len(cameras)))
    showing = [camera.name for camera in cameras if camera.targets]
    others = [camera.name for camera in cameras if not camera.targets]
    count = min(max(1, round(TEST_SHARE * len(showing))), len(showing) - 2)
    test.update(shuffled.sample(showing, count))
    test.update(shuffled.sample(others, min(len(others), max(0, wanted - count))))
    return test


def _dealt(cameras: list[_Camera], shuffled: random.Random) -> dict[str, int] | None:
    """Deal cameras to parts with about as many targets each; None if one part's others lack a kind of pictures."""
    count = min(FOLDS, sum(camera.targets > 0 for camera in cameras))
    if count < 2:
        return None
    parts: list[list[_Camera]] = [[] for _ in range(count)]
    order = shuffled.sample(cameras, len(cameras))
    for camera in sorted(order, key=lambda camera: -camera.targets):
        least = min(parts, key=lambda part: (_sum(part, "targets"), _sum(part, "frames")))
        least.append(camera)
    for part in parts:
        if not _has_both(camera for other in parts if other is not part for camera in other):
            return None
    return {camera.name: number for number, part in enumerate(parts) for camera in part}


def _sum(part: list[_Camera], what: str) -> int:
    return sum(getattr(camera, what) for camera in part)


def _has_both(cameras: Iterable[_Camera]) -> bool:
    """Return whether there are pictures with the target and others."""
    found = list(cameras)
    targets = _sum(found, "targets")
    return 0 < targets < _sum(found, "frames")


def sides(split: Split) -> dict[str, int]:
    """Return the part of every camera, -1 for the test cameras."""
    return {**split.folds, **dict.fromkeys(split.test, -1)}
