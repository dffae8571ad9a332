"""Statistics of predictions: scikit-learn's values, on tables and on Spark, and what bad data gets."""

from __future__ import annotations

import math
import warnings

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets
from sklearn import metrics as sk
from sklearn.linear_model import LinearRegression, LogisticRegression

from mmlrs.errors import (
    ColumnNotFoundError,
    DecodeError,
    InvalidParamError,
    LimitExceededError,
    SchemaMismatchError,
)
from mmlrs.testing.checks import to_spark
from mmlrs.train import ComputeModelStatistics, ComputePerInstanceStatistics

AVERAGES = {"macro_averaged": "macro", "weighted": "weighted"}


def row_of(dataset, **params):
    made = ComputeModelStatistics(**params).transform(dataset)
    return (made if isinstance(made, pa.Table) else made.toArrow()).to_pylist()[0]


def close(a, b):
    return (a is None and math.isnan(b)) or math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)


def assert_binary(row, y, p, s, w):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = sk.precision_recall_fscore_support(
            y, p, sample_weight=w, average="binary", zero_division=0
        )
        expected = {
            "accuracy": sk.accuracy_score(y, p, sample_weight=w),
            "precision": precision,
            "recall": recall,
            "f1_score": f1,
            "log_loss": sk.log_loss(y, s, sample_weight=w, labels=[0, 1]),
        }
        if len(set(y)) == 2:
            expected["AUC"] = sk.roc_auc_score(y, s, sample_weight=w)
            expected["areaUnderPR"] = sk.average_precision_score(y, s, sample_weight=w)
        for name, average in AVERAGES.items():
            scores = sk.precision_recall_fscore_support(
                y, p, sample_weight=w, average=average, zero_division=0
            )
            for metric, score in zip(("precision", "recall", "f1_score"), scores[:3], strict=True):
                expected[f"{name}_{metric}"] = score
    for name, value in expected.items():
        assert close(row[name], value), f"{name}: {row[name]} is not {value}"
    if len(set(y)) == 1:
        assert row["AUC"] is None
    np.testing.assert_allclose(
        row["confusion_matrix"], sk.confusion_matrix(y, p, sample_weight=w, labels=[0, 1]), rtol=1e-9
    )


rows = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(0, 1),
        st.sampled_from([0.0, 0.1, 0.25, 0.25, 1 / 3, 0.5, 0.75, 1.0]),
        st.sampled_from([0.5, 1.0, 2.0, 3.25]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(rows)
def test_metrics_of_two_classes_are_those_of_scikit_learn(data):
    y, p, s, w = map(np.array, zip(*data, strict=True))
    table = pa.table({"y": y, "p": p.astype(float), "s": s, "w": w})
    row = row_of(table, labelCol="y", scoredLabelsCol="p", scoresCol="s", weightCol="w")
    assert_binary(row, y, p, s, w)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40).filter(
        lambda pairs: len({c for pair in pairs for c in pair}) > 2
    )
)
def test_metrics_of_more_classes_are_those_of_scikit_learn(pairs):
    y, p = map(np.array, zip(*pairs, strict=True))
    row = row_of(
        pa.table({"y": y, "p": p.astype(float)}),
        evaluationMetric="classification",
        labelCol="y",
        scoredLabelsCol="p",
    )
    assert row["accuracy"] == pytest.approx(sk.accuracy_score(y, p))
    assert row["precision"] == pytest.approx(sk.precision_score(y, p, average="micro"))
    for name, average in AVERAGES.items():
        precision, recall, f1, _ = sk.precision_recall_fscore_support(y, p, average=average, zero_division=0)
        assert close(row[f"{name}_precision"], precision)
        assert close(row[f"{name}_recall"], recall)
        assert close(row[f"{name}_f1_score"], f1)
    assert row["confusion_matrix"] == sk.confusion_matrix(y, p).tolist()
    assert row["AUC"] is None


