"""Training and evaluation on Spark Connect."""

from __future__ import annotations

import pytest

from mmlrs.automl import (
    DiscreteHyperParam,
    FindBestModel,
    GridSpace,
    HyperparamBuilder,
    TuneHyperparameters,
    TuneHyperparametersModel,
)
from mmlrs.errors import InvalidParamError
from mmlrs.train import (
    ComputeModelStatistics,
    ComputePerInstanceStatistics,
    TrainClassifier,
    TrainedClassifierModel,
    TrainRegressor,
)

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def people(spark):
    rows = [(float(i % 40), "ab"[i % 2], "high" if i % 40 > 20 else "low") for i in range(200)]
    return spark.createDataFrame(rows, "age double, job string, income string")


def test_a_classifier_learns_and_is_evaluated_and_saved(people, tmp_path):
    from pyspark.ml.classification import LogisticRegression

    model = TrainClassifier(model=LogisticRegression(maxIter=20), labelCol="income").fit(people)
    scored = model.transform(people)
    row = ComputeModelStatistics().transform(scored).first()
    assert (row.labels, row.rows) == (["high", "low"], 200)
    assert row.AUC > 0.95
    losses = ComputePerInstanceStatistics().transform(scored)
    assert losses.selectExpr("avg(log_loss) as loss").first().loss == pytest.approx(row.log_loss, rel=1e-9)
    path = str(tmp_path / "model")
    model.write().overwrite().save(path)
    again = TrainedClassifierModel.load(path).transform(people)
    assert again.select("prediction").collect() == scored.select("prediction").collect()


def test_a_regressor_learns(people):
    from pyspark.ml.regression import LinearRegression

    trainer = TrainRegressor(model=LinearRegression(), labelCol="age", inputCols=["job", "income"])
    scored = trainer.fit(people).transform(people)
    row = ComputeModelStatistics().transform(scored).first()
    assert 0.5 < row["R^2"] < 1


def test_what_cannot_be_evaluated_is_told(people):
    with pytest.raises(InvalidParamError, match="`evaluationMetric` must be"):
        ComputeModelStatistics(labelCol="income", scoredLabelsCol="job").transform(people)


def test_a_search_shares_features_and_its_best_model_is_saved(people, tmp_path, capsys):
    from pyspark.ml.classification import LogisticRegression

    learner = LogisticRegression(maxIter=5)
    trainer = TrainClassifier(model=learner, labelCol="income")
    space = HyperparamBuilder().addHyperparam(
        learner, learner.regParam, DiscreteHyperParam([0.0, 10.0, -1.0])
    )
    search = TuneHyperparameters(
        models=[trainer], paramSpace=GridSpace(space.build()), evaluationMetric="log_loss", numFolds=2
    )
    model = search.fit(people)
    assert model.getBestParams() == {"LogisticRegression.regParam": 0.0}
    errors = model.getAllModelMetrics()["error"].to_pylist()
    assert errors[:2] == [None, None]
    assert "regParam" in errors[2]
    assert "3 of 3" in capsys.readouterr().err
    path = str(tmp_path / "tuned")
    model.write().overwrite().save(path)
    loaded = TuneHyperparametersModel.load(path)
    assert loaded.getAllModelMetrics().equals(model.getAllModelMetrics())
    scored = loaded.transform(people)
    assert scored.select("prediction").collect() == model.transform(people).select("prediction").collect()


def test_the_best_model_is_found(people):
    from pyspark.ml.classification import LogisticRegression

    models = [
        TrainClassifier(model=LogisticRegression(maxIter=m, regParam=r), labelCol="income").fit(people)
        for m, r in ((1, 10.0), (10, 0.0))
    ]
    best = FindBestModel(models=models, evaluationMetric="log_loss").fit(people)
    assert best.getBestModel().uid == models[1].uid
    assert best.getScoredDataset().count() == 200
