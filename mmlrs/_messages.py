"""Values as messages show them."""

from __future__ import annotations

__all__ = ["shown"]


def shown(value: object, most: int = 80) -> str:
    """Return a value as messages show it: its first `most` characters, or its type where it cannot be shown."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - values of users: nested without end, or with a `__repr__` that fails
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else text[: most - 3] + "..."
