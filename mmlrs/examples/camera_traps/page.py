"""Pieces of HTML for the report."""

from __future__ import annotations

import html

__all__ = ["document", "escaped", "section"]


def escaped(text: object) -> str:
    """Return text as HTML."""
    return html.escape(str(text))


def section(title: str, *parts: str) -> str:
    """Return a section with a heading."""
    return f"<section><h2>{escaped(title)}</h2>{''.join(parts)}</section>\n"


def document(title: str, *parts: str) -> str:
    """Return a page."""
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>{escaped(title)}</title><h1>{escaped(title)}</h1>{''.join(parts)}</html>\n"
