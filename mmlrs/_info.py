"""Versions, counters and recommended Spark settings."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from mmlrs import _native

__all__ = ["counters", "recommended_conf", "reset_counters", "show_versions"]


def recommended_conf() -> dict[str, Any]:
    """Return Spark settings with which image columns do not exhaust the memory of the driver or the workers.

    Spark's vectorised parquet reader reads 4,096 rows at a time, and the columnar path to Python collects the *output* of
    these rows on the JVM heap. For images that is gigabytes. These settings limit batches in rows and bytes. The last
    setting removes Spark's own frames from the traceback of an error.

    Returns
    -------
    dict of str to str
        The settings, for `SparkSession.builder.config(map=mmlrs.recommended_conf())`. Each can also be changed at run
        time with `spark.conf.set`.

    Examples
    --------
    >>> import mmlrs
    >>> mmlrs.recommended_conf()["spark.sql.parquet.columnarReaderBatchSize"]
    '32'
    """
    return {
        "spark.sql.execution.arrow.pythonUDF.columnarInput.enabled": "false",
        "spark.sql.parquet.columnarReaderBatchSize": "32",
        "spark.sql.orc.columnarReaderBatchSize": "32",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "1024",
        "spark.sql.execution.arrow.maxBytesPerBatch": "16777216",
        "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled": "true",
    }


def counters() -> dict[str, int]:
    """Return how many times this process performed each expensive operation.

    On Spark, the work is done by the worker processes: see `mmlrs.testing.worker_counters`.

    Returns
    -------
    dict of str to int
        The counters `image_decodes`, `model_loads`, `model_runs`, `model_rows`, `program_runs` (one per batch and output
        column), `stage_builds` and `plans` (of a stage for the types of its input columns).

    Examples
    --------
    >>> import mmlrs
    >>> sorted(mmlrs.counters())
    ['image_decodes', 'model_loads', 'model_rows', 'model_runs', 'plans', 'program_runs', 'stage_builds']
    """
    return dict(_native.counters())


def reset_counters() -> None:
    """Set the counters of this process to zero.

    Examples
    --------
    >>> import mmlrs
    >>> mmlrs.reset_counters()
    >>> mmlrs.counters()["image_decodes"]
    0
    """
    _native.reset_counters()


def show_versions() -> None:
    """Print the versions of mmlrs, its native libraries and the packages it works with.

    These are mmlrs with its build profile, OpenCV, ONNX Runtime with its execution providers, Python, pyspark, pyarrow,
    NumPy and pandas. Missing packages are listed as "not installed".

    Examples
    --------
    >>> import mmlrs
    >>> mmlrs.show_versions()  # doctest: +ELLIPSIS
    mmlrs...
    """
    rows = dict(_native.versions())
    rows["python"] = platform.python_version()
    for package in ("pyspark", "pyarrow", "numpy", "pandas"):
        try:
            rows[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            rows[package] = "not installed"
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
