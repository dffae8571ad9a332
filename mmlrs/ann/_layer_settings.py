"""What the settings of layers may be."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["SETTINGS", "whole_numbers"]


def whole(value: Any) -> int | None:
    """Return a whole number of any type as an int, or None if the value is none."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def whole_numbers(value: Any, count: int) -> list[int] | None:
    """Return so many whole numbers, of which one may stand for all, or None if the value is something else."""
    number = whole(value)
    if number is not None:
        return [number] * count
    if isinstance(value, str) or not isinstance(value, Iterable):
        return None
    found = [whole(item) for item in value]
    return None if len(found) != count or None in found else [item for item in found if item is not None]


def _pair(value: Any) -> list[int] | None:
    return whole_numbers(value, 2)


def _border(value: Any) -> str | list[int] | None:
    if isinstance(value, str):
        return value if value in ("valid", "same") else None
    return None if whole(value) is not None else whole_numbers(value, 4)


def _real(value: Any) -> float | None:
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


#: What the settings of layers must be, with functions that return them as JSON data, or None.
SETTINGS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "size": (whole, "a whole number"),
    "channels": (whole, "a whole number"),
    "kernel": (_pair, "a whole number or two"),
    "stride": (_pair, "a whole number or two"),
    "padding": (_border, '"valid", "same" or (top, left, bottom, right)'),
    "rate": (_real, "a finite number"),
    "epsilon": (_real, "a finite number"),
    "momentum": (_real, "a finite number"),
}
