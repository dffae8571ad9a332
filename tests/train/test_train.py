"""Training on raw tables: any learner of Spark ML, labels of any type, and what bad tables get."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml.classification import (
    DecisionTreeClassifier,
    GBTClassifier,
    LinearSVC,
    LogisticRegression,
    MultilayerPerceptronClassifier,
    NaiveBayes,
    OneVsRest,
)
from pyspark.ml.regression import DecisionTreeRegressor, GBTRegressor, LinearRegression
from sklearn import datasets, metrics

from mmlrs.ann import NeuralNetworkClassifier, layers
from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.featurize import IndexToValue
from mmlrs.stages import RenameColumn
from mmlrs.train import (
    ComputeModelStatistics,
    ComputePerInstanceStatistics,
    TrainClassifier,
    TrainedClassifierModel,
    TrainRegressor,
)


@pytest.fixture(scope="module")
def people(spark):
    """Ages, cities and a note; the income follows from them, with noise."""
    random = np.random.default_rng(7)
    rows = 300
    age = random.integers(18, 80, rows).astype(float)
    city = random.choice(["Bern", "Oslo", "Rome"], rows)
    rich = (age + 20 * (city == "Oslo") + random.normal(scale=5, size=rows)) > 55
    age[::17] = np.nan
    return spark.createDataFrame(
        pd.DataFrame(
            {
                "age": age,
                "city": city,
                "co": random.random(rows),
                "weight": np.where(rich, 2.0, 1.0),
                "income": np.where(rich, "high", "low"),
            }
        )
    )


#: With their params: those of Spark ML are made with a session alone.
LEARNERS = [
    (LogisticRegression, {"maxIter": 10}),
    (DecisionTreeClassifier, {"maxDepth": 3}),
    (MultilayerPerceptronClassifier, {"layers": [1, 4, 1], "maxIter": 40, "seed": 1}),
    (NaiveBayes, {"modelType": "gaussian"}),
    (LinearSVC, {"maxIter": 5}),
]


@pytest.fixture(scope="module")
def wine(spark):
    bunch = datasets.load_wine(as_frame=True)
    frame = bunch.data / bunch.data.max()
    return spark.createDataFrame(
        frame.assign(kind=bunch.target.map(dict(enumerate(bunch.target_names))))
    ), bunch


@pytest.mark.parametrize(("cls", "params"), LEARNERS)
def test_classifiers_of_spark_ml_learn_three_classes(cls, params, wine):
    df, bunch = wine
    learner = cls(**params)
    before = learner.extractParamMap()
    model = TrainClassifier(model=learner, labelCol="kind").fit(df)
    assert learner.extractParamMap() == before, "the user's learner is not changed"
    scored = model.transform(df)
    assert model.getLabels() == list(bunch.target_names)
    assert set(scored.columns) - set(df.columns) <= {
        "prediction",
        "probability",
        "rawPrediction",
        "predictedLabel",
    }
    row = ComputeModelStatistics().transform(scored).first()
    predicted = [int(r.prediction) for r in scored.select("prediction").collect()]
    assert row.accuracy == pytest.approx(metrics.accuracy_score(bunch.target, predicted), rel=1e-9)
    assert row.accuracy > (0.6 if isinstance(learner, MultilayerPerceptronClassifier) else 0.9)
    assert row.labels == list(bunch.target_names)


def test_learners_of_two_classes_are_used_as_they_are_for_two(people):
    two = TrainClassifier(model=GBTClassifier(maxIter=1), labelCol="income", inputCols=["age"]).fit(people)
    assert type(two.getModel()).__name__ == "GBTClassificationModel"
    row = ComputeModelStatistics().transform(two.transform(people)).first()
    assert row.AUC > 0.75


def test_statistics_find_the_columns_and_equal_those_of_scikit_learn(people):
    model = TrainClassifier(model=LogisticRegression(maxIter=20), labelCol="income").fit(people)
    scored = model.transform(people)
    row = ComputeModelStatistics().transform(scored).first()
    found = scored.select("income", "probability").collect()
    y = [r.income == "low" for r in found]
    p = [r.probability[1] for r in found]
    assert row.labels == ["high", "low"]
    assert pytest.approx(metrics.roc_auc_score(y, p), rel=1e-9) == row.AUC
    assert row.areaUnderPR == pytest.approx(metrics.average_precision_score(y, p), rel=1e-9)
    assert row.log_loss == pytest.approx(metrics.log_loss(y, p), rel=1e-9)
    losses = [r.log_loss for r in ComputePerInstanceStatistics().transform(scored).collect()]
    assert np.mean(losses) == pytest.approx(row.log_loss, rel=1e-9)


def test_predictions_turn_back_into_labels(people):
    model = TrainClassifier(model=DecisionTreeClassifier(), labelCol="income").fit(people)
    made = IndexToValue(inputCol="prediction", outputCol="guess").transform(model.transform(people))
    assert {r.guess for r in made.select("guess").distinct().collect()} == {"high", "low"}


@pytest.mark.parametrize("values", [[3, 7], [True, False], [0.5, 1.5], ["a", "b"]])
def test_labels_may_be_of_any_type(values, spark):
    rows = [(float(i), values[i % 2]) for i in range(20)]
    df = spark.createDataFrame(rows, ["x", "y"]).selectExpr("x % 2 as x", "y")
    model = TrainClassifier(model=DecisionTreeClassifier(), labelCol="y").fit(df)
    scored = model.transform(df)
    assert ComputeModelStatistics().transform(scored).first().accuracy == 1.0
    made = IndexToValue(inputCol="prediction", outputCol="guess").transform(scored)
    assert all(r.guess == r.y and type(r.guess) is type(r.y) for r in made.select("guess", "y").collect())


def test_columns_whose_name_is_part_of_the_labels_are_inputs(people):
    model = TrainClassifier(model=DecisionTreeClassifier(), labelCol="income").fit(people)
    assert model.getFeaturizer().getInputCols() == ["age", "city", "co", "weight"]


def test_a_weight_column_weighs_and_is_no_feature(people):
    learner = LogisticRegression(maxIter=5, weightCol="weight")
    model = TrainClassifier(model=learner, labelCol="income").fit(people)
    assert "weight" not in model.getFeaturizer().getInputCols()
    plain = TrainClassifier(
        model=LogisticRegression(maxIter=5), labelCol="income", inputCols=["age", "city", "co"]
    ).fit(people)
    assert model.getModel().intercept != plain.getModel().intercept


def test_trees_learn_from_missing_categories_and_score_them(spark):
    rows = [("a", 0), (None, 1), ("b", 0), (None, 1)] * 10
    df = spark.createDataFrame(rows, "k string, y int")
    model = TrainClassifier(model=DecisionTreeClassifier(maxDepth=2), labelCol="y").fit(df)
    assert ComputeModelStatistics().transform(model.transform(df)).first().accuracy == 1.0


def test_trees_get_one_slot_for_a_category_and_bins_for_all_its_levels(spark):
    df = spark.range(400).selectExpr("concat('level ', id % 60) k", "id % 60 % 2 y")
    model = TrainClassifier(model=DecisionTreeClassifier(maxDepth=2), labelCol="y").fit(df)
    assert model.getModel().numFeatures == 1
    assert model.getModel().getMaxBins() == 61, "one for a missing category"
    assert ComputeModelStatistics().transform(model.transform(df)).first().accuracy == 1.0


def test_the_order_of_the_labels_can_be_told(people):
    model = TrainClassifier(model=LogisticRegression(), labelCol="income", labels=["low", "high"]).fit(people)
    row = ComputeModelStatistics().transform(model.transform(people)).first()
    assert (model.getLabels(), row.labels) == (["low", "high"], ["low", "high"])


def test_an_indexed_label_is_taken_as_it_is(people):
    from pyspark.ml.feature import StringIndexer

    df = StringIndexer(inputCol="income", outputCol="y").fit(people).transform(people).drop("income")
    model = TrainClassifier(model=LogisticRegression(maxIter=5), labelCol="y").fit(df)
    row = ComputeModelStatistics().transform(model.transform(df)).first()
    assert model.getLabels() is None
    assert sorted(row.labels) == ["high", "low"]
    with pytest.raises(InvalidParamError, match="`labels` must not be set"):
        TrainClassifier(model=LogisticRegression(), labelCol="y", labels=["low", "high"]).fit(df)


def test_a_saved_model_scores_the_same(people, tmp_path):
    model = TrainClassifier(model=LogisticRegression(maxIter=5), labelCol="income").fit(people)
    model.save(str(tmp_path / "model"))
    loaded = TrainedClassifierModel.load(str(tmp_path / "model"))
    assert loaded.getLabels() == model.getLabels()
    assert loaded.transform(people).collect() == model.transform(people).collect()


def test_trainers_are_stages_of_pipelines_that_save(people, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel

    trainer = TrainClassifier(model=DecisionTreeClassifier(), labelCol="pay")
    pipeline = Pipeline(stages=[RenameColumn(inputCol="income", outputCol="pay"), trainer])
    pipeline.save(str(tmp_path / "pipeline"))
    model = Pipeline.load(str(tmp_path / "pipeline")).fit(people)
    model.save(str(tmp_path / "model"))
    again = PipelineModel.load(str(tmp_path / "model")).transform(people)
    assert again.collect() == model.transform(people).collect()


def test_scoring_needs_no_label(people):
    model = TrainClassifier(model=DecisionTreeClassifier(), labelCol="income").fit(people)
    assert model.transform(people.drop("income")).select("prediction").count() == 300


def test_labels_unseen_in_training_are_told_in_evaluation(people):
    from pyspark.sql import functions as F

    model = TrainClassifier(model=DecisionTreeClassifier(), labelCol="income").fit(people)
    odd = model.transform(
        people.withColumn("income", F.when(F.col("age") > 70, "none").otherwise(F.col("income")))
    )
    with pytest.raises(
        Exception, match=r"ComputeModelStatistics: .*`income`.*none, which is not one of the labels"
    ):
        ComputeModelStatistics().transform(odd)
    assert ComputeModelStatistics(handleInvalid="skip").transform(odd).first().rows < 300


@pytest.mark.parametrize("cls", [LinearRegression, DecisionTreeRegressor, GBTRegressor])
def test_regressors_learn_and_are_evaluated(cls, spark):
    learner = cls(maxIter=3) if cls is GBTRegressor else cls()
    bunch = datasets.load_diabetes(as_frame=True)
    df = spark.createDataFrame(bunch.frame)
    scored = TrainRegressor(model=learner, labelCol="target").fit(df).transform(df)
    row = ComputeModelStatistics().transform(scored).first()
    rows = scored.select("target", "prediction").collect()
    y, p = zip(*rows, strict=True)
    assert row["R^2"] == pytest.approx(metrics.r2_score(y, p), rel=1e-9)
    assert row["R^2"] > 0.4


def test_tables_are_trained_on_by_the_active_session(spark):
    table = pa.table({"x": [0.0, 1.0] * 10, "y": ["no", "yes"] * 10})
    model = TrainClassifier(model=DecisionTreeClassifier(), labelCol="y").fit(table)
    scored = model.transform(table)
    assert isinstance(scored, pa.Table)
    assert scored["prediction"].to_pylist() == [0.0, 1.0] * 10
    assert ComputeModelStatistics().transform(scored)["accuracy"].to_pylist() == [1.0]


def test_bad_tables_get_one_clear_error(people, spark):
    from pyspark.sql import functions as F

    def fit(df, **params):
        return TrainClassifier(
            **{"model": LogisticRegression(maxIter=2), "labelCol": "income", **params}
        ).fit(df)

    with pytest.raises(ColumnNotFoundError, match="TrainClassifier: column `pay`: not found"):
        fit(people, labelCol="pay")
    with pytest.raises(SchemaMismatchError, match="no column to learn from besides the label `income`"):
        fit(people.select("income"))
    with pytest.raises(InvalidParamError, match="`inputCols` must not name the label"):
        fit(people, inputCols=["age", "income"])
    with pytest.raises(InvalidParamError, match="`model` must be a stage, got 3"):
        fit(people, model=3)
    with pytest.raises(InvalidParamError, match="`model` must be an estimator, got a RenameColumn"):
        fit(people, model=RenameColumn(inputCol="a", outputCol="b"))
    with pytest.raises(DecodeError, match="`income`: has only one class, 'high'"):
        fit(people.where("income = 'high'"))
    with pytest.raises(DecodeError, match="`income`: has no value"):
        fit(people.limit(0))
    with pytest.raises(DecodeError, match=r"^TrainClassifier: column `income`: is null or NaN"):
        fit(people.withColumn("income", F.when(F.col("age") > 30, F.col("income"))))
    with pytest.raises(DecodeError, match="`income`: has no value"):
        fit(people.withColumn("income", F.lit(None).cast("string")), handleInvalid="skip")
    with pytest.raises(SchemaMismatchError, match="`income`: has type string; the label must be a number"):
        fit(people, reindexLabel=False)
    with pytest.raises(SchemaMismatchError, match=r"TrainRegressor: column `income`: has type string"):
        TrainRegressor(model=LinearRegression(), labelCol="income").fit(people)
    with pytest.raises(DecodeError, match=r"^TrainRegressor: column `y`: is null or NaN"):
        rows = spark.createDataFrame([(1.0, 2.0), (2.0, None), (3.0, 1.0)], "x double, y double")
        TrainRegressor(model=LinearRegression(), labelCol="y").fit(rows)


def test_labels_that_are_not_in_the_param_are_one_error_or_left_out(spark):
    from pyspark.ml.classification import LogisticRegression

    rows = [(float(i), "rare" if i == 6 else "ab"[i % 2]) for i in range(20)]
    data = spark.createDataFrame(rows, "x double, y string").coalesce(1)
    trainer = TrainClassifier(model=LogisticRegression(maxIter=2), labelCol="y", labels=["b", "a"])
    message = r'^TrainClassifier: column `y`, row 6 of the batch: has the value "rare", which is not in param `labels`; handleInvalid'
    with pytest.raises(DecodeError, match=message):
        trainer.fit(data)
    model = trainer.copy({trainer.handleInvalid: "skip"}).fit(data)
    assert model.getLabels() == ["b", "a"]
    wrong = NeuralNetworkClassifier(network=layers.Sequential([layers.Dense(2)], input=9), numWorkers=1)
    with pytest.raises(
        DecodeError, match=r"^NeuralNetworkClassifier: the features, row 0 .*; the network reads 9"
    ):
        TrainClassifier(model=wrong, labelCol="y").fit(data.where("y != 'rare'"))


def test_rows_without_a_label_can_be_left_out(people):
    from pyspark.sql import functions as F

    holes = people.withColumn("income", F.when(F.col("age") > 30, F.col("income")))
    model = TrainClassifier(model=DecisionTreeClassifier(), labelCol="income", handleInvalid="skip").fit(
        holes
    )
    assert model.getLabels() == ["high", "low"]
    assert model.transform(holes).count() == 300


def test_one_vs_rest_may_be_the_learner(wine):
    df, _ = wine
    model = TrainClassifier(model=OneVsRest(classifier=LogisticRegression(maxIter=3)), labelCol="kind").fit(
        df
    )
    assert ComputeModelStatistics().transform(model.transform(df)).first().accuracy > 0.9
