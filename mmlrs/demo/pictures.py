"""Labelled pictures, the folds of a cross-validation, and folders that Spark reads."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmlrs.errors import IoError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A picture with its class: a file, or pixels to be written to one."""

    label: str
    #: Name of its file without suffix. No other picture of the class has it.
    name: str
    content: Path | Pixels
    #: Pictures that show the same thing, such as crops of one photograph, are of one group. By default, `name`.
    group: str = ""


def folds(pictures: Iterable[Picture], count: int, seed: int) -> Iterator[tuple[int, Picture]]:
    """Yield every picture with its fold. The groups of each class are dealt to the folds in turn, in random order."""
    classes: dict[str, dict[str, list[Picture]]] = {}
    for picture in pictures:
        classes.setdefault(picture.label, {}).setdefault(picture.group or picture.name, []).append(picture)
    random_order = random.Random(seed)  # noqa: S311 (no secret depends on it)
    turn = 0
    for _, groups in sorted(classes.items()):
        names = sorted(groups)
        random_order.shuffle(names)
        for name in names:
            for picture in groups[name]:
                yield turn % count, picture
            turn += 1


def _clear(folder: Path) -> None:
    """Delete a folder that this function wrote. Raise for any other."""
    if not folder.exists():
        return
    others = (
        [path.name for path in folder.iterdir() if not path.name.startswith("fold=")]
        if folder.is_dir()
        else [""]
    )
    if others:
        raise IoError(f"mmlrs.demo: {folder} exists and was not written by the demo; choose another --output")
    shutil.rmtree(folder)


def lay_out(folder: Path, pictures: Iterable[tuple[int, Picture]]) -> dict[str, int]:
    """Write pictures to ``fold=0/label=bird/name.png``, whose folders become columns, and return the counts of the classes.

    A picture that is a file becomes a link. Pixels become JPEG and PNG files in turn.
    """
    from PIL import Image

    _clear(folder)
    counts: dict[str, int] = {}
    for index, (fold, picture) in enumerate(pictures):
        target = folder / f"fold={fold}" / f"label={picture.label}"
        target.mkdir(parents=True, exist_ok=True)
        if isinstance(picture.content, Path):
            (target / f"{picture.name}{picture.content.suffix}").symlink_to(picture.content.resolve())
        else:
            suffix = "jpg" if index % 2 == 0 else "png"
            Image.fromarray(picture.content).save(target / f"{picture.name}.{suffix}", quality=92)
        counts[picture.label] = counts.get(picture.label, 0) + 1
    return dict(sorted(counts.items()))
