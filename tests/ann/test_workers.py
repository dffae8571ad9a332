"""The estimate of workers: what is measured, and the model of more workers."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mmlrs.ann import (
    AutoEncoder,
    FineTuner,
    MultilayerPerceptronClassifier,
    MultilayerPerceptronRegressor,
    StackedAutoEncoder,
    WorkerEstimate,
    WorkerTimes,
    estimate_workers,
)
from mmlrs.ann._timing import Times, measured
from mmlrs.ann._workers import _estimate
from mmlrs.engine.training import Specification
from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.testing import sample_model


def rows_of(count: int = 300, size: int = 6) -> pa.Table:
    rng = np.random.default_rng(0)
    return pa.table({"features": rng.normal(size=(count, size)).tolist(), "label": rng.integers(0, 3, count)})


def classifier(**params) -> MultilayerPerceptronClassifier:
    return MultilayerPerceptronClassifier(layers=[6, 16, 3], **params)


def specification_of(**settings) -> Specification:
    network = {
        "version": 1,
        "input": [6],
        "layers": [{"kind": "dense", "size": 3}],
        "loss": {"kind": "cross_entropy"},
    }
    settings = {"solver": "l-bfgs", "batch_size": 100, "local_steps": 0} | settings
    return Specification("Any", json.dumps(network), json.dumps(settings), "{}")


def modelled(times: Times, rows: int, workers=(1, 2, 4, 8), **settings) -> WorkerEstimate:
    """The estimate of measured times that the test chooses."""
    return _estimate(specification_of(**settings), times, rows, workers)


KNOWN = Times(
    rows=1000,
    trained=1000,
    one=8.0,
    two=4.5,
    latency=0.5,
    reduce=1.5,
    idle=0.25,
    collect=2.25,
    notes=("here",),
)


def test_the_model_is_that_of_the_formula():
    estimate = modelled(KNOWN, 1000)
    assert (estimate.gradient, estimate.serial, estimate.latency, estimate.transfer) == (8.0, 1.0, 0.5, 1.0)
    assert (estimate.collect_latency, estimate.collect_transfer) == (0.25, 1.0)
    expected = [8.0] + [1 + 7 / n + 0.5 * (n - 1) + 2 * (n - 1) / n for n in (2, 4, 8)]
    assert estimate.reduce.seconds == pytest.approx(expected)
    assert estimate.collect.seconds == pytest.approx([8.0] + [1 + 7 / n + 0.25 + n for n in (2, 4, 8)])
    assert estimate.parameters == 21
    assert estimate.reduce.speed_up[1] == pytest.approx(8 / 6)
    assert estimate.reduce.efficiency[1] == pytest.approx(4 / 6)


@pytest.mark.parametrize("two", [3.5, 4.0, 4.5, 7.0, 9.0])
def test_the_model_repeats_what_one_and_two_workers_measured(two):
    estimate = modelled(replace(KNOWN, two=two), 1000)
    assert estimate.measured == {1: 8.0, 2: two + 1.5}
    assert estimate.reduce.seconds[:2] == pytest.approx([8.0, max(4.0, two) + 1.5])
    assert ("the model takes half" in repr(estimate)) == (two < 4)


def test_a_batch_of_one_row_is_not_shared():
    estimate = modelled(KNOWN, 1000, solver="adam", batch_size=1)
    assert estimate.measured == {1: 8.0}
    assert estimate.reduce.seconds[1] == 8.0 + 1000 * 1.5
    assert "there is 1 row in a batch (param `batchSize`)" in repr(estimate)


def test_only_rows_that_train_are_counted():
    estimate = modelled(replace(KNOWN, trained=300), 4000, solver="adam")
    assert estimate.rows == 1200
    assert estimate.sums == {1: 0.0, 2: 12.0, 4: 12.0, 8: 12.0}
    assert estimate.gradient == 32.0
    assert "measured on 1,200 rows, gradients on 300 of them;" in repr(estimate)
    assert estimate_workers(classifier(validationFraction=0.5), rows_of(), [1], repeats=1).rows < 200


@pytest.mark.parametrize(
    ("settings", "rows", "shared"), [({}, 3, 3), ({"solver": "adam"}, 1000, 100), ({"solver": "adam"}, 3, 3)]
)
def test_workers_without_rows_do_not_help(settings, rows, shared):
    times = replace(KNOWN, rows=rows, trained=rows, two=None)
    estimate = modelled(times, rows, (1, shared, 2 * shared), **settings)
    own = [
        seconds - k * (0.5 * (n - 1) + 2 * (n - 1) / n)
        for seconds, (n, k) in zip(estimate.reduce.seconds, estimate.sums.items(), strict=True)
    ]
    assert own == pytest.approx([8.0, 8 / shared, 8 / shared])
    assert f"workers without rows do not help: there are {shared} rows" in repr(estimate)
    assert "do not help" not in repr(modelled(times, rows, (1, shared), **settings))


def test_numbers_that_are_all_slower_than_one_worker_are_told():
    text = repr(modelled(replace(KNOWN, latency=4.0, reduce=5.0), 1000, (4, 8)))
    assert (
        "sums over TCP: 1 worker (8 s) is faster than all of these numbers; fastest of them: 4 (16.2 s)"
        in text
    )
    assert "1 worker" not in repr(modelled(KNOWN, 1000, (2, 4))).split("measured")[0]


def test_the_best_number_is_the_smallest_one_within_a_tenth():
    times = WorkerTimes((1, 2, 4, 8, 16), (8.0, 5.0, 3.2, 3.0, 3.1), 8.0)
    assert (times.best, times.enough, times.inefficient_from) == (8, 4, 8)
    assert WorkerTimes((1, 2), (8.0, 4.0), 8.0).inefficient_from is None
    collected = modelled(KNOWN, 1000, range(1, 20)).collect
    assert collected.best == round(math.sqrt(7.0 / 1.0))  # sqrt((t_c - s) / c)


def test_gradients_of_a_part_of_the_rows_count_in_proportion():
    assert modelled(KNOWN, 4000).gradient == 32.0
    assert modelled(KNOWN, 4000).measured == {1: 32.0, 2: 4 * 4.5 + 1.5}
    assert modelled(Times(10, 10, 1.0, None, 0.1, 0.2, 0.0, 0.0, ("apart",)), 10).measured == {1: 1.0}


@pytest.mark.parametrize(
    ("settings", "sums"),
    [
        ({}, [0, 1, 1, 1]),
        ({"solver": "gd"}, [0, 1, 1, 1]),
        ({"solver": "adam"}, [0, 10, 10, 10]),
        ({"solver": "adam", "local_steps": 2}, [0, 3, 2, 1]),
        ({"solver": "adam", "local_steps": 5}, [0, 1, 1, 1]),
    ],
)
def test_a_pass_has_as_many_sums_as_batches_or_rounds(settings, sums):
    assert list(modelled(KNOWN, 1000, **settings).sums.values()) == sums


def test_a_difference_that_is_noise_counts_as_nothing():
    estimate = modelled(Times(10, 10, 1.0, 0.5, 0.3, 0.2, 0.4, 0.1, ("here",)), 10)
    assert (estimate.latency, estimate.transfer, estimate.collect_transfer) == (0.2, 0.0, 0.0)


@pytest.mark.parametrize(
    "estimator",
    [
        classifier(),
        classifier(solver="adam", localSteps=3, validationFraction=0.2),
        MultilayerPerceptronRegressor(layers=[0, 4, 1], weightCol="label"),
        AutoEncoder(inputCol="features", outputCol="codes", layers=[6, 2]),
    ],
    ids=["classifier", "local-steps", "regressor", "autoencoder"],
)
def test_every_time_is_measured_on_a_table(estimator):
    estimate = estimate_workers(estimator, rows_of(), workers=[4, 1, 2], repeats=2)
    assert estimate.reduce.workers == (1, 2, 4)
    assert min(estimate.gradient, estimate.latency, estimate.collect_latency) > 0
    assert set(estimate.measured) == {1, 2}
    table = estimate.table
    assert table.num_rows == 3
    assert table["speed_up"][0].as_py() == table["efficiency"][0].as_py() == 1.0
    text = repr(estimate)
    assert text.startswith(f"WorkerEstimate of {estimate.rows} rows and {estimate.parameters} weights")
    assert "threads of this process" in text


class FakePlace:
    """Workers with known times, and what they were asked to do."""

    def __init__(self, seconds: list[tuple[float, float, int]]) -> None:
        self.seconds, self.asked = seconds, []

    def workers(self, count):
        self.asked.append(count)
        return nullcontext(lambda work: self.seconds[:count])

    def collect(self, size):
        return 1.0 + size


def test_the_slower_of_two_workers_counts_and_the_larger_gradient_is_collected():
    place = FakePlace([(3.0, 0.25, 5), (4.0, 0.5, 5)])
    times = measured(place, None, specification_of(), 10, 2, ("here",))
    assert (times.one, times.two, times.latency, times.reduce) == (3.0, 4.0, 0.5, 0.5)
    assert (times.idle, times.collect) == (1.0, 1.0 + 4 * 21)
    assert place.asked == [1, 2]


def test_a_cluster_with_one_slot_measures_the_sums_elsewhere():
    place, apart = FakePlace([(3.0, 0.0, 9)]), FakePlace([(7.0, 0.25, 1), (8.0, 0.5, 1)])
    times = measured(place, apart, specification_of(), 10, 2, ("apart",))
    assert (times.one, times.two, times.reduce) == (3.0, None, 0.5)
    assert (place.asked, apart.asked) == ([1], [2])


def test_what_is_trained_first_is_measured():
    stacked = StackedAutoEncoder(inputCol="features", outputCol="codes", layers=[6, 4, 2])
    assert estimate_workers(stacked, rows_of(), [1], repeats=1).parameters == 6 * 4 + 4 + 4 * 6 + 6
    tuner = FineTuner(inputCol="x", model=sample_model(), featureTensorName="features")
    rows = pa.table({"x": [[1.0, 2.0, 3.0, 4.0]] * 10, "label": ["a", "b"] * 5})
    estimate = estimate_workers(tuner, rows, [1, 2], repeats=1)
    assert estimate.parameters == len(tuner.copy({tuner.maxIter: 1}).fit(rows).weights)


@pytest.mark.spark
def test_every_time_is_measured_on_spark(spark):
    df = spark.createDataFrame(rows_of(200).to_pandas())
    before = len(spark.sparkContext._jsc.getPersistentRDDs())
    estimate = estimate_workers(classifier(), df, workers=range(1, 9), max_rows=100, repeats=1)
    assert estimate.rows == 200
    assert min(estimate.gradient, estimate.latency, estimate.collect_latency) > 0
    assert set(estimate.measured) == {1, 2}
    assert "two tasks of this cluster" in repr(estimate)
    assert len(spark.sparkContext._jsc.getPersistentRDDs()) == before, "the rows are not cached any more"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"estimator": "mlp"}, InvalidParamError, "estimate_workers: param `estimator` must be an estimator of mmlrs.ann"),
        ({"workers": []}, InvalidParamError, "estimate_workers: param `workers` must have numbers of at least 1, got none"),
        ({"workers": [0, 1]}, InvalidParamError, "param `workers` must have numbers of at least 1, got 0"),
        ({"workers": [1, 5000]}, InvalidParamError, "estimate_workers: MultilayerPerceptronClassifier: param `numWorkers` must be between"),
        ({"workers": 4}, InvalidParamError, "param `workers` must be a list of numbers or a range, got 4"),
        ({"threads": 0}, InvalidParamError, "estimate_workers: param `threads` must be at least 1, got 0"),
        ({"repeats": "two"}, InvalidParamError, "estimate_workers: param `repeats`"),
        ({"dataset": [1]}, SchemaMismatchError, "estimate_workers: cannot measure on a list"),
        ({"dataset": pa.table({"x": [1]})}, ColumnNotFoundError, "MultilayerPerceptronClassifier: "),
        ({"dataset": pa.table({"features": [[0.0] * 6, [math.nan] * 6], "label": [1, 1]})}, DecodeError, "column `features`, row 1 of the table"),
        ({"estimator": classifier(solver="symsgd")}, InvalidParamError, 'estimate_workers: solver="symsgd" is not estimated'),
        ({"estimator": classifier(solver="gd", localSteps=2)}, InvalidParamError, "param `localSteps` needs batches"),
    ],
)  # fmt: skip
def test_bad_input_is_told_in_one_error(arguments, error, message):
    given = {"estimator": classifier(), "dataset": rows_of(), "workers": [1, 2]} | arguments
    with pytest.raises(error) as caught:
        estimate_workers(**given)
    assert message in str(caught.value)
