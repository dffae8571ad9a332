"""ROC curves, confusion matrices and reliability curves draw the numbers of scikit-learn."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import auc, brier_score_loss, confusion_matrix, roc_auc_score, roc_curve

from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.plot import plot_calibration, plot_confusion_matrix, plot_roc
from mmlrs.train import ComputeModelStatistics


def two_classes(rows: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and noisy scores with ties."""
    rng = np.random.default_rng(seed)
    labels = rng.random(rows) < 0.4
    return labels.astype(int), np.round(np.clip(labels * 0.3 + rng.random(rows) * 0.7, 0, 1), 2)


def many_classes(classes: int, rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, classes, rows)
    scores = rng.random((rows, classes)) + 0.5 * np.eye(classes)[labels]
    return labels, scores / scores.sum(axis=1, keepdims=True)


def legend_of(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def drawn(ax) -> np.ndarray:
    """The values of the cells, as the image has them."""
    return np.asarray(ax.images[0].get_array())


def ticks(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


# -- ROC --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_the_roc_curve_of_two_classes_is_scikit_learns(seed):
    labels, scores = two_classes(seed=seed)
    ax = plot_roc((labels, scores))
    alarms, hits, _ = roc_curve(labels, scores)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.column_stack([alarms, hits]))
    assert legend_of(ax) == [f"AUC = {roc_auc_score(labels, scores):.3f}", "chance"]
    assert ax.lines[-1].get_xydata().tolist() == [[0, 0], [1, 1]]


def test_each_of_many_classes_has_a_curve_and_the_mean_has_the_mean_area():
    labels, scores = many_classes(4)
    ax = plot_roc((labels, scores))
    for cls in range(4):
        alarms, hits, _ = roc_curve(labels == cls, scores[:, cls])
        np.testing.assert_allclose(ax.lines[cls].get_xydata(), np.column_stack([alarms, hits]))
    macro = roc_auc_score(labels, scores, multi_class="ovr", average="macro")
    assert auc(*ax.lines[4].get_xydata().T) == pytest.approx(macro)
    assert legend_of(ax)[4] == f"macro average, AUC = {macro:.3f}"
    assert len(plot_roc((labels, scores), average=False).lines) == 5


def test_thirty_classes_have_lines_that_differ():
    ax = plot_roc(many_classes(30, 2000))
    styles = {(line.get_color(), str(line._dash_pattern)) for line in ax.lines[:30]}
    assert len(ax.lines) == 32
    assert len(styles) == 30


def test_models_are_compared_in_one_plot_and_odd_names_are_written_out():
    labels, scores = two_classes()
    ax = plot_roc({"_a": (labels, scores), "$x$": pa.table({"label": labels, "probability": 1 - scores})})
    area = roc_auc_score(labels, scores)
    assert legend_of(ax) == [f" _a, AUC = {area:.3f}", rf"\$x\$, AUC = {1 - area:.3f}", "chance"]
    frame = pd.DataFrame({"label": labels, "one": scores, "two": 1 - scores})
    assert [text.split(",")[0] for text in legend_of(plot_roc(frame, score_col=["one", "two"]))][:2] == [
        "one",
        "two",
    ]


def test_the_curve_of_computed_statistics_has_the_same_area():
    labels, scores = two_classes()
    table = pa.table({"label": labels, "probability": scores})
    statistics = ComputeModelStatistics(labelCol="label", scoresCol="probability").transform(table)
    ax = plot_roc(statistics)
    assert auc(*ax.lines[0].get_xydata().T) == pytest.approx(roc_auc_score(labels, scores))
    assert legend_of(ax) == legend_of(plot_roc(table))


@pytest.mark.parametrize(
    "labels",
    [["no", "yes"], [False, True], [-1.0, 1.0], [dt.date(2020, 1, 1), dt.date(2021, 1, 1)]],
    ids=["text", "boolean", "float", "date"],
)
def test_labels_may_be_of_any_kind_and_the_second_is_positive(labels):
    truth, scores = two_classes()
    table = pa.table({"label": [labels[i] for i in truth], "probability": scores})
    expected = f"AUC = {roc_auc_score(truth, scores):.3f}"
    for data in (table, table.to_pandas(), pl.from_arrow(table)):
        assert legend_of(plot_roc(data))[0] == expected
    other = plot_roc(table, positive=labels[0])
    assert legend_of(other)[0] == f"AUC = {1 - roc_auc_score(truth, scores):.3f}"


def test_infinite_scores_are_the_strictest_and_the_loosest():
    inf = float("inf")
    ax = plot_roc(([1, 1, 0, 0, 1], [inf, inf, -inf, -inf, 0.0]))
    assert ax.lines[0].get_xydata().tolist() == [[0, 0], [0, 2 / 3], [0, 1], [1, 1]]


def test_rows_with_null_are_left_out_of_curves_and_counted():
    labels, scores = two_classes()
    with_nulls = pa.table({"label": [*labels, None, 1], "probability": [*scores, 0.3, None]})
    ax = plot_roc(with_nulls)
    assert ax.get_title() == "ROC curve, positive class 1\n2 rows with null left out"
    assert legend_of(ax)[0] == f"AUC = {roc_auc_score(labels, scores):.3f}"
    ax = plot_calibration(with_nulls)
    assert ax.get_title() == "calibration, positive class 1\n2 rows with null left out"


def test_a_class_without_rows_has_no_curve():
    labels, scores = many_classes(3)
    kept = labels != 1
    ax = plot_roc((labels[kept], scores[kept]))
    assert [text.split(",")[0] for text in legend_of(ax)] == ["0", "2", "macro average", "chance"]
    assert "classes without rows" in ax.get_title()


def test_names_of_class_numbers_come_from_the_metadata():
    labels, scores = many_classes(3)
    field = pa.field("label", pa.float64(), metadata={"ml_attr": '{"vals": ["a", "b", "c"]}'})
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(scores.ravel()), 3)
    table = pa.Table.from_arrays(
        [pa.array(labels.astype(float)), vectors],
        schema=pa.schema([field, pa.field("probability", vectors.type)]),
    )
    assert [text.split(",")[0] for text in legend_of(plot_roc(table))][:3] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("data", "arguments", "error", "message"),
    [
        (pa.table({"lable": [1], "probability": [0.5]}), {}, ColumnNotFoundError,
         "plot_roc: column `label`: not found (did you mean `lable`?); the columns are `lable`, `probability`"),
        (([1, 1], [0.1, 0.2]), {}, DecodeError, "plot_roc: column `label`: has only one class, 1;"),
        (([], []), {}, DecodeError, "plot_roc: column `label`: has no value: the dataset has no rows"),
        (([None, 1], [0.1, None]), {}, DecodeError, "every row has a null in the label or the score"),
        (([0, 1], ["a", "b"]), {}, SchemaMismatchError, "plot_roc: column `score`: has type string; expected numbers"),
        (([b"a", b"b"], [1, 2]), {}, SchemaMismatchError, "column `label`: has type binary; expected labels"),
        (([0, 1, 2], [0.1, 0.2, 0.3]), {}, SchemaMismatchError, "is one number per row, but the label has 3 classes"),
        ((["a", "b"], [[0.5, 0.5]] * 2), {}, SchemaMismatchError, "the order of the 2 scores in its vectors is unknown"),
        (
            (["a", "b", "c"], [[0.5, 0.5]] * 3),
            {"labels": ["a", "b", "c"]},
            SchemaMismatchError,
            "have 2 scores, but there are 3 classes",
        ),
        (([0, 1], [0.1, 0.2]), {"positive": 2}, InvalidParamError, "param `positive`: 2 is not one of the classes [0, 1]"),
        ((["a", "b"], [0.1, 0.2]), {"labels": ["a", "c"]}, DecodeError, "row 1: the label 'b' is not one of the classes"),
        (([0, 1], [0.1]), {}, InvalidParamError, "the arrays must have one length, got 2 for `label`, 1 for `score`"),
        (3, {}, SchemaMismatchError, "plot_roc: cannot read a int"),
        ({"a": 3}, {}, SchemaMismatchError, "plot_roc: model `a`: cannot read a int"),
        ({}, {}, InvalidParamError, "plot_roc: param `data` names no model"),
    ],
)  # fmt: skip
def test_a_bad_input_of_a_roc_curve_is_told_in_one_error(data, arguments, error, message):
    with pytest.raises(error) as caught:
        plot_roc(data, **arguments)
    assert message in str(caught.value)
    assert not plt.get_fignums(), "no figure is left behind"


