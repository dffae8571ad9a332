"""The labelled photographs of Tux Paint: pictures of Debian's package `tuxpaint-stamps-default`.

The pictures are under the GPL, version 2, so they are used where they are installed and not copied.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Photograph:
    """A PNG file with transparent background, and its class."""

    path: Path
    label: str


def folder() -> Path | None:
    """Return the folder with the pictures, or None if they are not installed."""
    chosen = Path(os.environ.get(VARIABLE) or INSTALLED)
    return chosen if all((chosen / name).is_dir() for name in CLASSES.values()) else None


def photographs() -> list[Photograph]:
    """Return the photographs, sorted by class and path; none if they are not installed."""
    root = folder()
    if root is None:
        return []
    return [
        Photograph(path, label)
        for label, name in CLASSES.items()
        for path in sorted((root / name).rglob("*.png"))
        if not set(DRAWINGS) & set(path.parts) and "_mirror" not in path.name
    ]
