"""On Spark, a run of native stages is one Python pass over the columns it needs, and each costly thing is done once."""

from __future__ import annotations

import warnings

import networks
import numpy as np
import pyarrow as pa
import pytest
from image_stages import PICTURES, four_stages, piped, run, small, unroll
from plans import NODE, passes, plan_of

from mmlrs.image import ImageFeaturizer
from mmlrs.onnx import ONNXModel
from mmlrs.stages import RenameColumn, SelectColumns
from mmlrs.testing import sample_image, worker_counters

pytestmark = pytest.mark.spark


# -- one pass ---------------------------------------------------------------------------------------------------------


def test_a_pipeline_of_four_native_stages_is_one_python_pass(df):
    made = piped(df, four_stages())
    assert passes(made) == 1
    assert passes(made.select("scores")) == 1
    assert made.columns == ["i", "content", "small", "flipped", "pixels", "scores"]


def test_a_column_that_nobody_reads_is_not_in_the_plan(df):
    plan = plan_of(piped(df, four_stages()).select("i", "scores"))
    assert plan.count("ONNXModel(") >= 1
    for unread in ("ImageTransformer(", "UnrollImage("):
        assert unread not in plan


def test_the_one_pass_gives_what_a_table_gives(df):
    expected = pa.table({"content": [bytes(r.content) for r in df.collect()]})
    for stage in four_stages():
        expected = stage.transform(expected)
    made = piped(df, four_stages()).orderBy("i").collect()
    np.testing.assert_allclose(
        [r.scores.toArray() for r in made], expected["scores"].to_pylist(), rtol=1e-4, atol=1e-3
    )
    assert [bytes(r.flipped.data) for r in made] == [f["data"] for f in expected["flipped"].to_pylist()]


def test_an_image_is_decoded_once_when_only_the_last_column_is_read(df, counted):
    run(piped(df, four_stages()).select("scores"))
    assert counted()["image_decodes"] == PICTURES


def test_an_image_is_decoded_once_when_an_intermediate_column_is_written_too(df, counted):
    run(piped(df, four_stages()).select("small", "scores"))
    done = counted()
    assert done["image_decodes"] == PICTURES
    assert done["model_rows"] == PICTURES


def test_an_image_is_decoded_once_when_every_column_is_written(df, counted):
    run(piped(df, four_stages()))
    done = counted()
    assert done["image_decodes"] == PICTURES
    assert done["model_rows"] == PICTURES


def test_a_column_and_its_reasons_cost_one_evaluation(df, counted):
    run(small(handleInvalid="keep", errorCol="why").transform(df))
    assert counted()["image_decodes"] == PICTURES


def test_a_model_is_loaded_once_per_worker_for_all_batches_partitions_jobs_and_transforms(spark, df, counted):
    model = networks.linear(192, 7, seed=41)
    for _ in range(2):
        stages = [*four_stages()[:3], ONNXModel(model=model, inputCol="pixels", outputCol="scores")]
        made = piped(df.repartition(5), stages).select("scores")
        run(made)
        assert made.count() == PICTURES
        run(made)
    loads = [c["model_loads"] for c in worker_counters(spark)]
    assert max(loads) == 1, loads


# -- pruning and metadata ---------------------------------------------------------------------------------------------


def test_only_the_columns_that_are_read_leave_the_parquet_file(spark, df, tmp_path):
    wide = df.selectExpr("*", *[f"i + {n} AS extra{n}" for n in range(30)])
    wide.write.parquet(str(tmp_path / "wide"))
    made = piped(spark.read.parquet(str(tmp_path / "wide")), four_stages())
    plan = plan_of(made.select("scores"))
    assert "ReadSchema: struct<content:binary>" in plan
    assert "ReadSchema: struct<i:int>" in plan_of(made.select("i"))
    assert NODE not in plan_of(made.select("i"))


