"""The pictures of a folder, by the endings of their names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from mmlrs.errors import IoError

__all__ = ["PICTURES", "Found", "walk_pictures"]

#: Endings of the names of pictures.
PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp")


@dataclass
class Found:
    """What a walk did not yield.

    Parameters
    ----------
    hidden : int
        Files and folders whose names begin with a dot, such as the `._` files of a Mac.
    others : int
        Files with other endings.
    links : int
        Links to folders.
    """

    hidden: int = 0
    others: int = 0
    links: int = 0


def walk_pictures(function: str, folder: str, found: Found | None = None) -> Iterator[str]:
    """Yield the pictures in a folder and below in a fixed order, relative to it and with forward slashes.

    Names that begin with a dot are skipped, and links to folders are not followed; `found` counts both.

    Raises
    ------
    IoError
        A folder cannot be read. `function` begins the message.
    """
    found = Found() if found is None else found

    def fail(error: OSError) -> None:
        raise IoError(f"{function}: {error.filename} cannot be read: {error.strerror}") from error

    for parent, folders, files in os.walk(folder, onerror=fail):
        shown = [name for name in folders if not name.startswith(".")]
        found.hidden += len(folders) - len(shown)
        found.links += sum(os.path.islink(os.path.join(parent, name)) for name in shown)
        folders[:] = sorted(shown)
        for name in sorted(files):
            if name.startswith("."):
                found.hidden += 1
            elif name.casefold().endswith(PICTURES):
                yield os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/")
            else:
                found.others += 1
