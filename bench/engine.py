"""The cost of the engine itself: many small batches, and planning a long pipeline on a wide table."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bench.measure import Comparison, Figure, Setting, side_by_side
from bench.session import run_to_nowhere, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS, BATCHES = 100_000, 1_000
STAGES, COLUMNS = 10, 1_000


def engine(setting: Setting) -> Iterator[Figure]:
    """The overhead of running in Spark, apart from the work of the kernels."""
    with spark_session() as spark:
        spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", str(ROWS // BATCHES))
        yield small_batches(spark, setting)
    what = f"time to plan a pipeline of {STAGES} native stages on a DataFrame with {COLUMNS:,} columns"
    with spark_session() as spark:
        timed = planning(wide(spark), setting)
    yield Figure(
        f"{what}, classic",
        statistics.median(timed.ours),
        "s",
        0.15,
        at_least=False,
        detail=f"median of {setting.pairs(9)}",
    )
    detail = timed.seconds("the selects")
    yield Figure(f"the same, against {STAGES} selects of one Arrow UDF each", timed.ratio, detail=detail)
    command = [sys.executable, "-m", "bench.engine", *(["--quick"] if setting.quick else [])]
    # pyspark is classic or Connect for the life of a process.
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ))
    took = float(done.stdout.split()[-1])
    yield Figure(f"{what}, Spark Connect", took, "s", detail=f"median of {setting.pairs(9)}")


def small_batches(spark: Any, setting: Setting) -> Figure:
    """Compare a native stage that casts numbers with the same Arrow UDF written by hand."""
    import pyarrow as pa
    from pyspark.sql.pandas.functions import arrow_udf

    from mmlrs.featurize import DataConversion

    def cast(numbers):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - pyspark reads hints; here they are strings
        return numbers.cast(pa.float64())

    by_hand = arrow_udf(cast, returnType="double")  # type: ignore[call-overload]
    source = spark.range(0, ROWS, 1, 2).cache()
    source.count()
    stage = DataConversion(cols=["id"], outputCols=["number"], convertTo="double")
    timed = side_by_side(
        lambda: run_to_nowhere(stage.transform(source).select("number")),
        lambda: run_to_nowhere(source.select(by_hand("id").alias("number"))),
        setting.pairs(31),
    )
    return Figure(
        f"{ROWS:,} rows in {BATCHES:,} batches through DataConversion, against an Arrow UDF that casts",
        timed.ratio,
        target=0.9,
        detail=timed.seconds("the UDF"),
    )


def wide(spark: Any) -> DataFrame:
    """Return a DataFrame with `COLUMNS` columns, the first one strings."""
    numbers = ", ".join(f"double(id) AS x{i}" for i in range(COLUMNS - 1))
    frame: DataFrame = spark.sql(f"SELECT 'text' AS t0, {numbers} FROM range(1)")
    return frame


def planning(frame: DataFrame, setting: Setting) -> Comparison:
    """Compare a chain of stages on a DataFrame of known schema with a chain of UDFs; no row is computed."""
    from pyspark.sql.pandas.functions import arrow_udf

    from mmlrs.text import UnicodeNormalize

    stages = [UnicodeNormalize(inputCol=f"t{i}", outputCol=f"t{i + 1}") for i in range(STAGES)]

    def same(texts):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - pyspark reads hints; here they are texts
        return texts

    by_hand = arrow_udf(same, returnType="string")  # type: ignore[call-overload]

    def chain() -> None:
        planned = frame
        for stage in stages:
            planned = stage.transform(planned)

    def selects() -> None:
        planned = frame
        for i in range(STAGES):
            planned = planned.select("*", by_hand(f"t{i}").alias(f"t{i + 1}"))

    assert len(frame.columns) == COLUMNS
    return side_by_side(chain, selects, setting.pairs(9))


def main() -> None:
    """Print the planning time on Spark Connect."""
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.remote("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    print(statistics.median(planning(wide(spark), Setting(quick="--quick" in sys.argv)).ours))
    spark.stop()


if __name__ == "__main__":
    main()