numbers = st.floats(-1e6, 1e6, allow_nan=False)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, st.floats(0.1, 10)), min_size=2, max_size=50))
def test_metrics_of_regression_are_those_of_scikit_learn(data):
    y, p, w = map(np.array, zip(*data, strict=True))
    row = row_of(
        pa.table({"y": y, "p": p, "w": w}),
        evaluationMetric="regression",
        labelCol="y",
        scoredLabelsCol="p",
        weightCol="w",
    )
    expected = {
        "mean_squared_error": sk.mean_squared_error(y, p, sample_weight=w),
        "root_mean_squared_error": sk.root_mean_squared_error(y, p, sample_weight=w),
        "mean_absolute_error": sk.mean_absolute_error(y, p, sample_weight=w),
    }
    for name, value in expected.items():
        assert math.isclose(row[name], value, rel_tol=1e-9, abs_tol=1e-9), name
    spread = np.average((y - np.average(y, weights=w)) ** 2, weights=w)
    if spread > 1e-9 * max(1.0, np.max(np.abs(y))) ** 2:
        assert math.isclose(row["R^2"], sk.r2_score(y, p, sample_weight=w), rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("load", [datasets.load_breast_cancer, datasets.load_wine, datasets.load_digits])
def test_bundled_data_gives_scikit_learns_values_on_spark(load, spark):
    x, y = load(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LogisticRegression(max_iter=20).fit(x / x.max(axis=0).clip(1), y)
        probability = model.predict_proba(x / x.max(axis=0).clip(1))
    p = probability.argmax(axis=1)
    df = spark.createDataFrame(
        [(int(a), float(b), [float(v) for v in c]) for a, b, c in zip(y, p, probability, strict=True)],
        "y int, p double, s array<double>",
    ).repartition(5)
    row = row_of(df, labelCol="y", scoredLabelsCol="p", scoresCol="s")
    assert close(row["log_loss"], sk.log_loss(y, probability))
    assert close(row["accuracy"], sk.accuracy_score(y, p))
    if probability.shape[1] == 2:
        assert_binary(row, y, p, probability[:, 1], np.ones(len(y)))
    else:
        assert close(row["macro_averaged_f1_score"], sk.f1_score(y, p, average="macro"))


def test_bundled_regression_data_gives_scikit_learns_values_on_spark(spark):
    x, y = datasets.load_diabetes(return_X_y=True)
    p = LinearRegression().fit(x, y).predict(x)
    df = spark.createDataFrame(list(zip(y.tolist(), p.tolist(), strict=True)), "y double, p double")
    row = row_of(df.repartition(3), evaluationMetric="regression", labelCol="y", scoredLabelsCol="p")
    assert close(row["R^2"], sk.r2_score(y, p))
    assert close(row["mean_absolute_error"], sk.mean_absolute_error(y, p))


def test_the_curve_holds_the_points_of_the_roc_curve():
    random = np.random.default_rng(0)
    y, s = random.integers(0, 2, 500), random.random(500).round(2)
    row = row_of(pa.table({"y": y, "s": s}), labelCol="y", scoresCol="s")
    fpr, tpr, thresholds = sk.roc_curve(y, s, drop_intermediate=False)
    found = np.array(
        [[p["false_positive_rate"], p["true_positive_rate"], p["threshold"]] for p in row["curve"]]
    )
    np.testing.assert_allclose(found, np.stack([fpr, tpr, thresholds], axis=1), rtol=1e-12)
    precision, _, _ = sk.precision_recall_curve(y, s)
    np.testing.assert_allclose([p["precision"] for p in row["curve"]], precision[::-1], rtol=1e-12)


def test_a_long_curve_is_thinned_and_its_area_stays():
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 50_000)
    s = random.normal(size=50_000) + y
    row = row_of(pa.table({"y": y, "s": s}), labelCol="y", scoresCol="s", curvePoints=200)
    curve = row["curve"]
    assert len(curve) <= 202
    area = sk.auc([p["false_positive_rate"] for p in curve], [p["true_positive_rate"] for p in curve])
    assert row["AUC"] == pytest.approx(sk.roc_auc_score(y, s), abs=1e-9)
    assert area == pytest.approx(row["AUC"], abs=1e-3)
    assert row["log_loss"] is None, "scores that are no probabilities have no log loss"


def test_labels_may_be_texts_in_the_order_of_the_classes():
    table = pa.table(
        {"y": ["no", "yes", "yes"], "p": [0.0, 1.0, 0.0], "s": [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]}
    )
    row = row_of(table, labelCol="y", scoredLabelsCol="p", scoresCol="s", labels=["no", "yes"])
    assert (row["labels"], row["AUC"], row["recall"]) == (["no", "yes"], 1.0, 0.5)
    named = table.set_column(1, "p", pa.array(["no", "yes", "no"]))
    again = row_of(named, labelCol="y", scoredLabelsCol="p", scoresCol="s", labels=["no", "yes"])
    assert again == row


def test_one_metric_can_be_asked_for():
    table = pa.table({"y": [0, 1], "p": [0.0, 1.0]})
    made = ComputeModelStatistics(evaluationMetric="f1", labelCol="y", scoredLabelsCol="p").transform(table)
    assert made.to_pylist() == [{"evaluation_type": "classification", "f1_score": 1.0}]


def test_every_row_is_read_once(spark):
    df = spark.range(1000).selectExpr("int(id % 2) y", "rand(1) s").repartition(3)
    reads = spark.sparkContext.accumulator(0)

    def count(batches):
        for batch in batches:
            reads.add(batch.num_rows)
            yield batch

    row = row_of(df.mapInArrow(count, df.schema), labelCol="y", scoresCol="s")
    assert (row["rows"], reads.value) == (1000, 1000)


def test_spark_mls_own_output_works_when_told_the_columns(spark):
    from pyspark.ml.classification import LogisticRegression as SparkLogisticRegression
    from pyspark.ml.evaluation import BinaryClassificationEvaluator
    from pyspark.ml.feature import StringIndexer, VectorAssembler

    df = spark.range(400).selectExpr("double(id % 7) a", "double(id % 5) b", "if(id % 3 = 0, 'x', 'y') label")
    df = StringIndexer(inputCol="label", outputCol="index").fit(df).transform(df)
    df = VectorAssembler(inputCols=["a", "b"], outputCol="features").transform(df)
    scored = SparkLogisticRegression(labelCol="index").fit(df).transform(df)
    row = row_of(scored, labelCol="index", scoredLabelsCol="prediction", scoresCol="probability")
    assert row["labels"] == ["y", "x"], "the classes have the names of the label column"
    evaluator = BinaryClassificationEvaluator(labelCol="index", numBins=0)
    assert row["AUC"] == pytest.approx(evaluator.evaluate(scored), abs=1e-9)


def test_no_rows_are_an_error_that_says_so(spark):
    table = pa.table({"y": pa.array([], pa.int32()), "p": pa.array([], pa.float64())})
    for dataset in (table, to_spark(spark, table)):
        for kind in ("classification", "regression"):
            with pytest.raises(
                Exception, match="ComputeModelStatistics: there are no rows to evaluate: the dataset is"
            ):
                row_of(dataset, evaluationMetric=kind, labelCol="y", scoredLabelsCol="p")
    gone = pa.table({"y": pa.array([None, None], pa.int32()), "p": [1.0, 2.0]})
    with pytest.raises(DecodeError, match='or handleInvalid="skip" left out all rows'):
        row_of(gone, evaluationMetric="accuracy", labelCol="y", scoredLabelsCol="p", handleInvalid="skip")


@pytest.mark.parametrize(
    ("values", "column", "cause"),
    [
        ({"y": [0, None]}, "y", "is null or NaN"),
        ({"p": [1.0, math.nan]}, "p", "is null or NaN"),
        ({"s": [0.5, None]}, "s", "is null or NaN"),
        ({"s": [0.5, math.nan]}, "s", "is null or NaN"),
        ({"w": [1.0, -1.0]}, "w", "which is not a valid weight"),
        ({"w": [1.0, math.inf]}, "w", "which is not a valid weight"),
        ({"s": [[0.5, 0.5], [1.0]]}, "s", "none of them for the class 1"),
    ],
)
def test_a_bad_row_is_named_or_left_out(values, column, cause):
    good = {"y": [0, 1], "p": [0.0, 1.0], "s": [0.1, 0.9], "w": [1.0, 1.0]}
    table = pa.table({**good, **values})
    params = {"labelCol": "y", "scoredLabelsCol": "p", "scoresCol": "s", "weightCol": "w"}
    with pytest.raises(DecodeError, match=rf"ComputeModelStatistics: .*`{column}`.*row 1.*{cause}"):
        row_of(table, **params)
    assert row_of(table, **params, handleInvalid="skip")["rows"] == 1


def test_a_class_of_rows_that_are_left_out_does_not_count():
    table = pa.table({"y": [0, 1, 1, 2], "p": [0.0, 1.0, 0.0, None]})
    row = row_of(
        table, evaluationMetric="classification", labelCol="y", scoredLabelsCol="p", handleInvalid="skip"
    )
    assert (row["labels"], row["recall"]) == (["0", "1"], 0.5)


def test_labels_that_were_not_told_are_named():
    table = pa.table({"y": ["no", "maybe"], "p": [0.0, 1.0]})
    with pytest.raises(DecodeError, match=r"`y`.*row 1.*maybe, which is not one of the labels"):
        row_of(table, evaluationMetric="accuracy", labelCol="y", scoredLabelsCol="p", labels=["no", "yes"])


def test_evaluate_accepts_any_dataset_and_refuses_other_objects():
    table = pa.table({"label": [0, 1, 1, 0], "score": [0.1, 0.9, 0.4, 0.5]})
    stage = ComputeModelStatistics(labelCol="label", scoresCol="score")
    expected = stage.evaluate(table)
    for dataset in (table.to_pandas(), pl.from_arrow(table), table.to_batches()[0]):
        assert stage.evaluate(dataset).equals(expected)
    with pytest.raises(
        SchemaMismatchError, match=r"ComputeModelStatistics: cannot evaluate a list; expected"
    ):
        stage.evaluate([table])


def test_what_cannot_be_evaluated_is_told():
    table = pa.table({"y": [0, 1], "p": [0.0, 1.0], "x": np.arange(2.0)})
    with pytest.raises(
        InvalidParamError, match=r"`evaluationMetric` must be .* metadata of the columns does not say"
    ):
        row_of(table, labelCol="y", scoredLabelsCol="p")
    with pytest.raises(InvalidParamError, match="`labelCol` must be set"):
        row_of(table, evaluationMetric="classification", scoredLabelsCol="p")
    with pytest.raises(InvalidParamError, match="`scoredLabelsCol` or `scoresCol` must be set"):
        row_of(table, evaluationMetric="classification", labelCol="y")
    with pytest.raises(ColumnNotFoundError, match="`nope`: not found"):
        row_of(table, evaluationMetric="regression", labelCol="nope", scoredLabelsCol="p")
    many = pa.table({"y": np.arange(5000.0), "p": np.arange(5000.0)})
    with pytest.raises(LimitExceededError, match="more than 4096 classes; for numbers that are"):
        row_of(many, evaluationMetric="classification", labelCol="y", scoredLabelsCol="p")


def test_the_log_loss_of_an_instance_is_that_of_its_true_label(spark):
    probability = [[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [1.0, 0.0, 0.0]]
    table = pa.table({"y": [0, 1, 2], "s": probability})
    stage = ComputePerInstanceStatistics(evaluationMetric="classification", labelCol="y", scoresCol="s")
    expected = [-math.log(0.7), -math.log(0.1), -math.log(np.finfo(float).eps)]
    for dataset in (table, to_spark(spark, table)):
        made = stage.transform(dataset)
        found = (
            made["log_loss"].to_pylist()
            if isinstance(made, pa.Table)
            else [r.log_loss for r in made.collect()]
        )
        assert found == pytest.approx(expected, rel=1e-12)
    assert sum(expected) / 3 == pytest.approx(sk.log_loss([0, 1, 2], probability), rel=1e-9)


def test_losses_say_what_is_missing():
    table = pa.table({"y": [0.0, None], "p": [1.0, 1.0], "s": [0.5, 2.0]})
    stage = ComputePerInstanceStatistics(labelCol="y", scoredLabelsCol="p", evaluationMetric="regression")
    kept = stage.setHandleInvalid("keep").setErrorCol("why").transform(table).to_pylist()
    assert (kept[0]["L1_loss"], kept[1]["L2_loss"]) == (1.0, None)
    assert "column `y`: is null or NaN" in kept[1]["why"]
    with pytest.raises(InvalidParamError, match="`scoresCol` must be set"):
        ComputePerInstanceStatistics(evaluationMetric="classification", labelCol="y").transform(table)
    with pytest.raises(DecodeError, match=r"`s`.*does not hold probabilities"):
        ComputePerInstanceStatistics(labelCol="p", scoresCol="s").transform(table)
