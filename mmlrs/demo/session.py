"""The Spark session of the demo."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@contextlib.contextmanager
def spark_session(log: Path | None = None, conf: Mapping[str, str] | None = None) -> Iterator[SparkSession]:
    """Start Spark on two cores and stop it after the block. Its log goes to a file, or to the standard error.

    `conf` holds further settings of Spark.
    """
    from pyspark.sql import SparkSession

    import mmlrs

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = (
        SparkSession.builder.master("local[2]")
        .appName("mmlrs-demo")
        .config(map={**mmlrs.recommended_conf()})
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "2")
        # Pack small files into one partition per core.
        .config("spark.sql.files.openCostInBytes", "65536")
        .config("spark.log.level", "ERROR")
        .config(map=dict(conf or {}))
    )
    with contextlib.nullcontext() if log is None else _stderr_to(log):
        spark = builder.getOrCreate()
    try:
        yield spark
    finally:
        spark.stop()


@contextlib.contextmanager
def _stderr_to(log: Path) -> Iterator[None]:
    """Redirect the standard error of this process and its children to a file within the block."""
    sys.stderr.flush()
    original = os.dup(2)
    try:
        with log.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    except Exception:
        os.write(original, log.read_bytes())
        raise
    finally:
        os.dup2(original, 2)
        os.close(original)
