"""The lineage of native columns: what other stages do to it, and what the next stage reads."""

from __future__ import annotations

import json

import pytest
from image_stages import PICTURES, run, small, unroll
from plans import passes, plan_of
from pyspark.sql import functions as F

from mmlrs.engine.spark import fields_of, lineage_of
from mmlrs.image import ImageTransformer
from mmlrs.stages import DropColumns, RenameColumn, SelectColumns
from mmlrs.text import UnicodeNormalize

pytestmark = pytest.mark.spark


def test_a_cached_frame_is_read_not_computed_again(df, counted):
    made = small().transform(df)
    assert set(lineage_of(made)) == {"small"}
    made.cache()
    try:
        assert made.count() == PICTURES
        assert lineage_of(made) == {}
        after = unroll().transform(made)
        assert "InMemoryTableScan" in plan_of(after)
        run(after.select("pixels"))
        assert counted()["image_decodes"] == PICTURES
    finally:
        made.unpersist()
    assert set(lineage_of(made)) == {"small"}


@pytest.mark.parametrize(
    "operation",
    [
        lambda d: d.select("*"),
        lambda d: d.withColumn("one", d.i + 1),
        lambda d: d.where("i >= 0"),
        lambda d: d.repartition(2),
        lambda d: d.orderBy("i"),
    ],
    ids=["select", "withColumn", "where", "repartition", "orderBy"],
)
def test_another_operation_ends_the_lineage_and_the_result_is_the_same(df, operation):
    made = small().transform(df)
    other = operation(made)
    assert lineage_of(other) == {}
    expected = {r.i: r.pixels for r in unroll().transform(made).collect()}
    assert {r.i: r.pixels for r in unroll().transform(other).collect()} == expected


def test_a_column_that_spark_overwrote_is_what_the_next_stage_reads(df):
    made = (
        ImageTransformer(inputCol="content", outputCol="large")
        .resize(16, 16)
        .transform(small().transform(df))
    )
    changed = made.withColumn("small", made.large)
    assert len(unroll().transform(changed).first().pixels) == 16 * 16 * 3


def test_the_lineage_survives_our_own_column_stages(df):
    made = small().transform(df)
    for kept in (
        SelectColumns(cols=["content", "small"]).transform(made),
        DropColumns(cols=["i"]).transform(made),
        RenameColumn(inputCol="i", outputCol="number").transform(made),
    ):
        assert set(lineage_of(kept)) == {"small"}
        after = unroll().transform(kept)
        assert passes(after) == 1
        assert "ImageTransformer(" not in plan_of(after.select("pixels"))


def test_a_renamed_native_column_stays_in_the_pass(df):
    renamed = RenameColumn(inputCol="small", outputCol="tiny").transform(small().transform(df))
    after = unroll(inputCol="tiny").transform(renamed)
    assert "ImageTransformer(" not in plan_of(after.select("pixels"))
    assert (
        after.select("pixels").collect()
        == unroll().transform(small().transform(df)).select("pixels").collect()
    )


def test_a_renamed_source_column_is_followed(df):
    made = small().transform(df)
    renamed = RenameColumn(inputCol="content", outputCol="bytes").transform(made)
    after = unroll().transform(renamed)
    assert passes(after) == 1
    assert "ImageTransformer(" not in plan_of(after.select("pixels"))
    assert after.select("pixels").collect() == unroll().transform(made).select("pixels").collect()


def test_columns_of_a_long_chain_with_shared_stages_are_renamed_and_dropped_at_once():
    from mmlrs.engine.expr import Node, Source, Value, compile_program, sources_of
    from mmlrs.stages.columns import _renamed

    left, right = Source("a"), Source("b")
    for i in range(60):  # each stage reads and writes two columns: 2**60 paths from the last to the sources
        node = Node("Stage", f"uid{i}", "{}", (("x", left), ("y", right)))
        left, right = Value(node, "x"), Value(node, "y")
    assert sources_of(left) == {"a", "b"}
    renamed = _renamed({"x": left, "y": right}, "a", "c")
    assert sources_of(renamed["y"]) == {"b", "c"}
    assert len(json.loads(compile_program(renamed.values()).text)["nodes"]) == 60


def test_the_old_name_of_a_renamed_source_may_be_used_again(df):
    renamed = RenameColumn(inputCol="content", outputCol="bytes").transform(small().transform(df))
    again = ImageTransformer(inputCol="bytes", outputCol="content").resize(4, 4).transform(renamed)
    after = unroll(inputCol="content", outputCol="other").transform(unroll().transform(again))
    row = after.first()
    assert (len(row.pixels), len(row.other)) == (192, 48)


def test_a_column_whose_source_is_dropped_is_read_as_it_is(df):
    made = DropColumns(cols=["content"]).transform(small().transform(df))
    assert lineage_of(made) == {}
    expected = unroll().transform(small().transform(df)).select("pixels").collect()
    assert unroll().transform(made).select("pixels").collect() == expected


def test_chosen_and_renamed_columns_carry_their_fields(spark):
    text = F.lit("A").alias("text", metadata={"note": 1})
    df = spark.range(2).select("id", text, F.lit(1).alias("x"), F.lit("a").alias("x"))
    df = UnicodeNormalize(inputCol="text", outputCol="lower").transform(df)
    for stage in (
        SelectColumns(cols=["lower", "text"]),
        DropColumns(cols=["id"]),
        RenameColumn(inputCol="text", outputCol="renamed"),
    ):
        result = stage.transform(df)
        assert "_mmlrs_fields" in vars(result)
        assert list(fields_of(result)) == result.schema.fields
