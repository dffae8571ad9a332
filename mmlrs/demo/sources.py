"""The sources of pictures, of which the demo uses one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mmlrs.demo import faces, stamps
from mmlrs.demo.pictures import Picture
from mmlrs.errors import IoError


@dataclass(frozen=True)
class Source:
    """Where pictures come from, and what is to be learnt from them."""

    question: str
    origin: str
    pictures: Callable[[], Iterator[Picture]]


SOURCES = {
    "tuxpaint": Source(
        "Bird, fish, flower, fruit, insect or mammal?",
        "photographs of Tux Paint (GPL-2), read where they are installed",
        stamps.pictures,
    ),
    "faces": Source(
        "Does a picture show a face?",
        "pictures of scikit-image (lfw_subset, photographs and their crops)",
        faces.pictures,
    ),
}


def chosen(name: str | None = None) -> Source:
    """Return the source of this name; by default Tux Paint if it is installed, else faces.

    Raises
    ------
    IoError
        Tux Paint is named and not installed.
    """
    if name == "tuxpaint" and stamps.folder() is None:
        raise IoError(
            f"mmlrs.demo: {stamps.INSTALLED} does not have the photographs of Tux Paint: install Debian's package "
            f"tuxpaint-stamps-default, or name the folder stamps of the unpacked package in {stamps.VARIABLE}"
        )
    return SOURCES[name or ("faces" if stamps.folder() is None else "tuxpaint")]
