"""Train with checkpoints after each iteration until the process is killed. Run by `test_faults.py`."""

from __future__ import annotations

import json
import sys
from typing import Any

from trainings import classes, frame, network

from mmlrs.ann import _spark, _table


def main(place: str, folder: str, params: str) -> None:
    """Train on a table or on Spark."""
    _table._Runner.seconds = _spark._Runner.seconds = 0.0
    dataset: Any = classes()
    if place == "spark":
        from pyspark.sql import SparkSession

        import mmlrs

        conf = {**mmlrs.recommended_conf(), "spark.ui.enabled": "false", "spark.log.level": "OFF"}
        spark = SparkSession.builder.master("local[2]").config(map=conf).getOrCreate()
        dataset = frame(spark, dataset)
    network(**json.loads(params), checkpointDir=folder).fit(dataset)


if __name__ == "__main__":
    main(*sys.argv[1:])
