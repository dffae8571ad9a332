"""Tiny pictures and a tiny model that tells bright ones from dark ones."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

import mmlrs
from mmlrs.examples.camera_traps.saved_study import StudyModel
from mmlrs.image import ImageTransformer, UnrollImage


def picture(number: int, time: str | None = None, brightness: int | None = None) -> bytes:
    """A JPEG of 24x16 pixels with noise, brighter on the left than on the right. Odd numbers are bright."""
    rng = np.random.default_rng(number)
    base = (150 if number % 2 else 30) if brightness is None else brightness
    pixels = rng.integers(0, 60, (16, 24, 3)) + base + np.linspace(40, 0, 24, dtype=int)[None, :, None]
    exif = Image.Exif()
    if time is not None:
        exif.get_ifd(0x8769)[0x9003] = time
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "JPEG", quality=90, exif=exif)
    return out.getvalue()


@lru_cache
def brightness_model() -> Any:
    """A compiled model: small pictures and a logistic regression on their pixels, fitted by scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    small = ImageTransformer(inputCol="image", outputCol="small").resize(4, 6)
    pixels = UnrollImage(inputCol="small", outputCol="features")
    table = pa.table({"image": pa.array([picture(number) for number in range(40)], pa.binary())})
    features = np.stack(pixels.transform(small.transform(table))["features"].to_numpy())
    learner = LogisticRegression(C=1e-4).fit(features, np.arange(40) % 2)
    return mmlrs.compile([small, pixels, mmlrs.from_estimator(learner, featuresCol="features")])


def study_model(**given: Any) -> StudyModel:
    return StudyModel(brightness_model(), "cat", **given)


def fill(folder: Path, count: int, damaged: int = 0) -> None:
    """Pictures of two cameras; the last ones are damaged: empty, no picture, cut off."""
    for number in range(count):
        path = folder / ("north" if number < count // 2 else "south") / f"{number:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = picture(number, f"2024:05:01 10:{number // 60 % 60:02}:{number % 60:02}")
        if number >= count - damaged:
            content = (b"", b"no picture", content[:200])[number % 3]
        path.write_bytes(content)
