"""Downloads for tests, without waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmlrs.models._download import download

DATA = bytes(range(256)) * 40


def get(url: str, target: Path, **options: Any) -> bytes:
    options = {"allow_http": True, "sleep": lambda _: None, "timeout": 5.0, **options}
    assert download(url, target, **options) == target
    return target.read_bytes()


def left(target: Path) -> list[str]:
    """The files beside the target, without the lock."""
    return sorted(p.name for p in target.parent.iterdir() if p != target and p.suffix != ".lock")
