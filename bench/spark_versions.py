"""The main job on the oldest supported PySpark against the newest, each in its environment."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import pictures
from bench.image_job import with_mmlrs, write_parquet
from bench.measure import Figure, Setting, side_by_side
from bench.networks import SQUEEZENET
from bench.server import Server, serve
from bench.session import CORES, run_to_nowhere, spark_session

ROOT = Path(__file__).resolve().parents[1]
OLDEST = "3.5.9"
ROWS = 384


def server(environment: Path, folder: str) -> Server:
    """Return a process of an environment with a Spark session over the images of a folder."""
    python = environment / "bin/python"
    if not python.exists():
        raise FileNotFoundError(
            f"there is no {environment.name}: make test-spark VERSION={OLDEST} ARGS=smoke"
        )
    left_out = {"ORT_DYLIB_PATH", "SPARK_HOME", "PYSPARK_DRIVER_PYTHON"}
    variables = {
        **{name: value for name, value in os.environ.items() if name not in left_out},
        "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "VIRTUAL_ENV": str(environment),
        "PYSPARK_PYTHON": str(python),
    }
    return Server([str(python), "-m", "bench.spark_versions", folder], variables, str(ROOT))


def run_job(folder: str) -> None:
    """Serve the job in this process."""
    import pyspark

    with spark_session(images=True, memory="2g") as spark:
        result = with_mmlrs(spark.read.parquet(folder), SQUEEZENET)
        serve({"job": partial(run_to_nowhere, result)}, pyspark.__version__)


def versions(setting: Setting) -> Iterator[Figure]:
    """The main job on the oldest supported PySpark, against the newest."""
    rows = ROWS // 4 if setting.quick else ROWS
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        write_parquet(Path(folder), pictures.repeated(pictures.jpegs(1280, 960), rows))
        with (
            server(ROOT / f".venv-spark-{OLDEST}", folder) as oldest,
            server(ROOT / ".venv", folder) as newest,
        ):
            timed = side_by_side(partial(oldest.run, "job"), partial(newest.run, "job"), setting.pairs(7))
            yield Figure(
                f"Spark local[{CORES}], {SQUEEZENET.name}, 1280x960, PySpark {oldest.about} against {newest.about}",
                timed.ratio,
                target=0.9,
                detail=timed.detail(rows, f"PySpark {newest.about}"),
            )


if __name__ == "__main__":
    run_job(sys.argv[1])
