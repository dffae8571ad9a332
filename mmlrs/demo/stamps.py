"""The labelled photographs of Tux Paint: pictures of Debian's package `tuxpaint-stamps-default`.

The pictures are under the GPL, version 2, so they are used where they are installed and not copied.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from mmlrs.demo.pictures import Picture
from mmlrs.errors import IoError

#: Where Debian's package installs them.
INSTALLED = Path("/usr/share/tuxpaint/stamps")
#: An environment variable with another folder, for instance of the unpacked package.
VARIABLE = "MMLRS_TUXPAINT_STAMPS"
#: The folders of the six classes, which contain photographs. Drawings are in folders of their own.
CLASSES = {
    "bird": "animals/birds",
    "fish": "animals/fish",
    "flower": "plants/flowers",
    "fruit": "food/fruit",
    "insect": "animals/insects",
    "mammal": "animals/mammals",
}
#: Parts of paths of pictures that are drawings, or mirrored copies.
DRAWINGS = ("cartoon", "toys")


def folder() -> Path | None:
    """Return the folder with the pictures, or None if they are not installed.

    Raises
    ------
    IoError
        The environment variable names a folder without the pictures.
    """
    chosen = os.environ.get(VARIABLE)
    root = Path(chosen) if chosen else INSTALLED
    missing = [name for name in CLASSES.values() if not (root / name).is_dir()]
    if missing and chosen:
        raise IoError(
            f"mmlrs.demo: environment variable `{VARIABLE}`: {root} has no folder {missing[0]}; it must be the folder stamps of "
            "Debian's package tuxpaint-stamps-default"
        )
    return None if missing else root


def pictures() -> Iterator[Picture]:
    """Yield the photographs, sorted by class and path; none if they are not installed."""
    root = folder()
    if root is None:
        return
    for label, name in CLASSES.items():
        for path in sorted((root / name).rglob("*.png")):
            inside = path.relative_to(root / name)
            if not set(DRAWINGS) & set(inside.parts) and "_mirror" not in path.name:
                yield Picture(label, "-".join(inside.with_suffix("").parts), path)
