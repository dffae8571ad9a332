"""Warnings to users, once per process and at the line of the user's code."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable

__all__ = ["warn", "warn_once"]

_PACKAGE = os.path.dirname(__file__) + os.sep
_warned: set[str] = set()


def warn(note: str) -> None:
    """Issue a note as a warning at the line of the user's code."""
    warnings.warn(note, UserWarning, stacklevel=_level_of_the_caller())


def warn_once(notes: Iterable[str]) -> None:
    """Issue each note as a warning, unless this process has issued it before.

    With a filter that turns warnings into errors, a note is an error each time.
    """
    for note in notes:
        if note not in _warned:
            warn(note)
            _warned.add(note)


def _level_of_the_caller() -> int:
    """Return the number of frames from the caller of this function to the first one outside the package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level