def test_vector_columns_carry_their_size(df):
    made = piped(df, four_stages())
    assert made.schema["pixels"].metadata == {}, "images of any size: vectors of any size"
    assert made.schema["scores"].metadata == {"ml_attr": {"num_attrs": 5}}
    from pyspark.ml.feature import VectorAssembler

    both = VectorAssembler(inputCols=["pixels", "scores"], outputCol="both").transform(made)
    assert len(both.first().both) == 197


# -- bad rows ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def spoiled(spark):
    """Eight rows: pictures, and three bad ones."""
    good = [bytearray(sample_image()) for _ in range(5)]
    cells = [good[0], None, good[1], bytearray(b"x"), good[2], good[3], bytearray(), good[4]]
    return spark.createDataFrame(list(enumerate(cells)), "i int, content binary").coalesce(1)


@pytest.mark.parametrize(
    "query",
    [
        lambda d: d,
        lambda d: d.where("small.height = 8"),
        lambda d: d.where("i < 100").where("small is not null").select("small", "i"),
        lambda d: d.where("i + small.width > 0").selectExpr("small.data", "small.height * 2 AS h"),
        lambda d: d.select("small").distinct(),
    ],
    ids=["all", "where on the column", "several", "where on both", "distinct"],
)
def test_under_skip_every_row_is_processed_once_whatever_is_filtered_after(spoiled, counted, query):
    made = small(handleInvalid="skip").transform(spoiled)
    run(query(made))
    done = counted()
    assert done["program_runs"] == 1
    assert done["image_decodes"] == 5


def test_under_skip_the_good_rows_stay_with_all_their_columns(spoiled):
    made = unroll().transform(small(handleInvalid="skip", errorCol="why").transform(spoiled))
    assert made.columns == ["i", "content", "small", "why", "pixels"]
    rows = made.orderBy("i").collect()
    assert [r.i for r in rows] == [0, 2, 4, 5, 7]
    assert {r.why for r in rows} == {None}
    assert {len(r.pixels) for r in rows} == {192}


def test_two_stages_that_skip_follow_each_other(spoiled):
    made = unroll(handleInvalid="skip").transform(small(handleInvalid="skip").transform(spoiled))
    assert sorted(r.i for r in made.collect()) == [0, 2, 4, 5, 7]


def test_under_keep_a_null_goes_through_vectors_and_all_stages(spoiled):
    stages = [stage.copy().setHandleInvalid("keep") for stage in four_stages()]
    rows = piped(spoiled, stages).orderBy("i").collect()
    for row in rows:
        bad = row.i in (1, 3, 6)
        assert [row[name] is None for name in ("small", "flipped", "pixels", "scores")] == [bad] * 4


def test_a_null_vector_of_spark_is_a_null_row(spark):
    from pyspark.ml.linalg import Vectors, VectorUDT
    from pyspark.sql.types import IntegerType, StructField, StructType

    schema = StructType([StructField("i", IntegerType()), StructField("v", VectorUDT())])
    df = spark.createDataFrame([(0, Vectors.dense(1, 2, 3, 4)), (1, None)], schema)
    stage = ONNXModel(
        model=networks.linear(), inputCol="v", outputCol="y", handleInvalid="keep", errorCol="why"
    )
    rows = sorted(stage.transform(df).collect())
    assert (rows[0].why, rows[1].why) == (None, "is null")
    assert rows[1].y is None


# -- models -----------------------------------------------------------------------------------------------------------


def test_a_large_model_travels_once_as_a_file(spark, monkeypatch):
    sent = []
    original = type(spark).addArtifacts

    def counting(self, *paths, **how):
        sent.extend(paths)
        return original(self, *paths, **how)

    monkeypatch.setattr(type(spark), "addArtifacts", counting)
    model = networks.linear(1200, 1000, seed=77)
    assert model.ByteSize() > 4 * 1024 * 1024
    data = np.random.default_rng(0).standard_normal((6, 1200)).astype(np.float32)
    table = pa.table({"i": range(6), "x": data.tolist()})
    df = spark.createDataFrame(table).repartition(3)
    stage = ONNXModel(model=model, inputCol="x", outputCol="y", outputType="vector")
    expected = np.array(stage.transform(table)["y"].to_pylist())
    for copy in (
        stage,
        stage.copy(),
        ONNXModel(model=model.SerializeToString(), inputCol="x", outputCol="y"),
    ):
        rows = copy.transform(df).orderBy("i").collect()
        np.testing.assert_allclose([np.asarray(r.y) for r in rows], expected, rtol=1e-3, atol=1e-3)
    assert len(sent) == 1


