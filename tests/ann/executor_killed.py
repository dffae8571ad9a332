"""Train on a standalone cluster while an executor is killed, and compare with an undisturbed training. Run by `test_faults.py`."""

from __future__ import annotations

import os
import sys
import warnings
from functools import partial
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession
from trainings import ExecutorKilled, frame, is_same, network

import mmlrs
from mmlrs.ann import _spark


def main(folder: str) -> None:
    """Print the warnings of a disturbed training, and whether the models are the same."""
    os.environ["SPARK_HOME"] = str(Path(pyspark.__file__).parent)  # for the executors
    conf = {
        **mmlrs.recommended_conf(),
        "spark.ui.enabled": "false",
        "spark.log.level": "OFF",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.memory": "512m",
        "spark.local.dir": folder,
        # Spark looks this often whether there are slots for a barrier job; by default every 15 seconds.
        "spark.scheduler.barrier.maxConcurrentTasksCheck.interval": "1s",
    }
    spark = SparkSession.builder.master("local-cluster[2,1,1024]").config(map=conf).getOrCreate()
    df = frame(spark).localCheckpoint() if False else frame(spark)
    executors = spark.sparkContext._jsc.sc().getExecutorMemoryStatus().size() - 1
    print("executors", executors)
    undisturbed = network(maxIter=4).fit(df)
    flag = os.path.join(folder, "killed")
    _spark.TrainingWork = partial(ExecutorKilled, flag=flag)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = network(maxIter=4).fit(df)
    print("killed", Path(flag).read_text())
    for warning in caught:
        print("warning", warning.message)
    print("same", is_same(model, undisturbed))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
