"""JPEG files to a column of small pictures on a table, against Daft."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench import pictures
from bench.decode import psnr
from bench.measure import Figure, Setting, required, side_by_side

SIDE = 224
#: Width, height, number of files and target.
SIZES = ((1280, 960, 200, 5.0), (500, 375, 800, 4.0))
#: Rows per batch of Daft in the second comparison. By default it takes all rows as one batch, which it resizes on one core.
BATCH = 25
#: Least similarity of the pictures of both sides in dB. Daft's resize weights the pixels by a triangle, ours are means.
LEAST_PSNR = 35.0


def with_mmlrs(table: pa.Table) -> pa.Table:
    """Decode and resize with ImageTransformer, to a column of images."""
    from mmlrs.image import ImageTransformer

    shrink = ImageTransformer(inputCol="image", outputCol="small", interpolation="area").resize(SIDE, SIDE)
    return shrink.transform(table).select(["small"])


def frame_of(table: pa.Table) -> Any:
    """Return the table as a DataFrame of Daft, in memory."""
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    return required("daft").from_arrow(table).collect()


def with_daft(frame: Any, batch: int | None = None) -> Any:
    """Decode and resize with Daft, to a column of images in memory."""
    from_column = required("daft").col("image")
    small = from_column.decode_image().resize(SIDE, SIDE)
    frame = frame if batch is None else frame.into_batches(batch)
    return frame.select(small.alias("small")).collect()


def pixels_of_mmlrs(table: pa.Table) -> NDArray[np.uint8]:
    """Return the pictures of mmlrs in R, G, B."""
    rows = table["small"].to_pylist()
    planes = [np.frombuffer(row["data"], np.uint8).reshape(SIDE, SIDE, 3)[..., ::-1] for row in rows]
    return np.stack(planes)


def pixels_of_daft(frame: Any) -> NDArray[np.uint8]:
    """Return the pictures of Daft in R, G, B."""
    return np.stack([np.asarray(picture) for picture in frame.to_pydict()["small"]])


def daft(setting: Setting) -> Iterator[Figure]:
    """JPEG to an image column of 224x224 on a table, two cores, against Daft."""
    for width, height, count, target in SIZES:
        files = pictures.repeated(pictures.jpegs(width, height), count // 4 if setting.quick else count)
        table = pa.table({"image": pa.array(files, pa.binary())})
        frame = frame_of(table)
        few = table.slice(0, len(pictures.jpegs(width, height)))
        ours, theirs = pixels_of_mmlrs(with_mmlrs(few)), pixels_of_daft(with_daft(frame_of(few)))
        alike = psnr(ours.astype(np.float32), theirs.astype(np.float32))
        if alike < LEAST_PSNR:
            raise AssertionError(f"the pictures differ from those of Daft: PSNR {alike:.1f} dB")
        for batch, peer, aim in ((None, "Daft", target), (BATCH, f"Daft with batches of {BATCH} rows", None)):
            timed = side_by_side(
                partial(with_mmlrs, table), partial(with_daft, frame, batch), setting.pairs(7)
            )
            yield Figure(
                f"JPEG {width}x{height} to an image column of {SIDE}x{SIDE} on a table, against {peer}",
                timed.ratio,
                target=aim,
                detail=f"{timed.detail(len(files), 'Daft')}; PSNR {alike:.1f} dB between the pictures",
            )
