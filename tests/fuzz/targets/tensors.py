"""Tensor structs, lists and vectors of any type and shape as the input of a model; good rows beside them stay."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from arrays import array
from checks import Broken, answered, each, rows_kept
from mutate import NUMBERS

from mmlrs.onnx import ONNXModel
from mmlrs.testing import sample_model

BATCH = 32
SHORT = 256

TENSOR = pa.struct([("dtype", pa.string()), ("shape", pa.list_(pa.int64())), ("data", pa.binary())])
_VALUES = np.arange(4, dtype=np.float32)
_GOOD = {"dtype": "float32", "shape": [4], "data": _VALUES.tobytes()}
_TYPES = [
    "float32",
    "float64",
    "int8",
    "uint8",
    "int64",
    "uint64",
    "bool",
    "float16",
    "bfloat16",
    "string",
    "",
    "x",
    None,
]
_SIZES = [n for n in NUMBERS if -(2**63) <= n < 2**63]


def item(rng: random.Random) -> Any:
    """Rows of tensors, or the seed of any column."""
    if rng.random() < 0.3:
        return rng.getrandbits(32), rng.randrange(3)
    rows = []
    for _ in range(rng.choice([1, 3, 6])):
        row: Any = dict(_GOOD)
        for _ in range(rng.choice([1, 1, 2])):
            match rng.randrange(5):
                case 0:
                    row["dtype"] = rng.choice(_TYPES)
                case 1:
                    row["shape"] = rng.choice(
                        [
                            None,
                            [],
                            [None],
                            [4, 1],
                            [1, 4],
                            [2, 2],
                            [0],
                            [-1],
                            [3],
                            [5],
                            [4, 0],
                            [2**32, 2**32],
                        ]
                    )
                case 2:
                    row["shape"] = [rng.choice([*_SIZES, 1, 2, 4]) for _ in range(rng.randrange(4))]
                case 3:
                    row["data"] = rng.choice(
                        [None, b"", b"x", bytes(4), bytes(8), bytes(15), bytes(16), bytes(17), bytes(32)]
                    )
                case 4:
                    row["shape"] = [1] * rng.choice([1, 8, 9, 64, 1000]) + [4]
        rows.append(rng.choice([row, row, row, None]))
    return rows, rng.randrange(3)


@lru_cache
def _model(form: int) -> Any:
    given = {"model": sample_model(), "inputCol": "x", "handleInvalid": "keep", "errorCol": "why"}
    return ONNXModel(**given, fetchDict={"o": "scores"}, outputType=["array", "vector", "tensor"][form])


@lru_cache
def _expected(form: int) -> Any:
    return _model(form).transform(pa.table({"x": pa.array([_GOOD], TENSOR)}))["o"].to_pylist()


def check(items: list[Any]) -> None:
    each(items, _check_one)


def _check_one(given: Any) -> None:
    rows, form = given
    stage = _model(form)
    if isinstance(rows, int):
        column = array(random.Random(rows), 5)
        made = answered(lambda: stage.transform(pa.table({"x": column})))
        if made is not None and made.num_rows != 5:
            raise Broken(f"5 rows became {made.num_rows}")
        return
    column = pa.array([_GOOD, *rows, _GOOD], TENSOR)
    rows_kept(
        stage, pa.table({"x": column}), {0: _expected(form), len(rows) + 1: _expected(form)}, ["o"], "why"
    )
