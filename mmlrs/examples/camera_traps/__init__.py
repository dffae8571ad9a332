"""Finding a rare animal in the pictures of camera traps, and a generator of such pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmlrs._names import public

if TYPE_CHECKING:
    from mmlrs.examples.camera_traps.score import FolderScores, score_folder

__all__ = ["FolderScores", "score_folder"]

__dir__ = public(globals())


def __getattr__(name: str) -> Any:
    # On demand, because `python -m` runs modules of this package, which must not be imported before.
    if name in __all__:
        from mmlrs.examples.camera_traps import score

        return getattr(score, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
