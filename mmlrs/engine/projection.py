"""Selecting and mapping the columns of a Spark DataFrame, whatever their names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F

from mmlrs.engine.expr import quoted
from mmlrs.engine.sent import Sent

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["mapped", "marked"]


def marked(df: DataFrame, names: list[str], metadata: dict[str, dict[str, Any]]) -> DataFrame:
    """Select columns, and add metadata to some of them."""
    known = {field.name: field.metadata for field in df.schema}
    columns = [
        F.col(quoted(n)).alias(n, metadata={**known[n], **metadata[n]}) if n in metadata else F.col(quoted(n))
        for n in names
    ]
    return df.select(*columns)


def mapped(df: DataFrame, work: Callable[[Iterator[pa.RecordBatch]], Any], schema: StructType) -> DataFrame:
    """Return `df.mapInArrow(work, schema)` for any column names; pyspark itself does not quote them."""
    names, sent = df.columns, Sent(work)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from sent(batch.rename_columns(names) for batch in batches)

    return df.toDF(*(f"c{i}" for i in range(len(names)))).mapInArrow(run, schema)
