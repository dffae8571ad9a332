"""The Spark session of the measures, and a way to run a query without keeping its rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["CORES", "run_to_nowhere", "spark_session"]

CORES = 2
#: The setting that the guide recommends for tables of many narrow columns.
FOR_TABLES: dict[str, bool | float | int | str | None] = {
    "spark.sql.execution.arrow.maxBytesPerBatch": str(2**31 - 1)
}


@contextmanager
def spark_session(*, images: bool = False, memory: str = "4g") -> Iterator[SparkSession]:
    """Start a quiet session on two cores, with the settings that the guide recommends for images or for tables."""
    from pyspark.sql import SparkSession

    import mmlrs

    spark = (
        SparkSession.builder.master(f"local[{CORES}]")
        .appName("mmlrs-bench")
        .config(map=dict(mmlrs.recommended_conf()) if images else FOR_TABLES)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.memory", memory)
        # The driver is the executor here. The guide recommends this collector for jobs on large files.
        .config("spark.driver.extraJavaOptions", "-XX:+UseParallelGC")
        .config("spark.sql.shuffle.partitions", str(CORES))
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        spark.stop()


def run_to_nowhere(frame: DataFrame) -> None:
    """Compute all rows and discard them."""
    frame.write.format("noop").mode("overwrite").save()