# -- confusion matrix -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [None, "true", "pred", "all"])
@pytest.mark.parametrize("classes", [2, 5, 30])
def test_a_confusion_matrix_is_scikit_learns(by, classes):
    rng = np.random.default_rng(2)
    truth = rng.integers(0, classes, 500)
    guess = np.where(rng.random(500) < 0.7, truth, rng.integers(0, classes, 500))
    ax = plot_confusion_matrix((truth, guess), normalize=by)
    np.testing.assert_allclose(drawn(ax), confusion_matrix(truth, guess, normalize=by))
    assert ticks(ax.xaxis) == ticks(ax.yaxis) == [str(i) for i in range(classes)]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted label", "true label")


def test_cells_are_written_with_contrast():
    ax = plot_confusion_matrix((["cat"] * 9 + ["dog"], ["cat"] * 10))
    assert [text.get_text() for text in ax.texts] == ["9", "0", "1", "0"]
    assert [text.get_color() for text in ax.texts] == ["white", "black", "black", "black"]


def test_percentages_are_0_or_100_only_if_they_are_exact():
    truth = np.array([0] * 100_000 + [1])
    guess = np.array([0] * 99_999 + [1, 1])
    ax = plot_confusion_matrix((truth, guess), normalize="true")
    assert [text.get_text() for text in ax.texts] == [">99.9%", "<0.1%", "0%", "100%"]


