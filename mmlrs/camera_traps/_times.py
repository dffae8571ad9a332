"""Times of cameras, which are often wrong: a clock that was never set, or is in the future."""

from __future__ import annotations

from datetime import datetime, timedelta

from mmlrs.engine.times import time_of

__all__ = ["FIRST_YEAR", "camera_time", "written_time"]

#: Camera traps are younger. A clock that was never set shows an earlier year.
FIRST_YEAR = 1990


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
    time = time_of(text.strip(), loose=True)
    if time is None:
        return None
    latest = (now or datetime.now()) + timedelta(days=1)  # noqa: DTZ005
    return time if time.year >= FIRST_YEAR and time <= latest else None


def written_time(time: datetime) -> str:
    """Return a time as the formats write it: `2022-12-31 09:52:50`, with a fraction if there is one."""
    return time.isoformat(sep=" ")
