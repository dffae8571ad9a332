"""The photographs of scikit-image and scikit-learn, and JPEG files made from them."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

#: Images in the wheel of scikit-image that were taken by a camera, telescope or microscope.
NAMES = (
    "astronaut", "brick", "camera", "cat", "coffee", "coins", "grass", "gravel", "hubble_deep_field",
    "immunohistochemistry", "moon", "retina", "rocket",
)  # fmt: skip


@lru_cache(maxsize=1)
def photographs() -> dict[str, Pixels]:
    """Return all photographs by name, in RGB."""
    from sklearn.datasets import (
        load_sample_images,
    )  # only here: the environments of other Sparks have no scikit-learn

    photos: dict[str, Any] = {name: getattr(skimage.data, name)() for name in NAMES}
    photos["motorcycle"] = skimage.data.stereo_motorcycle()[0]
    sample = load_sample_images()
    photos.update(zip(("china", "flower"), sample.images, strict=True))
    return {
        name: pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
        for name, pixels in photos.items()
    }


def colour_photographs() -> dict[str, Pixels]:
    """Return the photographs in colour. Timings use only these, because gray ones decode faster."""
    return {n: p for n, p in photographs().items() if not np.array_equal(p[..., 0], p[..., 2])}


def jpeg(
    pixels: Pixels,
    width: int | None = None,
    height: int | None = None,
    *,
    quality: int = 90,
    noise: float = 0.0,
) -> bytes:
    """Return a JPEG file with 4:2:0 colour, as cameras write it.

    The image is resized if a size is given. `noise` is the standard deviation of added noise.
    """
    picture = Image.fromarray(pixels)
    if width is not None and height is not None:
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    if noise:
        values = np.asarray(picture, dtype=np.float32)
        values = values + np.random.default_rng(0).normal(0, noise, (*values.shape[:2], 1)).astype(np.float32)
        picture = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, subsampling="4:2:0")
    return file.getvalue()


@lru_cache(maxsize=8)
def jpegs(width: int, height: int) -> tuple[bytes, ...]:
    """Return one JPEG file of this size for each colour photograph."""
    return tuple(jpeg(p, width, height) for p in colour_photographs().values())


def repeated(files: tuple[bytes, ...], count: int) -> list[bytes]:
    """Return `count` files, repeating these in order."""
    return [files[i % len(files)] for i in range(count)]
