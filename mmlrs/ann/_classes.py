"""Labels as numbers of classes, on Spark and on tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from mmlrs.ann._labels import levels_in
from mmlrs.engine.datasets import is_spark
from mmlrs.engine.fields import is_text
from mmlrs.errors import DecodeError, LimitExceededError, SchemaMismatchError

if TYPE_CHECKING:
    from mmlrs._stage import Stage

__all__ = ["classes_of"]


def classes_of(stage: Stage, dataset: Any, label: str, output: str) -> tuple[Any, list[Any]]:
    """Add a column with the numbers of the classes, and return the dataset with the labels in the order of the numbers.

    The column has the labels as levels in its metadata.

    Levels in the metadata of the label column mean that it holds the numbers. Otherwise its values are indexed in ascending order.

    Raises
    ------
    DecodeError
        No row has a label, there is only one class, or a row has no label and `handleInvalid` is "error".
    SchemaMismatchError
        The column has a type that cannot be a label.
    LimitExceededError
        The column has too many values.
    """
    levels = levels_in(dataset, label)
    if levels is not None:
        _check_many(stage, label, levels)
        return _named(dataset, label, output), list(levels)
    if not is_spark(dataset):
        return _of_table(stage, dataset, label, output)
    from mmlrs.train.labels import class_labels

    index, labels = class_labels(stage, dataset, label, output)
    return index(dataset), labels


def _check_many(stage: Stage, label: str, levels: list[Any]) -> None:
    if len(levels) < 2:
        raise DecodeError(
            f"{stage._stage}: column `{label}`: has only one class, {levels[0]!r}; a classifier needs at least two classes"
        )


def _named(dataset: Any, label: str, output: str) -> Any:
    """Add a column of numbers under another name."""
    if isinstance(dataset, pa.Table):
        return dataset.append_column(dataset.schema.field(label).with_name(output), dataset[label])
    from pyspark.sql import functions as F

    from mmlrs.engine import spark

    named = dataset.select("*", F.col(spark.quoted(label)).alias(output))
    return spark.with_lineage(named, spark.lineage_of(dataset))


def _of_table(stage: Stage, table: pa.Table, label: str, output: str) -> tuple[pa.Table, list[Any]]:
    from mmlrs.featurize import ValueIndexer

    values = _plain(stage, table[label], label)
    missing = pc.is_null(values, nan_is_null=True)
    if pc.any(missing).as_py():
        if stage._value("handleInvalid") != "skip":
            row = pc.index(missing, True).as_py()
            raise DecodeError(
                f"{stage._stage}: column `{label}`, row {row} of the table: is null or NaN; "
                'handleInvalid="skip" trains without such rows'
            )
        kept = pc.invert(missing)
        table, values = table.filter(kept), values.filter(kept)
    if not len(values):
        raise DecodeError(f"{stage._stage}: column `{label}`: has no value: no row has a label")
    field = table.schema.field(label).with_type(values.type).with_name(output)
    raw = pa.table([values], schema=pa.schema([field]))
    indexer = ValueIndexer(inputCol=output, outputCol=f"{output}_index")
    try:
        model = indexer.fit(raw)
        indexed = model.transform(raw)
    except (LimitExceededError, SchemaMismatchError) as error:
        cause = str(error).rpartition("`: ")[2]
        raise type(error)(f"{stage._stage}: column `{label}`: {cause}") from None
    labels = model.getLevels()
    _check_many(stage, label, labels)
    field = indexed.schema.field(f"{output}_index").with_name(output)
    return table.append_column(field, indexed[f"{output}_index"]), labels


def _plain(stage: Stage, values: pa.ChunkedArray, label: str) -> pa.ChunkedArray:
    """Return labels as text, numbers or booleans: decimals as doubles, dates and timestamps as text, as on Spark."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        if is_text(kind.value_type):
            return values  # with the order of its levels
        kind = kind.value_type
        values = values.cast(kind)
    if pa.types.is_decimal(kind):
        return values.cast(pa.float64())
    if pa.types.is_date(kind):
        return values.cast(pa.string())
    if pa.types.is_timestamp(kind):
        # A time with a zone in UTC, with six digits of the second, of which those at the end that are 0 go.
        text = values.cast(pa.timestamp("us", kind.tz), safe=False).cast(pa.timestamp("us")).cast(pa.string())
        return pc.replace_substring_regex(text, r"\.?0*$", "")
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not (number or pa.types.is_boolean(kind) or pa.types.is_null(kind) or is_text(kind)):
        raise SchemaMismatchError(
            f"{stage._stage}: column `{label}`: has type {kind}; a label is text, a number, a boolean, a date or a timestamp"
        )
    return values
