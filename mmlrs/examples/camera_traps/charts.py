"""Curves of all variants as SVG, in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmlrs.examples.camera_traps.figures import Floats
from mmlrs.examples.camera_traps.page import escaped

__all__ = ["Line", "chart", "effort", "legend"]

#: Pixels of the drawing area, and of its left and lower border.
_SIDE, _LEFT, _BELOW, _MARGIN = 420, 58, 52, 22
#: Dashes of the lines, so that they differ without colours too.
_DASHES = ("1 5", "7 4", "12 3 2 3", "5 2", "")
#: Points of a curve, at most.
_POINTS = 300


@dataclass(frozen=True)
class Line:
    """A curve from (0, 0) to (1, 1).

    Parameters
    ----------
    name : str
        Its name.
    points : list of tuple of float
        Its points.
    dot : tuple of float, optional
        A point to mark.
    """

    name: str
    points: Sequence[tuple[float, float]]
    dot: tuple[float, float] | None = None


def effort(targets: Floats, scores: Floats) -> list[tuple[float, float]]:
    """Return which share of the target is found after looking at each share of the pictures, the highest scores first.

    Pictures with equal scores are looked at together.

    Examples
    --------
    >>> import numpy as np
    >>> from mmlrs.examples.camera_traps.charts import effort
    >>> effort(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.9, 0.5, 0.5]))
    [(0.0, 0.0), (0.25, 0.5), (0.75, 1.0), (1.0, 1.0)]
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(scores) - 1)
    found = np.cumsum(targets[order])[ends]
    looked = (ends + 1) / len(scores)
    kept = np.unique(np.linspace(0, len(ends) - 1, min(_POINTS, len(ends))).round().astype(int))
    total = max(float(found[-1]), 1.0)
    return [(0.0, 0.0), *((float(looked[i]), float(found[i]) / total) for i in kept)]


def legend(names: Sequence[str]) -> str:
    """Return the key to the lines, which all charts share. Names are HTML."""
    items = (
        f'<li class="c{place}"><svg viewBox="0 0 30 10" aria-hidden="true"><line class="stroke" x1="1" y1="5" x2="29" y2="5" '
        f'stroke-width="3" stroke-dasharray="{_DASHES[place]}"/></svg>{name}</li>'
        for place, name in enumerate(names)
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def chart(title: str, x_title: str, y_title: str, lines: Sequence[Line]) -> str:
    """Return a chart of curves on the unit square, with the line of chance."""
    width, height = _LEFT + _SIDE + _MARGIN, _MARGIN + _SIDE + _BELOW
    parts = [_axes(x_title, y_title)]
    for place, line in enumerate(lines):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(_placed, line.points))
        thick = ' style="stroke-width:3"' if place == len(lines) - 1 else ""
        parts.append(
            f'<polyline class="line stroke c{place}" stroke-dasharray="{_DASHES[place]}"{thick} points="{path}"/>'
        )
    for place, line in enumerate(lines):
        if line.dot is not None:
            x, y = _placed(line.dot)
            parts.append(f'<circle class="dot fill c{place}" cx="{x:.1f}" cy="{y:.1f}" r="6"/>')
    return (
        f'<div class="card chart"><h3>{escaped(title)}</h3><svg viewBox="0 0 {width} {height}" role="img" aria-label="{escaped(title)}">'
        f"{''.join(parts)}</svg></div>"
    )


def _placed(point: tuple[float, float]) -> tuple[float, float]:
    return _LEFT + point[0] * _SIDE, _MARGIN + (1 - point[1]) * _SIDE


def _axes(x_title: str, y_title: str) -> str:
    parts = []
    for step in range(5):
        share = step / 4
        x, y = _placed((share, share))
        bottom, right = _MARGIN + _SIDE, _LEFT + _SIDE
        parts.append(
            f'<line class="grid" x1="{x}" y1="{_MARGIN}" x2="{x}" y2="{bottom}"/><line class="grid" x1="{_LEFT}" y1="{y}" x2="{right}" '
            f'y2="{y}"/><text x="{x}" y="{bottom + 18}" text-anchor="middle">{share:.0%}</text><text x="{_LEFT - 8}" y="{y + 4}" '
            f'text-anchor="end">{share:.0%}</text>'
        )
    (x1, y1), (x2, y2) = _placed((0, 0)), _placed((1, 1))
    parts.append(f'<line class="chance" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>')
    middle = _MARGIN + _SIDE / 2
    parts.append(
        f'<text x="{_LEFT + _SIDE / 2}" y="{_MARGIN + _SIDE + 42}" text-anchor="middle">{escaped(x_title)}</text><text '
        f'transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{escaped(y_title)}</text>'
    )
    return "".join(parts)
