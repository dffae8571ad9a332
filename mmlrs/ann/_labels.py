"""What a dataset says about its labels and features."""

from __future__ import annotations

import json
from collections.abc import Sized
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mmlrs.engine.columns import wrong_type
from mmlrs.engine.datasets import is_spark
from mmlrs.engine.fields import is_text
from mmlrs.errors import DecodeError
from mmlrs.train.scored import levels_of

if TYPE_CHECKING:
    from mmlrs._stage import Stage
    from mmlrs.ann._estimator import NetworkEstimator

__all__ = ["check_classes", "check_values", "indexing", "levels_in", "size_in"]


def _metadata(dataset: Any, column: str) -> dict[str, Any]:
    """Return the metadata of a column as Spark has it."""
    if is_spark(dataset):
        found: dict[str, Any] = dataset.schema[column].metadata
        return found
    metadata = dataset.schema.field(column).metadata or {}
    return {"ml_attr": json.loads(metadata[b"ml_attr"])} if b"ml_attr" in metadata else {}


def indexing(column: str) -> str:
    """Return the words for how labels become class numbers, for errors."""
    return f'index it first: mmlrs.featurize.ValueIndexer(inputCol="{column}", outputCol="index")'


def check_classes(stage: str, dataset: Any, column: str) -> None:
    """Raise a `SchemaMismatchError` if a column of class numbers holds strings."""
    if is_spark(dataset):
        kind = dataset.schema[column].dataType.typeName()
        found = kind in ("string", "varchar", "char")
    else:
        kind = dataset.schema.field(column).type
        found = is_text(kind.value_type if pa.types.is_dictionary(kind) else kind)
    if found:
        raise wrong_type(stage, column, kind, f"the numbers of the classes, from 0; {indexing(column)}")


def check_values(stage: NetworkEstimator, dataset: Any, column: str, outputs: int) -> None:
    """Raise a `SchemaMismatchError` if a column holds single numbers, but the network has several outputs."""
    if outputs == 1:
        return
    if is_spark(dataset):
        from pyspark.sql.types import BooleanType, NumericType

        found = dataset.schema[column].dataType
        kind, is_number = found.typeName(), isinstance(found, NumericType | BooleanType)
    else:
        kind = dataset.schema.field(column).type
        is_number = pa.types.is_primitive(kind) or pa.types.is_decimal(kind)
    if is_number:
        expected = (
            f"vectors of {outputs} numbers, as many as {stage._sized_by()} says that the network has outputs"
        )
        raise wrong_type(stage._stage, column, kind, expected)


def _kind(dataset: Any, column: str) -> object:
    """Return the type of a column, as errors name it."""
    return (
        dataset.schema[column].dataType.simpleString()
        if is_spark(dataset)
        else dataset.schema.field(column).type
    )


def levels_in(dataset: Any, column: str) -> list[str] | None:
    """Return the levels of a label column from its nominal attributes, or None if it has none."""
    return levels_of(_metadata(dataset, column))


def size_in(stage: Stage, dataset: Any, column: str, what: str = "features") -> int:
    """Return the size of the vectors of a column, from its metadata or its first row.

    Raises
    ------
    DecodeError
        There is no vector.
    SchemaMismatchError
        The column holds neither vectors nor numbers.
    """
    attributes = _metadata(dataset, column).get("ml_attr", {})
    if "num_attrs" in attributes:
        return int(attributes["num_attrs"])
    if isinstance(dataset, pa.Table):
        array = dataset.column(column)
        if pa.types.is_fixed_size_list(array.type):
            return int(array.type.list_size)
        first = next((value for value in array if value.is_valid), None)
        value = None if first is None else first.as_py()
    else:
        from pyspark.sql import functions as F

        from mmlrs.engine.spark import quoted

        row = dataset.select(quoted(column)).where(F.col(quoted(column)).isNotNull()).first()
        value = None if row is None else row[0]
    if value is None:
        raise DecodeError(f"{stage._stage}: column `{column}`: no row has {what}")
    if isinstance(value, int | float | Decimal):
        return 1
    is_struct = isinstance(value, dict)  # of a vector
    if "size" not in value if is_struct else not isinstance(value, Sized):
        kind = _kind(dataset, column)
        raise wrong_type(stage._stage, column, kind, f"{what} as vectors, lists of numbers or numbers")
    size = (
        value["size"]
        if is_struct and value["size"] is not None
        else len(value["values"] if is_struct else value)
    )
    if not size:
        raise DecodeError(f"{stage._stage}: column `{column}`: the first row with {what} has no numbers")
    return int(size)
