"""Curves of precision over recall draw the numbers of scikit-learn, and those of computed statistics."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml.linalg import Vectors
from sklearn.metrics import average_precision_score, precision_recall_curve

import mmlrs.plot
import mmlrs.train
from mmlrs.errors import ColumnNotFoundError, DecodeError, SchemaMismatchError
from mmlrs.plot import plot_calibration, plot_confusion_matrix, plot_precision_recall, plot_roc
from mmlrs.train import ComputeModelStatistics


def scored(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and noisy scores with ties."""
    rng = np.random.default_rng(3)
    labels = (rng.random(rows) < 0.3).astype(int)
    return labels, np.round(np.clip(labels * 0.3 + rng.random(rows) * 0.7, 0, 1), 2)


def legend_of(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_the_curve_of_two_classes_is_scikit_learns():
    labels, scores = scored()
    ax = plot_precision_recall((labels, scores))
    precision, recall, _ = precision_recall_curve(labels, scores)
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.column_stack([recall, precision])[::-1])
    assert ax.lines[0].get_drawstyle() == "steps-pre"
    assert legend_of(ax) == [f"AP = {average_precision_score(labels, scores):.3f}", "chance"]
    assert ax.lines[1].get_ydata() == pytest.approx([labels.mean()] * 2)
    assert ax.get_title() == "precision and recall, positive class 1"


def test_each_of_many_classes_has_a_curve_and_the_title_their_mean():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    scores = rng.random((300, 3)) + 0.5 * np.eye(3)[labels]
    ax = plot_precision_recall((labels, scores))
    areas = [average_precision_score(labels == cls, scores[:, cls]) for cls in range(3)]
    assert legend_of(ax) == [f"{cls}, AP = {area:.3f}" for cls, area in enumerate(areas)]
    assert ax.get_title().endswith(f"mean average precision {np.mean(areas):.3f}")


def test_computed_statistics_are_drawn_like_the_rows_they_were_computed_of():
    labels, scores = scored()
    table = pa.table({"label": np.where(labels == 1, "yes", "no"), "probability": scores})
    stage = ComputeModelStatistics(labelCol="label", scoresCol="probability", labels=["no", "yes"])
    statistics = stage.transform(table)
    for plot in (plot_roc, plot_precision_recall):
        ours, theirs = plot(table), plot(statistics)
        assert legend_of(theirs) == legend_of(ours)
        assert theirs.get_title() == ours.get_title()
        assert theirs.get_title().endswith(", positive class yes")
        assert plot(statistics.to_pandas()).get_title() == theirs.get_title()


def test_statistics_that_lack_a_curve_or_a_matrix_are_told_in_one_error():
    table = pa.table({"y": ["a", "b"], "p": ["a", "b"]})
    stage = ComputeModelStatistics(evaluationMetric="classification", labelCol="y", scoredLabelsCol="p")
    without = stage.transform(table)
    with pytest.raises(SchemaMismatchError, match="plot_precision_recall: column `curve`: is null; a curve"):
        plot_precision_recall(without)
    with pytest.raises(SchemaMismatchError, match="column `curve`: has no value: the statistics have no row"):
        plot_precision_recall(without.slice(0, 0))
    with pytest.raises(SchemaMismatchError, match="`confusion_matrix`: has no value: the statistics have no"):
        plot_confusion_matrix(without.slice(0, 0))
    with pytest.raises(ColumnNotFoundError, match="plot_precision_recall: column `label`: not found"):
        plot_precision_recall(table)


def test_the_plots_of_statistics_in_mmlrs_train_are_these():
    for name in ("plot_confusion_matrix", "plot_precision_recall", "plot_roc"):
        assert name in mmlrs.train.__all__
        assert getattr(mmlrs.train, name) is getattr(mmlrs.plot, name)
    assert not hasattr(mmlrs.train, "plot_rock")


@pytest.mark.parametrize("plot", [plot_roc, plot_precision_recall, plot_calibration])
def test_columns_of_spark_vectors_in_pandas_are_read(plot):
    labels, scores = scored()
    dense = [Vectors.dense([1 - score, score]) for score in scores]
    sparse = [Vectors.sparse(2, [0, 1], [1 - score, score]) for score in scores[:5]]
    frame = pd.DataFrame({"label": labels, "probability": [*sparse, *dense[5:]]})
    assert legend_of(plot(frame)) == legend_of(plot((labels, scores)))
    assert legend_of(plot((labels, dense))) == legend_of(plot((labels, scores)))
    frame.loc[3, "probability"] = None
    assert plot(frame).get_title().endswith("1 row with null left out")
    frame.loc[7, "probability"] = Vectors.dense([1.0])
    with pytest.raises(
        DecodeError, match=f"{plot.__name__}: column `probability`: the vectors have different"
    ):
        plot(frame)


def test_the_positive_class_is_named_unless_there_are_several():
    labels, scores = scored()
    text = np.where(labels == 1, "sick", "well")
    assert plot_roc((text, scores), positive="sick").get_title() == "ROC curve, positive class sick"
    assert plot_calibration((text, scores)).get_title() == "calibration, positive class well"
    models = {"a": (text, scores), "b": (np.where(labels == 1, "yes", "no"), scores)}
    assert plot_roc(models).get_title() == "ROC curves"
    assert (
        plot_roc({"a": (text, scores), "b": (text, scores)}).get_title() == "ROC curves, positive class well"
    )
