"""Train on a standalone cluster while an executor is killed, and compare with an undisturbed training. Run by `test_faults.py`."""

from __future__ import annotations

import json
import os
import sys
import warnings
from functools import partial
from pathlib import Path

import pyspark
from pyspark.sql import SparkSession
from trainings import ExecutorKilled, frame, network

import mmlrs
from mmlrs.ann import _spark


def main(folder: str) -> None:
    """Print the warnings and the weights of a disturbed training."""
    os.environ["SPARK_HOME"] = str(Path(pyspark.__file__).parent)  # for the executors
    conf = {
        **mmlrs.recommended_conf(),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "OFF",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.executor.memory": "512m",
        "spark.local.dir": folder,
        # Spark looks this often whether there are slots for a barrier job; by default every 15 seconds.
        "spark.scheduler.barrier.maxConcurrentTasksCheck.interval": "1s",
    }
    # A standalone cluster whose master and workers are threads of the driver, and whose executors are processes.
    spark = SparkSession.builder.master("local-cluster[2,1,1024]").config(map=conf).getOrCreate()
    _spark._Runner.seconds = 0.0  # one iteration in each job
    _spark.TrainingWork = partial(ExecutorKilled, flag=os.path.join(folder, "killed"))  # type: ignore[misc, assignment]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = network(maxIter=3).fit(frame(spark))
    messages = [str(warning.message) for warning in caught if warning.category is UserWarning]
    print(json.dumps({"warnings": messages, "weights": model.weights.tolist()}))
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
