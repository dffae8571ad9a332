"""Facts about the installation and recommended settings."""

from __future__ import annotations

import importlib.metadata
import platform
from typing import Any

from mmlrs import _native

__all__ = ["counters", "recommended_conf", "reset_counters", "show_versions"]


def recommended_conf() -> dict[str, Any]:
    """Return Spark settings under which image columns neither exhaust the driver nor the workers.

    Spark's vectorised parquet reader takes 4,096 rows at a time, and the columnar path to Python collects the *output*
    of that many rows on the JVM heap: with images that is gigabytes. These settings make batches small in rows and
    bounded in bytes. The last one keeps Spark's own frames out of the error of a row.

    Returns
    -------
    dict
        For `SparkSession.builder.config(map=mmlrs.recommended_conf())`; every setting can also be changed at run time
        with `spark.conf.set`.

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
    """Return how often this process did the expensive things, by name.

    The names are `image_decodes`, `model_loads`, `model_runs`, `model_rows`, `program_runs` (one per batch and output
    column), `stage_builds` and `plans` (of a stage for the types of its input columns). On Spark the work is in the worker processes: `mmlrs.testing.worker_counters` asks them.

    Examples
    --------
    >>> import mmlrs
    >>> sorted(mmlrs.counters())
    ['image_decodes', 'model_loads', 'model_rows', 'model_runs', 'plans', 'program_runs', 'stage_builds']
    """
    return dict(_native.counters())


def reset_counters() -> None:
    """Set the counters of this process to zero."""
    _native.reset_counters()


def show_versions() -> None:
    """Print the versions of mmlrs, its native parts and the packages it works with.

    Prints the package and its build profile, OpenCV, ONNX Runtime with its execution providers, pyspark, pyarrow,
    NumPy and pandas; what is not installed says so.
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