def test_nulls_have_a_row_and_a_column_of_their_own():
    truth = pa.array(["a", None, "b", "null", None])
    guess = pa.array(["a", "b", None, "null", None])
    ax = plot_confusion_matrix(pa.table({"label": truth, "prediction": guess}))
    assert drawn(ax).sum() == 5
    assert ticks(ax.xaxis) == ["a", "b", "null", "null"]
    assert [label.get_style() for label in ax.get_xticklabels()] == ["normal"] * 3 + ["italic"]
    assert drawn(ax)[3].tolist() == [0, 1, 0, 1]
    no_null_labels = plot_confusion_matrix((["a", "b"], ["a", None]))
    assert drawn(no_null_labels).tolist() == [[1, 0, 0], [0, 0, 1]]
    floats = plot_confusion_matrix((np.array([1.0, np.nan]), np.array([1.0, 1.0])))
    assert drawn(floats).tolist() == [[1], [1]]


def test_given_labels_select_and_order_the_classes():
    truth, guess = ["a", "b", "c", "a"], ["a", "a", "c", "b"]
    ax = plot_confusion_matrix((truth, guess), labels=["b", "a"])
    assert drawn(ax).tolist() == confusion_matrix(truth, guess, labels=["b", "a"]).tolist()
    assert ax.get_title() == "confusion matrix\n1 row of other classes left out"


def test_class_numbers_are_compared_with_labels_by_the_metadata():
    field = pa.field("prediction", pa.float64(), metadata={"ml_attr": '{"vals": ["no", "yes"]}'})
    table = pa.Table.from_arrays(
        [pa.array(["no", "yes", "yes"]), pa.array([0.0, 1.0, 0.0])],
        schema=pa.schema([pa.field("label", pa.string()), field]),
    )
    ax = plot_confusion_matrix(table)
    assert (ticks(ax.yaxis), drawn(ax).tolist()) == (["no", "yes"], [[1, 0], [1, 1]])
    with pytest.raises(
        SchemaMismatchError, match="`prediction`: has numbers, but the labels in `label` are text"
    ):
        plot_confusion_matrix((["no", "yes"], [0.0, 1.0]))


def test_integers_floats_and_booleans_are_the_same_classes():
    ax = plot_confusion_matrix((pa.array([0, 1]), pa.array([0.0, 1.0])))
    assert (ticks(ax.xaxis), drawn(ax).tolist()) == (["0", "1"], [[1, 0], [0, 1]])


def test_the_matrix_of_computed_statistics_is_drawn():
    table = pa.table({"l": ["a", "b", "b"], "p": ["a", "b", "a"]})
    stage = ComputeModelStatistics(evaluationMetric="classification", labelCol="l", scoredLabelsCol="p")
    assert drawn(plot_confusion_matrix(stage.transform(table))).tolist() == [[1, 0], [1, 1]]


def test_names_of_thirty_classes_do_not_overlap():
    names = [f"a rather long name of class number {i}" for i in range(30)]
    ax = plot_confusion_matrix((names, names))
    ax.figure.draw_without_rendering()
    for labels, low in ((ax.get_xticklabels(), "x0"), (ax.get_yticklabels(), "y0")):
        boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: getattr(box, low))
        ends = low.replace("0", "1")
        assert all(getattr(a, ends) <= getattr(b, low) + 1 for a, b in pairwise(boxes))
    assert all(ax.figure.bbox.x0 <= label.get_window_extent().x0 for label in ax.get_yticklabels())


