"""Labels of every kind: what statistics make of them, on tables and on Spark, against scikit-learn."""

from __future__ import annotations

import datetime as dt
import decimal
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from mmlrs.engine.table import to_table
from mmlrs.errors import DecodeError, SchemaMismatchError
from mmlrs.testing.checks import to_spark
from mmlrs.train import ComputeModelStatistics, ComputePerInstanceStatistics

DAYS = [dt.date(2020, 1, 31), dt.date(2020, 2, 1)]
MOMENTS = [
    dt.datetime(2020, 1, 1, 12, 0, 0, 500_000, dt.UTC),
    dt.datetime(2020, 1, 1, 12, 0, 1, tzinfo=dt.UTC),
]
#: The first and the second of two classes.
PAIRS = {
    "text": ("no", "yes"),
    "text of digits": ("0", "1"),
    "accented": ("Zoo", "Äpfel"),
    "minus one and one": (-1, 1),
    "one and two": (1, 2),
    "fractions": (0.5, 1.5),
    "floats": (0.0, 1.0),
    "booleans": (False, True),
    "decimals": (decimal.Decimal("1.0"), decimal.Decimal("10.0")),
    "dates": tuple(DAYS),
    "timestamps": tuple(MOMENTS),
}
PLACES = [0, 1, 1, 0, 1, 0, 0, 1]
GUESSES = [0, 1, 0, 0, 1, 1, 0, 1]
SCORES = [0.1, 0.9, 0.4, 0.6, 0.8, 0.6, 0.05, 0.7]


def row_of(dataset, **params):
    made = ComputeModelStatistics(evaluationMetric="classification", **params).transform(dataset)
    return (made.toArrow() if hasattr(made, "toArrow") else to_table(made)).to_pylist()[0]


def scored(pair, order=slice(None)):
    y, p = [pair[i] for i in PLACES][order], [pair[i] for i in GUESSES][order]
    vectors = [[1 - s, s] for s in SCORES][order]
    return pa.table({"y": y, "p": p, "s": SCORES[order], "v": vectors})


def assert_those_of_scikit_learn(row):
    y, s = np.array(PLACES), np.array(SCORES)
    assert row["accuracy"] == sk.accuracy_score(y, GUESSES)
    assert row["recall"] == pytest.approx(sk.recall_score(y, GUESSES))
    assert row["AUC"] == pytest.approx(sk.roc_auc_score(y, s), abs=1e-15)
    assert row["areaUnderPR"] == pytest.approx(sk.average_precision_score(y, s), abs=1e-15)
    assert row["log_loss"] == pytest.approx(sk.log_loss(y, s), rel=1e-14)
    assert row["confusion_matrix"] == sk.confusion_matrix(y, GUESSES).tolist()


@pytest.mark.parametrize("scores", ["s", "v"])
@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_the_second_of_two_labels_is_the_positive_one_whatever_its_kind(kind, scores, order):
    table = scored(PAIRS[kind], order)
    assert_those_of_scikit_learn(row_of(table, labelCol="y", scoredLabelsCol="p", scoresCol=scores))


@pytest.mark.parametrize("pair", [("no", "yes"), (-1, 1), (1, 2)])
def test_scikit_learn_finds_the_same_classes(pair):
    table = scored(pair)
    y = np.array(table["y"].to_pylist())
    row = row_of(table, labelCol="y", scoredLabelsCol="p", scoresCol="s")
    assert row["log_loss"] == pytest.approx(sk.log_loss(y, SCORES), rel=1e-14)
    assert row["AUC"] == pytest.approx(sk.roc_auc_score(y, SCORES), abs=1e-15)
    assert row["areaUnderPR"] == pytest.approx(sk.average_precision_score(y, SCORES, pos_label=pair[1]))
    assert row["precision"] == pytest.approx(
        sk.precision_score(y, np.array(table["p"].to_pylist()), pos_label=pair[1])
    )


