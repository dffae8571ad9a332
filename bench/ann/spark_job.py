"""Trainings in a Spark session of their own: ``python -m bench.ann.spark_job classic|connect|memory FOLDER``.

`FOLDER` has the rows in parquet files in `data`, and the sizes of the network, the solver and the numbers of iterations in
`job.json`.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.processes import fields
from bench.server import serve
from bench.session import CORES, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@contextmanager
def connected() -> Iterator[SparkSession]:
    """Start a session of Spark Connect with a server of its own."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.remote(f"local[{CORES}]").config("spark.driver.memory", "4g")
    with warnings.catch_warnings():
        # PySpark starts the server with these settings and then sets those again that can no longer be changed.
        warnings.simplefilter("ignore")
        session = builder.config("spark.ui.enabled", "false").config("spark.log.level", "OFF").getOrCreate()
    try:
        yield session
    finally:
        session.stop()


def fit(rows: DataFrame, job: dict[str, Any], iterations: int, history: Path) -> None:
    """Train with two workers, and write the history to a file."""
    from mmlrs.ann import MultilayerPerceptronClassifier

    limit: dict[str, Any] = {"epochs" if job["solver"] == "adam" else "maxIter": iterations}
    model = MultilayerPerceptronClassifier(
        layers=job["sizes"], activation="relu", solver=job["solver"], tol=0.0, numWorkers=CORES, **limit
    ).fit(rows)
    history.write_text(json.dumps(model.history.to_pylist()))


def resident_at_start(spark: SparkSession) -> float:
    """Return the largest resident memory in MB of a worker that has loaded mmlrs and has done nothing."""
    import pyarrow as pa

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import os
        import struct

        from mmlrs import _native

        _native.versions()
        list(batches)
        # From Python values, pyarrow would import pandas.
        size = pa.py_buffer(struct.pack("=q", *fields(os.getpid(), "status", "VmRSS")))
        yield pa.RecordBatch.from_arrays([pa.Array.from_buffers(pa.int64(), 1, [None, size])], names=["kib"])

    found = spark.range(0, CORES, 1, CORES).mapInArrow(look, "kib long").collect()
    return max(row.kib for row in found) / 1000 * 1.024


def main() -> None:
    kind, where = sys.argv[1:]
    folder = Path(where)
    job = json.loads((folder / "job.json").read_text())
    with connected() if kind == "connect" else spark_session() as spark:
        rows = spark.read.parquet(str(folder / "data"))
        history = folder / f"history-{kind}.json"
        if kind == "memory":
            at_start = resident_at_start(spark)
            fit(rows, job, job["many"], history)
            print(json.dumps(at_start))
        else:
            fit(rows, job, 1, history)  # to warm up
            serve({name: partial(fit, rows, job, job[name], history) for name in ("few", "many")}, kind)


if __name__ == "__main__":
    main()
