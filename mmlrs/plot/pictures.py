"""Pixels for drawing, from pictures of any form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mmlrs.errors import LimitExceededError, MmlrsError, SchemaMismatchError

__all__ = ["Pixels", "pixels_of"]

#: Gray of shape (rows, columns), or R, G, B of shape (rows, columns, 3), 0 to 255.
Pixels = npt.NDArray[np.uint8]


def pixels_of(function: str, images: Any, column: str, side: int) -> Iterator[tuple[Pixels | None, str]]:
    """Yield the pixels of every picture, at most about `side` pixels long, or None and the reason why there are none.

    One picture at a time is decoded, so that large ones need little memory.
    """
    for row in range(len(images)):
        decoded, reason = _transformed(function, column, images.slice(row, 1), [])
        if decoded is not None:
            yield _small(function, column, decoded, side), ""
        else:
            yield None, reason


def _small(function: str, column: str, decoded: pa.ChunkedArray, side: int) -> Pixels:
    """Return the pixels of a decoded picture, averaged if it is large."""
    struct = decoded[0]
    height, width = (struct[name].as_py() for name in ("height", "width"))
    longest = max(height, width)
    if longest > side:
        shape = {
            name: max(1, round(value * side / longest))
            for name, value in (("height", height), ("width", width))
        }
        smaller, _ = _transformed(function, column, decoded, [{"action": "resize", **shape}])
        decoded = decoded if smaller is None else smaller
    struct = decoded[0]
    shape_of = tuple(struct[name].as_py() for name in ("height", "width", "nChannels"))
    pixels = np.frombuffer(struct["data"].as_buffer(), np.uint8).reshape(shape_of)
    if shape_of[2] == 1:
        return pixels[..., 0]
    colours = pixels[..., 2::-1]
    if shape_of[2] == 4:
        opacity = pixels[..., 3:].astype(np.float32) / 255
        colours = np.rint(colours * opacity + 255 * (1 - opacity)).astype(np.uint8)
    return colours


def _transformed(
    function: str, column: str, images: pa.ChunkedArray, stages: list[dict[str, Any]]
) -> tuple[pa.ChunkedArray | None, str]:
    """Return a column of one picture after some operations, or None and the reason why it cannot be read."""
    from mmlrs.image import ImageTransformer

    stage = ImageTransformer(
        inputCol=column,
        outputCol=f"{column} decoded",
        errorCol=f"{column} error",
        handleInvalid="keep",
        alpha="composite",
        interpolation="area",
        stages=stages,
    )
    try:
        made = stage.transform(pa.table({column: images}))
    except SchemaMismatchError as error:
        raise SchemaMismatchError(f"{function}: {str(error).partition(': ')[2]}") from None
    except LimitExceededError as error:
        return None, str(error).rpartition(": ")[2]
    except MmlrsError as error:
        raise type(error)(f"{function}: {str(error).partition(': ')[2]}") from None
    result, reason = made.column(1), made.column(2)[0].as_py()
    if not result[0].is_valid:
        return None, "no picture: null" if not images[0].is_valid else str(reason)
    return result, ""
