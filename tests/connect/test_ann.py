"""Trainings of networks on Spark Connect."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mmlrs.ann import MultilayerPerceptronClassifier

pytestmark = pytest.mark.spark


def test_a_perceptron_trains_what_it_trains_on_a_table(spark):
    x = np.random.default_rng(2).uniform(size=(60, 3))
    table = pa.table({"features": list(x), "label": (x[:, 0] > x[:, 1]).astype("i8")})
    stage = MultilayerPerceptronClassifier(layers=[0, 4, 2], maxIter=3, tol=0.0, validationFraction=0.2)
    on_table = stage.fit(table)
    rows = spark.createDataFrame(table)
    on_spark = stage.fit(rows)
    np.testing.assert_allclose(on_spark.weights, on_table.weights, rtol=5e-3, atol=5e-4)
    for name in ("loss", "validation_loss"):
        losses = [model.history[name].to_numpy() for model in (on_spark, on_table)]
        np.testing.assert_allclose(*losses, rtol=1e-4)
    predictions = [row.prediction for row in on_spark.transform(rows).select("prediction").collect()]
    assert sorted(predictions) == sorted(on_spark.transform(table)["prediction"].to_pylist())
