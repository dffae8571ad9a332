"""Structs of Spark ML vectors of any type, size, indices and values, in every stage and function that reads them."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any

import pyarrow as pa
from checks import Broken, each
from mutate import FLOATS, NUMBERS

import mmlrs
from mmlrs.errors import DecodeError, LimitExceededError
from mmlrs.featurize import CountSelector, CountSelectorModel, FastVectorAssembler, Featurize
from mmlrs.train import ComputeModelStatistics, ComputePerInstanceStatistics
from mmlrs.vectors import as_lists

BATCH = 16
SHORT = 64

VECTOR = pa.struct(
    [
        ("type", pa.int8()),
        ("size", pa.int32()),
        ("indices", pa.list_(pa.int32())),
        ("values", pa.list_(pa.float64())),
    ]
)
GOOD = {"type": 0, "size": 6, "indices": [1, 4], "values": [1.0, 2.0]}
DENSE = {"type": 1, "size": None, "indices": None, "values": [0.0, 1.0, 0.0, 0.0, 2.0, 0.0]}
_SIZES = [n for n in NUMBERS if -(2**31) <= n < 2**31]


def item(rng: random.Random) -> Any:
    """A vector, and how the column of it comes."""
    vector = dict(rng.choice([GOOD, DENSE]))
    for _ in range(rng.choice([1, 1, 2, 3])):
        match rng.randrange(6):
            case 0:
                vector["type"] = rng.choice([None, 0, 1, 2, -1, 127, -128])
            case 1:
                vector["size"] = rng.choice([None, *_SIZES, 5, 4, 6])
            case 2:
                vector["indices"] = rng.choice(
                    [None, [], [None], [4, 1], [1, 1], [1, 2**31 - 1], [-1, 2], [0], [5, 6]]
                )
            case 3:
                vector["values"] = rng.choice(
                    [None, [], [None], [None, 1.0], [1.0], [1.0] * 3, rng.sample(FLOATS, 2)]
                )
            case 4:
                vector["indices"] = [rng.choice(_SIZES) for _ in range(rng.randrange(4))]
            case 5:
                vector["values"] = [rng.choice([*FLOATS, float("nan"), float("inf")]) for _ in range(2)]
    return vector, rng.randrange(6), rng.randrange(len(_uses()))


def check(items: list[Any]) -> None:
    each(items, _check_one)


def _check_one(given: Any) -> None:
    vector, form, use = given
    column = pa.array([GOOD, vector, DENSE], VECTOR)
    column = [
        column,
        pa.array([GOOD, None, vector, GOOD], VECTOR).slice(1),
        pa.chunked_array([pa.array([GOOD], VECTOR), pa.array([vector], VECTOR)]),
        pa.array([vector], VECTOR),
        _retyped(column, pa.int64(), pa.float32()),
        _retyped(column, pa.int8(), pa.float64()),
    ][form]
    _uses()[use](column)


def _retyped(column: pa.Array, indices: pa.DataType, values: pa.DataType) -> pa.Array:
    """The vectors with members of other types, as far as the numbers fit."""
    kind = pa.struct(
        [
            ("type", pa.int8()),
            ("size", pa.int32()),
            ("indices", pa.list_(indices)),
            ("values", pa.list_(values)),
        ]
    )
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        return column


@lru_cache
def _uses() -> list[Any]:
    def fitted(stage: Any) -> Any:
        def use(column: Any) -> None:
            table = pa.table({"v": column})
            _checked(stage.fit(table).transform(table))

        return use

    def applied(stage: Any) -> Any:
        def use(column: Any) -> None:
            n = len(column)
            stage.transform(
                pa.table({"v": column, "label": [0, 1] * n}).slice(0, n) if 0 else _labelled(column)
            )

        return use

    assembler = FastVectorAssembler(inputCols=["v"], outputCol="o")
    per_row = ComputePerInstanceStatistics(
        evaluationMetric="classification", labelCol="label", scoresCol="v", scoredLabelsCol="p"
    )
    of_model = ComputeModelStatistics(
        evaluationMetric="classification", labelCol="label", scoresCol="v", scoredLabelsCol="p"
    )
    return [
        fitted(CountSelector(inputCol="v", outputCol="o")),
        fitted(Featurize(inputCols=["v"], outputCol="o")),
        applied(assembler),
        applied(assembler.copy()._set(handleInvalid="keep")),
        applied(assembler.copy()._set(handleInvalid="skip")),
        applied(CountSelectorModel(inputCol="v", outputCol="o", indices=[1, 4], size=6)),
        applied(per_row),
        applied(of_model),
        mmlrs.to_numpy,
        mmlrs.to_scipy,
        lambda column: mmlrs.to_numpy(column.to_pylist()),
        lambda column: as_lists(
            column if isinstance(column, pa.Array) else column.combine_chunks(), "v", 10**6
        ),
    ]


def _checked(made: pa.Table) -> None:
    """What a stage makes of vectors is vectors."""
    if "o" in made.column_names:
        try:
            mmlrs.to_numpy(made["o"])
        except LimitExceededError:
            pass
        except DecodeError as error:
            if "damaged" in str(error):
                raise Broken(f"the result is no vector: {error}") from error


def _labelled(column: Any) -> pa.Table:
    n = len(column)
    labels = ([0, 1] * n)[:n]
    return pa.table({"v": column, "label": labels, "p": pa.array(labels, pa.float64())})
