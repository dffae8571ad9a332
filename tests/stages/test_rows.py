"""Stages that draw, number, explode and query rows."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from mmlrs.errors import (
    ExecutionError,
    InvalidParamError,
    SchemaMismatchError,
)
from mmlrs.stages import (
    Explode,
    PartitionSample,
    Query,
)

# -- samples ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["table", "spark"])
def hundred(request):
    """A hundred rows as a table or as a DataFrame, and how to read them."""
    if request.param == "table":
        return pa.table({"a": range(100)}), lambda made: made["a"].to_pylist()
    frame = request.getfixturevalue("spark").range(0, 100, 1, 3).toDF("a")
    return frame, lambda made: [row.a for row in made.collect()]


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 1), (30, 30), (100, 100), (2**31 - 1, 100)])
@pytest.mark.parametrize("mode", ["Head", "RandomSample"])
def test_as_many_rows_are_taken_as_asked_each_once(hundred, mode, count, expected):
    data, values = hundred
    made = values(PartitionSample(mode=mode, count=count, seed=5).transform(data))
    assert len(made) == len(set(made)) == expected
    assert set(made) <= set(range(100))


def test_the_head_of_a_table_is_its_first_rows(hundred):
    data, values = hundred
    assert values(PartitionSample(mode="Head", count=3).transform(data)) == [0, 1, 2]


@pytest.mark.parametrize(("percent", "least", "most"), [(0.0, 0, 0), (0.5, 30, 70), (1.0, 100, 100)])
def test_a_share_of_the_rows_is_drawn(hundred, percent, least, most):
    data, values = hundred
    made = values(PartitionSample(percent=percent, seed=1).transform(data))
    assert least <= len(made) <= most
    assert len(set(made)) == len(made)


@pytest.mark.parametrize("size", [{"count": 40}, {"percent": 0.4}])
def test_a_seed_draws_the_same_again_and_another_seed_does_not(hundred, size):
    data, values = hundred
    draws = [sorted(values(PartitionSample(seed=s, **size).transform(data))) for s in (7, 7, -8)]
    assert draws[0] == draws[1] != draws[2]


def test_rows_are_assigned_to_parts_evenly_and_reproducibly(hundred):
    data, _ = hundred

    def parts(seed):
        stage = PartitionSample(mode="AssignToPartition", numParts=4, newColName="part", seed=seed)
        made = stage.transform(data)
        rows = made.to_pylist() if isinstance(made, pa.Table) else [r.asDict() for r in made.collect()]
        return {row["a"]: row["part"] for row in rows}

    assert parts(1) == parts(1) != parts(2)
    assert set(parts(1)) == set(range(100))
    assert set(Counter(parts(1).values())) == {0, 1, 2, 3}
    assert min(Counter(parts(1).values()).values()) > 8


def test_the_column_of_parts_is_an_int_and_must_be_new(hundred):
    data, _ = hundred
    made = PartitionSample(mode="AssignToPartition").transform(data)
    kind = (
        made.schema.field("Partition").type
        if isinstance(made, pa.Table)
        else made.schema["Partition"].dataType
    )
    assert str(kind) in ("int32", "IntegerType()")
    with pytest.raises(SchemaMismatchError, match="PartitionSample: column `a` already exists"):
        PartitionSample(mode="AssignToPartition", newColName="a").transform(data)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "param `percent` or `count` must be set"),
        ({"percent": 0.5, "count": 3}, "param `percent` must not be set together with `count`"),
        ({"mode": "Head"}, 'param `count` must be set for mode "Head"'),
        ({"percent": 1.5}, "param `percent` must be between 0 and 1, got 1.5"),
        ({"percent": -0.5}, "param `percent` must be between 0 and 1"),
        ({"count": -1}, "param `count` must be between 0 and"),
        ({"mode": "AssignToPartition", "numParts": 0}, "param `numParts` must be between 1 and"),
        ({"mode": "Tail"}, 'param `mode` must be one of "RandomSample", "Head", "AssignToPartition"'),
    ],
)
def test_sizes_that_make_no_sense_are_refused(params, message):
    with pytest.raises(InvalidParamError, match=f"PartitionSample: {message}"):
        PartitionSample(**params).transform(pa.table({"a": [1]}))


# -- explode ----------------------------------------------------------------------------------------------------------

LISTS = [[1, 2], None, [], [None], [5]]


@pytest.mark.parametrize("kind", [pa.list_(pa.int32()), pa.large_list(pa.int32())])
@pytest.mark.parametrize(
    ("keep", "expected"), [(False, [1, 2, None, 5]), (True, [1, 2, None, None, None, 5])]
)
def test_every_element_is_a_row(kind, keep, expected):
    table = pa.table({"x": pa.array(LISTS, kind), "i": range(5)})
    made = Explode(inputCol="x", outputCol="y", keepEmpty=keep).transform(table)
    assert made["y"].to_pylist() == expected
    assert made["i"].to_pylist() == ([0, 0, 1, 2, 3, 4] if keep else [0, 0, 3, 4])
    assert made["x"].to_pylist() == [LISTS[i] for i in made["i"].to_pylist()]
    assert made.schema.field("y").type == pa.int32()


def test_fixed_size_arrays_and_chunks_are_exploded():
    column = pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int8(), 2))
    table = pa.table({"x": pa.chunked_array([column.slice(0, 1), column.slice(1)])})
    made = Explode(inputCol="x", outputCol="y", keepEmpty=True).transform(table)
    assert made["y"].to_pylist() == [1, 2, None, 3, 4]


@pytest.mark.spark
@pytest.mark.parametrize("keep", [False, True])
def test_explode_is_the_same_on_spark(spark, keep):
    table = pa.table({"i": range(5), "x": pa.array(LISTS, pa.list_(pa.int32()))})
    stage = Explode(inputCol="x", outputCol="y", keepEmpty=keep)
    assert (
        stage.transform(spark.createDataFrame(table).coalesce(1)).toArrow().to_pylist()
        == stage.transform(table).to_pylist()
    )
    with pytest.raises(
        SchemaMismatchError, match="Explode: column `i`: has type bigint; Explode reads array"
    ):
        stage.copy().setInputCol("i").transform(spark.createDataFrame(table))


def test_only_arrays_are_exploded():
    with pytest.raises(SchemaMismatchError, match="Explode: column `i`: has type int64; Explode reads array"):
        Explode(inputCol="i").transform(pa.table({"i": [1]}))


# -- queries ----------------------------------------------------------------------------------------------------------


@pytest.mark.spark
def test_sql_runs_on_a_frame_and_with_a_session_on_a_table(spark):
    table = pa.table({"a": [1, 2, 3]})
    stage = Query(statement="SELECT a, '{x}' AS brace, t.a * 2 AS b FROM __THIS__ t WHERE a > 1 ORDER BY a")
    expected = [{"a": 2, "brace": "{x}", "b": 4}, {"a": 3, "brace": "{x}", "b": 6}]
    assert stage.transform(table).to_pylist() == expected
    assert [r.asDict() for r in stage.transform(spark.createDataFrame(table)).collect()] == expected
    both = Query(statement="SELECT count(*) AS n FROM __THIS__ x JOIN __THIS__ y ON x.a = y.a")
    assert both.transform(table).to_pylist() == [{"n": 3}]


@pytest.mark.spark
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("SELECT 1", "must refer to the dataset as `__THIS__`"),
        ("SELEC a FROM __THIS__", "cannot be run: .*SELEC"),
        ("SELECT nothing FROM __THIS__", "cannot be run: .*nothing"),
        ("", "must not be empty"),
    ],
)
def test_a_statement_that_cannot_be_run_is_told_at_once(spark, statement, message):
    with pytest.raises(InvalidParamError, match=f"(?s)Query: param `statement` {message}"):
        Query(statement=statement).transform(spark.range(3))


def test_without_a_session_a_table_cannot_be_queried(monkeypatch):
    monkeypatch.setattr("mmlrs.persistence.active_session", lambda: None)
    with pytest.raises(ExecutionError, match="Query: needs Spark, and no Spark session is active"):
        Query(statement="SELECT * FROM __THIS__").transform(pa.table({"a": [1]}))