# -- names ------------------------------------------------------------------------------------------------------------


def test_column_names_ignore_case_as_sparks_do(df):
    made = unroll(inputCol="SMALL").transform(small(inputCol="Content").transform(df))
    assert made.columns == ["i", "content", "small", "pixels"]
    assert "ImageTransformer(" not in plan_of(made.select("pixels"))
    assert len(made.first().pixels) == 192


@pytest.mark.parametrize("name", ["a.b", "`quoted`", "größe in px`.x"])
@pytest.mark.parametrize("policy", ["keep", "skip"])
def test_column_names_may_hold_anything(df, name, policy):
    source = df.toDF("i", name)
    first = small(inputCol=name, outputCol=f"{name} out", handleInvalid=policy, errorCol=f"{name}.why")
    made = unroll(inputCol=f"{name} out", outputCol=f"{name}.pixels", handleInvalid=policy).transform(
        first.transform(source)
    )
    assert made.columns == ["i", name, f"{name} out", f"{name}.why", f"{name}.pixels"]
    rows = made.collect()
    assert len(rows) == PICTURES
    assert len(rows[0][f"{name}.pixels"]) == 192
    renamed = RenameColumn(inputCol=f"{name}.pixels", outputCol="plain").transform(made)
    assert len(SelectColumns(cols=["plain", name]).transform(renamed).first().plain) == 192


def test_two_networks_over_one_decoded_column_share_the_decoding(df, counted):
    made = small().transform(df)
    for name, columns in (("one", 2), ("two", 3)):
        made = unroll(outputCol=f"{name}_pixels").transform(made)
        model = networks.linear(192, columns)
        made = ONNXModel(model=model, inputCol=f"{name}_pixels", outputCol=name).transform(made)
    assert passes(made) == 1
    run(made.select("small", "one", "two"))
    assert counted()["image_decodes"] == PICTURES


# -- the warning about image columns ----------------------------------------------------------------------------------


@pytest.fixture
def parquet(spark, df, tmp_path):
    df.write.parquet(str(tmp_path / "pictures"))
    return spark.read.parquet(str(tmp_path / "pictures"))


@pytest.fixture
def fresh_warnings(monkeypatch):
    monkeypatch.setattr("mmlrs._warnings._warned", set())


COLUMNAR = "spark.sql.execution.arrow.pythonUDF.columnarInput.enabled"


@pytest.fixture
def default_conf(spark):
    before = spark.conf.get(COLUMNAR)
    spark.conf.set(COLUMNAR, "true")
    yield
    spark.conf.set(COLUMNAR, before)


@pytest.mark.usefixtures("fresh_warnings", "default_conf")
def test_image_columns_over_parquet_are_warned_about_once_without_the_recommended_settings(parquet):
    with pytest.warns(UserWarning, match="mmlrs.recommended_conf") as told:
        results = [small().transform(parquet), small(outputCol="again").transform(parquet)]
    assert len(told) == 1
    assert [r.count() for r in results] == [PICTURES] * 2


@pytest.mark.usefixtures("fresh_warnings")
def test_with_the_recommended_settings_nothing_is_warned_about(parquet):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().transform(parquet)


@pytest.mark.usefixtures("fresh_warnings", "default_conf")
def test_vectors_and_files_are_not_warned_about(parquet, df):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ImageFeaturizer(inputCol="content", outputCol="f").transform(parquet)
