"""The digits of scikit-learn and the clothes of Fashion-MNIST, as arrays."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.measure import NotInstalledError

FASHION = Path("/usr/share/datasets/fashion-mnist")
CLASSES = 10

Features = NDArray[np.float32]
Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Rows:
    """Rows of features with a class each."""

    x: Features
    y: Labels

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: Any) -> Rows:
        return Rows(self.x[rows], self.y[rows])


@dataclass(frozen=True)
class Split:
    """Rows to train on and rows to test with."""

    train: Rows
    test: Rows


def digits(times: int = 1) -> Rows:
    """Return the 1,797 digits of 8x8 pixels from 0 to 1, repeated so many times."""
    from sklearn.datasets import load_digits

    found = load_digits()
    x = (found.data / 16).astype(np.float32)
    return Rows(np.tile(x, (times, 1)), np.tile(found.target.astype(np.int32), times))


def digits_split(seed: int) -> Split:
    """Return three quarters of the digits to train on and a quarter to test with, chosen by the seed."""
    rows = digits()
    order = np.random.default_rng(seed).permutation(len(rows))
    quarter = len(rows) // 4
    return Split(rows[order[quarter:]], rows[order[:quarter]])


def _idx(path: Path) -> NDArray[np.uint8]:
    """Read a file of bytes in the format of MNIST: two zeros, the type, the number of dimensions, their sizes, the bytes."""
    content = gzip.decompress(path.read_bytes())
    sizes = np.frombuffer(content, ">i4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + sizes.nbytes).reshape(sizes)


def fashion(count: int | None = None) -> Split:
    """Return the 60,000 pictures of 28x28 pixels to train on and the 10,000 to test with, or the first of them.

    Raises
    ------
    NotInstalledError
        If the Debian package is not installed.
    """
    if not FASHION.is_dir():
        raise NotInstalledError(
            f"there is no {FASHION}: install Debian's package dataset-fashion-mnist, which has it"
        )

    def rows(part: str, limit: int | None) -> Rows:
        pictures, labels = (
            _idx(FASHION / f"{part}-{what}-ubyte.gz") for what in ("images-idx3", "labels-idx1")
        )
        pictures = pictures[:limit]
        pixels: Features = pictures.reshape(len(pictures), -1).astype(np.float32)
        pixels /= 255
        return Rows(pixels, labels[:limit].astype(np.int32))

    return Split(rows("train", count), rows("t10k", count))