def test_spark_finds_the_same_classes_however_the_rows_are_split(spark):
    kinds = ["text", "minus one and one", "dates", "timestamps", "decimals"]
    columns = {}
    for kind in kinds:
        table = scored(PAIRS[kind])
        columns |= {f"y {kind}": table["y"], f"p {kind}": table["p"]}
    table = pa.table({**columns, "s": SCORES})
    df = to_spark(spark, table).repartition(3)
    for kind in kinds:
        assert_those_of_scikit_learn(
            row_of(df, labelCol=f"y {kind}", scoredLabelsCol=f"p {kind}", scoresCol="s")
        )
    losses = ComputePerInstanceStatistics(
        evaluationMetric="classification", labelCol="y timestamps", scoresCol="s"
    ).transform(df)
    found = [row.log_loss for row in losses.select("log_loss").collect()]
    assert np.mean(found) == pytest.approx(sk.log_loss(PLACES, SCORES), rel=1e-14)


def test_dates_and_timestamps_are_named_as_text():
    row = row_of(scored(PAIRS["timestamps"]), labelCol="y", scoredLabelsCol="p")
    assert row["labels"] == ["2020-01-01 12:00:00.5", "2020-01-01 12:00:01"]
    row = row_of(scored(PAIRS["dates"]), labelCol="y", scoredLabelsCol="p")
    assert row["labels"] == ["2020-01-31", "2020-02-01"]


def test_categories_are_text():
    table = scored(("no", "yes"))
    for name in ("y", "p"):
        table = table.set_column(table.column_names.index(name), name, table[name].dictionary_encode())
    assert_those_of_scikit_learn(row_of(table, labelCol="y", scoredLabelsCol="p", scoresCol="s"))


def test_booleans_and_numbers_are_the_same_two_classes():
    table = scored((False, True)).drop_columns(["p"]).append_column("p", pa.array(GUESSES, pa.float64()))
    assert_those_of_scikit_learn(row_of(table, labelCol="y", scoredLabelsCol="p", scoresCol="s"))


THREE = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]


@pytest.mark.parametrize("labels", [("cat", "dog", "emu"), (1, 2, 3), (-5, 0, 7), (0, 1, 2)])
def test_vectors_of_scores_have_the_order_of_the_classes(labels, spark):
    y = [labels[i] for i in (2, 1, 2, 1, 0)]
    table = pa.table({"y": y, "s": THREE})
    expected = sk.log_loss(y, THREE)
    for dataset in (table, to_spark(spark, table)):
        row = row_of(dataset, labelCol="y", scoresCol="s")
        assert row["log_loss"] == pytest.approx(expected, rel=1e-14)
        assert row["AUC"] is None
    stage = ComputePerInstanceStatistics(evaluationMetric="classification", labelCol="y", scoresCol="s")
    assert np.mean(stage.transform(table)["log_loss"].to_pylist()) == pytest.approx(expected, rel=1e-14)


def test_whole_numbers_below_the_number_of_scores_are_their_places():
    table = pa.table({"y": [1, 2, 2], "s": THREE[:3]})
    expected = -(math.log(0.2) + math.log(0.3) + math.log(0.6)) / 3
    assert row_of(table, labelCol="y", scoresCol="s")["log_loss"] == pytest.approx(expected, rel=1e-14)


def test_scores_of_more_classes_than_there_are_labels_ask_for_the_labels():
    table = pa.table({"y": ["cat", "dog", "cat"], "s": THREE[:3]})
    stage = ComputePerInstanceStatistics(evaluationMetric="classification", labelCol="y", scoresCol="s")
    with pytest.raises(
        DecodeError, match=r"has 3 scores per row, but the labels have 2 classes; set `labels`"
    ):
        row_of(table, labelCol="y", scoresCol="s")
    with pytest.raises(
        SchemaMismatchError, match=r"`s`: has the scores of 3 classes, but `y` has labels of 2"
    ):
        stage.transform(table)
    told = {"labels": ["cat", "dog", "emu"]}
    expected = sk.log_loss(["cat", "dog", "cat"], THREE[:3], labels=told["labels"])
    assert row_of(table, labelCol="y", scoresCol="s", **told)["log_loss"] == pytest.approx(
        expected, rel=1e-14
    )
    losses = stage.setLabels(told["labels"]).transform(table)["log_loss"].to_pylist()
    assert np.mean(losses) == pytest.approx(expected, rel=1e-14)


