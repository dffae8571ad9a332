"""Training on Spark: every estimator as on a table, vectors of all kinds, workers, local steps."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from trainings import frame

from mmlrs.ann import (
    AutoEncoder,
    MultilayerPerceptronClassifier,
    MultilayerPerceptronRegressor,
    NeuralNetworkClassifier,
    StackedAutoEncoder,
)
from mmlrs.ann.layers import Convolution, Dense, Flatten, MaxPooling, Relu, Sequential

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
    "encoder": AutoEncoder(layers=[0, 2], dataIn01Interval=True, **CODES, **ROWS),
    "stacked": StackedAutoEncoder(layers=[3, 2, 1], fineTune=False, **CODES, **EXACT),
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
    made = list(zip(vectors, x.tolist(), label, strict=True))
    df = spark.createDataFrame(made, ["vector", "array", "label"])
    for column in ("vector", "array"):
        same(stage.copy({stage.featuresCol: column}).fit(df), expected)


def test_batches_are_shared_by_the_workers_which_send_less_with_local_steps(rows):
    def fit(**params: Any) -> Any:
        settings = {"layers": [3, 5, 2], "solver": "adam", "epochs": 6, "batchSize": 8, "stepSize": 0.05}
        return MultilayerPerceptronClassifier(**{**settings, "seed": 6, **params}).fit(rows)

    one, two, local = fit(numWorkers=1), fit(numWorkers=2), fit(numWorkers=2, localSteps=4)
    for model in (one, two, local):
        loss = model.history["loss"].to_pylist()
        assert len(loss) == 6
        assert loss[-1] < 0.9 * loss[0]
    sent = [sum(model.history["bytes_sent"].to_pylist()) for model in (one, two, local)]
    assert sent[0] == 0 < 2 * sent[2] < sent[1]
    np.testing.assert_array_equal(fit(numWorkers=2).weights, two.weights)
