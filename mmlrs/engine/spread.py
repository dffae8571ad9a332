"""A sample of rows that is spread over a dataset, the same one each time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mmlrs.engine.columns import Columns
from mmlrs.engine.select import take_rows
from mmlrs.errors import SchemaMismatchError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs._types import FrameOrTable

__all__ = ["FirstRows", "spread_rows"]


def spread_rows(dataset: FrameOrTable, names: Sequence[str], rows: int, owner: str) -> pa.Table:
    """Return at most `rows` rows of some columns: every n-th row of a table, or the first rows of every partition on Spark.

    On Spark, a first job counts the rows of the partitions, without reading these columns if their source allows that. A second
    one reads each partition up to the last row that is taken. Vectors become arrays.
    """
    columns = Columns.of(dataset, owner).resolve_all(names)
    if isinstance(dataset, pa.Table):
        total = dataset.num_rows
        places = np.unique(np.arange(min(rows, total)) * total // max(1, min(rows, total)))
        return take_rows(dataset.select(columns), pa.array(places, pa.int64()))
    return _of_spark(dataset, columns, rows, owner)


def _of_spark(df: DataFrame, names: Sequence[str], rows: int, owner: str) -> pa.Table:
    from pyspark.ml.linalg import VectorUDT
    from pyspark.sql import functions as F

    from mmlrs.engine.sent import Sent
    from mmlrs.engine.spark import quoted, vectors_as_lists
    from mmlrs.engine.versions import table_of

    if df.isStreaming:
        raise SchemaMismatchError(f"{owner}: a streaming DataFrame has no fixed rows; pass a batch DataFrame")
    counted = df.groupBy(F.spark_partition_id().alias("part")).count().collect()
    sizes = {int(row["part"]): int(row["count"]) for row in counted}
    columns = [F.col(quoted(name)) for name in names]
    read = df.select(
        *(
            vectors_as_lists(column).alias(name)
            if isinstance(df.schema[name].dataType, VectorUDT)
            else column
            for name, column in zip(names, columns, strict=True)
        )
    )
    return table_of(read.mapInArrow(Sent(FirstRows(shares(sizes, rows))), read.schema))


def shares(sizes: dict[int, int], rows: int) -> dict[int, int]:
    """Return how many of `rows` rows are from each partition: as equal numbers as the sizes allow."""
    order = np.random.default_rng(0).permutation(len(sizes))  # if there are more partitions than rows
    smallest_first = sorted(zip(sizes.values(), order.tolist(), sizes, strict=True))
    left, out = rows, {}
    for place, (size, _, part) in enumerate(smallest_first):
        out[part] = min(size, left // (len(sizes) - place))
        left -= out[part]
    return {part: count for part, count in out.items() if count}


class FirstRows:
    """A function for `mapInArrow` that yields the first rows of each partition, and reads no further.

    Parameters
    ----------
    counts : dict of int
        The number of rows by the number of the partition; 0 for other partitions.
    """

    def __init__(self, counts: dict[int, int]) -> None:
        self.counts = counts

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of this partition."""
        from pyspark import TaskContext

        context: Any = TaskContext.get()
        left = self.counts.get(context.partitionId(), 0)
        if not left:
            return
        for batch in batches:
            yield batch.slice(0, left)
            left -= min(left, batch.num_rows)
            if not left:
                return
