"""Perceptual hashes are those of the package imagehash, bit for bit."""

from __future__ import annotations

import io
from pathlib import Path

import imagehash
import numpy as np
import pyarrow as pa
import pytest
import skimage
from PIL import Image

from mmlrs.errors import InvalidParamError, MmlrsError
from mmlrs.image import ImageHash, ImageTransformer

METHODS = {"phash": imagehash.phash, "dhash": imagehash.dhash, "ahash": imagehash.average_hash}


def saved(image, kind="PNG", **params):
    out = io.BytesIO()
    image.save(out, kind, **params)
    return out.getvalue()


@pytest.fixture(scope="module")
def files():
    """Photographs, noise, ramps and flat images, in colour, gray, with palettes and alpha, wide, tall and tiny."""
    random = np.random.default_rng(0)
    found = []
    for path in sorted(Path(skimage.__file__).parent.glob("data/*")):
        if path.suffix in (".png", ".jpg", ".gif") and Image.open(path).mode in (
            "RGB",
            "RGBA",
            "L",
            "P",
            "LA",
        ):
            found.append(path.read_bytes())
    for _ in range(25):
        height, width = random.integers(1, 300, 2)
        noise = Image.fromarray(random.integers(0, 256, (height, width, 3)).astype(np.uint8))
        ramp = np.add.outer(np.linspace(0, 255, height), np.linspace(0, 90, width)) % 256
        found += [
            saved(noise),
            saved(noise.convert("L"), "JPEG"),
            saved(Image.fromarray(ramp.astype(np.uint8))),
        ]
    found += [saved(Image.new("RGB", (50, 40), (shade,) * 3)) for shade in (0, 77, 255)]
    symmetric = np.tile(np.concatenate([np.arange(32), np.arange(32)[::-1]]) * 4, (64, 1)).astype(np.uint8)
    return [*found, saved(Image.fromarray(symmetric)), saved(Image.new("RGBA", (9, 9), (200, 10, 30, 7)))]


@pytest.mark.parametrize("size", [8, 16, 3])
@pytest.mark.parametrize("method", METHODS)
def test_hashes_are_those_of_imagehash(files, method, size):
    stage = ImageHash(outputCol="hash", method=method, size=size, applyExifOrientation=False)
    hashes = stage.transform(pa.table({"image": files}))["hash"].to_pylist()
    expected = [str(METHODS[method](Image.open(io.BytesIO(file)), hash_size=size)) for file in files]
    assert hashes == expected
    assert len(set(hashes)) > len(files) // 3


def test_a_hash_follows_other_stages_in_one_pass(spark, files):
    shrink = ImageTransformer(inputCol="image", outputCol="small").resize(64, 64)
    stage = ImageHash(inputCol="small", outputCol="hash", handleInvalid="keep")
    table = pa.table({"image": [files[0], None, b"no image"]})
    expected = stage.transform(shrink.setHandleInvalid("keep").transform(table))["hash"].to_pylist()
    assert [found is None for found in expected] == [False, True, True]
    df = spark.createDataFrame([(row,) for row in table["image"].to_pylist()], "image binary")
    rows = stage.transform(shrink.transform(df)).select("hash").collect()
    assert [row.hash for row in rows] == expected


def test_what_cannot_be_hashed_is_one_error():
    with pytest.raises(MmlrsError, match="ImageHash: column `image`, row 0 of the table: not an image"):
        ImageHash().transform(pa.table({"image": [b"text"]}))
    for params in ({"size": 1}, {"size": 65}, {"method": "whash"}):
        with pytest.raises(InvalidParamError, match=next(iter(params))):
            ImageHash(**params).transform(pa.table({"image": [b""]}))
