"""Averages by key."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.errors import (
    ColumnNotFoundError,
    DecodeError,
    InvalidParamError,
    SchemaMismatchError,
)
from mmlrs.stages import (
    ClassBalancer,
    ClassBalancerModel,
    EnsembleByKey,
    Query,
    Repartition,
    StratifiedRepartition,
)

NAN = float("nan")


# -- keys -------------------------------------------------------------------------------------------------------------

rows = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["a", "b", "c"]),
        st.none() | st.integers(0, 2),
        st.none() | st.floats(-100, 100),
        st.none() | st.integers(-5, 5),
    ),
    max_size=40,
)


@given(rows)
@settings(max_examples=100, deadline=None)
def test_the_averages_are_those_of_pandas(data):
    kinds = {"k": pa.string(), "l": pa.int64(), "x": pa.float64(), "n": pa.int32()}
    columns = list(zip(*data, strict=True)) or [[]] * 4
    table = pa.table(
        {name: pa.array(c, kind) for (name, kind), c in zip(kinds.items(), columns, strict=True)}
    )
    made = EnsembleByKey(keys=["k", "l"], cols=["x", "n"]).transform(table)
    frame = pd.DataFrame({n: pd.Series(table[n].to_pylist(), dtype=object) for n in "kl"})
    for name in "xn":
        frame[name] = pd.Series(table[name].to_pylist(), dtype=float)
    expected = frame.groupby(["k", "l"], dropna=False, sort=False)[["x", "n"]].mean().reset_index()
    assert made["k"].to_pylist() == [None if pd.isna(v) else v for v in expected["k"]]
    assert made["l"].to_pylist() == [None if pd.isna(v) else v for v in expected["l"]]
    for name in "xn":
        found = [NAN if v is None else v for v in made[f"mean({name})"].to_pylist()]
        np.testing.assert_allclose(found, expected[name], rtol=1e-9, atol=1e-9)


KEYED = pa.table(
    {
        "k": ["a", None, "a", None, "b", "b"],
        "x": pa.array([1.0, 2.0, None, 4.0, None, None]),
        "v": pa.array([[1, 2], [3, 4], [5, None], None, [], None], pa.list_(pa.float32())),
    }
)


def test_arrays_are_averaged_element_by_element_and_nulls_are_left_out():
    made = EnsembleByKey(keys=["k"], cols=["x", "v"], colNames=["x", "m"]).transform(KEYED)
    assert made.to_pydict() == {
        "k": ["a", None, "b"],
        "x": [1.0, 3.0, None],
        "m": [[3.0, 2.0], [3.0, 4.0], []],
    }
    assert made.schema.types == [pa.string(), pa.float64(), pa.list_(pa.float64())]


def test_without_collapsing_every_row_gets_the_averages_of_its_key():
    made = EnsembleByKey(keys=["k"], cols=["x"], collapseGroup=False).transform(KEYED)
    assert made.column_names == [*KEYED.column_names, "mean(x)"]
    assert made.select(KEYED.column_names).equals(KEYED)
    assert made["mean(x)"].to_pylist() == [1.0, 3.0, 1.0, 3.0, None, None]


@pytest.mark.spark
@pytest.mark.parametrize("collapse", [True, False])
def test_keys_are_averaged_on_spark_as_on_a_table(spark, collapse):
    stage = EnsembleByKey(keys=["k"], cols=["x", "v"], colNames=["p", "q"], collapseGroup=collapse)
    made = stage.transform(spark.createDataFrame(KEYED).repartition(3)).toArrow()
    expected = stage.transform(KEYED)
    assert made.column_names == expected.column_names
    assert sorted(made.to_pylist(), key=repr) == sorted(expected.to_pylist(), key=repr)


@pytest.mark.spark
def test_spark_vectors_dense_and_sparse_are_averaged(spark):
    from pyspark.ml.linalg import Vectors, VectorUDT
    from pyspark.sql import types as T

    from mmlrs.engine.fields import VECTOR

    schema = T.StructType(
        [
            T.StructField("k", T.IntegerType()),
            T.StructField("v", VectorUDT(), True, {"ml_attr": {"num_attrs": 3}}),
        ]
    )
    data = [
        (1, Vectors.sparse(3, [1], [3.0])),
        (1, Vectors.dense([1.0, 2.0, 3.0])),
        (1, None),
        (2, None),
        (None, Vectors.sparse(3, [], [])),
    ]
    df = spark.createDataFrame(data, schema)
    expected = {1: [0.5, 2.5, 1.5], 2: None, None: [0.0, 0.0, 0.0]}
    stage = EnsembleByKey(keys=["k"], cols=["v"], colNames=["m"])
    made = stage.transform(df)
    assert isinstance(made.schema["m"].dataType, VectorUDT)
    assert made.schema["m"].metadata == {"ml_attr": {"num_attrs": 3}}
    assert {r.k: None if r.m is None else r.m.toArray().tolist() for r in made.collect()} == expected
    fields = ("type", "size", "indices", "values")
    structs = [
        (0, 3, [1], [3.0]),
        (1, None, None, [1.0, 2.0, 3.0]),
        None,
        None,
        (0, 3, [], []),
    ]
    column = pa.array([s and dict(zip(fields, s, strict=True)) for s in structs], VECTOR)
    table = stage.transform(pa.table({"k": [1, 1, 1, 2, None], "v": column}))
    assert {r["k"]: r["m"] and r["m"]["values"] for r in table.to_pylist()} == expected
    assert table.schema.field("m").type == VECTOR


def test_whole_numbers_beyond_those_of_a_double_have_a_mean_too():
    table = pa.table(
        {
            "k": ["a", "a"],
            "n": pa.array([2**64 - 1, 2**64 - 1], pa.uint64()),
            "v": pa.array([[2**64 - 1], [2**64 - 1]], pa.list_(pa.uint64())),
        }
    )
    [row] = EnsembleByKey(keys=["k"], cols=["n", "v"]).transform(table).to_pylist()
    assert row == {"k": "a", "mean(n)": 2.0**64, "mean(v)": [2.0**64]}


def test_arrays_of_different_size_under_one_key_are_one_error():
    table = pa.table({"k": [1, 2, 1], "v": [[1.0], [1.0, 2.0], [1.0, 2.0, 3.0]]})
    message = (
        "EnsembleByKey: column `v`, row 2 of the table: has arrays of different size under one key, 1 and 3"
    )
    with pytest.raises(DecodeError, match=message):
        EnsembleByKey(keys=["k"], cols=["v"]).transform(table)


@pytest.mark.spark
def test_arrays_of_different_size_are_told_on_spark(spark):
    df = spark.createDataFrame([(1, [1.0]), (1, [1.0, 2.0])], "k int, v array<double>")
    with pytest.raises(
        Exception, match="EnsembleByKey: column `v`: has arrays of different size under one key, 1 and 2"
    ):
        EnsembleByKey(keys=["k"], cols=["v"]).transform(df).collect()
    with pytest.raises(SchemaMismatchError, match="column `m`: has type map<int,int>; it cannot be a key"):
        EnsembleByKey(keys=["m"], cols=["x"]).transform(spark.sql("select map(1, 2) m, 1 x"))


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (
            {"keys": ["k"], "cols": ["k"]},
            SchemaMismatchError,
            "column `k`: has type string; EnsembleByKey reads",
        ),
        ({"keys": ["v"], "cols": ["x"]}, SchemaMismatchError, "column `v`: has type .*; it cannot be a key"),
        ({"keys": ["z"], "cols": ["x"]}, ColumnNotFoundError, "column `z`: not found"),
        ({"keys": ["k"], "cols": ["z"]}, ColumnNotFoundError, "column `z`: not found"),
        ({"keys": [], "cols": ["x"]}, InvalidParamError, "param `keys` must not be empty"),
        ({"keys": ["k", "k"], "cols": ["x"]}, InvalidParamError, "param `keys` must name each column once"),
        (
            {"keys": ["k"], "cols": ["x"], "colNames": ["a", "b"]},
            InvalidParamError,
            "`colNames` must name 1 column",
        ),
        (
            {"keys": ["k"], "cols": ["x"], "colNames": ["k"]},
            SchemaMismatchError,
            "column `k` already exists",
        ),
        ({"keys": ["k"], "cols": ["x", "x"]}, SchemaMismatchError, r"column `mean\(x\)` already exists"),
        ({"keys": ["k"], "cols": ["x"], "strategy": "max"}, InvalidParamError, 'must be one of "mean"'),
    ],
)
def test_keys_and_columns_that_cannot_be_used_are_named(params, error, message):
    with pytest.raises(error, match=message):
        EnsembleByKey(**params).transform(KEYED)


def test_numbers_of_every_kind_become_doubles():
    from decimal import Decimal

    table = pa.table(
        {"k": [0.0, -0.0], "b": [True, False], "d": [Decimal("1.5"), Decimal("2.5")], "u": [1, 2]}
    )
    table = table.set_column(3, "u", table["u"].cast(pa.uint8()))
    made = EnsembleByKey(keys=["k"], cols=["b", "d", "u"]).transform(table)
    assert made.to_pydict() == {"k": [0.0], "mean(b)": [0.5], "mean(d)": [2.0], "mean(u)": [1.5]}


# -- together ---------------------------------------------------------------------------------------------------------


@pytest.mark.spark
def test_the_stages_make_a_pipeline_that_saves_and_loads(spark, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel

    df = spark.createDataFrame(KEYED)
    stages = [
        Repartition(n=2),
        ClassBalancer(inputCol="k"),
        StratifiedRepartition(labelCol="k", n=2),
        EnsembleByKey(keys=["k"], cols=["weight", "x"]),
        Query(statement="SELECT *, 1 AS one FROM __THIS__"),
    ]
    model = Pipeline(stages=stages).fit(df)
    expected = sorted(map(repr, model.transform(df).collect()))
    model.save(str(tmp_path / "model"))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    assert isinstance(loaded.stages[1], ClassBalancerModel)
    assert sorted(map(repr, loaded.transform(df).collect())) == expected
