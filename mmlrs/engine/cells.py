"""Encode images that are Python objects in the cells of a table: Pillow images and NumPy arrays.

They become bytes of the PNM family, which is lossless and costs one copy. So alpha, limits and errors per row are the same as
for encoded images.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mmlrs.errors import SchemaMismatchError

__all__ = ["UNORDERED", "encoded_cells", "file_cells", "has_pictures", "is_missing", "is_picture"]

#: Collections that Arrow would read as lists: of values in any order, and of values that are hidden.
UNORDERED = (set, frozenset, np.ma.MaskedArray)
#: Prefix of the bytes of a cell that is not an image, before the reason. `NO_PICTURE` in `rust/image/src/codec/formats.rs`.
_NO_PICTURE = b"mmlrs: no picture: "

#: Pillow modes whose pixels PNM can hold, with their tuple types.
_PLAIN = {"L": None, "RGB": None, "RGBA": "RGB_ALPHA", "LA": "GRAYSCALE_ALPHA"}
#: Target modes of the other 8-bit modes.
_CONVERTED = {
    "1": "L",
    "P": "RGB",
    "PA": "RGBA",
    "La": "LA",
    "RGBa": "RGBA",
    "RGBX": "RGB",
    "CMYK": "RGB",
    "YCbCr": "RGB",
    "LAB": "RGB",
    "HSV": "RGB",
}


def _is_pillow(cell: Any) -> bool:
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(cell, module.Image)


def is_missing(cell: Any) -> bool:
    """Return whether a cell is None or a missing value of pandas."""
    return cell is None or (isinstance(cell, float) and cell != cell) or type(cell).__name__ == "NAType"


def is_picture(value: Any) -> bool:
    """Return whether a value is one picture: encoded, a Pillow image, or an array of the axes of one picture."""
    if isinstance(value, np.ndarray):
        return value.ndim == 2 or (value.ndim == 3 and value.shape[-1] in (1, 3, 4))
    return isinstance(value, bytes | bytearray | memoryview) or _is_pillow(value)


def has_pictures(cells: Sequence[Any]) -> bool:
    """Return whether a cell is a Pillow image or an array of two or more axes."""
    image = getattr(sys.modules.get("PIL.Image"), "Image", ())
    kinds = set(map(type, cells))  # much cheaper than checking every cell
    if not any(issubclass(kind, np.ndarray) or issubclass(kind, image) for kind in kinds):
        return False
    return any(_is_pillow(cell) or (isinstance(cell, np.ndarray) and cell.ndim >= 2) for cell in cells)


def encoded_cells(cells: Sequence[Any], where: str = "") -> pa.Array:
    """Return images (Pillow images, NumPy arrays, encoded bytes, None) as encoded bytes. `where` begins error messages."""
    return pa.array([_encoded(cell, f"{where}row {row}") for row, cell in enumerate(cells)], pa.binary())


def file_cells(cells: Sequence[Any]) -> pa.Array:
    """Return the cells of a column as encoded bytes. A cell that is not an image becomes a bad row with its reason.

    Raises
    ------
    SchemaMismatchError
        No cell is an image.
    """
    files: list[bytes | None] = []
    first: SchemaMismatchError | None = None
    good = False
    for row, cell in enumerate(cells):
        try:
            files.append(_encoded(cell, f"row {row}"))
            good = good or files[-1] is not None
        except SchemaMismatchError as error:
            first = first or error
            files.append(_NO_PICTURE + str(error).split(": ", 1)[1].encode())
    if first is not None and not good:
        raise first
    return pa.array(files, pa.binary())


def _encoded(cell: Any, where: str) -> bytes | None:
    if is_missing(cell):
        return None
    if isinstance(cell, bytes | bytearray | memoryview):
        return bytes(cell)
    if isinstance(cell, np.ndarray):
        return _of_array(cell, where)
    if _is_pillow(cell):
        return _of_pillow(cell, where)
    raise SchemaMismatchError(
        f"{where}: an image must be a Pillow image, a NumPy array or encoded bytes, got {type(cell).__name__}"
    )


def _of_array(pixels: np.ndarray[Any, Any], where: str) -> bytes:
    channels = 1 if pixels.ndim == 2 else pixels.shape[-1] if pixels.ndim == 3 else 0
    if pixels.dtype != np.uint8 or channels not in (1, 3, 4):
        remedy = ""
        if pixels.dtype != np.uint8:
            remedy = "; scale the values to 0 to 255 and call .astype(numpy.uint8)"
        elif pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4):
            remedy = "; numpy.moveaxis(a, 0, -1) moves the channels to the end"
        raise SchemaMismatchError(
            f"{where}: an image in a NumPy array must be uint8 of shape (rows, columns) for gray, (rows, columns, 3) for R, G, B, "
            f"or (rows, columns, 4) with alpha, got {pixels.dtype} of shape {pixels.shape}{remedy}"
        )
    height, width = pixels.shape[:2]
    if channels == 4:
        return _pam(width, height, 4, "RGB_ALPHA") + pixels.tobytes()
    return b"P%d %d %d 255\n" % (5 if channels == 1 else 6, width, height) + pixels.tobytes()


def _pam(width: int, height: int, depth: int, kind: str) -> bytes:
    return (
        f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {depth}\nMAXVAL 255\nTUPLTYPE {kind}\nENDHDR\n".encode()
    )


def _of_pillow(image: Any, where: str) -> bytes:
    if image.mode.startswith("I;16"):
        words = np.asarray(image).astype(">u2")
        return b"P5 %d %d 65535\n" % image.size + words.tobytes()
    if image.mode not in _PLAIN:
        target = _CONVERTED.get(image.mode)
        if target is None:
            raise SchemaMismatchError(
                f"{where}: a Pillow image of mode {image.mode!r} has no fixed range of values; scale them to 0 to 255 and call "
                '.convert("L")'
            )
        if image.mode == "P" and "transparency" in image.info:
            target = "RGBA"
        image = image.convert(target)
    if (kind := _PLAIN[image.mode]) is not None:
        return _pam(image.width, image.height, len(image.mode), kind) + image.tobytes()
    return b"P%d %d %d 255\n" % (5 if image.mode == "L" else 6, *image.size) + image.tobytes()
