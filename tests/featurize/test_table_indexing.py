"""Levels of categories: what they are, how they are numbered, and the way back."""

from __future__ import annotations

import json
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.errors import DecodeError, InvalidParamError, LimitExceededError, SchemaMismatchError
from mmlrs.featurize import IndexToValue, ValueIndexer, ValueIndexerModel

NAN, INF = float("nan"), float("inf")

VALUES = {
    pa.string(): st.text(max_size=5).filter(lambda s: "\ud800" not in s),
    pa.bool_(): st.booleans(),
    pa.int8(): st.integers(-128, 127),
    pa.int16(): st.integers(-(2**15), 2**15 - 1),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float32(): st.floats(width=32),
    pa.float64(): st.floats(),
}


def column(values: list, kind: pa.DataType) -> pa.Table:
    return pa.table({"x": pa.array(values, kind)})


def attributes(table: pa.Table, name: str) -> dict:
    return json.loads(table.schema.field(name).metadata[b"ml_attr"])


def is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


@given(st.data(), st.sampled_from(list(VALUES)))
@settings(max_examples=150, deadline=None)
def test_values_of_every_type_come_back_from_their_indices(data, kind):
    values = data.draw(st.lists(VALUES[kind] | st.none(), min_size=1, max_size=20))
    present = {v for v in values if not is_missing(v)}
    table = column(values, kind)
    if not present:
        with pytest.raises(DecodeError, match="ValueIndexer: column `x`: has no value"):
            ValueIndexer(inputCol="x").fit(table)
        return
    model = ValueIndexer(inputCol="x", outputCol="i", handleInvalid="keep").fit(table)
    indexed = model.transform(table)
    order = sorted(present, key=lambda v: v.encode() if isinstance(v, str) else v)
    expected = [len(order) + 1 if is_missing(v) else order.index(v) for v in values]
    assert indexed["i"].to_pylist() == [float(i) for i in expected]
    back = IndexToValue(inputCol="i", outputCol="again").transform(indexed)
    assert back["again"].type == kind
    assert back["again"].to_pylist() == [None if is_missing(v) else v for v in values]


def test_unseen_and_missing_values_never_share_an_index():
    model = ValueIndexer(inputCol="x", outputCol="i").fit(column(["b", "a"], pa.string()))
    new = column(["a", "z", None], pa.string())
    kept = model.copy()._set(handleInvalid="keep", errorCol="why").transform(new)
    assert kept["i"].to_pylist() == [0.0, 2.0, 3.0]
    assert kept["why"].to_pylist() == [None, 'has the value "z", which is not one of the levels', "is null"]
    assert attributes(kept, "i")["vals"] == ["a", "b", "__unknown", "__missing"]
    assert model.copy()._set(handleInvalid="skip").transform(new)["x"].to_pylist() == ["a"]
    with pytest.raises(
        DecodeError,
        match=r'column `x`, row 1 of the table: has the value "z", which is not one of the levels',
    ):
        model.transform(new)


def test_nan_is_missing_not_a_level():
    model = ValueIndexer(inputCol="x", outputCol="i").fit(column([NAN, INF, -0.0, 0.0, -INF], pa.float64()))
    assert model.getLevels() == ["-Infinity", 0.0, "Infinity"]
    with pytest.raises(DecodeError, match="row 0 of the table: is NaN"):
        model.transform(column([NAN], pa.float64()))
    assert model.transform(column([INF, -INF, -0.0], pa.float64()))["i"].to_pylist() == [2.0, 0.0, 1.0]


@pytest.mark.parametrize("rows", [0, 3])
def test_a_column_without_values_is_an_error(rows):
    with pytest.raises(
        DecodeError,
        match="ValueIndexer: column `x`: has no values: it has no rows, or all values are missing",
    ):
        ValueIndexer(inputCol="x").fit(column([None] * rows, pa.string()))


def test_a_column_of_too_many_values_is_an_error_before_they_fill_the_driver():
    table = column(list(range(1000)), pa.int64())
    with pytest.raises(
        LimitExceededError, match="column `x`: has more than 999 distinct values; raise maxLevels"
    ):
        ValueIndexer(inputCol="x", maxLevels=999).fit(table)
    assert len(ValueIndexer(inputCol="x", maxLevels=1000).fit(table).getLevels()) == 1000


@pytest.mark.parametrize("kind", [pa.decimal128(5, 1), pa.uint64()])
def test_types_without_levels_are_refused(kind):
    with pytest.raises(SchemaMismatchError, match=r"ValueIndexer: column `x`: has type .*cannot be levels"):
        ValueIndexer(inputCol="x").fit(pa.table({"x": pa.nulls(1, kind)}))


@pytest.mark.parametrize(
    ("levels", "kind", "message"),
    [
        (["a", "a"], None, 'param `levels` must be distinct, got "a" twice'),
        (["a"], "long", 'param `levels` must be values of type long, got "a"'),
        ([1.5], "integer", "param `levels` must be values of type integer, got 1.5"),
        ([1], "short", "column `x`: has type string, but its levels are of type short"),
    ],
)
def test_levels_that_do_not_fit_are_refused(levels, kind, message):
    model = ValueIndexerModel(inputCol="x", levels=levels, dataType=kind)
    with pytest.raises((InvalidParamError, SchemaMismatchError), match=message):
        model.transform(pa.table({"x": pa.nulls(1, pa.string() if kind in (None, "short") else pa.int64())}))


