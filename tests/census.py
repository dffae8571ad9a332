"""A pipeline of Spark ML and mmlrs that indexes, encodes, scales and classifies, and its rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def rows(count: int = 200) -> pd.DataFrame:
    """Return people with a city, two numbers, one of them sometimes missing, and a label."""
    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "city": random.choice(["Rome", "Oslo", "Bern"], count),
            "x": random.normal(size=count),
            "y": random.normal(size=count),
        }
    )
    frame["label"] = np.where(
        frame.x + (frame.city == "Oslo") + random.normal(size=count) / 2 > 0, "yes", "no"
    )
    return frame


def fitted(spark: Any) -> Any:
    """Return a fitted pipeline of stages of both libraries."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import OneHotEncoder, StandardScaler, StringIndexer

    from mmlrs.featurize import FastVectorAssembler

    stages = [
        StringIndexer(inputCol="label", outputCol="index"),
        StringIndexer(inputCol="city", outputCol="place"),
        OneHotEncoder(inputCol="place", outputCol="hot"),
        FastVectorAssembler(inputCols=["hot", "x", "y"], outputCol="assembled"),
        StandardScaler(inputCol="assembled", outputCol="features"),
        LogisticRegression(labelCol="index", maxIter=5),
    ]
    return Pipeline(stages=stages).fit(spark.createDataFrame(rows()))
