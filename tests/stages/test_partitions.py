"""Stages that spread rows over partitions, cache and checkpoint them."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from mmlrs.errors import (
    InvalidParamError,
    SchemaMismatchError,
)
from mmlrs.stages import (
    Cacher,
    CheckpointData,
    PartitionConsolidator,
    Repartition,
    StratifiedRepartition,
)


def parts_of(df) -> list[Counter]:
    """How many rows of each label every partition holds; the label is the first column."""
    from pyspark.sql import functions as F

    rows = df.select(df.columns[0], F.spark_partition_id().alias("p")).collect()
    found: dict[int, Counter] = {}
    for label, part in rows:
        found.setdefault(part, Counter())[label] += 1
    return list(found.values())


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
