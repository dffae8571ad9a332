"""The general stages: partitions, samples, classes, keys and queries, on tables and on Spark."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.errors import (
    ColumnNotFoundError,
    DecodeError,
    ExecutionError,
    InvalidParamError,
    SchemaMismatchError,
)
from mmlrs.stages import (
    Cacher,
    CheckpointData,
    ClassBalancer,
    ClassBalancerModel,
    EnsembleByKey,
    Explode,
    PartitionConsolidator,
    PartitionSample,
    Query,
    Repartition,
    StratifiedRepartition,
)

NAN = float("nan")


def parts_of(df) -> list[Counter]:
    """How many rows of each label every partition holds; the label is the first column."""
    from pyspark.sql import functions as F

    rows = df.select(df.columns[0], F.spark_partition_id().alias("p")).collect()
    found: dict[int, Counter] = {}
    for label, part in rows:
        found.setdefault(part, Counter())[label] += 1
    return list(found.values())


# -- partitions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stage",
    [
        Cacher(),
        CheckpointData(),
        Repartition(n=3),
        PartitionConsolidator(),
        StratifiedRepartition(labelCol="a"),
    ],
    ids=lambda stage: stage._stage,
)
def test_a_table_has_no_partitions_and_stays(stage):
    table = pa.table({"a": [1, 2]})
    assert stage.transform(table) is table


@pytest.mark.spark
def test_a_cached_frame_is_cached_and_a_disabled_cacher_does_nothing(spark):
    df = spark.range(5)
    made = Cacher().transform(df)
    try:
        assert made.is_cached
        assert made.count() == 5
    finally:
        made.unpersist()
    other = spark.range(6)
    assert Cacher(disable=True).transform(other) is other
    assert not other.is_cached


@pytest.mark.spark
@pytest.mark.parametrize("eager", [True, False])
def test_a_checkpoint_cuts_the_plan(spark, eager, capsys):
    from pyspark.sql import functions as F

    df = spark.range(5).withColumn("twice", F.col("id") * 2)
    made = CheckpointData(eager=eager).transform(df)
    assert [r.twice for r in made.sort("id").collect()] == [0, 2, 4, 6, 8]
    made.explain()
    assert "Range" not in capsys.readouterr().out


@pytest.mark.spark
def test_rows_are_spread_over_as_many_partitions_as_asked(spark):
    df = spark.range(0, 100, 1, 2)
    assert all(24 <= sum(c.values()) <= 26 for c in parts_of(Repartition(n=4).transform(df)))
    assert len(parts_of(Repartition(n=4).transform(df))) == 4
    assert Repartition(n=4, disable=True).transform(df) is df
    assert len(parts_of(PartitionConsolidator().transform(df.repartition(5)))) == 1
    assert PartitionConsolidator(n=2).transform(df).count() == 100


@pytest.mark.parametrize("n", [0, -3, 2**31])
@pytest.mark.parametrize("cls", [Repartition, PartitionConsolidator])
def test_an_impossible_number_of_partitions_is_refused(cls, n):
    with pytest.raises(
        InvalidParamError, match=rf"{cls.__name__}: param `n` must be between 1 and 1000000, got {n}"
    ):
        cls(n=n).transform(pa.table({"a": [1]}))


LABELS = ["cat"] * 37 + ["dog"] * 11 + [None] * 8 + ["yak"]


@pytest.mark.spark
@pytest.mark.parametrize("n", [1, 3, 7])
def test_every_partition_holds_the_same_share_of_each_label(spark, n):
    df = spark.createDataFrame([(x, i) for i, x in enumerate(LABELS)], "label string, i int").repartition(5)
    made = StratifiedRepartition(labelCol="LABEL", n=n).transform(df)
    assert made.schema == df.schema
    assert sorted(r.i for r in made.collect()) == list(range(len(LABELS)))
    parts = parts_of(made)
    assert len(parts) <= n
    for label, count in Counter(LABELS).items():
        held = [part[label] for part in parts] + [0] * (n - len(parts))
        assert set(held) <= {count // n, -(-count // n)}


@pytest.mark.spark
def test_labels_of_one_row_each_are_spread_too(spark):
    parts = parts_of(StratifiedRepartition(labelCol="id", n=4).transform(spark.range(400)))
    assert len(parts) == 4
    assert all(60 < sum(part.values()) < 140 for part in parts)


@pytest.mark.spark
@pytest.mark.parametrize("kind", ["double", "boolean", "array<int>", "struct<a:int,b:string>", "date"])
def test_labels_are_of_any_type_that_can_be_sorted(spark, kind):
    df = spark.range(12).selectExpr(f"cast(null as {kind}) as label", "id")
    made = StratifiedRepartition(labelCol="label", n=3).transform(df)
    assert [sum(part.values()) for part in parts_of(made.select("id"))] == [4, 4, 4]
    with pytest.raises(
        SchemaMismatchError, match="column `m`: has type map<int,int>, which cannot be sorted"
    ):
        StratifiedRepartition(labelCol="m").transform(spark.sql("select map(1, 2) m"))


@pytest.mark.spark
def test_the_two_zeros_are_one_label(spark):
    df = spark.createDataFrame([(0.0,), (-0.0,)] * 8, "x double").coalesce(1)
    made = StratifiedRepartition(labelCol="x", n=4).transform(df)
    assert [sum(part.values()) for part in parts_of(made)] == [4, 4, 4, 4]


@pytest.mark.spark
def test_the_same_seed_deals_out_the_same_and_the_number_of_partitions_has_a_default(spark):
    df = spark.range(60).selectExpr("id % 2 as label", "id").coalesce(1)

    def dealt(**params):
        from pyspark.sql import functions as F

        made = StratifiedRepartition(labelCol="label", **params).transform(df)
        return {r.id: r.p for r in made.select("id", F.spark_partition_id().alias("p")).collect()}

    assert dealt(seed=3) == dealt(seed=3) != dealt(seed=4)
    assert set(dealt().values()) == {0, 1}  # spark.sql.shuffle.partitions


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
        ({}, "param `percent` must be set"),
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


# -- classes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "values", "unseen"),
    [
        (pa.string(), ["a", "a", "a", "b", None], 'it\'s \\ {new} "one"'),
        (pa.int32(), [1, 1, 1, 2, None], -7),
        (pa.int64(), [2**62, 2**62, 2**62, -(2**62), None], 2**62 + 1),
        (pa.float64(), [0.0, -0.0, 0.0, 1e300, None], 1.5),
        (pa.float32(), [0.1, 0.1, 0.1, 1e30, None], 0.2),
        (pa.bool_(), [True, True, True, False, None], None),
    ],
)
@pytest.mark.parametrize("where", ["table", "spark"])
def test_a_class_weighs_the_more_the_rarer_it_is(request, kind, values, unseen, where, tmp_path):
    def put(rows):
        table = pa.table({"i": range(len(rows)), "y": pa.array(rows, kind)})
        return table if where == "table" else request.getfixturevalue("spark").createDataFrame(table)

    model = ClassBalancer(inputCol="y").fit(put(values))
    model.save(str(tmp_path / "model"))
    for ready in (model, ClassBalancerModel.load(str(tmp_path / "model"))):
        made = ready.transform(put([*values, unseen]))
        rows = made.to_pylist() if where == "table" else [r.asDict() for r in made.sort("i").collect()]
        assert [row["weight"] for row in rows] == [1.0, 1.0, 1.0, 3.0, 1.0, 1.0]


@pytest.mark.parametrize("where", ["table", "spark"])
def test_what_is_not_a_number_is_no_class(request, where):
    data = pa.table({"y": [NAN, NAN, NAN, math.inf, 2.0, 2.0, 3.0]})
    if where == "spark":
        data = request.getfixturevalue("spark").createDataFrame(data)
    model = ClassBalancer(inputCol="y").fit(data)
    assert model.getValues() == [2.0, 3.0]
    made = model.transform(data)
    weights = made["weight"].to_pylist() if where == "table" else [r.weight for r in made.collect()]
    assert weights == [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize("where", ["table", "spark"])
def test_without_rows_every_label_weighs_one(request, where):
    data = pa.table({"y": pa.array([], pa.string())})
    full = pa.table({"y": ["a"]})
    if where == "spark":
        data, full = (request.getfixturevalue("spark").createDataFrame(t) for t in (data, full))
    made = ClassBalancer(inputCol="y", outputCol="w").fit(data).transform(full)
    assert (made["w"].to_pylist() if where == "table" else [r.w for r in made.collect()]) == [1.0]


@pytest.mark.spark
@pytest.mark.parametrize("broadcast", [True, False])
def test_many_classes_are_joined_and_no_row_is_lost(spark, broadcast):
    table = pa.table({"i": range(6000), "y": [f"c{i % 1500}" if i % 7 else None for i in range(6000)]})
    stage = ClassBalancer(inputCol="y", broadcastJoin=broadcast)
    model = stage.fit(spark.createDataFrame(table))
    expected = stage.fit(table).transform(table)["weight"].to_pylist()
    made = model.transform(spark.createDataFrame(table))
    assert made.columns == ["i", "y", "weight"]
    assert [r.weight for r in made.sort("i").collect()] == expected
    if broadcast:
        assert [r.i for r in made.coalesce(1).collect()] == list(range(6000))


@pytest.mark.spark
def test_a_model_reads_numbers_of_another_width_and_refuses_another_kind(spark):
    model = ClassBalancerModel(inputCol="y", values=[1, 2.5], weights=[4.0, 5.0])
    for table in (pa.table({"y": pa.array([1, 2], pa.int8())}), pa.table({"y": [1.0, 2.5]})):
        expected = [4.0, 1.0] if table["y"].type == pa.int8() else [4.0, 5.0]
        assert model.transform(table)["weight"].to_pylist() == expected
        assert [r.weight for r in model.transform(spark.createDataFrame(table)).collect()] == expected
    for data in (pa.table({"y": ["1"]}), spark.createDataFrame(pa.table({"y": ["1"]}))):
        with pytest.raises(
            SchemaMismatchError, match="column `y`: holds values of type string, and one of the"
        ):
            model.transform(data)
    with pytest.raises(InvalidParamError, match="param `weights` must have 2 values"):
        model.copy().setWeights([1.0]).transform(pa.table({"y": [1]}))


def test_labels_of_other_types_are_refused():
    with pytest.raises(SchemaMismatchError, match="ClassBalancer: column `y`: has type list"):
        ClassBalancer(inputCol="y").fit(pa.table({"y": [[1]]}))
    with pytest.raises(ColumnNotFoundError, match="ClassBalancer: column `z`: not found"):
        ClassBalancer(inputCol="z").fit(pa.table({"y": [1]}))


def test_labels_of_a_dictionary_are_balanced():
    table = pa.table({"y": pa.array(["a", "a", "b", None]).dictionary_encode()})
    made = ClassBalancer(inputCol="y").fit(table).transform(table)
    assert made["weight"].to_pylist() == [1.0, 1.0, 2.0, 1.0]


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
            "`colNames` must name 1 columns",
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
        ("SELECT 1", "must name the rows as `__THIS__`"),
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
