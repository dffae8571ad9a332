"""The column of predicted labels, beside the column of the numbers of their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.engine.expr import literal, quoted
from mmlrs.errors import InvalidParamError, SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["with_labels_in_table", "with_labels_on_spark"]


def with_labels_on_spark(
    stage: str, df: DataFrame, labels: list[Any], prediction: str, output: str
) -> DataFrame:
    """Add the label of each prediction; null where the prediction is null or not the number of a class.

    It is an expression of the JVM, which is computed only if the column is read.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import NullType, NumericType

    kind = df.schema[prediction].dataType
    if not isinstance(kind, NumericType | NullType):
        raise _no_numbers(stage, prediction, kind.simpleString())
    # One expression as text: a column for each label would be a call to the JVM for each.
    _label_array(stage, labels)
    values = F.expr(f"array({', '.join(map(_literal, labels))})")
    number = F.col(quoted(prediction))
    label = F.when(number == F.floor(number), F.get(values, number.cast("int")))
    return df.select("*", label.alias(output))


def _label_array(stage: str, labels: list[Any]) -> pa.Array:
    """Return the labels as an array. Raise if they are not of one type."""
    try:
        return pa.array(labels)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise InvalidParamError(
            f"{stage}: param `labels` must hold values of one type, got {labels!r:.200}: {error}"
        ) from None


def _no_numbers(stage: str, prediction: str, kind: object) -> SchemaMismatchError:
    return SchemaMismatchError(
        f"{stage}: column `{prediction}`: has type {kind}, not the number of a class, so it has no label"
    )


def _literal(label: Any) -> str:
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, int):
        return f"CAST({label} AS BIGINT)"
    return f"double('{label!r}')" if isinstance(label, float) else literal(label)


def with_labels_in_table(
    stage: str, table: pa.Table, labels: list[Any], prediction: str, output: str
) -> pa.Table:
    """Add the label of each prediction; null where the prediction is null or not the number of a class."""
    kind = table.schema.field(prediction).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise _no_numbers(stage, prediction, kind)
    numbers = pc.cast(table[prediction], pa.float64())
    known = pc.and_kleene(pc.equal(numbers, pc.floor(numbers)), pc.less(numbers, len(labels)))
    known = pc.and_kleene(known, pc.greater_equal(numbers, 0))
    places = pc.cast(pc.if_else(known, numbers, None), pa.int64())
    return table.append_column(output, pc.take(_label_array(stage, labels), places))
