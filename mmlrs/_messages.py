"""The form of values in messages."""

from __future__ import annotations

__all__ = ["counted", "shown"]


def shown(value: object, limit: int = 80) -> str:
    """Return the repr of a value, cut to `limit` characters, or its type if `repr` fails."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a user's value may be recursive or have a `__repr__` that fails
        text = f"a {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 3] + "..."


def counted(count: int, noun: str) -> str:
    """Return a count with its noun, such as "1 column" or "2 columns"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
