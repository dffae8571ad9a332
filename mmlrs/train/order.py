"""The ordered classes of labels without metadata."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.engine.batches import is_list
from mmlrs.engine.categories import LEVELS
from mmlrs.engine.datasets import is_spark
from mmlrs.engine.fields import attributes, is_vector_struct
from mmlrs.engine.frames import refuse_aside
from mmlrs.errors import DecodeError, LimitExceededError, SchemaMismatchError
from mmlrs.train.scored import Scored

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._stage import Stage
    from mmlrs._types import FrameOrTable

__all__ = ["labels_in"]

#: Maximum number of classes, as in the native core.
_MAX_CLASSES = 4096


def labels_in(stage: Stage, dataset: FrameOrTable, scored: Scored) -> list[Any] | None:
    """Return the labels of a dataset in the order that the type of the column declares, or ascending.

    Return None if the labels are the positions of the scores.

    This reads all rows, because a stage that reads batches cannot know which labels follow.
    """
    assert scored.label is not None
    assert scored.scores is not None
    if is_spark(dataset):
        if dataset.isStreaming:
            return None
        size = _spark_size(dataset, scored.scores)
        values = _spark_labels(dataset, scored.label)
    else:
        size = _table_size(dataset, scored.scores)
        kind = refuse_aside(stage._stage, dataset.schema.field(scored.label)).type
        if not _holds_labels(kind):
            raise SchemaMismatchError(
                f"{stage._stage}: column `{scored.label}`: has type {kind}; a label is a string, a number, a boolean, a date or "
                "a timestamp"
            )
        values = _table_labels(dataset, scored.label)
    if len(values) > _MAX_CLASSES:
        raise LimitExceededError(
            f"{stage._stage}: column `{scored.label}`: has more than {_MAX_CLASSES} classes; for numbers that are not classes, use "
            "regression metrics"
        )
    ascending = sorted({_label(value) for value in values} - {None}, key=_key)
    place = {level: i for i, level in enumerate(_declared(dataset, scored.label))}
    labels = sorted(ascending, key=lambda label: place.get(label, len(place)))
    if not labels or (all(_is_place(label, size) for label in labels) and (labels == ascending or size > 2)):
        return None
    if len(labels) != size:
        raise SchemaMismatchError(
            f"{stage._stage}: column `{scored.scores}`: has the scores of {size} classes, but `{scored.label}` has labels of "
            f"{len(labels)}; set `labels` in the order of the classes"
        )
    return labels


def _declared(dataset: FrameOrTable, name: str) -> list[Any]:
    """Return the levels that the type of a column declares, in order."""
    facts = dataset.schema[name].metadata if is_spark(dataset) else attributes(dataset.schema.field(name))
    levels: list[Any] = json.loads(facts.get(LEVELS, "[]"))
    return levels


def _holds_labels(kind: pa.DataType) -> bool:
    types = pa.types
    checks = (
        types.is_integer,
        types.is_floating,
        types.is_decimal,
        types.is_boolean,
        types.is_date,
        types.is_timestamp,
    )
    texts = (types.is_string, types.is_large_string, types.is_null)
    return any(check(kind) for check in (*checks, *texts))


def _label(value: Any) -> Any:
    """Return a label in its form in the param `labels`, or None for NaN."""
    if isinstance(value, decimal.Decimal | float):
        value = float(value)
        return None if value != value else value
    return _text(value) if isinstance(value, dt.date) else value


def _text(value: dt.date) -> str:
    """Return a date or timestamp as the native core writes it, in UTC if it has a time zone."""
    if not isinstance(value, dt.datetime):
        return value.isoformat()
    if value.tzinfo is not None:
        value = value.astimezone(dt.UTC).replace(tzinfo=None)
    text = value.isoformat(" ")
    return text.rstrip("0") if "." in text else text


def _key(label: Any) -> Any:
    return label.encode() if isinstance(label, str) else label


def _is_place(label: Any, size: int) -> bool:
    return not isinstance(label, str) and float(label).is_integer() and 0 <= label < size


# -- tables and Spark ----------------------------------------------------------------------------------------------------


def _table_labels(table: pa.Table, name: str) -> list[Any]:
    column = table[name]
    try:
        try:
            column = pc.unique(column).slice(0, _MAX_CLASSES + 2)
        except pa.ArrowNotImplementedError:  # narrow decimals and floats
            return list(dict.fromkeys(column.to_pylist()))
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError) as error:
        raise DecodeError(f"column `{name}`: holds a label that Python cannot hold: {error}") from None
    return values


def _table_size(table: pa.Table, name: str) -> int:
    """Return the number of slots of the first vector, or 2 for numbers, which determine both scores."""
    kind = table.schema.field(name).type
    if not is_vector_struct(kind) and not is_list(kind):
        return 2
    row = next((row for batch in table[name].chunks for row in batch.slice(0, 64) if row.is_valid), None)
    if row is None:
        return 2
    if is_vector_struct(kind) and row["size"].is_valid:
        return int(row["size"].as_py())
    values = row["values"] if is_vector_struct(kind) else row
    return len(values) if values.is_valid else 2


def _spark_labels(df: DataFrame, name: str) -> list[Any]:
    from mmlrs.train.labels import plain_label

    rows = df.select(plain_label(df, name).alias("label")).distinct().limit(_MAX_CLASSES + 2).collect()
    return [row.label for row in rows]


def _spark_size(df: DataFrame, name: str) -> int:
    from pyspark.ml.functions import vector_to_array
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import functions as F
    from pyspark.sql.types import ArrayType

    from mmlrs.engine.spark import quoted

    kind, column = df.schema[name].dataType, F.col(quoted(name))
    if not isinstance(kind, VectorUDT | ArrayType):
        return 2
    lists = column if isinstance(kind, ArrayType) else vector_to_array(column)
    first = df.where(column.isNotNull()).select(F.size(lists).alias("size")).limit(1).collect()
    return int(first[0].size) if first else 2
