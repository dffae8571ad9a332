"""Times as texts: on the clock of a camera, which has no zone. The forms are those of Python, ISO 8601 and EXIF."""

from __future__ import annotations

import datetime as dt
import re

__all__ = ["TIME", "time_of"]

_TO_MINUTES = r"(\d{4})[-:/.](\d{2})[-:/.](\d{2})[ T](\d{2}):(\d{2})"
_SECONDS = r":(\d{2})(?:[.,](\d{1,9}))?"
#: Year, month, day, hour, minute, second and fraction of a time, and nothing else. Also for the regular expressions of Java.
TIME = rf"^\s*{_TO_MINUTES}{_SECONDS}\s*$"
_EXACT = re.compile(TIME, re.ASCII)
_LOOSE = re.compile(rf"^\s*{_TO_MINUTES}(?:{_SECONDS})?(?:Z|[+-]\d\d:?\d\d)?\s*$", re.ASCII)


def time_of(text: str, *, loose: bool = False) -> dt.datetime | None:
    """Return the time that a text says, or None. With `loose`, seconds may be missing, and a time zone is allowed but not applied.

    Examples
    --------
    >>> from mmlrs.engine.times import time_of
    >>> time_of("2024:05:31 18:00:59.5")
    datetime.datetime(2024, 5, 31, 18, 0, 59, 500000)
    >>> time_of("2024-05-31T18:00Z"), time_of("2024-05-31T18:00Z", loose=True)
    (None, datetime.datetime(2024, 5, 31, 18, 0))
    """
    found = (_LOOSE if loose else _EXACT).match(text)
    if found is None:
        return None
    *parts, fraction = (part or "0" for part in found.groups())
    year, month, day, hour, minute, second = map(int, parts)
    try:
        return dt.datetime(year, month, day, hour, minute, second, int(f"{fraction:0<6.6}"))  # noqa: DTZ001 - a camera has no zone
    except ValueError:
        return None
