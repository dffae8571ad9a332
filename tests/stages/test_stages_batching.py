"""Rows become batches and batches become rows again: on tables and on Spark, with nulls, vectors and nested types."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.engine import batches
from mmlrs.engine.batches import FixedBatches, TimedBatches
from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.stages import (
    DynamicMiniBatchTransformer,
    FixedMiniBatchTransformer,
    FlattenBatch,
    TimeIntervalMiniBatchTransformer,
)

cells = {
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.string(): st.text(max_size=4),
    pa.float32(): st.floats(width=32, allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.list_(pa.int32()): st.lists(st.none() | st.integers(0, 9), max_size=3),
    pa.struct([("a", pa.int8()), ("b", pa.string())]): st.fixed_dictionaries(
        {"a": st.none() | st.integers(-5, 5), "b": st.none() | st.text(max_size=2)}
    ),
    pa.list_(pa.float64(), 2): st.lists(st.floats(-1, 1), min_size=2, max_size=2),
}


@st.composite
def tables(draw) -> pa.Table:
    kinds = draw(st.lists(st.sampled_from(list(cells)), min_size=1, max_size=4))
    count = draw(st.integers(0, 25))
    columns = {
        f"c{i}": pa.array(draw(st.lists(st.none() | cells[k], min_size=count, max_size=count)), k)
        for i, k in enumerate(kinds)
    }
    table = pa.table(columns)
    cut = draw(st.integers(0, count))
    return pa.concat_tables([table.slice(0, cut), table.slice(cut)])


@given(tables(), st.integers(1, 30))
@settings(max_examples=150, deadline=None)
def test_flattening_is_the_inverse_of_making_batches(table, size):
    for stage in (
        FixedMiniBatchTransformer(batchSize=size),
        DynamicMiniBatchTransformer(maxBatchSize=size),
        TimeIntervalMiniBatchTransformer(millisToWait=50, maxBatchSize=size),
    ):
        made = stage.transform(table)
        again = FlattenBatch(cols=table.column_names).transform(made)
        assert again.schema.equals(table.schema, check_metadata=True)
        assert again.to_pylist() == table.to_pylist()


@given(tables(), st.integers(1, 30))
@settings(max_examples=50, deadline=None)
def test_only_the_last_of_the_fixed_batches_is_smaller(table, size):
    made = FixedMiniBatchTransformer(batchSize=size).transform(table)
    lengths = [len(batch) for batch in made["c0"].to_pylist()]
    assert all(length == size for length in lengths[:-1])
    assert sum(lengths) == table.num_rows
    assert made.num_rows == -(-table.num_rows // size)


def test_metadata_stays_with_its_column():
    field = pa.field("v", pa.list_(pa.float32(), 2), metadata={"ml_attr": '{"num_attrs": 2}'})
    table = pa.table([[[1.0, 2.0]]], schema=pa.schema([field]))
    made = FixedMiniBatchTransformer().transform(table)
    assert made.schema.field("v").metadata == field.metadata
    assert FlattenBatch().transform(made).schema.field("v").metadata == field.metadata


def test_a_batch_size_far_above_the_rows_makes_one_batch():
    made = FixedMiniBatchTransformer(batchSize=2**31 - 1).transform(pa.table({"a": range(5)}))
    assert made["a"].to_pylist() == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize("size", [0, -1, 2**31, 2**70])
def test_an_impossible_batch_size_is_refused(size):
    with pytest.raises(InvalidParamError, match="FixedMiniBatchTransformer: param `batchSize` must be"):
        FixedMiniBatchTransformer(batchSize=size).transform(pa.table({"a": [1]}))


def test_without_columns_there_is_nothing_to_gather():
    with pytest.raises(SchemaMismatchError, match="DynamicMiniBatchTransformer: the dataset has no columns"):
        DynamicMiniBatchTransformer().transform(pa.table({}))
    with pytest.raises(SchemaMismatchError, match="FlattenBatch: the dataset has no array column"):
        FlattenBatch().transform(pa.table({"a": [1]}))


def test_the_time_to_wait_must_be_set():
    with pytest.raises(InvalidParamError, match="param `millisToWait` must be set"):
        TimeIntervalMiniBatchTransformer().transform(pa.table({"a": [1]}))


def test_a_batch_ends_when_its_time_is_over_or_when_it_is_full(monkeypatch):
    arrivals = [(0.0, 2), (0.4, 1), (1.2, 1), (1.3, 5), (9.0, 1)]
    clock = iter([second for second, _ in arrivals])
    monkeypatch.setattr(batches.time, "monotonic", lambda: next(clock))
    numbers = iter(range(100))
    source = (pa.record_batch({"a": [next(numbers) for _ in range(n)]}) for _, n in arrivals)
    made = [row for batch in TimedBatches(4, 1.0)(source) for row in batch.column(0).to_pylist()]
    assert made == [[0, 1, 2], [3, 4, 5, 6], [7, 8], [9]]


def test_batches_are_passed_on_as_soon_as_they_are_full():
    taken = []

    def source():
        for i in range(6):
            taken.append(i)
            yield pa.record_batch({"a": [i]})

    first = next(iter(FixedBatches(2)(source())))
    assert first.column(0).to_pylist() == [[0, 1]]
    assert taken == [0, 1]


def test_null_arrays_become_nulls_and_other_columns_are_repeated():
    table = pa.table(
        {
            "a": pa.array([[1, None], None, [], None, [5]], pa.list_(pa.int32())),
            "b": pa.array([["x", "y"], ["z"], None, None, None], pa.large_list(pa.string())),
            "c": [10, 20, 30, 40, 50],
        }
    )
    assert FlattenBatch().transform(table).to_pydict() == {
        "a": [1, None, None, 5],
        "b": ["x", "y", "z", None],
        "c": [10, 10, 20, 50],
    }
    assert FlattenBatch(cols=["b"]).transform(table).to_pydict() == {
        "a": [[1, None], [1, None], None],
        "b": ["x", "y", "z"],
        "c": [10, 10, 20],
    }


def test_arrays_of_different_length_are_one_error_that_tells_columns_and_row():
    table = pa.table({"a": [[1], [1, 2], [3]], "b": [[1], [1, 2], [3, 4]]})
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    message = (
        "FlattenBatch: columns `a` and `b`, row 2 of the table: have arrays of different length, 1 and 2"
    )
    with pytest.raises(DecodeError, match=message):
        FlattenBatch().transform(chunked)


def test_a_column_that_is_no_array_cannot_be_flattened():
    table = pa.table({"a": [[1]], "b": ["x"]})
    with pytest.raises(SchemaMismatchError, match="FlattenBatch: column `b`: has type string"):
        FlattenBatch(cols=["a", "b"]).transform(table)
    with pytest.raises(ColumnNotFoundError, match="FlattenBatch: column `z`: not found"):
        FlattenBatch(cols=["z"]).transform(table)
    with pytest.raises(InvalidParamError, match="param `cols` must not be empty"):
        FlattenBatch(cols=[]).transform(table)


def test_pandas_data_comes_back_as_pandas_data():
    import pandas as pd

    frame = pd.DataFrame({"a": [1, 2, 3]})
    made = FixedMiniBatchTransformer(batchSize=2).transform(frame)
    assert [list(v) for v in made["a"]] == [[1, 2], [3]]
    assert FlattenBatch().transform(made)["a"].tolist() == [1, 2, 3]


# -- Spark ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed(spark):
    """Rows of many types with nulls, in two partitions."""
    from pyspark.ml.linalg import Vectors, VectorUDT
    from pyspark.sql import types as T

    schema = T.StructType(
        [
            T.StructField("i", T.IntegerType(), False),
            T.StructField("when", T.TimestampType()),
            T.StructField("day", T.DateType()),
            T.StructField("money", T.DecimalType(10, 2)),
            T.StructField("bytes", T.BinaryType()),
            T.StructField("words", T.ArrayType(T.StringType())),
            T.StructField("tags", T.MapType(T.StringType(), T.IntegerType())),
            T.StructField("v", VectorUDT(), True, {"ml_attr": {"num_attrs": 3}}),
            T.StructField(
                "s", T.StructType([T.StructField("v", VectorUDT()), T.StructField("x", T.LongType())])
            ),
        ]
    )
    rows = []
    for i in range(11):
        vector = Vectors.sparse(3, [1], [float(i)]) if i % 2 else Vectors.dense([1.0, 2.0, i])
        full = (
            dt.datetime(2024, 3, 31, i, 30),  # noqa: DTZ001 - in the time zone of the session
            dt.date(2024, 1, 1 + i),
            Decimal(i),
            bytes([i]),
            ["a", None] * (i % 3),
            {"k": i},
            vector,
            (vector, i),
        )
        rows.append((i, *(full if i % 4 else [None] * 8)))
    return spark.createDataFrame(rows, schema).repartition(2)


@pytest.mark.spark
@pytest.mark.parametrize(
    "stage",
    [
        FixedMiniBatchTransformer(batchSize=3),
        DynamicMiniBatchTransformer(maxBatchSize=4),
        TimeIntervalMiniBatchTransformer(millisToWait=10, maxBatchSize=2),
    ],
    ids=lambda stage: stage._stage,
)
def test_on_spark_rows_of_all_types_come_back_as_they_were(mixed, stage):
    made = stage.transform(mixed)
    assert {f.dataType.simpleString() for f in made.schema if f.name == "v"} == {"array<vector>"}
    again = FlattenBatch(cols=mixed.columns).transform(made)
    assert [(f.name, f.dataType, f.metadata) for f in again.schema] == [
        (f.name, f.dataType, f.metadata) for f in mixed.schema
    ]
    assert sorted(again.collect(), key=lambda r: r.i) == sorted(mixed.collect(), key=lambda r: r.i)


@pytest.mark.spark
def test_on_spark_batches_do_not_cross_partitions(spark):
    from pyspark.sql import functions as F

    df = spark.range(0, 20, 1, 3).withColumn("p", F.spark_partition_id())
    sizes = df.groupBy("p").count().collect()
    made = FixedMiniBatchTransformer(batchSize=4).transform(df).collect()
    assert all(len(set(row.p)) == 1 for row in made)
    for p, count in sizes:
        lengths = [len(row.id) for row in made if row.p[0] == p]
        assert lengths == [4] * (count // 4) + [count % 4] * (count % 4 > 0)


@pytest.mark.spark
def test_on_spark_batches_may_be_larger_than_what_arrow_hands_over(spark):
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "7")
    try:
        df = spark.range(0, 50, 1, 1)
        fixed = FixedMiniBatchTransformer(batchSize=20).transform(df).collect()
        assert [len(row.id) for row in fixed] == [20, 20, 10]
        dynamic = DynamicMiniBatchTransformer().transform(df).collect()
        assert [len(row.id) for row in dynamic] == [7] * 7 + [1]
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")


@pytest.mark.spark
def test_on_spark_arrays_of_different_length_are_told(spark):
    df = spark.createDataFrame([([1], [1]), ([1], [1, 2])], "a array<int>, b array<int>").coalesce(1)
    with pytest.raises(
        Exception, match=r"FlattenBatch: columns `a` and `b`, row 1 of the batch: have arrays"
    ):
        FlattenBatch().transform(df).collect()


@pytest.mark.spark
def test_on_spark_nulls_are_flattened_as_on_a_table(spark):
    table = pa.table(
        {
            "a": pa.array([[1, None], None, [], None], pa.list_(pa.int32())),
            "b": pa.array([["x", "y"], ["z"], None, None], pa.list_(pa.string())),
            "c": [10, 20, 30, 40],
        }
    )
    made = FlattenBatch().transform(spark.createDataFrame(table)).toArrow()
    assert made.to_pydict() == FlattenBatch().transform(table).to_pydict()


@pytest.mark.spark
def test_a_network_runs_on_rows_that_were_batches(spark):
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    table = pa.table({"i": range(6), "v": values.tolist()})
    made = FlattenBatch(cols=["i", "v"]).transform(
        FixedMiniBatchTransformer(batchSize=4).transform(spark.createDataFrame(table))
    )
    assert sorted((r.i, r.v) for r in made.collect()) == list(enumerate(values.tolist()))
