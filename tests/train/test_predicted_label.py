"""The predicted label beside the number of its class, and the way back from the numbers of Spark ML's learners."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.classification import DecisionTreeClassifier
from pyspark.ml.feature import StringIndexer

from mmlrs.errors import InvalidParamError, SchemaMismatchError
from mmlrs.featurize import FastVectorAssembler, IndexToValue
from mmlrs.train import TrainClassifier, TrainedClassifierModel

LABELS = {
    "texts": ["cat", "it's a \\ dog", "owl"],
    "numbers": [3, 7, 9],
    "floats": [0.1, 2.5, 1e300],
    "booleans": [False, True, True],
}


def data(spark, labels: list):
    return spark.createDataFrame(
        [(float(i % len(labels)), labels[i % len(labels)]) for i in range(9)], ["x", "y"]
    )


def trained(df, **params) -> TrainedClassifierModel:
    return TrainClassifier(model=DecisionTreeClassifier(), labelCol="y", **params).fit(df)


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_type_come_back(kind, spark):
    df = data(spark, LABELS[kind])
    scored = trained(df).transform(df)
    assert [row.predictedLabel == row.y for row in scored.collect()] == [True] * 9
    assert scored.schema["predictedLabel"].dataType == scored.schema["y"].dataType


def test_names_come_from_the_attributes_of_an_indexed_label(spark):
    df = data(spark, LABELS["texts"])
    indexed = StringIndexer(inputCol="y", outputCol="target").fit(df).transform(df)
    model = TrainClassifier(
        model=DecisionTreeClassifier(), labelCol="target", inputCols=["x"], predictedLabelCol="answer"
    ).fit(indexed)
    assert model.getLabelNames() == LABELS["texts"]
    assert all(row.answer == row.y for row in model.transform(indexed).collect())


def test_the_column_has_another_name_or_is_left_out(spark):
    df = data(spark, LABELS["texts"])
    assert "answer" in trained(df, predictedLabelCol="answer").transform(df).columns
    assert trained(df, predictedLabelCol="").transform(df).columns[-1] != "predictedLabel"


def test_a_column_that_exists_is_an_error_before_any_work(spark):
    df = data(spark, LABELS["texts"]).withColumnRenamed("x", "predictedLabel")
    with pytest.raises(
        (InvalidParamError, SchemaMismatchError), match=r"TrainClassifier: .*`predictedLabel`"
    ):
        trained(df)


def test_a_model_is_saved_with_its_labels(spark, tmp_path):
    df = data(spark, LABELS["texts"])
    path = str(tmp_path / "model")
    trained(df).write().save(path)
    scored = TrainedClassifierModel.load(path).transform(df)
    assert [row.predictedLabel for row in scored.collect()][:3] == LABELS["texts"]


def test_on_a_table_a_prediction_without_a_class_has_no_label():
    from mmlrs.stages import RenameColumn

    model = TrainedClassifierModel(
        featurizer=FastVectorAssembler(inputCols=["x"], outputCol="v"),
        model=RenameColumn(inputCol="score", outputCol="prediction"),
        labelCol="y",
        labels=["no", "yes"],
    )
    table = pa.table({"x": [0.0] * 6, "score": [1.0, 0.0, 2.0, -1.0, 0.5, None]})
    assert model.transform(table)["predictedLabel"].to_pylist() == ["yes", "no", None, None, None, None]


def spark_pipeline(df):
    """StringIndexer and a learner of Spark ML, fitted."""
    stages = [
        FastVectorAssembler(inputCols=["x"], outputCol="v"),
        StringIndexer(inputCol="y", outputCol="target"),
        DecisionTreeClassifier(featuresCol="v", labelCol="target"),
    ]
    return Pipeline(stages=stages).fit(df)


def test_index_to_value_reads_the_levels_of_the_label_column(spark):
    df = data(spark, LABELS["texts"])
    scored = spark_pipeline(df).transform(df)
    named = IndexToValue(inputCol="prediction", outputCol="answer", labelCol="target").transform(scored)
    assert all(row.answer == row.y for row in named.collect())


def test_index_to_value_is_told_the_levels_of_a_fitted_indexer(spark):
    df = data(spark, LABELS["texts"])
    model = spark_pipeline(df)
    levels = model.stages[1].labels
    named = IndexToValue(inputCol="prediction", outputCol="answer", levels=levels).transform(
        model.transform(df)
    )
    assert all(row.answer == row.y for row in named.collect())


def test_index_to_value_says_what_to_set(spark):
    scored = spark.createDataFrame([(0.0, 1.0)], ["prediction", "target"])
    with pytest.raises(
        SchemaMismatchError, match=r"`prediction`: has no nominal attributes .* set `labelCol`"
    ):
        IndexToValue(inputCol="prediction", outputCol="a").transform(scored)
    with pytest.raises(SchemaMismatchError, match=r"`target`: has no nominal attributes .* set `levels`"):
        IndexToValue(inputCol="prediction", outputCol="a", labelCol="target").transform(scored)


def test_a_column_of_the_learner_cannot_be_that_of_the_labels(spark):
    df = data(spark, LABELS["texts"])
    model = trained(df).setPredictedLabelCol("prediction")
    with pytest.raises(InvalidParamError, match="param `predictedLabelCol` must be another name"):
        model.transform(df)


@pytest.mark.parametrize("labels", [["owl"], ["cat", "owl", "cat"]])
def test_labels_that_are_too_few_or_repeated_are_an_error_of_the_param(labels, spark):
    with pytest.raises(
        InvalidParamError, match="TrainClassifier: param `labels` must have two different labels"
    ):
        trained(data(spark, LABELS["texts"]), labels=labels)


def test_labels_of_two_types_are_one_error(spark):
    from mmlrs.train.predicted import with_labels_in_table, with_labels_on_spark

    table = pa.table({"prediction": [0.0, 1.0]})
    for call, data in (
        (with_labels_in_table, table),
        (with_labels_on_spark, spark.createDataFrame(table.to_pandas())),
    ):
        with pytest.raises(
            InvalidParamError, match=r"^T: param `labels` must hold values of one type, got \[False, 'yes'\]"
        ):
            call("T", data, [False, "yes"], "prediction", "label")