def test_levels_may_be_given():
    model = ValueIndexerModel(inputCol="x", outputCol="i", levels=["low", "high"])
    assert model.transform(column(["high", "low"], pa.string()))["i"].to_pylist() == [1.0, 0.0]
    back = IndexToValue(inputCol="x", outputCol="v", levels=[10, 20], dataType="short")
    made = back.transform(column([1, 0, None], pa.int32()))["v"]
    assert (made.type, made.to_pylist()) == (pa.int16(), [20, 10, None])


@pytest.mark.parametrize("index", [3.0, -1.0, 0.5, NAN, INF, 1e300])
def test_what_is_no_index_is_named(index):
    stage = IndexToValue(inputCol="x", outputCol="v", levels=["a", "b"])
    with pytest.raises(
        DecodeError, match=r"IndexToValue: column `x`, row 1 of the table: has the value .*not the index"
    ):
        stage.transform(column([0.0, index], pa.float64()))
    kept = (
        stage.copy()
        ._set(handleInvalid="keep", errorCol="why")
        .transform(column([0.0, index, None], pa.float64()))
    )
    assert kept["v"].to_pylist() == ["a", None, None]
    assert [reason is None for reason in kept["why"].to_pylist()] == [True, False, True]


def test_a_column_that_is_not_nominal_is_an_error():
    with pytest.raises(SchemaMismatchError, match="IndexToValue: column `x`: has no nominal attributes"):
        IndexToValue(inputCol="x").transform(column([0.0], pa.float64()))


def test_attributes_that_are_damaged_are_no_attributes():
    for text in ("{", '{"type": "nominal"}', '{"type": "nominal", "vals": [1]}', '{"type": "numeric"}', "[]"):
        field = pa.field("x", pa.float64(), metadata={b"ml_attr": text.encode()})
        with pytest.raises(SchemaMismatchError, match="has no nominal attributes"):
            IndexToValue(inputCol="x").transform(pa.table([pa.array([0.0])], schema=pa.schema([field])))


@pytest.fixture
def frame(spark):
    return spark.sql(
        "select i, s, d, cast(d as float) f from values"
        " (1, 'b', 1.5D), (2, 'a', -2D), (3, 'b', 1.5D), (4, 'c', 1e10D), (5, 'a', 0.1D) t(i, s, d)"
    )


def test_spark_reads_the_attributes_of_the_index(frame):
    from pyspark.ml.feature import IndexToString, OneHotEncoder, StringIndexer, VectorAssembler

    for name in ("s", "d", "f"):
        indexed = ValueIndexer(inputCol=name, outputCol="index").fit(frame).transform(frame)
        theirs = StringIndexer(inputCol=name, outputCol="index", stringOrderType="alphabetAsc").fit(frame)
        ours = indexed.schema["index"].metadata["ml_attr"]
        assert sorted(ours["vals"]) == sorted(theirs.labels)
        back = IndexToString(inputCol="index", outputCol="text").transform(indexed)
        assert all(
            r.text == r.expected
            for r in back.selectExpr("text", f"cast({name} as string) expected").collect()
        )
    encoded = OneHotEncoder(inputCol="index", outputCol="hot").fit(indexed).transform(indexed)
    assembled = VectorAssembler(inputCols=["index", "hot"], outputCol="features").transform(encoded)
    [nominal] = assembled.schema["features"].metadata["ml_attr"]["attrs"]["nominal"]
    assert nominal["vals"] == ours["vals"]


def test_a_tree_learns_categories_from_the_attributes(frame):
    from pyspark.ml.classification import DecisionTreeClassifier
    from pyspark.ml.feature import VectorAssembler

    indexed = ValueIndexer(inputCol="s", outputCol="category").fit(frame).transform(frame)
    indexed = indexed.selectExpr("category", "double(s = 'b') label")
    vectors = VectorAssembler(inputCols=["category"], outputCol="features").transform(indexed)
    tree = DecisionTreeClassifier(maxDepth=1).fit(vectors)
    assert "feature 0 in {0.0,2.0}" in tree.toDebugString


def test_values_come_back_from_the_indices_of_string_indexer(frame):
    from pyspark.ml.feature import StringIndexer

    indexed = StringIndexer(inputCol="s", outputCol="index", handleInvalid="keep").fit(frame).transform(frame)
    back = IndexToValue(inputCol="index", outputCol="value").transform(indexed)
    assert all(r.s == r.value for r in back.select("s", "value").collect())


def test_there_and_back_is_one_python_pass(frame, capsys):
    indexed = ValueIndexer(inputCol="d", outputCol="index").fit(frame).transform(frame)
    back = IndexToValue(inputCol="index", outputCol="value").transform(indexed)
    back.explain()
    assert capsys.readouterr().out.count("ArrowEvalPython") <= 1
    assert all(r.d == r.value for r in back.select("d", "value").collect())
