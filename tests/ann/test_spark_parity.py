"""The same numbers as Spark's multilayer perceptron, and the same result however the rows are divided."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mmlrs.ann import MultilayerPerceptronClassifier
from mmlrs.vectors import to_numpy

pytestmark = pytest.mark.spark

LAYERS = [64, 16, 10]
WEIGHTS = 64 * 16 + 16 + 16 * 10 + 10
ROWS = 400


@pytest.fixture(scope="module")
def table() -> pa.Table:
    from sklearn.datasets import load_digits

    digits = load_digits()
    features = pa.FixedSizeListArray.from_arrays((digits.data[:ROWS] / 16).ravel(), 64)
    return pa.table({"features": features.cast(pa.list_(pa.float64())), "label": digits.target[:ROWS] * 1.0})


@pytest.fixture(scope="module")
def frame(spark: Any, table: pa.Table) -> Any:
    """The rows in one partition, which with a large `blockSize` is one block: Spark's loss is the mean of the means of the blocks."""
    from pyspark.ml.functions import array_to_vector

    rows = spark.createDataFrame(table).coalesce(1)
    cached = rows.select(array_to_vector("features").alias("features"), "label").cache()
    yield cached
    cached.unpersist()


@pytest.fixture(scope="module")
def initial() -> np.ndarray:
    return (0.6 * np.random.default_rng(1).normal(size=WEIGHTS)).astype(np.float32)


def of_spark(frame: Any, initial: np.ndarray, **params: Any) -> Any:
    from pyspark.ml.classification import MultilayerPerceptronClassifier as Peer
    from pyspark.ml.linalg import Vectors

    weights = Vectors.dense(initial.astype(float))
    return Peer(layers=LAYERS, initialWeights=weights, blockSize=ROWS, tol=0.0, **params).fit(frame)


def ours(rows: Any, initial: Any, **params: Any) -> Any:
    return MultilayerPerceptronClassifier(layers=LAYERS, initialWeights=initial, tol=0.0, **params).fit(rows)


def losses(model: Any) -> np.ndarray:
    return model.history["loss"].to_numpy()


@pytest.fixture(scope="module")
def trained(frame: Any, initial: np.ndarray) -> Any:
    """Spark's model after 20 iterations."""
    return of_spark(frame, initial, maxIter=20)


@pytest.fixture(scope="module")
def copied(table: pa.Table, trained: Any) -> Any:
    """Our model with the weights of Spark's. A step of this size changes no weight."""
    weights = trained.weights.toArray()
    model = ours(table, trained.weights, solver="gd", maxIter=1, stepSize=1e-30)
    np.testing.assert_array_equal(model.weights, weights.astype(np.float32))
    return model


def test_the_first_loss_and_gradient_are_those_of_spark(frame, table, initial):
    """One step of gradient descent of size 1 subtracts the gradient."""
    step = {"solver": "gd", "maxIter": 1, "stepSize": 1.0}
    peer = of_spark(frame, initial, **step)
    expected = initial - peer.weights.toArray()
    assert np.abs(expected).max() > 0.01
    for rows in (table, frame):
        model = ours(rows, initial, **step)
        assert losses(model)[0] == pytest.approx(peer.summary().objectiveHistory[0], rel=1e-5)
        np.testing.assert_allclose(
            initial - model.weights, expected, rtol=0, atol=1e-5 * np.abs(expected).max()
        )


def test_the_loss_after_20_iterations_is_no_worse_than_that_of_spark(frame, table, initial, trained):
    """Both take the same steps, until rounding leads them apart."""
    history = trained.summary().objectiveHistory
    for rows in (table, frame):
        found = losses(ours(rows, initial, maxIter=20))
        assert len(found) == len(history) == 21
        np.testing.assert_allclose(found[:11], history[:11], rtol=1e-4)
        assert found[-1] <= 1.01 * history[-1]


def scored(model: Any, frame: Any) -> Any:
    """The columns that a model adds, as arrays."""
    from pyspark.ml.functions import vector_to_array

    columns = ["rawPrediction", "probability"]
    result = model.transform(frame).select(
        *(vector_to_array(name).alias(name) for name in columns), "prediction"
    )
    return {name: np.stack(values) for name, values in result.toPandas().items()}


def test_a_model_with_the_weights_of_spark_predicts_what_spark_does(frame, table, trained, copied):
    expected = scored(trained, frame)
    got = scored(copied, frame)
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-5, atol=1e-5)
    on_table = copied.transform(table)
    for name, values in expected.items():
        column = on_table[name]
        found = column.to_numpy() if name == "prediction" else to_numpy(column)
        np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("thresholds", [[0.0, *[0.5] * 9], [1.0, 1e-3, *[0.7] * 8]])
def test_thresholds_choose_the_classes_that_they_choose_in_spark(frame, trained, copied, thresholds):
    expected = scored(trained.copy().setThresholds(thresholds), frame)["prediction"]
    got = scored(copied.copy().setThresholds(thresholds), frame)["prediction"]
    assert (expected != scored(trained, frame)["prediction"]).any()
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("partitions", "workers"), [(1, 1), (2, 2), (7, 2)])
def test_the_result_does_not_depend_on_the_partitions(spark, frame, table, initial, partitions, workers):
    """The rows have 6 keys of unequal frequency, so of 7 partitions at least one has no rows."""
    from pyspark.sql import functions as F

    key = F.floor(6 * F.sqrt(F.monotonically_increasing_id() / ROWS))
    divided = frame.repartition(partitions, key)
    sizes = [row["count"] for row in divided.groupBy(F.spark_partition_id()).count().collect()]
    assert divided.rdd.getNumPartitions() == partitions
    assert len(sizes) < 7
    assert sum(sizes) == ROWS
    expected = ours(table, initial, maxIter=5)
    model = ours(divided, initial, maxIter=5, numWorkers=workers)
    np.testing.assert_allclose(losses(model), losses(expected), rtol=1e-5)
    np.testing.assert_allclose(model.weights, expected.weights, rtol=0, atol=1e-4)
