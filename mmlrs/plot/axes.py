"""Axes, colours and texts that the plots share. Matplotlib is imported only when something is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmlrs.errors import InvalidParamError, MissingPackageError
from mmlrs.params import INT, argument

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "COLOURS",
    "GRAY",
    "axes_of",
    "extent_of",
    "legend",
    "line_style",
    "one_line",
    "plain",
    "pyplot",
    "shortened_all",
    "whole",
]

#: The palette of Okabe and Ito (2008), which people with any form of colour blindness can tell apart, without its yellow,
#: which is too light for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
GRAY = "#767676"

_DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)))
#: Number of entries of a legend inside the axes. A longer legend is placed beside them.
_INSIDE = 10


def pyplot(function: str) -> Any:
    """Return matplotlib's pyplot. `function` begins the error if matplotlib is not installed."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingPackageError(
            f'{function}: matplotlib cannot be imported ({error}): pip install "mmlrs[plot]"'
        ) from None
    return plt


def axes_of(function: str, ax: Axes | None, size: tuple[float, float] | None = None) -> Axes:
    """Return the given axes, or those of a new figure of `size` inches."""
    plt = pyplot(function)
    if ax is None:
        axes: Axes = plt.subplots(figsize=size, layout="constrained")[1]
        return axes
    if not hasattr(ax, "plot") or not hasattr(ax, "get_figure"):
        raise InvalidParamError(
            f"{function}: param `ax` must be the Axes of matplotlib, got {type(ax).__name__}"
        )
    return ax


def extent_of(ax: Axes) -> tuple[float, float]:
    """Return width and height of axes in points, before the layout makes room for texts."""
    box, outer = ax.get_position(), ax.figure.bbox
    points = 72 / ax.figure.dpi
    return float(points * box.width * outer.width), float(points * box.height * outer.height)


def line_style(number: int) -> dict[str, Any]:
    """Return colour and dashes of a line: 35 lines differ."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": _DASHES[number // len(COLOURS) % len(_DASHES)],
    }


def one_line(value: object) -> str:
    """Return a value as a text of one line."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)
    return " ".join(str(value).split()) or "(empty)"


def plain(value: object) -> str:
    """Return a value as a text of one line that matplotlib does not read as a formula."""
    return _written_out(one_line(value))


def _written_out(line: str) -> str:
    return line.replace("$", r"\$")


def shortened_all(values: Sequence[object], length: int) -> list[str]:
    """Return values as texts, as `plain`, of at most `length` characters. Texts that differ in full stay different.

    The middle is left out, or what is equal in several texts.
    """
    lines = [one_line(value) for value in values]
    short = {line: _cut(line, length) for line in lines}
    for group in _alike(short):
        start = _common(group)
        short |= {line: _cut_around(line, start, length) for line in group}
    for group in _alike(short):
        taken = set(short.values())
        number = 2
        for line in group[1:]:
            while (text := f"{_cut(line, max(2, length - len(f' #{number}')))} #{number}") in taken:
                number += 1
            short[line] = text
            taken.add(text)
    return [_written_out(short[line]) for line in lines]


def _alike(short: dict[str, str]) -> list[list[str]]:
    """Return the groups of lines with the same short form."""
    groups: dict[str, list[str]] = {}
    for line, text in short.items():
        groups.setdefault(text, []).append(line)
    return [group for group in groups.values() if len(group) > 1]


def _common(lines: Sequence[str]) -> int:
    """Return the number of letters that all lines begin with."""
    first, last = min(lines), max(lines)
    return next((i for i, (a, b) in enumerate(zip(first, last)) if a != b), len(first))


def _cut(line: str, length: int) -> str:
    if len(line) <= length:
        return line
    head = max(1, (2 * length - 2) // 3)
    tail = max(0, length - 1 - head)
    return f"{line[:head].rstrip()}…{line[len(line) - tail :].lstrip()}"


def _cut_around(line: str, place: int, length: int) -> str:
    """Return the beginning of a line and the part of it around a place."""
    head = max(1, length // 3)
    room = max(1, length - head - 1)
    begin = max(head, min(place - room // 2, len(line) - room))
    part = line[begin : begin + room]
    if begin + room < len(line) and place < begin + room - 1:
        part = part[:-1] + "…"
    return f"{line[:head].rstrip()}…{part}"


def whole(function: str, name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return an argument that is an integer within limits."""
    number = argument(function, name, INT.accept, value)
    if number < least or (most is not None and number > most):
        limits = f"at least {least}" if most is None else f"between {least} and {most}"
        raise InvalidParamError(f"{function}: param `{name}` must be {limits}, got {number}")
    return number


def legend(ax: Axes, handles: Sequence[Any], names: Sequence[str], place: Any = None) -> None:
    """Add a legend: at a place inside the axes, or beside them without a place or if it is long."""
    # Matplotlib leaves out names that start with an underscore.
    names = [f" {name}" if name.startswith("_") else name for name in names]
    if place is not None and len(names) <= _INSIDE:
        ax.legend(handles, names, loc=place, fontsize="small")
    else:
        ax.legend(
            handles,
            names,
            loc="center left",
            bbox_to_anchor=(1.02, 0.5),
            fontsize="small" if len(names) <= _INSIDE else "x-small",
            ncols=1 + (len(names) - 1) // 24,
        )
