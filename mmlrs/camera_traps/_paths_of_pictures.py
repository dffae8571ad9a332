"""Paths of pictures in files that travel: relative to a folder, with forward slashes."""

from __future__ import annotations

import os
import re
from typing import NoReturn

from mmlrs._messages import shown
from mmlrs._paths import PathLike, local_path, path_of
from mmlrs.camera_traps._rows import Rows

__all__ = ["forward", "relative_files"]


def forward(path: str) -> str:
    """Return a path with forward slashes and without `./` at its beginning."""
    return re.sub(r"^(?:\./+)+", "", path.replace("\\", "/"))


def relative_files(rows: Rows, root: PathLike | None) -> list[str]:
    """Return the column `file` as relative paths. Raise for a path that has none, and for two that are the same."""
    base = None
    if root is not None:
        base = os.path.abspath(local_path(path_of(root, f"{rows.function}: param `root`")))
        base = forward(base).rstrip("/") + "/"
    seen: dict[str, int] = {}
    for row, file in enumerate(rows.files):
        path = _relative(rows, row, file, base)
        if path in seen:
            rows.fail(row, f"has the same path as row {seen[path]}, {shown(path)}")
        seen[path] = row
    return list(seen)


def _relative(rows: Rows, row: int, file: str, base: str | None) -> str:
    def fail(problem: str) -> NoReturn:
        rows.fail(row, f"`file` {problem}")

    path = forward(local_path(file))
    if base is not None and path.startswith(base):
        path = path[len(base) :]
    if re.match(r"/|[A-Za-z][A-Za-z0-9+.-]*:", path):
        fail(
            "must be a relative path; pass the folder of the pictures as `root`"
            if base is None
            else f"is not below `root`, {base}"
        )
    if any(part in ("", ".", "..") for part in path.split("/")):
        fail("must be a path to a file, without `.`, `..` and empty names")
    return path
