"""Native estimators and summaries on Spark DataFrames."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from mmlrs._warnings import warn_once
from mmlrs.engine.causes import with_own_errors
from mmlrs.engine.expr import compile_program
from mmlrs.engine.sent import Sent
from mmlrs.engine.spark import Sources, kernel_of, lineage_of
from mmlrs.engine.worker import MergedFit, PartitionFit

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from mmlrs.base import NativeAggregate

__all__ = ["fit"]


def fit(stage: NativeAggregate, df: DataFrame) -> str:
    """Run a native estimator or summary in one job; return the result of the merged states, as JSON.

    Executors compute one state per partition. The driver merges the states; one more task merges states that grow with the
    number of rows.
    """
    native = stage._core()
    sources = Sources(df, stage._stage)
    inputs = sources.inputs(native, lineage_of(df))
    schema = sources.schema(inputs)
    compiled = compile_program([expr for _, expr in inputs])
    values, blobs = native.portable()
    compiled = replace(compiled, blobs=(*compiled.blobs, *blobs))
    work = PartitionFit(
        kernel_of(compiled, df.sparkSession, df, split=True),
        stage._stage,
        stage.uid,
        values,
        schema.serialize().to_pybytes(),
    )
    columns = [F.col(column) if isinstance(column, str) else column for column in sources.read(compiled)]
    read = [column.alias(f"c{i}") for i, column in enumerate(columns)]
    states = df.select(*read).mapInArrow(Sent(work), "state binary")
    merged = native.fit(schema)
    if merged.grows:
        merging = MergedFit(stage._stage, stage.uid, values, work.schema)
        states = states.repartition(1).mapInArrow(Sent(merging), "result string")
    with with_own_errors():
        rows = states.collect()
    if merged.grows:
        return str(rows[0][0])
    for (state,) in rows:
        merged.merge(bytes(state))
    result = merged.finish()
    warn_once(merged.notes())
    return result
