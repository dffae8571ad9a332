"""Symmetric SGD: many workers, and nearly the result of one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mmlrs.ann import MultilayerPerceptronClassifier
from mmlrs.errors import InvalidParamError, MmlrsError


def rows(count: int = 600) -> pa.Table:
    random = np.random.default_rng(2)
    x = random.uniform(-1, 1, (count, 12)).astype("float32")
    label = (x @ random.uniform(-1, 1, (12, 3))).argmax(1).astype(float)
    return pa.table({"features": x.tolist(), "label": label})


def learner(**params):
    chosen = {"layers": [12, 3], "solver": "symsgd", "stepSize": 0.05, "epochs": 3, "batchSize": 4}
    return MultilayerPerceptronClassifier(**{**chosen, "seed": 1, **params})


def test_one_worker_takes_the_steps_of_sgd_without_momentum():
    symmetric, plain = learner().fit(rows()), learner(solver="sgd", momentum=0.0).fit(rows())
    assert np.array_equal(symmetric.weights, plain.weights)
    assert symmetric.history["loss"].to_pylist() == plain.history["loss"].to_pylist()


@pytest.mark.spark
def test_two_workers_nearly_take_the_steps_of_one(spark):
    frame = spark.createDataFrame(rows().to_pandas())
    one, two = (learner(numWorkers=count).fit(frame).history["loss"].to_pylist()[-1] for count in (1, 2))
    halved = learner(epochs=1).fit(rows()).history["loss"].to_pylist()[-1]
    assert two == pytest.approx(one, rel=0.05)
    assert two < 0.9 * halved


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (
            {"layers": [12, 5, 3]},
            MmlrsError,
            'the solver "symsgd" is defined for one dense layer without an activation',
        ),
        ({"localSteps": 5}, InvalidParamError, 'param `localSteps` is not for solver="symsgd"'),
        (
            {"gradientCompression": "1bit"},
            InvalidParamError,
            "param `gradientCompression` needs gradients of batches",
        ),
    ],
)
def test_what_it_cannot_do_is_an_error(params, error, message):
    with pytest.raises(error, match="^MultilayerPerceptronClassifier: .*" + message):
        learner(**params).fit(rows(20))
