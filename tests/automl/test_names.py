"""Names of learners: their class, and the params that tell them apart."""

from __future__ import annotations

import pytest

from mmlrs.automl.names import learner_name, value_text
from mmlrs.onnx import ONNXModel
from mmlrs.stages import Repartition
from mmlrs.testing import sample_model
from mmlrs.train import TrainClassifier


@pytest.fixture(scope="module")
def line(spark):
    from pyspark.ml.classification import LogisticRegression

    return LogisticRegression(regParam=0.1, maxIter=100, labelCol="y")  # 100 is the default


@pytest.mark.spark
def test_a_learner_is_its_class_with_the_params_that_differ(line):
    from pyspark.ml.classification import OneVsRest

    assert learner_name(line) == "LogisticRegression(regParam=0.1)"
    assert learner_name(type(line)()) == "LogisticRegression"
    tuned = {(line.uid, "maxIter"): 100, (line.uid, "regParam"): 1 / 3, (line.uid, "labelCol"): "z"}
    assert learner_name(line, tuned) == "LogisticRegression(maxIter=100, regParam=0.3333, labelCol=z)"
    assert (
        learner_name(OneVsRest(classifier=line)) == "OneVsRest(classifier=LogisticRegression(regParam=0.1))"
    )


@pytest.mark.spark
def test_a_trainer_has_the_name_of_its_learner(line):
    trainer = TrainClassifier(model=line, labelCol="y", numFeatures=64)
    assert learner_name(trainer) == "LogisticRegression(regParam=0.1)"
    name = learner_name(trainer, {(trainer.uid, "numFeatures"): 32})
    assert name == "TrainClassifier(numFeatures=32) > LogisticRegression(regParam=0.1)"
    other = type(line)(maxIter=5)
    assert learner_name(trainer, {(trainer.uid, "model"): other}) == "LogisticRegression(maxIter=5)"


@pytest.mark.spark
def test_of_a_pipeline_the_predictor_and_what_a_trial_sets_are_named(line):
    from pyspark.ml import Pipeline

    first, last = Repartition(n=2), Repartition(n=3)
    pipeline = Pipeline(stages=[first, line, last])
    assert learner_name(pipeline) == "LogisticRegression(regParam=0.1)"
    assert (
        learner_name(pipeline, {(first.uid, "n"): 4}) == "Repartition(n=4) > LogisticRegression(regParam=0.1)"
    )


@pytest.mark.spark
def test_a_fitted_model_has_the_name_of_its_estimator(spark):
    from pyspark.ml.classification import DecisionTreeClassifier
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.regression import DecisionTreeRegressor, LinearRegression

    df = spark.createDataFrame([(0.0, 0.0), (1.0, 1.0)], "x double, label double")
    df = VectorAssembler(inputCols=["x"], outputCol="features").transform(df).persist()
    names = [
        learner_name(estimator.fit(df))
        for estimator in (DecisionTreeClassifier(maxDepth=1), DecisionTreeRegressor(), LinearRegression())
    ]
    df.unpersist()
    assert names == ["DecisionTreeClassifier(maxDepth=1)", "DecisionTreeRegressor", "LinearRegression"]
    assert learner_name(ONNXModel(model=sample_model())).startswith("ONNXModel(model=")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1 + 0.2, "0.3"), ("auto", "auto"), (True, "True"), ([1, 2], "[1, 2]"), (None, "None")],
)
def test_values_are_short(value, text):
    assert value_text(value) == text
    assert len(value_text(list(range(1000)))) <= 40
