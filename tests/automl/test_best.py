"""The best of several fitted models."""

from __future__ import annotations

import pyarrow as pa
import pytest
from searches import renames

from mmlrs.automl import (
    BestModel,
    FindBestModel,
)
from mmlrs.errors import ExecutionError, InvalidParamError, MmlrsError
from mmlrs.featurize import ValueIndexer
from mmlrs.stages import RenameColumn
from mmlrs.train.statistics import METRICS


def predictions(**columns):
    return pa.table({"label": [0.0, 1.0, 1.0, 0.0, 1.0, 0.0], **columns})


GOOD, FAIR, BAD = (
    [0.0, 1.0, 1.0, 0.0, 1.0, 0.0],
    [0.0, 1.0, 1.0, 0.0, 0.0, 1.0],
    [1.0, 0.0, 0.0, 1.0, 0.0, 1.0],
)


@pytest.mark.parametrize("metric", [m for m in METRICS if m not in ("AUC", "areaUnderPR", "log_loss")])
@pytest.mark.parametrize("order", [("good", "fair", "bad"), ("bad", "fair", "good"), ("fair", "good", "bad")])
def test_the_winner_wins_by_every_metric(metric, order):
    data = predictions(good=GOOD, fair=FAIR, bad=BAD)
    finder = FindBestModel(
        models=renames(*order), evaluationMetric=metric, labelCol="label", scoredLabelsCol="prediction"
    )
    best = finder.fit(data)
    assert best.getBestModel().getInputCol() == "good"
    table = best.getAllModelMetrics()
    assert table["best"].to_pylist() == [name == "good" for name in order]
    values = table["metric"].to_pylist()
    assert best.getBestMetric() == (max if METRICS[metric].larger_is_better else min)(values)
    assert len(set(values)) == 3
    assert best.transform(data)["prediction"].to_pylist() == GOOD


@pytest.mark.parametrize("metric", ["AUC", "areaUnderPR", "log_loss"])
def test_the_winner_wins_by_scores(metric):
    scores = {"good": [0.1, 0.9, 0.8, 0.2, 0.7, 0.3], "bad": [0.9, 0.1, 0.2, 0.8, 0.3, 0.7]}
    models = [RenameColumn(inputCol=name, outputCol="score") for name in ("bad", "good")]
    finder = FindBestModel(models=models, evaluationMetric=metric, labelCol="label", scoresCol="score")
    best = finder.fit(predictions(**scores))
    assert best.getBestModel().getInputCol() == "good"
    assert best.getRocCurve()["true_positive_rate"].to_pylist()[-1] == 1.0


def test_a_bar_counts_the_models_and_names_the_best_value(capsys, monkeypatch):
    monkeypatch.setenv("MMLRS_PROGRESS", "1")
    finder = FindBestModel(
        models=renames("fair", "good", "bad"), labelCol="label", scoredLabelsCol="prediction"
    )
    finder.fit(predictions(good=GOOD, fair=FAIR, bad=BAD))
    bar = capsys.readouterr().err.split("\r")[-1]
    assert bar.startswith("FindBestModel: 100%")
    assert "3/3" in bar
    assert "best accuracy 1" in bar


def test_the_table_names_the_learners():
    models = renames("good", "bad")
    finder = FindBestModel(models=models, labelCol="label", scoredLabelsCol="prediction")
    table = finder.fit(predictions(good=GOOD, bad=BAD)).getAllModelMetrics()
    assert table["learner"].to_pylist() == ["RenameColumn", "RenameColumn"]
    assert table["model_name"].to_pylist() == [model.uid for model in models]


def test_of_equal_models_the_first_wins():
    data = predictions(a=FAIR, b=FAIR)
    finder = FindBestModel(models=renames("b", "a"), labelCol="label", scoredLabelsCol="prediction")
    assert finder.fit(data).getBestModel().getInputCol() == "b"


def test_a_metric_that_is_not_defined_does_not_win():
    data = pa.table({"label": [1.0, 1.0], "p": [0.0, 0.0]})
    finder = FindBestModel(models=renames("p"), labelCol="label", scoredLabelsCol="prediction")
    with pytest.raises(InvalidParamError, match='"AUC" is not defined for any of the models'):
        finder.setEvaluationMetric("AUC").fit(data)


def test_a_best_model_is_saved_with_its_metrics(tmp_path):
    data = predictions(good=GOOD, bad=BAD)
    finder = FindBestModel(models=renames("bad", "good"), labelCol="label", scoredLabelsCol="prediction")
    best = finder.fit(data)
    best.save(str(tmp_path / "best"))
    loaded = BestModel.load(str(tmp_path / "best"))
    assert loaded.getAllModelMetrics().equals(best.getAllModelMetrics())
    assert loaded.getBestModelMetrics()["accuracy"].to_pylist() == [1.0]
    assert loaded.transform(data).equals(best.transform(data))
    assert best.getScoredDataset().equals(best.transform(data))
    with pytest.raises(ExecutionError, match="BestModel: the scored dataset is not saved with the model"):
        loaded.getScoredDataset()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f.setModels([ValueIndexer(inputCol="label")]),
            "`models` must be fitted models, got the estimator",
        ),
        (lambda f: f.setModels([]), "param `models` must not be empty"),
        (lambda f: f.setLabelCol("lable"), "FindBestModel: column `lable`"),
        (lambda f: f.setModels(renames("no")), "RenameColumn: column `no`"),
        (lambda f: f.setScoredLabelsCol("no"), "FindBestModel: model RenameColumn_.*: .*column `no`"),
        (lambda f: f.setEvaluationMetric("auc"), "`evaluationMetric` must be one of"),
    ],
)
def test_models_that_cannot_be_compared_are_one_clear_error(change, message):
    finder = FindBestModel(models=renames("good"), labelCol="label", scoredLabelsCol="prediction")
    with pytest.raises(MmlrsError, match=message):
        change(finder).fit(predictions(good=GOOD))
