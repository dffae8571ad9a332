"""Operations on images with arguments of any size, alone and in chains."""

from __future__ import annotations

import random
import warnings
from typing import Any

import pyarrow as pa
from checks import each
from mutate import NUMBERS, odd

from mmlrs.image import ImageTransformer
from mmlrs.testing import sample_image

BATCH = 16
SHORT = 96

_MATRIX = [1.0, 0.2, 3.0, -0.1, 0.9, 1.0]
_OPERATIONS: list[dict[str, Any]] = [
    {"action": "resize", "height": 20, "width": 30, "interpolation": "cubic"},
    {"action": "resize", "size": 20, "keepAspectRatio": True},
    {"action": "crop", "x": 3, "y": 2, "height": 20, "width": 30},
    {"action": "crop", "margin": 0.5},
    {"action": "drawBoxes", "thickness": 3, "labels": True, "color": [1.0, 2.0, 250.0]},
    {"action": "centerCrop", "height": 20, "width": 30},
    {"action": "colorFormat", "code": 6},
    {"action": "colorFormat", "code": "hsv"},
    {"action": "blur", "height": 5, "width": 3},
    {"action": "threshold", "threshold": 99.0, "maxVal": 255.0, "type": 2},
    {"action": "gaussianKernel", "apertureSize": 5, "sigma": 1.5},
    {"action": "flip", "code": 0},
    {"action": "rotate", "degrees": 33.0, "interpolation": "linear"},
    {"action": "medianBlur", "apertureSize": 5},
    {"action": "bilateralFilter", "diameter": 5, "sigmaColor": 20.0, "sigmaSpace": 9.0},
    {"action": "canny", "threshold1": 50, "threshold2": 100, "apertureSize": 3},
    {"action": "equalizeHist"},
    {"action": "warpAffine", "matrix": _MATRIX, "height": 20, "width": 30},
    {"action": "warpPerspective", "matrix": [*_MATRIX, 0.001, 0.0, 1.0]},
    {"action": "pad", "top": 3, "left": 4, "bottom": 1, "right": 2, "value": [1, 2, 3], "mode": "constant"},
    {"action": "erode", "height": 3, "width": 5, "shape": "cross", "iterations": 2},
    {"action": "dilate", "height": 3, "width": 5, "iterations": 2},
    {
        "action": "morphologyEx",
        "op": "gradient",
        "height": 3,
        "width": 5,
        "iterations": 2,
        "shape": "ellipse",
    },
    {"action": "sobel", "dx": 1, "dy": 1, "apertureSize": 5, "scale": 2.0, "delta": 1.0, "absolute": True},
    {"action": "scharr", "dx": 1, "dy": 0},
    {"action": "laplacian", "apertureSize": 3, "scale": 1.5},
    {"action": "filter2D", "kernel": [[0, 1, 0], [1, 2, 1], [0, 1, 0]], "delta": 3.0},
    {
        "action": "adaptiveThreshold",
        "maxVal": 255.0,
        "blockSize": 5,
        "C": 2.0,
        "method": "gaussian",
        "type": 1,
    },
    {"action": "clahe", "clipLimit": 3.0, "tileGridSize": [4, 4]},
    {"action": "inRange", "lower": [1, 2, 3], "upper": [200, 200, 200]},
    {"action": "brightnessContrast", "brightness": 3.0, "contrast": 1.5},
    {"action": "normalize", "mean": [0.1, 0.2, 0.3], "std": [1.0, 1.0, 1.0], "colorScaleFactor": 0.01},
]
_BOX = pa.struct(
    [("label", pa.string()), *((name, pa.float64()) for name in ("score", "x", "y", "width", "height"))]
)
#: A list of odd boxes for each image.
_BOXES = pa.array(
    [
        [{"label": "a", "score": 0.5, "x": 0.1, "y": 0.2, "width": 0.5, "height": 0.5}],
        [],
        [
            {"label": "ü\n" * int(n * 10 % 99), "score": n, "x": 0.1, "y": 0.0, "width": n, "height": 9.0}
            for n in (0.0, 0.3, 1e9)
        ],
    ],
    pa.list_(_BOX),
)
_SIZES = [0, 1, 2, 3, 5, 31, 254, 255, 256, 1000, 4095, 32766, 32767, 65499, 65500, 65501]


def item(rng: random.Random) -> list[dict[str, Any]]:
    """A chain of operations."""
    chain = []
    for _ in range(rng.choice([1, 1, 2, 4])):
        operation = dict(rng.choice(_OPERATIONS))
        for _ in range(rng.choice([0, 1, 1, 2])):
            name = rng.choice(list(operation))
            if name != "action":
                operation[name] = _argument(operation[name], rng)
        if rng.random() < 0.3:
            chain.append({"action": "colorFormat", "code": 6})
        chain.append(operation)
    return chain


def _argument(value: Any, rng: random.Random) -> Any:
    if isinstance(value, list) and rng.random() < 0.7:
        return [_argument(v, rng) if rng.random() < 0.4 else v for v in value]
    if isinstance(value, bool) or rng.random() < 0.15:
        return odd(rng, value)
    if isinstance(value, int):
        return rng.choice(_SIZES if rng.random() < 0.8 else NUMBERS)
    if isinstance(value, float):
        return rng.choice([0.0, -1.0, 0.5, 255.0, 256.0, 1e4, 1e9, 1e18, 1e300, -1e300, 1e-300, 360.0, 90.0])
    return odd(rng, value)


def check(items: list[Any]) -> None:
    each(items, _check_one)


def _check_one(chain: list[dict[str, Any]]) -> None:
    files = [sample_image("png"), b"no picture", sample_image("jpeg")]
    stage = ImageTransformer(
        inputCol="image",
        outputCol="o",
        boxCol="boxes",
        stages=chain,
        handleInvalid="keep",
        errorCol="why",
        maxPixels=4_000_000,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "param `boxCol` has no effect")
        made = stage.transform(pa.table({"image": files, "boxes": _BOXES}))
    assert made.num_rows == 3
    assert not any(why and "internal error" in why for why in made["why"].to_pylist()), made["why"]
