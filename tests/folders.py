"""Folders of files for the tests of readers and writers."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from pictures import colour, jpeg, png

JPEG = jpeg(colour(20, 30))

PNG = png(colour(20, 30))


def put(folder: Path, files: dict[str, bytes]) -> str:
    """Write files; returns the folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return str(folder)


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return out.getvalue()


def names(df: Any, folder: Path | str) -> list[str]:
    """The paths of the rows, relative to the folder."""
    start = f"file:{folder}/"
    found = sorted(row.path for row in df.select("path").collect())
    assert all(path.startswith(start) for path in found)
    return [path.removeprefix(start) for path in found]


WITH_BAD = {"a.jpg": JPEG, "b.jpg": JPEG[: len(JPEG) // 2], "c.txt": b"text", "d.txt": b"text", "e.png": PNG}