@pytest.mark.parametrize(
    ("data", "arguments", "error", "message"),
    [
        (([1], [1]), {"normalize": True}, InvalidParamError, 'param `normalize` must be None, "true", "pred" or "all", got True'),
        (([], []), {}, DecodeError, "the dataset has no rows"),
        (([None], [None]), {}, DecodeError, "every label and every prediction is null"),
        (([1], [1]), {"labels": [1, 1]}, InvalidParamError, "param `labels` names a class twice"),
        (([1], [1]), {"labels": []}, InvalidParamError, "param `labels` names no class"),
        (([1], [1]), {"labels": [7]}, InvalidParamError, "names no class of the data, whose classes are [1]"),
        ((range(300), range(300)), {}, InvalidParamError, "there are 300 classes, and a matrix shows at most 200"),
        (pa.table({"label": [1]}), {}, ColumnNotFoundError, "plot_confusion_matrix: column `prediction`: not found"),
        (([1], [1]), {"ax": 3}, InvalidParamError, "param `ax` must be the Axes of matplotlib, got int"),
    ],
)  # fmt: skip
def test_a_bad_input_of_a_matrix_is_told_in_one_error(data, arguments, error, message):
    with pytest.raises(error) as caught:
        plot_confusion_matrix(data, **arguments)
    assert message in str(caught.value)


# -- calibration ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
@pytest.mark.parametrize("bins", [1, 5, 10])
def test_a_reliability_curve_is_scikit_learns(strategy, bins):
    labels, scores = two_classes()
    ax = plot_calibration((labels, scores), bins=bins, strategy=strategy)
    shares, means = calibration_curve(labels, scores, n_bins=bins, strategy=strategy)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.column_stack([means, shares]))
    assert legend_of(ax) == [f"Brier score = {brier_score_loss(labels, scores):.3f}", "perfect"]
    below = ax.figure.axes[1]
    assert below.get_label() == "rows per bin"
    assert below.patches[0].get_data().values.sum() == len(labels)


def test_models_of_vectors_are_compared_and_axes_anywhere_are_split():
    labels, scores = two_classes()
    figure = plt.figure()
    ax = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    vectors = np.column_stack([1 - scores, scores])
    assert plot_calibration({"a": (labels, vectors), "b": (labels, scores)}, ax=ax) is ax
    np.testing.assert_allclose(ax.lines[0].get_xydata(), ax.lines[1].get_xydata())
    assert len(figure.axes) == 2


@pytest.mark.parametrize(
    ("data", "arguments", "error", "message"),
    [
        (([0, 1], [0.5, 1.2]), {}, DecodeError, "plot_calibration: column `score`, row 1: 1.2 is not a probability"),
        (([0, 1], [-0.5, float("nan")]), {}, DecodeError, "row 0: -0.5 is not a probability"),
        (([0, 1], [0.5, 0.2]), {"bins": 0}, InvalidParamError, "param `bins` must be between 1 and 1000, got 0"),
        (([0, 1], [0.5, 0.2]), {"bins": 2.5}, InvalidParamError, "param `bins` must be"),
        (([0, 1], [0.5, 0.2]), {"strategy": "x"}, InvalidParamError, '`strategy` must be "uniform" or "quantile"'),
        (([0, 1, 2], np.eye(3)), {}, SchemaMismatchError, "has more than two classes; name one of [0, 1, 2] in `positive`"),
        (([0, 0], [0.5, 0.2]), {}, DecodeError, "has only one class, 0"),
    ],
)  # fmt: skip
def test_a_bad_input_of_a_reliability_curve_is_told_in_one_error(data, arguments, error, message):
    with pytest.raises(error) as caught:
        plot_calibration(data, **arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize("plot", [plot_roc, plot_calibration])
def test_labels_that_are_text_need_the_order_of_the_scores(plot):
    rng = np.random.default_rng(0)
    share = rng.random(200)
    label = np.where(rng.random(200) < share, "yes", "no").tolist()
    scores = np.stack(
        [share, 1 - share], axis=1
    ).tolist()  # "yes" is the first class, as the more frequent one may be
    with pytest.raises(
        SchemaMismatchError, match=f"^{plot.__name__}: .*the order of the 2 scores .* is unknown"
    ):
        plot((label, scores))
    in_order = (
        plot((label, scores), labels=["yes", "no"], positive="yes").get_legend().get_texts()[0].get_text()
    )
    alone = plot((label, share.tolist()), positive="yes").get_legend().get_texts()[0].get_text()
    assert in_order == alone