def test_one_number_for_three_classes_has_no_metric_of_scores():
    table = pa.table({"y": ["a", "b", "c"], "p": ["a", "b", "b"], "s": [0.1, 0.9, 0.5]})
    row = row_of(table, labelCol="y", scoredLabelsCol="p", scoresCol="s")
    assert (row["log_loss"], row["AUC"], row["accuracy"]) == (None, None, pytest.approx(2 / 3))


def test_a_class_that_only_the_predictions_name_tells_which_one_is_the_second():
    table = pa.table({"y": ["no", "no"], "p": ["no", "yes"], "s": [0.2, 0.6]})
    row = row_of(table, labelCol="y", scoredLabelsCol="p", scoresCol="s")
    assert row["log_loss"] == pytest.approx(sk.log_loss(["no", "no"], [0.2, 0.6], labels=["no", "yes"]))
    alone = row_of(table, labelCol="y", scoresCol="s")
    assert alone["log_loss"] is None, "of one label it is not known whether it is the second"


@pytest.mark.parametrize(
    ("y", "p"),
    [
        (["a", "b"], [0.0, 1.0]),
        (["0", "1"], [0, 1]),
        ([0, 1], ["0", "1"]),
        ([False, True], ["false", "true"]),
        (DAYS, [0.0, 1.0]),
        (DAYS, ["2020-01-31", "2020-02-01"]),
    ],
)
def test_labels_and_predictions_of_two_kinds_are_refused_with_the_remedy(y, p):
    with pytest.raises(
        SchemaMismatchError,
        match=r"column `p`: holds .*, but the labels in `y` are .*(IndexToValue|DataConversion)",
    ):
        row_of(pa.table({"y": y, "p": p}), labelCol="y", scoredLabelsCol="p")


def test_given_labels_say_what_numbers_of_classes_mean():
    table = pa.table({"y": ["0", "1", "1"], "p": [0.0, 1.0, 0.0]})
    row = row_of(table, labelCol="y", scoredLabelsCol="p", labels=["0", "1"])
    assert row["accuracy"] == pytest.approx(2 / 3)
    dates = pa.table({"y": DAYS, "p": [0.0, 1.0]})
    row = row_of(dates, labelCol="y", scoredLabelsCol="p", labels=["2020-01-31", "2020-02-01"])
    assert row["accuracy"] == 1.0


def test_predicted_numbers_are_labels_unless_they_are_marked_as_numbers_of_classes():
    table = pa.table({"y": [0, 1, 1], "p": [0.0, 1.0, 1.0]})
    row = row_of(table, labelCol="y", scoredLabelsCol="p", labels=[1, 0])
    assert (row["labels"], row["accuracy"]) == (["1", "0"], 1.0)
    with pytest.raises(DecodeError, match=r"`p`.*row 0.*has the value 0.0, which is not one of the labels"):
        row_of(pa.table({"y": [3, 7], "p": [0.0, 1.0]}), labelCol="y", scoredLabelsCol="p", labels=[3, 7])
    field = pa.field("p", pa.float64(), metadata={"ml_attr": '{"type": "nominal", "num_vals": 2}'})
    marked = pa.table([[3, 7], [0.0, 1.0]], schema=pa.schema([pa.field("y", pa.int64()), field]))
    assert row_of(marked, labelCol="y", scoredLabelsCol="p", labels=[3, 7])["accuracy"] == 1.0


def test_numbers_that_stand_for_different_values_are_not_compared():
    def nominal(name, values):
        text = '{"type": "nominal", "vals": ["' + '", "'.join(values) + '"]}'
        return pa.field(name, pa.float64(), metadata={"ml_attr": text})

    schema = pa.schema([nominal("y", ["no", "yes"]), nominal("p", ["yes", "no"])])
    with pytest.raises(
        SchemaMismatchError, match="`p`: its numbers stand for yes, no, those of `y` for no, yes"
    ):
        row_of(pa.table([[0.0, 1.0], [0.0, 1.0]], schema=schema), labelCol="y", scoredLabelsCol="p")


