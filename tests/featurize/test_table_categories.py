"""Columns of categories: of pandas, of polars and of Arrow they are columns of their values, with levels in an order."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyspark.ml.classification import LogisticRegression

from mmlrs import to_numpy
from mmlrs.engine.bridge import to_spark
from mmlrs.engine.categories import LEVELS
from mmlrs.engine.table import to_table
from mmlrs.errors import SchemaMismatchError
from mmlrs.featurize import (
    CleanMissingData,
    DataConversion,
    Featurize,
    SummarizeData,
    ValueIndexer,
)
from mmlrs.functions._udf import _arrow
from mmlrs.stages import DropColumns, RenameColumn
from mmlrs.text import TextPreprocessor
from mmlrs.train import ComputeModelStatistics, TrainClassifier

SIZES, ORDER = ["small", "large", None, "small"], ["small", "medium", "large"]


def of_pandas():
    return pd.DataFrame({"size": pd.Categorical(SIZES, categories=ORDER), "x": [1.0, 2.0, 3.0, 4.0]})


def of_polars():
    return pl.DataFrame({"size": pl.Series(SIZES, dtype=pl.Enum(ORDER)), "x": [1.0, 2.0, 3.0, 4.0]})


def of_arrow():
    codes = pa.array([0, 2, None, 0], pa.int8())
    sizes = pa.DictionaryArray.from_arrays(codes, pa.array(ORDER), ordered=True)
    return pa.table({"size": sizes, "x": [1.0, 2.0, 3.0, 4.0]})


def in_chunks():
    whole = of_arrow()
    return pa.concat_tables([whole.slice(0, 1), whole.slice(1)])


KINDS = pytest.mark.parametrize("made", [of_pandas, of_polars, of_arrow, in_chunks], ids=lambda f: f.__name__)


def column(data, name):
    """A column of any kind of table as a list, nulls as None."""
    values = to_table(data)[name].to_pylist()
    return [None if isinstance(v, float) and np.isnan(v) else v for v in values]


@KINDS
def test_levels_are_numbered_in_the_order_of_the_type_those_that_do_not_occur_left_out(made):
    model = ValueIndexer(inputCol="size", outputCol="i", handleInvalid="keep").fit(made())
    assert model.getLevels() == ["small", "large"]
    assert column(model.transform(made()), "i") == [0.0, 1.0, 3.0, 0.0]


@KINDS
def test_featurize_gives_each_level_a_slot_in_the_order_of_the_type(made):
    model = Featurize(inputCols=["size", "x"], outputCol="f").fit(made())
    assert [v["values"] for v in column(model.transform(to_table(made())), "f")] == [
        [1.0, 0.0, 1.0],
        [0.0, 1.0, 2.0],
        [0.0, 0.0, 3.0],
        [1.0, 0.0, 4.0],
    ]
    plain = pa.table({"size": ["large"], "x": [5.0]})  # a model of categories scores plain text
    assert column(model.transform(plain), "f")[0]["values"] == [0.0, 1.0, 5.0]


def test_codes_that_are_categories_are_levels_and_no_numbers():
    frame = pd.DataFrame({"zip": pd.Categorical([8001, 10, 10], categories=[8001, 10])})
    model = Featurize(inputCols=["zip"], outputCol="f").fit(frame)
    made = model.transform(frame)
    assert [v["values"].tolist() for v in made["f"]] == [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    assert ValueIndexer(inputCol="zip", outputCol="i").fit(frame).getLevels() == [8001, 10]
    many = Featurize(inputCols=["zip"], outputCol="f", maxCategories=1).fit(frame)
    assert many.transform(frame)["f"][0]["values"].tolist() == [8001.0]


def test_a_dictionary_that_only_encodes_declares_no_order():
    table = pa.table({"c": pa.array(["b", "a", "b", "a"]).dictionary_encode()})
    assert ValueIndexer(inputCol="c", outputCol="i").fit(table).getLevels() == ["a", "b"]
    frame = pl.DataFrame({"c": pl.Series(["b", "a", "b", "a"], dtype=pl.Categorical)})
    assert ValueIndexer(inputCol="c", outputCol="i").fit(frame).getLevels() == ["a", "b"]


@KINDS
def test_a_column_that_no_stage_changes_comes_back_as_it_was(made):
    data = made()
    after = DropColumns(cols=["x"]).transform(data)
    if isinstance(data, pd.DataFrame):
        pd.testing.assert_frame_equal(after, data[["size"]])
    elif isinstance(data, pl.DataFrame):
        assert after.equals(data.drop("x"))
        assert after.schema == data.drop("x").schema
    else:
        assert after.schema == data.select(["size"]).schema
        assert after["size"].to_pylist() == SIZES
    renamed = RenameColumn(inputCol="size", outputCol="s").transform(data)
    assert to_table(renamed).schema.field("s").metadata[LEVELS.encode()] == json.dumps(ORDER).encode()


def test_what_a_stage_changes_is_no_category_any_more_unless_it_has_the_same_levels():
    frame = of_pandas()
    texts = DataConversion(cols=["size"], convertTo="string").transform(frame)
    assert texts["size"].tolist() == SIZES
    assert not isinstance(texts["size"].dtype, pd.CategoricalDtype)
    cleaned = CleanMissingData(inputCols=["size"], cleaningMode="Custom", customValue="unknown").fit(frame)
    assert cleaned.transform(frame)["size"].tolist() == ["small", "large", "unknown", "small"]


def test_lists_and_structs_of_categories_are_those_of_their_values_and_come_back():
    kind = pl.List(pl.Categorical)
    frame = pl.DataFrame({"tags": pl.Series([["x"], ["y", "x"], None, []], dtype=kind), "x": [1, 2, 3, 4]})
    words = Featurize(inputCols=["tags"], outputCol="f", minDocFreq=1).fit(frame).transform(frame)
    assert words.schema["tags"] == kind
    assert words["tags"].to_list() == frame["tags"].to_list()
    table = pa.table(
        {"s": pa.StructArray.from_arrays([pa.array(["u", "v"]).dictionary_encode()], ["k"]), "x": [1, 2]}
    )
    assert to_table(table).schema.field("s").type == pa.struct({"k": pa.string()})
    assert DropColumns(cols=["x"]).transform(table).equals(table.select(["s"]))
    assert to_table(frame.slice(1))["tags"].to_pylist() == [["y", "x"], None, []]


@KINDS
def test_every_kind_of_stage_reads_categories_as_their_values(made):
    table = made()
    lower = TextPreprocessor(inputCol="size", outputCol="t", map={"small": "S"}, handleInvalid="keep")
    assert column(lower.transform(table), "t") == ["S", "large", None, "S"]
    summary = to_table(SummarizeData(inputCols=["size"]).transform(table)).to_pylist()[0]
    assert (summary["Unique_Value_Count"], summary["Missing_Value_Count"]) == (2, 1)


def test_labels_and_predictions_may_be_categories():
    frame = pd.DataFrame({"y": pd.Categorical(["a", "b", "a", "b"]), "p": ["a", "b", "b", "b"]})
    params = {"evaluationMetric": "classification", "labelCol": "y", "scoredLabelsCol": "p"}
    made = ComputeModelStatistics(**params).transform(frame)
    assert made["accuracy"][0] == 0.75


def test_a_table_of_categories_is_a_dataframe_of_their_values_with_their_levels(spark):
    df = to_spark(spark, of_arrow())
    assert [row.size_ for row in df.withColumnRenamed("size", "size_").collect()] == SIZES
    assert ValueIndexer(inputCol="size", outputCol="i").fit(df).getLevels() == ["small", "large"]


def test_a_classifier_learns_and_scores_categories_of_pandas_with_its_classes_in_their_order(spark):
    n = 20
    frame = pd.DataFrame(
        {
            "size": pd.Categorical(["small", "large"] * (n // 2), categories=ORDER),
            "bought": pd.Categorical(["yes", "no"] * (n // 2), categories=["yes", "no"]),
        }
    )
    model = TrainClassifier(model=LogisticRegression(maxIter=5), labelCol="bought").fit(frame)
    assert model.getLabels() == ["yes", "no"]
    made = model.transform(frame)
    assert made["prediction"].tolist() == [0.0, 1.0] * (n // 2)
    assert made["size"].dtype == frame["size"].dtype


def test_a_series_of_categories_is_one_of_its_values_in_a_pandas_udf():
    assert _arrow(of_pandas()["size"]).equals(pa.array(SIZES))


@pytest.mark.parametrize("codes", [[3.0, 1.0], [3, 1], ["3", "1"]])
@pytest.mark.parametrize("fitted", [[3, 1, 3, 1], [3.0, 1.0, 3.0, 1.0]])
def test_numbers_are_the_levels_that_they_were_in_the_fit_whatever_type_a_file_gives_them(fitted, codes):
    model = Featurize(inputCols=["c"], outputCol="o").fit(pd.DataFrame({"c": pd.Categorical(fitted)}))
    if isinstance(fitted[0], float) and isinstance(codes[0], str):
        codes = [f"{code}.0" for code in codes]
    assert to_numpy(model.transform(pd.DataFrame({"c": codes}))["o"]).tolist() == [[0, 1], [1, 0]]


def test_intervals_of_pandas_pass_through():
    frame = pd.DataFrame({"word": ["a", "b", "c"], "bin": pd.cut([1.0, 2.0, 3.0], 2)})
    made = ValueIndexer(inputCol="word", outputCol="index").fit(frame).transform(frame)
    assert made["bin"].tolist() == frame["bin"].tolist()
    with pytest.raises(SchemaMismatchError, match="Featurize: column `bin`"):
        Featurize(inputCols=["bin"], outputCol="o").fit(frame)


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_category_without_any_level_has_missing_values_only_and_comes_back(missing):
    model = Featurize(inputCols=["size", "x"], outputCol="f").fit(of_pandas())
    frame = pd.DataFrame({"size": pd.Series([missing] * 2).astype("category"), "x": [1.0, 2.0]})
    made = model.transform(frame)
    assert [v["values"] for v in column(made, "f")] == [[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]]
    assert str(made["size"].dtype) == "category"
