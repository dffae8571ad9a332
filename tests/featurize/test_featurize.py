"""Featurize: every kind of column, in the order given, with nothing dropped in silence."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from places import ROOT
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import DecisionTreeClassifier, LogisticRegression
from pyspark.ml.feature import IDF, HashingTF, StringIndexer, Tokenizer

from mmlrs.errors import DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.featurize import Featurize, FeaturizeModel
from mmlrs.text import TextFeaturizer
from mmlrs.train import TrainClassifier


def rows(table, column="features"):
    """The vectors of a table, dense."""
    made = []
    for value in table[column].to_pylist():
        if value is None or value["type"] == 1:
            made.append(None if value is None else value["values"])
        else:
            row = [0.0] * value["size"]
            for i, v in zip(value["indices"], value["values"], strict=True):
                row[i] = v
            made.append(row)
    return made


def attributes(table, column="features"):
    return json.loads(table.schema.field(column).metadata[b"ml_attr"])


def featurized(table, **given):
    return Featurize(inputCols=table.column_names, outputCol="features", **given).fit(table).transform(table)


def test_numbers_of_every_type_are_filled_with_their_mean():
    table = pa.table(
        {
            "double": [1.0, None, 3.0, float("nan")],
            "float": pa.array([1.0, 2.0, None, 6.0], pa.float32()),
            "long": [10, None, 20, 30],
            "short": pa.array([1, 2, 3, None], pa.int16()),
            "byte": pa.array([1, 1, None, 1], pa.int8()),
            "flag": [True, None, False, False],
            "price": pa.array(
                [decimal.Decimal("1.50"), None, decimal.Decimal("2.50"), None], pa.decimal128(9, 2)
            ),
        }
    )
    made = np.array(rows(featurized(table)))
    np.testing.assert_allclose(made[1], [2.0, 2.0, 20.0, 2.0, 1.0, 1 / 3, 2.0])
    np.testing.assert_allclose(made[3], [2.0, 6.0, 30.0, 2.0, 1.0, 0.0, 2.0])


def test_slots_follow_the_columns_and_carry_their_names():
    table = pa.table({"z": [1.0, 2.0], "a": [True, False], "day": [dt.date(2024, 2, 29)] * 2})
    made = featurized(table)
    names = {a["idx"]: a["name"] for a in attributes(made)["attrs"]["numeric"]}
    assert [names[i] for i in range(7)] == [
        "z", "a", "day_year", "day_weekday", "day_month", "day_day", "day_epoch_days",
    ]  # fmt: skip
    assert rows(made)[0] == [1.0, 1.0, 2024.0, 4.0, 2.0, 29.0, 19782.0]


def test_strings_with_few_levels_are_categories_and_others_are_words():
    table = pa.table({"job": ["a", "b", "a", "b"], "note": ["x y", "y z", "z", "y"]})
    made = featurized(table, minDocFreq=1)
    assert [a["name"] for a in attributes(made)["attrs"]["binary"]] == ["job=a", "job=b"]
    assert np.array(rows(made))[:, :2].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert attributes(made)["num_attrs"] == 2 + 3


def test_words_weigh_what_sparks_stages_give_them(spark):
    texts = ["the cat sat", "the dog ran far", "a cat", "", "dog dog"]
    table = pa.table({"note": texts})
    ours = rows(featurized(table, maxCategories=0, minDocFreq=1))
    source = spark.createDataFrame([(t,) for t in texts], "note string")
    stages = [
        Tokenizer(inputCol="note", outputCol="t"),
        HashingTF(inputCol="t", outputCol="c", numFeatures=1 << 18),
        IDF(inputCol="c", outputCol="f"),
    ]
    theirs = [
        r[0].toArray() for r in Pipeline(stages=stages).fit(source).transform(source).select("f").collect()
    ]
    used = np.flatnonzero(np.sum(np.abs(theirs), axis=0))
    assert len(used) == len(ours[0])
    np.testing.assert_allclose(ours, np.array(theirs)[:, used], rtol=1e-12)


def test_without_one_hot_a_category_is_the_index_of_its_level():
    table = pa.table({"job": ["b", "a", "b", "a"]})
    made = featurized(table, oneHotEncodeCategoricals=False, imputeMissing=False, unseenCategories="error")
    assert rows(made) == [[1.0], [0.0], [1.0], [0.0]]
    assert attributes(made)["attrs"]["nominal"] == [{"vals": ["a", "b"], "name": "job", "idx": 0}]


@pytest.mark.parametrize(
    "given", [{"imputeMissing": True}, {"imputeMissing": False, "handleInvalid": "keep"}]
)
def test_without_one_hot_a_missing_category_is_the_last_of_the_named_values(given):
    table = pa.table({"job": ["b", "a", None, "b", "a"], "kind": ["__missing", "x", "x", "__missing", None]})
    made = featurized(table, oneHotEncodeCategoricals=False, **given)
    assert rows(made) == [[1.0, 0.0], [0.0, 1.0], [2.0, 1.0], [1.0, 0.0], [0.0, 2.0]]
    nominal = attributes(made)["attrs"]["nominal"]
    assert [a["vals"] for a in nominal] == [["a", "b", "__missing"], ["__missing", "x", "___missing"]]


def test_timestamps_are_read_in_the_sessions_time_zone(spark):
    moment = dt.datetime(2024, 1, 1, 23, 30, 15, tzinfo=dt.UTC)
    table = pa.table({"at": pa.array([moment, moment], pa.timestamp("us", tz="Asia/Tokyo"))})
    expected = [2024.0, 2.0, 1.0, 2.0, 19724.0, 8.0, 30.0, 15.0, moment.timestamp() * 1000]
    assert rows(featurized(table))[0] == expected
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
    try:
        source = spark.createDataFrame(table)
        made = Featurize(inputCols=["at"], outputCol="features").fit(source).transform(source)
        assert made.first().features.toArray().tolist() == expected
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)


def test_dates_before_1970_and_after_2262_have_their_slots():
    days = [dt.date(1583, 1, 1), dt.date(9999, 12, 31)]
    made = rows(featurized(pa.table({"day": days})))
    assert [row[0] for row in made] == [1583.0, 9999.0]
    assert made[0][4] == (days[0] - dt.date(1970, 1, 1)).days


def test_vectors_and_arrays_pass_and_must_keep_their_size():
    table = pa.table({"v": [[1.0, 2.0], [0.0, 3.0]], "x": [1, 2]})
    assert rows(featurized(table)) == [[1.0, 2.0, 1.0], [0.0, 3.0, 2.0]]
    with pytest.raises(DecodeError, match="Featurize: column `v`: has vectors of different sizes: 2 and 1"):
        featurized(pa.table({"v": [[1.0, 2.0], [3.0]]}))


def test_infinities_are_values_but_do_not_make_the_mean():
    made = rows(featurized(pa.table({"x": [1.0, float("inf"), None, 3.0]})))
    assert made == [[1.0], [float("inf")], [2.0], [3.0]]


@pytest.mark.parametrize(
    "kind",
    [
        pa.float64(),
        pa.string(),
        pa.date32(),
        pa.timestamp("us"),
        pa.null(),
        pa.list_(pa.float64()),
        pa.list_(pa.string()),
    ],
    ids=str,
)
@pytest.mark.parametrize("impute", [True, False])
def test_a_column_of_nothing_but_nulls_is_left_out_with_a_warning(kind, impute):
    name = f"empty {kind} {impute}"  # a warning comes once
    table = pa.table({name: pa.nulls(3, kind), "x": [1.0, 2.0, 3.0]})
    stage = Featurize(inputCols=table.column_names, outputCol="features", imputeMissing=impute)
    with pytest.warns(UserWarning, match=re.escape(f"Featurize: column `{name}` has no value")):
        model = stage.fit(table)
    assert rows(model.transform(table)) == [[1.0], [2.0], [3.0]]
    assert rows(model.transform(table.drop_columns([name]))) == [[1.0], [2.0], [3.0]]


def test_a_column_of_lists_without_a_word_is_left_out_with_a_warning():
    table = pa.table({"no words": pa.array([[], [], None], pa.list_(pa.string())), "x": [1.0, 2.0, 3.0]})
    with pytest.warns(
        UserWarning, match="Featurize: column `no words` has no word in any row; it is left out"
    ):
        model = Featurize(inputCols=table.column_names, outputCol="features").fit(table)
    assert rows(model.transform(table)) == [[1.0], [2.0], [3.0]]


def test_a_column_of_pandas_or_of_spark_without_type_or_value_is_left_out_with_a_warning(spark):
    frame = pd.DataFrame({"nothing of pandas": [None, None], "x": [1.0, 2.0]})
    with pytest.warns(UserWarning, match="Featurize: column `nothing of pandas` has no value"):
        model = Featurize(inputCols=list(frame.columns), outputCol="features").fit(frame)
    assert [v["values"].tolist() for v in model.transform(frame)["features"]] == [[1.0], [2.0]]
    source = spark.sql("SELECT NULL AS `nothing of Spark`, x FROM VALUES (1.0D), (2.0D) AS t(x)")
    with pytest.warns(UserWarning, match="Featurize: column `nothing of Spark` has no value"):
        model = Featurize(inputCols=source.columns, outputCol="features").fit(source)
    assert sorted(r.features.toArray().tolist() for r in model.transform(source).collect()) == [[1.0], [2.0]]


def test_no_column_with_a_value_and_no_rows_at_all_are_errors_that_say_so():
    with pytest.raises(
        DecodeError, match="Featurize: no columns are left to learn from: column `a` has no value"
    ):
        featurized(pa.table({"a": pa.nulls(3, pa.float64()), "b": pa.nulls(3)}))
    with pytest.raises(DecodeError, match="Featurize: there are no rows to learn from"):
        featurized(pa.table({"a": pa.array([], pa.float64())}))


@pytest.mark.parametrize(
    ("fitted", "given", "want"),
    [
        (pa.array([1.0, 2.0]), pa.array(["1", "two"]), "numbers"),
        (pa.array(["a", "b", "a", "b"]), pa.array([b"a"]), "strings"),
        (pa.array(["one two", "two"]), pa.array([1, 2]), "strings"),
        (pa.array([dt.date(2020, 1, 1)]), pa.array(["2020-01-01", "today"]), "dates"),
        (pa.array([[1.0, 2.0]]), pa.array([["1", "x"]]), "vectors"),
        (pa.array([["a"], ["a"]]), pa.array(["a"]), "lists of strings"),
    ],
)
def test_a_column_of_another_type_than_in_the_fit_is_refused_rather_than_cast(fitted, given, want):
    model = Featurize(inputCols=["x"], outputCol="features").fit(pa.table({"x": fitted}))
    with pytest.raises(SchemaMismatchError, match=f"column `x`: has type .*; the model was fitted on {want}"):
        model.transform(pa.table({"x": given}))
    untyped = pa.table({"x": pa.nulls(1)})  # all that are missing have no type of their own
    width = len(rows(model.transform(pa.table({"x": fitted})))[0])
    if want != "vectors":
        assert len(rows(model.transform(untyped))[0]) == width


def test_lists_of_strings_are_words_as_they_are():
    table = pa.table({"tags": [["Tea", "milk tea"], ["Tea", None], None, ["coffee"]]})
    made = np.array(rows(featurized(table, minDocFreq=1)))
    weights = {"Tea": np.log(4 / 3), "once": np.log(4 / 2)}
    assert made.shape == (4, 3)
    np.testing.assert_allclose(sorted(made[0]), [0.0, weights["Tea"], weights["once"]])
    np.testing.assert_allclose(sorted(made[1]), [0.0, 0.0, weights["Tea"]])
    assert made[2].tolist() == [0.0, 0.0, 0.0]


def test_a_null_inside_a_list_of_numbers_follows_handle_invalid():
    table = pa.table({"v": [[1.0, None], [2.0, 3.0]], "x": [1, 2]})
    model = Featurize(inputCols=["v", "x"], outputCol="features").fit(table)
    with pytest.raises(DecodeError, match="column `v`, row 0 of the table: has a null in slot 1"):
        model.transform(table)
    assert rows(model.copy()._set(handleInvalid="skip").transform(table)) == [[2.0, 3.0, 2.0]]
    kept = model.copy()._set(handleInvalid="keep", errorCol="why").transform(table)
    assert np.isnan(rows(kept)[0][1])
    assert kept["why"].to_pylist() == ["column `v`: has a null in slot 1", None]


NAMES = [f"{a}{b} {b}{c}" for a in "abcdef" for b in "ghijkl" for c in "mn"]


def test_texts_that_hardly_repeat_are_left_out_with_a_warning_and_kept_on_demand():
    table = pa.table({"full name": NAMES, "x": range(len(NAMES))})
    with pytest.warns(UserWarning, match=r"column `full name` has texts that hardly repeat.*9 rows or more"):
        made = featurized(table)
    assert attributes(made) == {"attrs": {"numeric": [{"name": "x", "idx": 0}]}, "num_attrs": 1}
    assert attributes(featurized(table, minDocFreq=1))["num_attrs"] > len(NAMES) / 2
    with pytest.raises(
        DecodeError, match="no columns are left to learn from: column `full name` has texts that"
    ):
        featurized(table.select(["full name"]))


def test_of_texts_the_words_in_the_square_root_of_the_rows_have_a_slot():
    notes = [f"id{i}" + " often" * (i < 10) + " rare" * (i < 9) for i in range(100)]
    made = featurized(pa.table({"note": notes}))
    assert [row != [0.0] for row in rows(made)] == [True] * 10 + [False] * 90


def test_many_levels_that_repeat_keep_all_their_words():
    countries = [f"country{i}" for i in range(20)] * 5
    made = featurized(pa.table({"country": countries}), maxCategories=10)
    assert attributes(made)["num_attrs"] == 20


def test_the_limit_of_hashed_slots_in_the_reference_is_the_one_that_is_checked():
    limit = 1 << 27
    table = pa.table({"t": ["a b", "b"]})
    for stage in (
        Featurize(inputCols=["t"], numFeatures=limit + 1),
        TextFeaturizer(inputCol="t", numFeatures=limit + 1),
    ):
        with pytest.raises(InvalidParamError, match=rf"param `numFeatures` must be .*\b{limit}\b"):
            stage.fit(table)
    trainer = TrainClassifier(model=LogisticRegression(), labelCol="y", numFeatures=limit + 1)
    with pytest.raises(InvalidParamError, match=rf"param `numFeatures` must be .*\b{limit}\b"):
        trainer.fit(table)
    reference = ROOT / "docs" / "reference"
    pages = {
        "Featurize": "featurize",
        "TextFeaturizer": "text",
        "TrainClassifier": "train",
        "TrainRegressor": "train",
    }
    for name, page in pages.items():
        text = (reference / f"{page}.md").read_text().split(f"\n## {name}\n")[1]
        row = next(line for line in text.splitlines() if line.startswith("| `numFeatures`"))
        assert str(limit) in row


def test_null_text_is_empty_text():
    made = featurized(pa.table({"note": ["one two", None, "two"]}), maxCategories=0, minDocFreq=1)
    assert rows(made)[1] == [0.0, 0.0]


JOBS = pa.table({"job": ["a", "b", "a", "b"], "x": [1, 2, 3, 4]})


def test_an_unseen_level_is_a_row_without_a_level():
    new = pa.table({"job": ["a", "c", None], "x": [7, 8, 9]})
    model = Featurize(inputCols=["job", "x"], outputCol="features").fit(JOBS)
    assert model.getUnseenCategories() == "other"
    assert rows(model.transform(new)) == [[1.0, 0.0, 7.0], [0.0, 0.0, 8.0], [0.0, 0.0, 9.0]]
    kept = model.copy()._set(handleInvalid="skip", errorCol="why").transform(new)
    assert (kept.num_rows, kept["why"].null_count) == (3, 3)


@pytest.mark.parametrize(("impute", "name"), [(True, "__missing"), (False, "__other")])
def test_for_trees_an_unseen_level_has_the_index_behind_the_last_which_the_attributes_count(impute, name):
    model = Featurize(
        inputCols=["job"], outputCol="features", oneHotEncodeCategoricals=False, imputeMissing=impute
    ).fit(JOBS)
    made = model.transform(pa.table({"job": ["b", "c"]}))
    assert rows(made) == [[1.0], [2.0]]
    assert attributes(made)["attrs"]["nominal"] == [{"vals": ["a", "b", name], "name": "job", "idx": 0}]


def test_an_unseen_code_of_a_nominal_column_is_another_and_a_number_that_is_no_code_is_a_bad_row():
    mark = {b"ml_attr": b'{"type": "nominal", "vals": ["a", "b"]}'}
    schema = pa.schema([pa.field("code", pa.float64(), metadata=mark)])
    model = Featurize(inputCols=["code"], outputCol="features").fit(pa.table([[0.0, 1.0]], schema=schema))
    assert rows(model.transform(pa.table([[1.0, 7.0]], schema=schema))) == [[0.0, 1.0], [0.0, 0.0]]
    with pytest.raises(DecodeError, match=r"row 1 of the table: has the value 0\.5, which is not the index"):
        model.transform(pa.table([[1.0, 0.5]], schema=schema))


def test_a_tree_of_spark_scores_levels_that_it_has_not_seen(spark):
    source = spark.createDataFrame(
        [("ab"[i % 2], float(i % 2)) for i in range(20)], "job string, label double"
    )
    featurize = Featurize(inputCols=["job"], outputCol="features", oneHotEncodeCategoricals=False)
    model = Pipeline(stages=[featurize, DecisionTreeClassifier()]).fit(source)
    made = model.transform(spark.createDataFrame([("c",), ("b",)], "job string")).collect()
    assert made[1].prediction == 1.0


def test_with_unseen_categories_as_errors_an_unseen_level_follows_handle_invalid():
    model = Featurize(inputCols=["job", "x"], outputCol="features", unseenCategories="error").fit(JOBS)
    new = pa.table({"job": ["a", "c"], "x": [7, 8]})
    with pytest.raises(
        DecodeError, match='FeaturizeModel: column `job`, row 1 of the table: has the value "c"'
    ):
        model.transform(new)
    assert model.copy()._set(handleInvalid="skip").transform(new).num_rows == 1
    kept = model.copy()._set(handleInvalid="keep", errorCol="why").transform(new)
    assert rows(kept) == [[1.0, 0.0, 7.0], [0.0, 0.0, 8.0]]
    assert kept["why"].to_pylist()[0] is None
    assert "did not occur" in kept["why"].to_pylist()[1]


def test_without_imputation_a_missing_value_is_a_bad_row():
    table = pa.table({"x": [1.0, None], "y": [1, 2]})
    model = Featurize(inputCols=["x", "y"], outputCol="features", imputeMissing=False).fit(table)
    with pytest.raises(DecodeError, match="column `x`, row 1 of the table: is missing"):
        model.transform(table)
    kept = rows(model.copy()._set(handleInvalid="keep").transform(table))
    assert np.isnan(kept[1][0])
    assert kept[1][1] == 2.0


def test_a_column_that_cannot_be_a_feature_is_named():
    with pytest.raises(SchemaMismatchError, match="Featurize: column `b`: has type binary"):
        featurized(pa.table({"b": [b"x"]}))


def test_no_rows_at_transform_and_none_at_fit():
    table = pa.table({"x": [1.0, 2.0]})
    model = Featurize(inputCols=["x"], outputCol="features").fit(table)
    assert model.transform(table.slice(0, 0)).num_rows == 0
    with pytest.raises(DecodeError, match="there are no rows to learn from"):
        Featurize(inputCols=["x"], outputCol="features").fit(table.slice(0, 0))


@pytest.fixture(scope="module")
def people(spark):
    table = pa.table(
        {
            "age": [31.0, None, 45.0, 28.0, 60.0, 33.0],
            "job": ["nurse", "clerk", "nurse", "clerk", "nurse", "clerk"],
            "since": [dt.date(2020, 1, d) for d in range(1, 7)],
            "note": ["likes tea", "likes coffee", "", "no sugar please", "tea", "coffee now"],
            "more": ["a b c", "b c", "c", "d e", "e f g", "g h"],
            "label": [1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
        }
    )
    return spark.createDataFrame(table)


INPUTS = ["age", "job", "since", "note", "more"]


def test_numbers_categories_dates_and_two_texts_are_one_python_pass(people, capsys):
    model = Featurize(inputCols=INPUTS, outputCol="features", minDocFreq=1).fit(people)
    model.transform(people).select("features").explain()
    assert capsys.readouterr().out.count("ArrowEvalPython") == 1


def test_a_pipeline_with_a_learner_saves_loads_and_scores(people, tmp_path):
    stages = [Featurize(inputCols=INPUTS, outputCol="features", minDocFreq=1), LogisticRegression(maxIter=5)]
    model = Pipeline(stages=stages).fit(people)
    expected = [r.probability.toArray() for r in model.transform(people).select("probability").collect()]
    model.write().overwrite().save(str(tmp_path / "model"))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    assert isinstance(loaded.stages[0], FeaturizeModel)
    again = [r.probability.toArray() for r in loaded.transform(people).select("probability").collect()]
    np.testing.assert_allclose(again, expected)


def test_a_nominal_column_of_string_indexer_is_taken_as_levels(people):
    indexed = StringIndexer(inputCol="job", outputCol="code").fit(people).transform(people)
    model = Featurize(inputCols=["code"], outputCol="features").fit(indexed)
    made = model.transform(indexed)
    names = [a["name"] for a in made.schema["features"].metadata["ml_attr"]["attrs"]["binary"]]
    assert names == ["code=clerk", "code=nurse"]
    first = made.select("job", "features").first()
    assert first.features.toArray().tolist() == [float(first.job == "clerk"), float(first.job == "nurse")]


def test_sparse_vectors_come_out_of_a_columnar_source_too(people, spark, tmp_path):
    model = Featurize(inputCols=INPUTS, outputCol="features", minDocFreq=1).fit(people)
    expected = model.transform(people).collect()
    model.transform(people).write.parquet(str(tmp_path / "people"))
    conf = "spark.sql.execution.arrow.pythonUDF.columnarInput.enabled"
    before = spark.conf.get(conf)
    spark.conf.set(conf, "true")  # Spark's default
    try:
        source = spark.read.parquet(str(tmp_path / "people"))
        again = model.copy()._set(outputCol="again").transform(source)
        assert {r.again for r in again.collect()} == {r.features for r in expected}
        assert {r.features for r in again.collect()} == {r.features for r in expected}
    finally:
        spark.conf.set(conf, before)
