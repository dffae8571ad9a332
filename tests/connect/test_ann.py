"""Trainings of networks on Spark Connect."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import mmlrs
from mmlrs.ann import DeepTextClassifier, DeepVisionClassifier, FineTuner, MultilayerPerceptronClassifier
from mmlrs.errors import DecodeError
from mmlrs.testing import sample_stage

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


@pytest.mark.parametrize("kind", [FineTuner, DeepVisionClassifier, DeepTextClassifier])
def test_a_network_with_a_trained_head_scores_what_it_scores_on_a_table(spark, kind):
    stage, table = sample_stage(kind)
    model = stage.fit(table)
    if kind is FineTuner:
        lists = pa.array(map(mmlrs.to_numpy(table["features"]).__getitem__, range(table.num_rows)))
        table = table.set_column(0, "features", lists)
    expected = model.transform(table)
    compiled = mmlrs.compile(model)
    rows = spark.createDataFrame(table)
    for scorer in (model, compiled):
        scored = scorer.transform(rows)
        assert scored.columns == expected.column_names
        found = scored.select("prediction", "predictedLabel", "probability").collect()
        assert [row.prediction for row in found] == expected["prediction"].to_pylist()
        assert [row.predictedLabel for row in found] == expected["predictedLabel"].to_pylist()
        probabilities = np.stack([row.probability.toArray() for row in found])
        np.testing.assert_allclose(probabilities, mmlrs.to_numpy(expected["probability"]), atol=1e-6)


def test_a_head_is_trained_on_the_server_and_errors_of_rows_name_the_tuner(spark):
    stage, table = sample_stage(DeepTextClassifier)
    stage = stage.copy({"numWorkers": 1})
    rows = spark.createDataFrame(table)
    trained = stage.fit(rows)
    np.testing.assert_allclose(trained.weights, stage.fit(table).weights, rtol=5e-3, atol=5e-4)
    nothing = spark.createDataFrame([(None, "a")], "text string, label string")
    with pytest.raises(
        DecodeError, match=r"^DeepTextClassifier: column `text`, row \d of the batch: is null"
    ):
        stage.fit(rows.select("text", "label").union(nothing))
