"""What files say about themselves, against decoding them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pyarrow as pa

from bench import pictures
from bench.measure import Figure, Setting, side_by_side

FILES = 10_000
#: One in so many files is decoded, because decoding all would take minutes.
DECODED = 20
WIDTH, HEIGHT = 1280, 960


def metadata(setting: Setting) -> Iterator[Figure]:
    """Format, size and EXIF of 10,000 JPEG files of 1280x960 from their headers, against decoding the files."""
    from mmlrs.image import ImageMetadata, ImageTransformer

    rows = FILES // 10 if setting.quick else FILES
    files = pa.array(pictures.repeated(pictures.jpegs(WIDTH, HEIGHT), rows), pa.large_binary())
    table = pa.table({"image": files})
    sample = table.slice(0, rows // DECODED)
    read = ImageMetadata(inputCol="image", outputCol="facts")
    # A flip needs the pixels at full scale.
    decode = ImageTransformer(inputCol="image", outputCol="decoded").flip()
    timed = side_by_side(partial(read.transform, table), partial(decode.transform, sample), setting.pairs(7))
    per_file = 1e6 * min(timed.ours) / rows
    yield Figure(
        f"ImageMetadata, {rows:,} JPEG files of {WIDTH}x{HEIGHT}, against decoding them",
        timed.ratio * DECODED,
        target=20.0,
        detail=f"{per_file:.1f} µs per file against {1e3 * min(timed.theirs) / len(sample):.2f} ms; 2 cores, fastest of 7",
    )
