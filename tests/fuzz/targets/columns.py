"""Arrow columns of any type beside what a stage reads, and in its place."""

from __future__ import annotations

import random
import warnings
from typing import Any

import pyarrow as pa
from arrays import array
from checks import Broken, answered, each
from samples import stages

from mmlrs.base import Estimator, stage_spec

BATCH = 16
SHORT = 96


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
    odd = array(rng, table.num_rows)
    odd.validate(full=True)
    if name in table.column_names:
        table = table.set_column(table.column_names.index(name), name, odd)
    else:
        table = table.append_column(name, odd)
    ready = answered(lambda: stage.fit(table)) if isinstance(stage, Estimator) else stage
    if ready is None:
        return
    made = answered(lambda: ready.transform(table))
    if name == "__other__" and stage_spec(stage._stage)["rows"] == "kept":
        _unchanged(stage, policy, table, made)


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
