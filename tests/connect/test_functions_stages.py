"""Functions, timers and adapters on Spark Connect."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow as pa
import pytest

import mmlrs
from mmlrs.errors import InvalidParamError, IoError, SchemaMismatchError
from mmlrs.featurize import ValueIndexer
from mmlrs.stages import ClassBalancer, Lambda, MultiColumnAdapter, RenameColumn, Timer, UDFTransformer
from mmlrs.testing import reversed_columns

pytestmark = pytest.mark.spark

TABLE = pa.table({"i": [1, 2, None], "a": ["x", None, "zz"], "b": ["p", "q", "p"]})


@pytest.fixture(scope="module")
def df(spark):
    return spark.createDataFrame(TABLE)


def test_a_function_makes_a_frame_of_a_frame(df):
    made = Lambda(transformFunc=reversed_columns).transform(df)
    assert made.columns == ["b", "a", "i"]
    for wrong in (TABLE, df.a, None):
        with pytest.raises(
            SchemaMismatchError, match=r"Lambda: .*must return a Spark DataFrame, like its argument, but"
        ):
            Lambda(transformFunc=lambda rows, wrong=wrong: wrong).transform(df)


def test_a_function_gives_what_it_gives_on_a_table(df):
    offset = 10
    stages = [
        UDFTransformer(inputCol="a", outputCol="y", udf=json.dumps, returnType="string"),
        UDFTransformer(
            inputCols=["i", "a"],
            outputCol="y",
            udf=lambda i, a: (i or 0) + len(a or "") + offset,
            returnType="int",
        ),
        UDFTransformer(
            inputCol="i", outputCol="y", udf=lambda i: {"v": [i, i]}, returnType="struct<v:array<bigint>>"
        ),
    ]
    for stage in stages:
        made = stage.transform(df).toArrow()
        assert sorted(map(repr, made.to_pylist())) == sorted(map(repr, stage.transform(TABLE).to_pylist()))
    with pytest.raises(InvalidParamError, match="UDFTransformer: param `returnType` cannot be used: 'nope'"):
        UDFTransformer(inputCol="i", udf=json.dumps, returnType="nope").transform(df)


@pytest.mark.parametrize("kind", ["udf", "pandas_udf", "arrow_udf"])
def test_udfs_of_every_kind_are_taken(df, kind):
    import pyarrow.compute as pc
    from pyspark.sql import functions as F

    def series(text: pd.Series) -> pd.Series:
        return text.str.len()

    def array(text: pa.Array) -> pa.Array:
        return pc.utf8_length(text)

    made = {
        "udf": lambda: F.udf(lambda text: text and len(text), "int"),
        "pandas_udf": lambda: F.pandas_udf(series, "int"),
        "arrow_udf": lambda: F.arrow_udf(array, "int"),
    }[kind]()
    stage = UDFTransformer(inputCol="a", outputCol="y", udf=made)
    assert stage.transform(TABLE)["y"].to_pylist() == [1, None, 2]
    assert [r.y for r in stage.transform(df).collect()] == [1, None, 2]


def test_a_pipeline_with_functions_is_saved_by_name_or_pickled_when_allowed(df, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel

    named = UDFTransformer(inputCol="a", outputCol="y", udf=json.dumps, returnType="string")
    Pipeline(stages=[named]).fit(df).save(str(tmp_path / "named"))
    with pytest.raises(IoError, match="param `udf` names the function json:dumps"):
        PipelineModel.load(str(tmp_path / "named"))
    with mmlrs.allow_functions("json:dumps"):
        loaded = PipelineModel.load(str(tmp_path / "named"))
    assert [r.y for r in loaded.transform(df).collect()] == ['"x"', "null", '"zz"']
    model = Pipeline(stages=[Lambda(transformFunc=lambda rows: rows.select("a"))]).fit(df)
    with pytest.raises(InvalidParamError, match="the function is a lambda"):
        model.save(str(tmp_path / "refused"))
    with mmlrs.allow_pickle():
        model.save(str(tmp_path / "pickled"))
    with pytest.raises(IoError, match="is a pickle"):
        PipelineModel.load(str(tmp_path / "pickled"))
    with mmlrs.allow_pickle():
        assert PipelineModel.load(str(tmp_path / "pickled")).transform(df).columns == ["a"]


def test_a_timer_measures_and_gives_the_input_back(df):
    model = Timer(stage=ClassBalancer(inputCol="b")).fit(df)
    assert model.fitSeconds > 0
    made = model.transform(df)
    try:
        assert model.transformSeconds > 0
        assert made.storageLevel.useMemory
        assert not df.storageLevel.useMemory
        assert sorted(r.weight for r in made.collect()) == [1.0, 1.0, 2.0]
    finally:
        made.unpersist()
    assert not made.storageLevel.useMemory


def test_a_stream_passes_a_timer(spark):
    stream = spark.readStream.format("rate").load()
    model = Timer(stage=RenameColumn(inputCol="value", outputCol="x")).fit(stream)
    assert model.transform(stream).columns == ["timestamp", "x"]
    assert model.transformSeconds is None


def test_stages_of_both_kinds_are_adapted_to_several_columns(df, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.feature import StringIndexer

    rows = df.na.drop()
    for base in (ValueIndexer(), StringIndexer(stringOrderType="alphabetAsc")):
        adapter = MultiColumnAdapter(baseStage=base, inputCols=["a", "b"], outputCols=["c", "d"])
        model = Pipeline(stages=[adapter]).fit(df.where("a is not null"))
        model.save(str(tmp_path / type(base).__name__))
        loaded = PipelineModel.load(str(tmp_path / type(base).__name__))
        assert [(r.c, r.d) for r in loaded.transform(rows).collect()] == [(0.0, 0.0)]
