"""Pictures for the tests: encoded by OpenCV or Pillow, never by mmlrs, and results as arrays in OpenCV's order."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import skimage.data
from PIL import Image


@lru_cache
def colour(height: int = 241, width: int = 323) -> np.ndarray:
    """A part of a photograph, B, G, R, 8 bits; odd in both directions unless said otherwise."""
    return np.ascontiguousarray(skimage.data.coffee()[:height, :width, ::-1])


@lru_cache
def gray(height: int = 99, width: int = 131) -> np.ndarray:
    """A part of a photograph in gray."""
    return np.ascontiguousarray(skimage.data.camera()[100 : 100 + height, 100 : 100 + width])


def png(pixels: np.ndarray) -> bytes:
    """A lossless file."""
    return cv2.imencode(".png", pixels)[1].tobytes()


def file(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """A file as Pillow writes it."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def jpeg(pixels: np.ndarray, **options: Any) -> bytes:
    """A JPEG of pixels in B, G, R order or gray."""
    return file(Image.fromarray(pixels[..., ::-1] if pixels.ndim == 3 else pixels), "JPEG", **options)


def table(*files: bytes | None, **columns: Any) -> pa.Table:
    """A table with encoded images in the column `image`."""
    return pa.table({"image": pa.array(files, pa.binary()), **columns})


def pixels_of(image: Any) -> np.ndarray:
    """An image struct as OpenCV's array: rows x columns, and channels where there are several."""
    height, width, channels = (image[name] for name in ("height", "width", "nChannels"))
    assert image["mode"] == {1: 0, 3: 16, 4: 24}[channels]
    found = np.frombuffer(image["data"], np.uint8).reshape(height, width, channels)
    return found[..., 0] if channels == 1 else found


def transformed(stage: Any, encoded: bytes) -> np.ndarray:
    """What an image stage makes of one encoded image."""
    made = stage.copy().setInputCol("image").setOutputCol("out").transform(table(encoded))
    return pixels_of(made["out"][0].as_py())


def most_different(a: np.ndarray, b: np.ndarray) -> int:
    """The largest difference between two images of one size."""
    assert a.shape == b.shape
    return int(np.abs(a.astype(int) - b.astype(int)).max())


PICTURES = {
    "odd": colour(),
    "even": colour(120, 160),
    "gray": gray(),
    "tiny": np.ascontiguousarray(colour()[60:65, 50:57]),
    "pixel": np.ascontiguousarray(colour()[60:61, 50:51]),
}


INTERPOLATIONS = {
    "linear": cv2.INTER_LINEAR,
    "area": cv2.INTER_AREA,
    "cubic": cv2.INTER_CUBIC,
    "nearest": cv2.INTER_NEAREST,
    "lanczos": cv2.INTER_LANCZOS4,
}


def equals(stage: Any, picture: np.ndarray, expected: np.ndarray, tolerance: int = 0) -> bool:
    return most_different(transformed(stage, png(picture)), expected) <= tolerance
