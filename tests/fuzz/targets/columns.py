"""Arrow columns of any type beside what a stage reads, and in its place."""

from __future__ import annotations

import random
import warnings
from typing import Any

import pyarrow as pa
from arrays import array, flat
from checks import Broken, answered, each
from samples import stages

from mmlrs.base import Estimator, stage_spec

BATCH = 16
SHORT = 96


#: What polars and pandas have too.
_KNOWN = [
    pa.string(), pa.large_string(), pa.string_view(), pa.binary_view(), pa.binary(), pa.int64(), pa.uint8(), pa.float32(),
    pa.float64(), pa.bool_(), pa.null(),
]  # fmt: skip


def item(rng: random.Random) -> Any:
    """The number of a stage, what to do with bad rows, the name of a column, and the seed of an array for it."""
    number = rng.randrange(len(stages()))
    _, table = stages()[number]
    name = rng.choice(["__other__", *table.column_names])
    return number, rng.choice(["error", "keep", "skip"]), name, rng.getrandbits(32)


def check(items: list[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        each(items, _check_one)


def _check_one(given: Any) -> None:
    number, policy, name, seed = given
    rng = random.Random(seed)
    stage, table = stages()[number]
    stage = stage.copy()
    if stage.hasParam("handleInvalid"):
        stage._set(handleInvalid=policy)
    if rng.random() < 0.2:
        table = table.slice(rng.randrange(table.num_rows), rng.randrange(3))
    frame = rng.choice([None, None, None, "polars", "pandas"])
    odd = flat(rng, rng.choice(_KNOWN), table.num_rows) if frame else array(rng, table.num_rows)
    odd.validate(full=True)
    if name in table.column_names:
        table = table.set_column(table.column_names.index(name), name, odd)
    else:
        table = table.append_column(name, odd)
    data = _framed(frame, table)
    ready = answered(lambda: stage.fit(data)) if isinstance(stage, Estimator) else stage
    if ready is None:
        return
    made = answered(lambda: ready.transform(data))
    if frame is not None:
        if made is not None and len(made) != table.num_rows and _keeps_rows(stage, policy):
            raise Broken(f"{table.num_rows} rows became {len(made)}")
        return
    if name == "__other__" and stage_spec(stage._stage)["rows"] == "kept":
        _unchanged(stage, policy, table, made)


def _framed(frame: str | None, table: pa.Table) -> Any:
    """The table as a data frame."""
    if frame is None:
        return table
    import polars as pl  # starts threads, which must not be there when a child is made

    return pl.from_arrow(table) if frame == "polars" else table.to_pandas()


def _keeps_rows(stage: Any, policy: str) -> bool:
    return stage_spec(stage._stage)["rows"] == "kept" and policy != "skip"


def _unchanged(stage: Any, policy: str, table: pa.Table, made: Any) -> None:
    """A column that a stage does not read goes through it as it is."""
    if made is None:
        raise Broken(f"{stage._stage} refuses a column that it does not read")
    if made.num_rows != table.num_rows and policy != "skip":
        raise Broken(f"{table.num_rows} rows became {made.num_rows}")
    if "__other__" not in made.column_names or made.num_rows != table.num_rows:
        return
    before, after = table["__other__"], made["__other__"]
    if after.type != before.type or not (after.equals(before) or _texts(after) == _texts(before)):
        raise Broken(f"{stage._stage} changes a column of type {before.type} that it does not read")


def _texts(column: pa.ChunkedArray) -> Any:
    """The values as texts, in which NaN is NaN; None for those that Python has no words for."""
    try:
        return repr(column.to_pylist())
    except (ValueError, OverflowError, pa.ArrowException):
        return None
