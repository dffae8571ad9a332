"""What must hold for a column of damaged pictures."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pyarrow as pa
from checks import Broken, rows_kept

from mmlrs.image import ImageFeaturizer, ImageTransformer, UnrollBinaryImage
from mmlrs.testing import sample_image

_LIMIT = 1_000_000


@lru_cache
def _uses() -> list[tuple[Any, list[Any]]]:
    """Stages that decode in different ways, and what each makes of the two good pictures."""
    given = {
        "inputCol": "image",
        "outputCol": "o",
        "handleInvalid": "keep",
        "errorCol": "why",
        "maxPixels": _LIMIT,
    }
    stages = [
        ImageTransformer(**given),
        ImageTransformer(**given, alpha="composite").resize(9, 11).flip(),
        UnrollBinaryImage(**given, height=8, width=8, nChannels=3),
        ImageFeaturizer(**given),
    ]
    return [
        (stage, [stage.transform(_table([good]))["o"][0].as_py() for good in _good()]) for stage in stages
    ]


@lru_cache
def _good() -> list[bytes]:
    return [sample_image("jpeg"), sample_image("png")]


def _table(files: list[bytes]) -> pa.Table:
    return pa.table({"image": pa.array(files, pa.binary())})


def check_decoding(items: list[bytes]) -> None:
    """Each picture is a result or a row with a reason, and the good ones among them stay as they are."""
    first, second = _good()
    middle = len(items) // 2
    table = _table([first, *items[:middle], second, *items[middle:], first])
    for stage, (one, two) in _uses():
        good = {0: [one], middle + 1: [two], table.num_rows - 1: [one]}
        made = rows_kept(stage, table, good, ["o"], "why")
        for image, why in zip(made["o"].to_pylist(), made["why"].to_pylist()):
            if (image is None) != (why is not None):
                raise Broken(f"a null without a reason, or a reason without a null: {why}")
            if isinstance(image, dict):
                size = image["height"] * image["width"] * image["nChannels"]
                if len(image["data"]) != size or not 0 < size <= 4 * _LIMIT:
                    raise Broken("an image of another size than it says")