def test_regression_over_text_and_labels_that_are_no_classes_are_refused():
    with pytest.raises(SchemaMismatchError, match=r"`y`: has type .*; regression needs numbers"):
        ComputeModelStatistics(evaluationMetric="regression", labelCol="y", scoredLabelsCol="p").transform(
            pa.table({"y": ["1.5"], "p": [1.5]})
        )
    with pytest.raises(SchemaMismatchError, match=r"`y`: has type .*; classes must be strings, numbers"):
        row_of(pa.table({"y": [[1], [2]], "p": [1, 2]}), labelCol="y", scoredLabelsCol="p")


def test_a_missing_label_names_the_remedy():
    table = pa.table({"y": ["no", None], "p": ["no", "yes"], "s": [0.1, 0.2]})
    with pytest.raises(DecodeError, match=r'`y`.*is null or NaN; handleInvalid="skip" drops such rows'):
        row_of(table, labelCol="y", scoredLabelsCol="p")
    stage = ComputePerInstanceStatistics(evaluationMetric="classification", labelCol="y", scoresCol="s")
    with pytest.raises(DecodeError, match='handleInvalid="skip" drops such rows'):
        stage.setLabels(["no", "yes"]).transform(table)


def test_predicted_fractions_beside_whole_labels_are_no_classes():
    table = pa.table({"y": [0, 1, 1], "p": [0.2, 0.9, 0.7]})
    stage = ComputeModelStatistics(evaluationMetric="classification", labelCol="y", scoredLabelsCol="p")
    with pytest.raises(
        DecodeError, match=r"the predictions contain 0\.\d, .* pass probabilities as `scoresCol`"
    ):
        stage.transform(table)
    halves = pa.table({"y": [0.5, 1.5], "p": [0.5, 0.5]})
    assert stage.transform(halves)["accuracy"].to_pylist() == [0.5]


@pytest.mark.parametrize("scores", ["numbers", "vectors"])
@pytest.mark.parametrize("levels", [["low", "high"], ["high", "low"], [1, 0], [0, 1]], ids=str)
def test_scores_belong_to_the_classes_in_the_order_that_the_type_declares(levels, scores):
    first, second = levels
    labels = pd.Categorical([first, first, second, second], levels, ordered=True)
    score = [0.1, 0.2, 0.8, 0.9]
    frame = pd.DataFrame({"label": labels, "prediction": labels})
    frame["score"] = score if scores == "numbers" else [[1 - s, s] for s in score]
    names = {"labelCol": "label", "scoresCol": "score", "evaluationMetric": "classification"}
    [whole] = (
        ComputeModelStatistics(**names, scoredLabelsCol="prediction").transform(frame).to_dict("records")
    )
    assert list(whole["labels"]) == [str(level) for level in levels]
    assert (whole["precision"], whole["AUC"]) == (1.0, 1.0)
    expected = -np.log([0.9, 0.8, 0.8, 0.9])
    assert whole["log_loss"] == pytest.approx(expected.mean())
    rows = ComputePerInstanceStatistics(**names).transform(frame)
    np.testing.assert_allclose(rows["log_loss"], expected)


def test_classes_come_in_the_order_that_the_type_of_the_label_declares():
    truth = pd.Categorical(["no", "yes", "no", "yes"], categories=["yes", "no", "unused"])
    frame = pd.DataFrame({"y": truth, "p": ["no", "yes", "yes", "yes"]})
    row = row_of(frame, labelCol="y", scoredLabelsCol="p")
    assert (row["labels"], row["recall"]) == (["yes", "no"], 0.5)
    plain = row_of(frame.assign(y=frame["y"].astype(str)), labelCol="y", scoredLabelsCol="p")
    assert (plain["labels"], plain["recall"]) == (["no", "yes"], 1.0)
    numbers = pd.DataFrame({"y": pd.Categorical([1, 2, 1], categories=[2, 1]), "p": [1, 2, 2]})
    assert row_of(numbers, labelCol="y", scoredLabelsCol="p")["labels"] == ["2", "1"]


def test_whole_labels_beyond_what_doubles_tell_apart_are_refused():
    ids = [2**53 + 1, 2**53, 7]
    with pytest.raises(
        DecodeError, match=r"`y`: holds the number .*beyond 2\^53.*convert the column to string"
    ):
        row_of(pa.table({"y": ids, "p": ids}), labelCol="y", scoredLabelsCol="p")
