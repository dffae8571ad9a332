"""Residuals, importances and trials."""

from __future__ import annotations

import json
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import PredictionErrorDisplay, root_mean_squared_error
from sklearn.tree import DecisionTreeClassifier

from mmlrs.errors import (
    ColumnNotFoundError,
    DecodeError,
    InvalidParamError,
    MissingPackageError,
    SchemaMismatchError,
)
from mmlrs.plot import plot_importances, plot_residuals, plot_trials


def names_of(ax) -> list[str]:
    return [label.get_text() for label in ax.get_yticklabels()]


def legend_of(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


# -- residuals --------------------------------------------------------------------------------------------------------


def test_residuals_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    guess = rng.normal(10, 2, 100)
    truth = guess + rng.normal(0, 1, 100)
    ax = plot_residuals(pd.DataFrame({"label": truth, "prediction": guess}))
    theirs = PredictionErrorDisplay(y_true=truth, y_pred=guess).plot(kind="residual_vs_predicted").scatter_
    np.testing.assert_allclose(ax.collections[0].get_offsets(), theirs.get_offsets())
    assert f"RMSE {root_mean_squared_error(truth, guess):.4g}" in ax.get_title()
    assert ax.lines[0].get_ydata() == [0, 0]


def test_many_points_become_hexagons_that_hold_every_row():
    rng = np.random.default_rng(0)
    guess = rng.normal(10, 2, 6000)
    ax = plot_residuals((guess + 1, guess))
    assert np.asarray(ax.collections[0].get_array()).sum() == 6000
    assert len(ax.figure.axes) == 2, "a colour bar"
    assert len(plot_residuals((guess + 1, guess), max_points=6000).figure.axes) == 1


def test_rows_without_finite_numbers_are_counted():
    ax = plot_residuals((pa.array([1.0, None, 2.0, float("inf")]), pa.array([1.5, 1.0, None, 1.0])))
    assert ax.get_title().endswith("\n3 rows with null or infinity left out")
    assert len(ax.collections[0].get_offsets()) == 1


@pytest.mark.parametrize(
    ("data", "arguments", "error", "message"),
    [
        (([], []), {}, DecodeError, "plot_residuals: column `label`: has no value: the dataset has no rows"),
        (([None], [1.0]), {}, DecodeError, "no row has a label and a prediction that are finite numbers"),
        ((["a"], [1.0]), {}, SchemaMismatchError, "plot_residuals: column `label`: has type string; expected numbers"),
        (([1], [1]), {"max_points": -1}, InvalidParamError, "param `max_points` must be at least 0, got -1"),
        (pa.table({"a": [1]}), {"label_col": 3}, InvalidParamError, "param `label_col` must be the name of a column"),
    ],
)  # fmt: skip
def test_a_bad_input_of_residuals_is_told_in_one_error(data, arguments, error, message):
    with pytest.raises(error) as caught:
        plot_residuals(data, **arguments)
    assert message in str(caught.value)


# -- importances ------------------------------------------------------------------------------------------------------


def test_the_largest_features_are_on_top_with_their_names():
    ax = plot_importances([0.1, -0.7, 0.2, 0.2], ["a", "b", "$c$", "d"], top=3)
    assert names_of(ax) == ["b", r"\$c\$", "d"]
    assert [bar.get_width() for bar in ax.patches] == [-0.7, 0.2, 0.2]
    assert ax.get_title() == "the 3 largest of 4 features"
    low, high = ax.get_ylim()
    assert low > high, "the first bar is on top"
    assert names_of(plot_importances({"x": 1, "y": 2})) == ["y", "x"]
    assert names_of(plot_importances(pd.Series([1.0, 3.0]))) == ["features[1]", "features[0]"]


def test_models_of_spark_and_scikit_learn_give_their_values():
    from pyspark.ml.linalg import DenseMatrix, Vectors

    assert [bar.get_width() for bar in plot_importances(Vectors.sparse(3, [1], [0.5])).patches] == [0.5, 0, 0]
    ax = plot_importances(DenseMatrix(2, 2, [1.0, -3.0, 0.5, 0.5]))
    assert [bar.get_width() for bar in ax.patches] == [2, 0.5]
    X = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 1.0], [1.0, 1.0]])
    tree = DecisionTreeClassifier().fit(X, [0, 1, 0, 1])
    assert [bar.get_width() for bar in plot_importances(tree).patches] == [1, 0]
    line = LogisticRegression().fit(X, [0, 1, 0, 1])
    ax = plot_importances(line, ["a", "b"])
    assert ax.patches[0].get_width() == pytest.approx(line.coef_[0][0])
    assert ax.get_xlabel() == "coefficient"


def test_a_model_without_coefficients_for_its_classes_gives_their_matrix():
    from pyspark.ml import PipelineModel, Transformer
    from pyspark.ml.linalg import DenseMatrix

    class OfThreeClasses(Transformer):
        coefficientMatrix = DenseMatrix(3, 2, [3.0, -3.0, 0.0, 1.0, 1.0, 1.0])

        @property
        def coefficients(self):
            raise RuntimeError("several classes")

        def _transform(self, dataset):
            return dataset

    ax = plot_importances(PipelineModel([OfThreeClasses()]))
    assert [bar.get_width() for bar in ax.patches] == [2, 1]
    assert ax.get_xlabel() == "mean absolute coefficient of the classes"


