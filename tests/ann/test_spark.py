"""Training on Spark: every estimator as on a table, vectors of all kinds, workers, local steps."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from trained import values
from trainings import frame

from mmlrs.ann import (
    AutoEncoder,
    MultilayerPerceptronClassifier,
    MultilayerPerceptronRegressor,
    NeuralNetworkClassifier,
    NeuralNetworkRegressor,
    StackedAutoEncoder,
)
from mmlrs.ann.layers import Convolution, Dense, Flatten, MaxPooling, Relu, Sequential, Tanh
from mmlrs.engine.bridge import collect
from mmlrs.errors import DecodeError

pytestmark = pytest.mark.spark

RNG = np.random.default_rng(11)
X = RNG.uniform(size=(90, 3)).astype("f4")
TABLE = pa.table(
    {
        "features": pa.FixedSizeListArray.from_arrays(X.ravel(), 3),
        "label": (X[:, 0] > X[:, 1]).astype("i8"),
        "value": X[:, 0].astype("f8") ** 2,
        "w": RNG.integers(0, 3, 90).astype("f8"),
        "v": np.arange(90) % 5 == 0,
    }
)
EXACT = {"maxIter": 4, "tol": 0.0, "seed": 3}
ROWS = {**EXACT, "weightCol": "w", "validationIndicatorCol": "v"}
CODES = {"inputCol": "features", "outputCol": "code"}
ESTIMATORS = {
    "perceptron": MultilayerPerceptronClassifier(layers=[3, 5, 2], **ROWS),
    "values": MultilayerPerceptronRegressor(layers=[0, 5, 0], labelCol="value", loss="huber", **ROWS),
    "network": NeuralNetworkRegressor(
        network=Sequential([Dense(4), Tanh(), Dense(1)], 3), labelCol="value", solver="gd", **ROWS
    ),
    "encoder": AutoEncoder(layers=[0, 2], dataIn01Interval=True, **CODES, **ROWS),
    "stacked": StackedAutoEncoder(layers=[3, 2, 1], **CODES, **EXACT),
}


@pytest.fixture(scope="module")
def rows(spark: Any) -> Any:
    cached = frame(spark, TABLE).cache()
    yield cached
    cached.unpersist()


def same(on_spark: Any, on_table: Any) -> None:
    """Models are equal but for the rounding of sums."""
    np.testing.assert_allclose(on_spark.weights, on_table.weights, rtol=5e-3, atol=5e-4)
    for name in ("loss", "validation_loss", "validation_metric"):
        numbers = [
            model.history[name].to_numpy(zero_copy_only=False).astype(float) for model in (on_spark, on_table)
        ]
        np.testing.assert_allclose(*numbers, rtol=1e-4, err_msg=name)
    assert on_spark.finish == on_table.finish


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_trains_on_spark_what_it_trains_on_a_table(rows, name):
    stage = ESTIMATORS[name]
    on_spark, on_table = stage.fit(rows), stage.fit(TABLE)
    same(on_spark, on_table)
    if name != "stacked":
        column = "code" if name == "encoder" else "prediction"
        scored = [
            values(collect(on_table.transform(data))[column].combine_chunks()) for data in (rows, TABLE)
        ]
        assert len(scored[0]) == len(scored[1]) == 90
        np.testing.assert_allclose(np.sort(scored[0], axis=0), np.sort(scored[1], axis=0), atol=1e-5)


def test_pictures_are_decoded_in_the_workers(spark):
    pixels = RNG.integers(0, 255, (24, 6, 6), dtype=np.uint8)
    pixels[::2, :3] //= 4
    encoded = []
    for image in pixels:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "png")
        encoded.append(file.getvalue())
    table = pa.table({"features": encoded, "label": np.arange(24) % 2})
    network = Sequential([Convolution(3, 3), Relu(), MaxPooling(2), Flatten(), Dense(2)], (6, 6, 1))
    stage = NeuralNetworkClassifier(network=network, **EXACT)
    on_spark = stage.fit(spark.createDataFrame(table.to_pandas()).repartition(3))
    same(on_spark, stage.fit(table))


def test_vectors_of_spark_and_arrays_train_the_same_model(spark):
    from pyspark.ml.linalg import Vectors

    x = np.where(X > 0.7, 0.0, X).astype("f8")
    stage = MultilayerPerceptronClassifier(layers=[0, 2], **EXACT)
    expected = stage.fit(pa.table({"features": pa.array(list(x)), "label": TABLE["label"]}))
    label = TABLE["label"].to_pylist()
    # Every other vector is sparse.
    vectors = [
        Vectors.dense(row) if i % 2 else Vectors.sparse(3, np.flatnonzero(row), row[row != 0])
        for i, row in enumerate(x)
    ]
    same(
        stage.fit(spark.createDataFrame(list(zip(vectors, label, strict=True)), ["features", "label"])),
        expected,
    )
    arrays = [(row.tolist(), c) for row, c in zip(x, label, strict=True)]
    same(stage.fit(spark.createDataFrame(arrays, "features array<double>, label tinyint")), expected)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_batches_are_shared_by_the_workers_and_a_seed_repeats_them(rows, solver):
    def fit(**params: Any) -> Any:
        settings = {"layers": [3, 5, 2], "solver": solver, "epochs": 3, "batchSize": 32, "stepSize": 0.05}
        return MultilayerPerceptronClassifier(**{**settings, "seed": 6, **params}).fit(rows)

    one, two = fit(numWorkers=1), fit(numWorkers=2)
    # Two workers draw other batches than one, but as many.
    for model in (one, two):
        loss = model.history["loss"].to_pylist()
        assert len(loss) == 3
        assert loss[-1] < loss[0]
    assert one.history["bytes_sent"].to_pylist() == [0, 0, 0]
    assert min(two.history["bytes_sent"].to_pylist()) > 0
    np.testing.assert_array_equal(fit(numWorkers=2).weights, two.weights)


def test_one_and_two_workers_are_the_same_training_over_all_rows(rows):
    stage = ESTIMATORS["perceptron"]
    one, two = (stage.copy({stage.numWorkers: n}).fit(rows) for n in (1, 2))
    same(two, one)
    # Weights and slopes of 32 numbers cross once per evaluation.
    assert one.history["bytes_sent"].to_pylist()[-1] == 0 < two.history["bytes_sent"].to_pylist()[-1]


def test_local_steps_send_less_and_learn_too(rows):
    settings = {
        "layers": [3, 5, 2],
        "solver": "adam",
        "stepSize": 0.05,
        "batchSize": 4,
        "epochs": 6,
        "numWorkers": 2,
    }
    often, rarely = (MultilayerPerceptronClassifier(localSteps=n, **settings).fit(rows) for n in (0, 10))
    sent = [sum(model.history["bytes_sent"].to_pylist()) for model in (often, rarely)]
    assert sent[1] < sent[0] / 3
    loss = rarely.history["loss"].to_pylist()
    assert loss[-1] < 0.7 * loss[0]


def test_partitions_without_rows_change_nothing(spark, rows):
    from pyspark.sql import functions as F

    stage = ESTIMATORS["perceptron"]
    # All rows are in one of 7 partitions.
    lopsided = rows.repartition(7, F.lit(1))
    sizes = lopsided.groupBy(F.spark_partition_id()).count().count()
    assert (sizes, lopsided.rdd.getNumPartitions()) == (1, 7)
    same(stage.fit(lopsided), stage.fit(TABLE))


def test_numbers_outside_the_interval_are_one_error_on_spark(spark):
    table = TABLE.set_column(0, "features", pa.FixedSizeListArray.from_arrays(X.ravel() + 0.5, 3))
    message = r"^AutoEncoder: column `features`, row \d+ of the batch: has 1\.\d+, but the loss needs numbers from 0 to 1; scale"
    with pytest.raises(DecodeError, match=message):
        ESTIMATORS["encoder"].fit(frame(spark, table))
