"""What the tests share: one Spark session, and small data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sessions import workers_find_their_daemon

# For every JVM, those of the programs that tests start too. Jobs are short and run a few times: what the second compiler
# and a collector with threads of its own cost never comes back.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")


@pytest.fixture(scope="session")
def spark_conf() -> dict[str, str]:
    """Settings of every Spark session of the tests: quiet, small, and telling when a worker crashes."""
    import mmlrs

    return {
        **mmlrs.recommended_conf(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        "spark.sql.shuffle.partitions": "2",
        "spark.python.daemon.module": "frozen_daemon",
        "spark.python.worker.faulthandler.enabled": "true",
        "spark.sql.execution.pyspark.udf.faulthandler.enabled": "true",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
    }


@pytest.fixture(scope="session")
def spark(spark_conf: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    warehouse = tmp_path_factory.mktemp("warehouse")
    builder = (
        SparkSession.builder.master("local[2]")
        .appName("mmlrs-tests")
        .config(map=spark_conf)
        .config("spark.sql.warehouse.dir", str(warehouse))
    )
    with workers_find_their_daemon():
        session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def counted(spark: Any) -> Callable[[], dict[str, int]]:
    """A function that returns what the workers did since the test began, summed over the processes."""
    from mmlrs.testing import worker_counters

    worker_counters(spark, reset=True)

    def counters() -> dict[str, int]:
        found = worker_counters(spark)
        return {name: sum(c[name] for c in found) for name in found[0] if name != "pid"}

    return counters


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    from mmlrs.testing import sample_image

    return sample_image("jpeg")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder of 12 small pictures: label=cat/0.jpg ... label=dog/5.png."""
    from PIL import Image
    from skimage import data

    folder: Path = tmp_path_factory.mktemp("photos")
    for label, picture in (("cat", data.chelsea()), ("dog", data.coffee())):
        (folder / f"label={label}").mkdir()
        for i in range(6):
            part = Image.fromarray(picture[10 * i : 160 + 10 * i, 20 * i : 200 + 20 * i])
            part.save(folder / f"label={label}" / (f"{i}.jpg" if i % 3 else f"{i}.png"))
    return str(folder)
