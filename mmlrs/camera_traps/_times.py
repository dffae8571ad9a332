"""Times of cameras, which are often wrong: a clock that was never set, or is in the future."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

__all__ = ["FIRST_YEAR", "camera_time", "written_time"]

#: Camera traps are younger. A clock that was never set shows an earlier year.
FIRST_YEAR = 1990
_FORM = re.compile(
    r"(\d{4})[-:/.](\d\d)[-:/.](\d\d)[ T](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:Z|[+-]\d\d:?\d\d)?"
)


def camera_time(text: str, now: datetime | None = None) -> datetime | None:
    """Return the time that a text says, or None if it is no time or not one at which a camera worked.

    The forms are those of Python, ISO 8601 and EXIF: year, month, day, hour, minute, with separators. A time zone is not applied:
    the time is that of the camera's clock. Times before 1990 and later than a day from now are invalid.

    Examples
    --------
    >>> camera_time("2022-12-31 09:52:50"), camera_time("2022:12:31 09:52:50.5")
    (datetime.datetime(2022, 12, 31, 9, 52, 50), datetime.datetime(2022, 12, 31, 9, 52, 50, 500000))
    >>> camera_time("0000-00-00 00:00:00"), camera_time("2099-01-01 00:00:00"), camera_time("31.12.2022")
    (None, None, None)
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return None
    *parts, fraction = (part or "0" for part in found.groups())
    year, month, day, hour, minute, second = map(int, parts)
    try:
        time = datetime(year, month, day, hour, minute, second, int(f"{fraction:0<6.6}"))  # noqa: DTZ001 - a camera has no zone
    except ValueError:
        return None
    latest = (now or datetime.now()) + timedelta(days=1)  # noqa: DTZ005
    return time if time.year >= FIRST_YEAR and time <= latest else None


def written_time(time: datetime) -> str:
    """Return a time as the formats write it: `2022-12-31 09:52:50`, with a fraction if there is one."""
    return time.isoformat(sep=" ")
