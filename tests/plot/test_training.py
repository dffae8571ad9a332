"""Histories of trainings and estimates of workers."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from mmlrs.ann import (
    AutoEncoder,
    MultilayerPerceptronClassifier,
    StackedAutoEncoder,
    WorkerEstimate,
    WorkerTimes,
)
from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.plot import plot_training, plot_workers


def history(losses, validation=None, first: int = 1) -> pa.Table:
    count = len(losses)
    return pa.table(
        {
            "iteration": range(first, first + count),
            "loss": losses,
            "validation_loss": pa.array(validation or [None] * count, pa.float64()),
            "validation_metric": pa.array([0.5] * count if validation else [None] * count, pa.float64()),
            "seconds": [0.5] * count,
        }
    )


def legend_of(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


@pytest.mark.parametrize(
    "convert", [lambda t: t, pa.Table.to_pandas, pl.from_arrow], ids=["arrow", "pandas", "polars"]
)
def test_both_losses_are_lines_and_the_best_one_is_marked(convert):
    ax = plot_training(convert(history([3.0, 2.0, 1.0], [3.0, 2.5, 2.75])))
    training, validation, ring = ax.lines
    assert training.get_xydata().tolist() == [[1, 3], [2, 2], [3, 1]]
    assert validation.get_ydata().tolist() == [3.0, 2.5, 2.75]
    assert training.get_color() == validation.get_color()
    assert ring.get_xydata().tolist() == [[2, 2.5]]
    assert legend_of(ax) == ["training", "validation"]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("epoch", "loss", "linear")


def test_losses_over_decades_are_logarithmic_unless_told_otherwise():
    steep = history([10.0, 1.0, 0.5], first=0)
    assert plot_training(steep).get_yscale() == "log"
    assert plot_training(steep).get_xlabel() == "iteration"
    assert plot_training(steep, log=False).get_yscale() == "linear"
    assert plot_training(history([10.0, 0.0])).get_yscale() == "linear"
    assert plot_training(history([2.0, 1.9]), log=True).get_yscale() == "log"


def test_several_histories_have_names_and_colours():
    ax = plot_training({"exact": history([3.0, 1.0], [3.0, 2.0]), "local": history([4.0, 2.0])})
    assert legend_of(ax) == ["exact, training", "exact, validation", "local, training"]
    assert ax.lines[0].get_color() != ax.lines[-1].get_color()
    ax = plot_training({"exact": history([3.0, 1.0], [3.0, 2.0])}, y="metric", x="seconds")
    assert legend_of(ax) == ["validation"]
    assert ax.lines[0].get_xydata().tolist() == [[0.5, 0.5], [1.0, 0.5]]


def test_trainings_that_follow_one_another_are_beside_one_another():
    first, second, third = history([3.0, 2.0], first=0), history([5.0, 4.0], first=0), history([9.0, 8.0])
    ax = plot_training(pa.concat_tables([first, second, third]))
    places = ax.lines[0].get_xdata()
    assert places[np.isfinite(places)].tolist() == [0, 1, 1, 2, 3, 4]
    assert np.isnan(places).sum() == 2, "the line is interrupted"
    assert [line.get_xdata()[0] for line in ax.lines[1:]] == [1, 3]


def test_models_are_drawn_with_their_history():
    values = np.random.default_rng(0).random((60, 4))
    rows = pa.table({"features": values.tolist(), "label": (values[:, 0] > 0.5).astype(float)})
    model = MultilayerPerceptronClassifier(layers=[4, 3, 2], maxIter=8, validationFraction=0.3).fit(rows)
    ax = plot_training(model)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), model.history["loss"])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), model.history["validation_loss"])
    stacked = StackedAutoEncoder(
        inputCol="features", outputCol="codes", layers=[4, 3, 2], maxIter=3, dataIn01Interval=True
    ).fit(rows)
    assert np.nanmax(plot_training(stacked).lines[0].get_xdata()) == 9


@pytest.mark.parametrize(
    ("data", "arguments", "error", "message"),
    [
        ([1], {}, SchemaMismatchError, "plot_training: cannot read a list"),
        ({"a": 1}, {}, SchemaMismatchError, "plot_training: model `a`: cannot read a int"),
        ({}, {}, InvalidParamError, "plot_training: param `data` names no training"),
        (AutoEncoder(), {}, SchemaMismatchError, "plot_training: AutoEncoder is an estimator and has no history; plot the model that its"),
        (pa.table({"loss": [1.0]}), {}, ColumnNotFoundError, "plot_training: column `iteration`"),
        (history([]), {}, DecodeError, "plot_training: the history has no rows"),
        ({"a": history([1.0])}, {"y": "metric"}, DecodeError, "model `a`: the history does not have its metric"),
        (history([1.0]), {"y": "accuracy"}, InvalidParamError, 'param `y` must be "loss" or "metric", got \'accuracy\''),
        (history([1.0]), {"x": 3}, InvalidParamError, 'param `x` must be "iteration" or "seconds", got 3'),
        (history([1.0]), {"log": 1}, InvalidParamError, "param `log` must be a bool, got 1"),
        (history([1.0]).drop_columns("seconds"), {"x": "seconds"}, DecodeError, "does not have the seconds"),
    ],
)  # fmt: skip
def test_a_bad_history_is_told_in_one_error(data, arguments, error, message):
    with pytest.raises(error) as caught:
        plot_training(data, **arguments)
    assert message in str(caught.value)


# -- workers ----------------------------------------------------------------------------------------------------------


def estimate(**changes) -> WorkerEstimate:
    given = {
        "rows": 1000,
        "parameters": 21,
        "reduce": WorkerTimes((1, 2, 4), (8.0, 4.4, 4.2), 8.0),
        "collect": WorkerTimes((1, 2, 4), (8.0, 5.0, 6.0), 8.0),
        "gradient": 8.0,
        "serial": 0.0,
        "latency": 0.1,
        "transfer": 0.3,
        "collect_latency": 0.5,
        "collect_transfer": 0.5,
        "sums": {1: 0.0, 2: 1.0, 4: 1.0},
        "measured": {1: 8.0, 2: 5.0},
    }
    return WorkerEstimate(**given | changes)


def test_speed_ups_are_lines_with_a_ring_at_the_number_that_is_enough():
    ax = plot_workers(estimate())
    reduce, first, collect, second, *_, crosses = ax.lines
    assert reduce.get_ydata() == pytest.approx([1, 8 / 4.4, 8 / 4.2])
    assert collect.get_ydata() == pytest.approx([1, 1.6, 8 / 6])
    assert (list(first.get_xdata()), list(second.get_xdata())) == ([2], [2])
    assert crosses.get_xydata().tolist() == [[1, 1], [2, 1.6]]
    assert legend_of(ax)[:2] == ["sums over TCP: 2 workers", "collected by the driver: 2 workers"]
    assert ax.get_ylim()[1] > 8 / 4.2


def test_what_was_measured_is_drawn_only_where_it_was_asked_for():
    one = WorkerTimes((1,), (8.0,), 8.0)
    assert plot_workers(estimate(reduce=one, collect=one)).lines[-1].get_xdata().tolist() == [1]


def test_only_an_estimate_is_drawn():
    with pytest.raises(InvalidParamError) as caught:
        plot_workers([1, 2])
    assert str(caught.value) == (
        "plot_workers: param `estimate` must be the result of mmlrs.ann.estimate_workers, got [1, 2]"
    )
