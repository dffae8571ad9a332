"""Pieces of HTML for the report: the page with its style, sections, tables, and numbers as people read them."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from importlib import resources

__all__ = [
    "caption",
    "document",
    "escaped",
    "hours",
    "listed",
    "number",
    "percent",
    "quantity",
    "section",
    "table",
]

#: Names that a list shows before it says how many more there are.
_SHOWN = 50
#: What stands for a figure that is not defined.
NONE = "–"


def escaped(text: object) -> str:
    """Return text as HTML."""
    return html.escape(str(text))


def number(value: float | None) -> str:
    """Return a figure between 0 and 1 with three decimals."""
    return NONE if value is None else f"{value:.3f}"


def percent(share: float | None, decimals: int = 0) -> str:
    """Return a share as a percentage. Only nothing is 0%, and only all is 100%."""
    if share is None:
        return NONE
    step = 10.0 ** -(decimals + 2)
    if 0 < share < step:
        return f"&lt;{step:.{decimals}%}"
    if 1 - step < share < 1:
        return f"&gt;{1 - step:.{decimals}%}"
    return f"{share:.{decimals}%}"


def quantity(count: float) -> str:
    """Return a count with separators."""
    return f"{count:,.0f}"


def hours(count: float) -> str:
    """Return hours, rounded to hundreds."""
    return f"{round(count, -2):,.0f}"


def section(title: str, *parts: str, lead: str = "") -> str:
    """Return a section with a heading, and a sentence below it as HTML."""
    below = f'<p class="lead">{lead}</p>' if lead else ""
    return f"<section><h2>{escaped(title)}</h2>{below}{''.join(parts)}</section>\n"


def caption(text: str) -> str:
    """Return an explanation, given as HTML, below a figure."""
    return f'<p class="caption">{text}</p>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], chosen: int | None = None) -> str:
    """Return a table that scrolls on a phone. Cells are HTML; the first of each row is its heading."""
    titles = "".join(f'<th scope="col">{title}</th>' for title in head)
    body = []
    for place, (first, *cells) in enumerate(rows):
        marked = ' class="chosen"' if place == chosen else ""
        values = "".join(f"<td>{cell}</td>" for cell in cells)
        body.append(f'<tr{marked}><th scope="row">{first}</th>{values}</tr>')
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{titles}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def listed(summary: str, names: Sequence[str]) -> str:
    """Return names in a list that opens on a click. It says how many are not shown."""
    if not names:
        return ""
    items = "".join(f"<li>{escaped(name)}</li>" for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    rest = f"<li>and {more:,} more, in <code>metrics.json</code></li>" if more > 0 else ""
    return f"<details><summary>{escaped(summary)}</summary><ul>{items}{rest}</ul></details>"


def document(title: str, *parts: str) -> str:
    """Return the page: one file that loads nothing."""
    style = resources.files(__package__).joinpath("report.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, '
        f'initial-scale=1">\n<meta name="color-scheme" content="light dark">\n<title>{escaped(title)}</title>\n<style>\n{style}</style>\n'
        f"</head>\n<body>\n<main>\n{''.join(parts)}</main>\n</body>\n</html>\n"
    )
