"""Small JPEG copies of pictures, for the report."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from mmlrs.image import ImageTransformer, write_images

__all__ = ["thumbnails"]

#: Pixels of the shorter side, and the quality of the JPEG.
_SIDE, _QUALITY = 200, 72


def thumbnails(images: Path, files: Sequence[str]) -> dict[str, str]:
    """Return small copies of pictures as data URIs, by file."""
    wanted = list(dict.fromkeys(files))
    if not wanted:
        return {}
    contents = pa.array([(images / file).read_bytes() for file in wanted], pa.binary())
    names = pa.array([f"{place}" for place in range(len(wanted))], pa.string())
    small = (
        ImageTransformer(inputCol="content", outputCol="image")
        .resize(size=_SIDE, keepAspectRatio=True)
        .transform(pa.table({"name": names, "content": contents}))
    )
    with tempfile.TemporaryDirectory() as folder:
        write_images(small, folder, name_col="name", format="jpeg", quality=_QUALITY)
        return {
            file: "data:image/jpeg;base64,"
            + base64.b64encode(Path(folder, f"{place}.jpg").read_bytes()).decode()
            for place, file in enumerate(wanted)
        }
