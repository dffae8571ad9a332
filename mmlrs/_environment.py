"""Reading environment variables."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["folder_of", "is_true", "text_of"]


def text_of(name: str) -> str | None:
    """Return the value of an environment variable without spaces around it, or None if it is unset or empty."""
    return os.environ.get(name, "").strip() or None


def is_true(name: str) -> bool:
    """Return whether an environment variable is set, and not to a word for no."""
    return (text_of(name) or "0").lower() not in ("0", "false", "no", "off")


def folder_of(name: str) -> Path | None:
    """Return the absolute path that an environment variable holds; `~` and variables in it are replaced."""
    text = text_of(name)
    return None if text is None else Path(os.path.abspath(os.path.expanduser(os.path.expandvars(text))))