def test_slots_of_a_table_have_the_names_of_the_metadata():
    attributes = {
        "num_attrs": 3,
        "attrs": {"numeric": [{"idx": 0, "name": "age"}], "binary": [{"idx": 2, "name": "x=1"}]},
    }
    field = pa.field("features", pa.list_(pa.float64()), metadata={"ml_attr": json.dumps(attributes)})
    table = pa.Table.from_arrays([pa.array([[1.0, 2.0, 3.0]])], schema=pa.schema([field]))
    assert names_of(plot_importances([3, 2, 1], table)) == ["age", "features[1]", "x=1"]
    with pytest.raises(ColumnNotFoundError, match="plot_importances: column `feature`: not found"):
        plot_importances([3, 2, 1], table, features_col="feature")


@pytest.mark.parametrize(
    ("values", "arguments", "error", "message"),
    [
        ([], {}, DecodeError, "plot_importances: there are no values"),
        ([1.0, float("nan")], {}, DecodeError, "the value of feature 1 is nan; expected finite numbers"),
        (["a"], {}, SchemaMismatchError, "the values are not numbers"),
        ("abc", {}, InvalidParamError, "param `model_or_values` must be a fitted model, a vector, an array or a mapping"),
        (LogisticRegression(), {}, InvalidParamError, "a LogisticRegression has neither importances nor coefficients"),
        ([1, 2], {"names": ["a"]}, InvalidParamError, "param `names` gives 1 name, but there are 2 values"),
        ([1, 2], {"names": "ab"}, InvalidParamError, "param `names` must be a list of names or a dataset, got 'ab'"),
        ([1, 2], {"top": 0}, InvalidParamError, "param `top` must be at least 1, got 0"),
        (np.zeros((2, 2, 2)), {}, DecodeError, "the values have 3 axes; expected one"),
    ],
)  # fmt: skip
def test_a_bad_input_of_importances_is_told_in_one_error(values, arguments, error, message):
    with pytest.raises(error) as caught:
        plot_importances(values, **arguments)
    assert message in str(caught.value)


# -- trials -----------------------------------------------------------------------------------------------------------


def trials() -> pa.Table:
    """A table as `TuneHyperparameters` makes it, with a failed trial."""
    return pa.table(
        {
            "trial": [1, 2, 3, 4],
            "model_name": ["TrainClassifier_a1", "TrainClassifier_b2", "TrainClassifier_a1", "GBT_c3"],
            "parameters": ['{"Line.reg": 1}', '{"Tree.depth": 1}', '{"Line.reg": 2}', "{}"],
            "metric": [0.7, 0.9, 0.8, None],
            "standard_deviation": [0.1, 0.05, 0.0, None],
            "folds": [[0.6, 0.8], [0.85, 0.95], [0.8], None],
            "best": [False, True, False, False],
        }
    )


@pytest.mark.parametrize(
    "convert", [lambda t: t, pa.Table.to_pandas, pl.from_arrow], ids=["arrow", "pandas", "polars"]
)
def test_every_trial_is_a_point_of_its_learner_with_the_spread_of_its_folds(convert):
    ax = plot_trials(convert(trials()), metric="AUC")
    assert legend_of(ax) == [
        "TrainClassifier(Line)",
        "TrainClassifier(Tree)",
        "best, 0.9",
        "1 trial without metric",
    ]
    line, tree = ax.containers
    assert line.lines[0].get_xydata().tolist() == [[1, 0.7], [3, 0.8]]
    assert np.array(tree.lines[2][0].get_segments()[0])[:, 1].tolist() == pytest.approx([0.85, 0.95])
    assert (ax.get_ylabel(), ax.get_title()) == ("AUC", "AUC of 4 trials")
    marks = {
        line.get_marker(): list(line.get_xdata()) for line in ax.lines if line.get_marker() in ("x", "o")
    }
    assert marks == {"o": [2], "x": [4]}


def test_a_fitted_search_is_drawn_with_its_metric():
    class Search:
        def getAllModelMetrics(self):
            return trials()

        def getEvaluationMetric(self):
            return "accuracy"

    assert plot_trials(Search()).get_ylabel() == "accuracy"


def test_learners_of_one_class_are_told_apart():
    table = pa.table({"model_name": ["Tree_a", "Tree_b"], "metric": [1.0, 2.0]})
    assert legend_of(plot_trials(table)) == ["Tree a", "Tree b"]


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (pa.table({"metric": [1.0]}), ColumnNotFoundError, "plot_trials: column `model_name`: not found"),
        (trials().slice(0, 0), DecodeError, "plot_trials: column `metric`: there are no trials"),
        (trials().slice(3), DecodeError, "plot_trials: column `metric`: no trial has a metric"),
        (pa.table({"metric": ["a"], "model_name": ["b"]}), SchemaMismatchError, "column `metric`, row 0: 'a' is not a number"),
        ([1], SchemaMismatchError, "plot_trials: cannot read a list"),
    ],
)  # fmt: skip
def test_a_bad_table_of_trials_is_told_in_one_error(table, error, message):
    with pytest.raises(error) as caught:
        plot_trials(table)
    assert message in str(caught.value)


# -- matplotlib -------------------------------------------------------------------------------------------------------


def test_given_axes_are_drawn_on_and_nothing_is_shown(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("a plot shows itself"))
    _, axes = plt.subplots(1, 3)
    assert plot_residuals(([1], [2]), ax=axes[0]) is axes[0]
    assert plot_importances([1], ax=axes[1]) is axes[1]
    assert plot_trials(trials(), ax=axes[2]) is axes[2]
    assert len(plt.get_fignums()) == 1


def test_without_matplotlib_one_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(MissingPackageError) as caught:
        plot_importances([1])
    assert str(caught.value).startswith("plot_importances: matplotlib cannot be imported")
    assert str(caught.value).endswith('pip install "mmlrs[plot]"')
    assert isinstance(caught.value, ImportError)
