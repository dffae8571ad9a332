"""Searches over the params of trainings, whose models do not name a label column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from searches import space_of, tuner

from mmlrs.ann import (
    MultilayerPerceptronClassifier,
    MultilayerPerceptronRegressor,
    NeuralNetworkClassifier,
    NeuralNetworkRegressor,
    layers,
)
from mmlrs.automl import DiscreteHyperParam, FloatRangeHyperParam, GridSpace, RandomSpace

pytestmark = pytest.mark.spark

COLUMNS = {"featuresCol": "x", "labelCol": "y", "numWorkers": 1, "seed": 4}


@pytest.fixture(scope="module")
def corners() -> pa.Table:
    """Points, and whether exactly one of their two numbers is large, which no single layer can tell."""
    x = np.random.default_rng(5).uniform(-1, 1, size=(80, 2))
    return pa.table({"x": list(x), "y": (x[:, 0] > 0).astype(float) + (x[:, 1] > 0) == 1})


def test_a_search_over_layers_steps_and_activations_finds_what_separates_the_classes(spark, corners):
    perceptron = MultilayerPerceptronClassifier(layers=[2, 2], maxIter=60, **COLUMNS)
    other = NeuralNetworkClassifier(
        network=layers.Sequential([layers.Dense(2)], input=2).to_json(), solver="adam", epochs=1, **COLUMNS
    )
    space = space_of(
        RandomSpace,
        (perceptron, "layers", DiscreteHyperParam([[2, 12, 2], [2, 2]])),
        (perceptron, "activation", DiscreteHyperParam(["tanh", "relu"])),
        (perceptron, "stepSize", FloatRangeHyperParam(0.5, 1.5)),
        (other, "stepSize", DiscreteHyperParam([0.001])),
    )
    models = [perceptron, other]
    found = tuner(models, space, evaluationMetric="accuracy", numFolds=2, numRuns=3, seed=1).fit(corners)
    trials = found.getAllModelMetrics().to_pylist()
    assert [trial["error"] for trial in trials] == [None] * len(trials)
    assert {trial["learner"].partition("(")[0] for trial in trials} == {type(m).__name__ for m in models}
    params = found.getBestParams()
    names = {f"MultilayerPerceptronClassifier.{name}" for name in ("layers", "activation", "stepSize")}
    assert set(params) == names
    assert params["MultilayerPerceptronClassifier.layers"] == [2, 12, 2]
    best = found.getBestModel()
    described = best.description["layers"]
    assert [layer["size"] for layer in described if layer["kind"] == "dense"] == [12, 2]
    assert described[1]["kind"] == params["MultilayerPerceptronClassifier.activation"]
    metrics = found.getBestModelMetrics()["metric"].to_pylist()
    assert metrics[0] > 0.85 > min(trial["metric"] for trial in trials)


@pytest.mark.filterwarnings("ignore:.*ended with the loss")
def test_a_search_compares_regressors(spark):
    x = np.random.default_rng(6).uniform(size=(60, 2))
    table = pa.table({"x": list(x), "y": x[:, 0] - 2 * x[:, 1]})
    perceptron = MultilayerPerceptronRegressor(layers=[2, 1], maxIter=10, **COLUMNS)
    network = layers.Sequential([layers.Dense(1)], input=2).to_json()
    other = NeuralNetworkRegressor(network=network, solver="adam", epochs=1, **COLUMNS)
    space = space_of(GridSpace, (other, "stepSize", DiscreteHyperParam([1e-9])))
    found = tuner([other, perceptron], space, evaluationMetric="rmse", numFolds=2).fit(table)
    worse, better = found.getAllModelMetrics().to_pylist()
    assert worse["error"] is None
    assert better["best"]
    assert better["metric"] < 0.01 < worse["metric"]
