"""On Spark, a run of native stages is one Python pass over the columns it needs, and each costly thing is done once."""

from __future__ import annotations

import json
import warnings

import networks
import numpy as np
import pyarrow as pa
import pytest
from plans import NODE, passes, plan_of
from pyspark.sql import functions as F

import mmlrs
from mmlrs.engine.spark import fields_of, lineage_of
from mmlrs.image import ImageFeaturizer, ImageTransformer, UnrollImage
from mmlrs.onnx import ONNXModel
from mmlrs.stages import DropColumns, RenameColumn, SelectColumns
from mmlrs.testing import sample_image, worker_counters
from mmlrs.text import UnicodeNormalize

pytestmark = pytest.mark.spark

PICTURES = 8


@pytest.fixture
def df(spark):
    rows = [(i, bytearray(sample_image("jpeg" if i % 2 else "png"))) for i in range(PICTURES)]
    return spark.createDataFrame(rows, "i int, content binary").coalesce(1)


@pytest.fixture
def counted(spark):
    """A function that returns what the workers did since the test began, summed over the processes."""
    worker_counters(spark, reset=True)

    def counters() -> dict[str, int]:
        found = worker_counters(spark)
        return {name: sum(c[name] for c in found) for name in found[0] if name != "pid"}

    return counters


def run(df) -> None:
    df.write.format("noop").mode("overwrite").save()


def small(**params) -> ImageTransformer:
    return ImageTransformer(**{"inputCol": "content", "outputCol": "small", **params}).resize(8, 8)


def unroll(**params) -> UnrollImage:
    return UnrollImage(**{"inputCol": "small", "outputCol": "pixels", **params})


def four_stages() -> list:
    """Resize, flip, unroll, infer."""
    return [
        small(),
        ImageTransformer(inputCol="small", outputCol="flipped").flip(),
        unroll(inputCol="flipped"),
        ONNXModel(model=networks.linear(192, 5), inputCol="pixels", outputCol="scores", outputType="vector"),
    ]


def piped(df, stages):
    from pyspark.ml import Pipeline

    return Pipeline(stages=stages).fit(df).transform(df)


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


# -- lineage ----------------------------------------------------------------------------------------------------------


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


# -- copies -----------------------------------------------------------------------------------------------------------


def test_copies_of_one_stage_with_other_params_share_nothing_wrongly(df):
    stage = ImageTransformer(inputCol="content")
    sizes = {"a": 4, "b": 6, "c": 4}
    made = df
    for name, size in sizes.items():
        copy = (
            stage.copy().setOutputCol(name).setStages([{"action": "resize", "height": size, "width": size}])
        )
        assert copy.uid == stage.uid
        made = copy.transform(made)
    assert passes(made) == 1
    for row in made.collect():
        assert {name: row[name].height for name in sizes} == sizes


def test_copies_of_a_pipeline_with_other_params_share_nothing_wrongly(df):
    from pyspark.ml import Pipeline

    first, second = small(), unroll()
    pipeline = Pipeline(stages=[first, second])
    lengths = []
    for side in (4, 8, 4):
        params = {first.stages: [{"action": "resize", "height": side, "width": side}]}
        model = pipeline.copy(params).fit(df)
        lengths.append(len(model.transform(df).first().pixels))
    assert lengths == [48, 192, 48]
    union = (
        pipeline.fit(df)
        .transform(df)
        .select("pixels")
        .union(
            pipeline.copy({first.stages: [{"action": "resize", "height": 2, "width": 2}]})
            .fit(df)
            .transform(df)
            .select("pixels")
        )
    )
    assert sorted(len(r.pixels) for r in union.collect()) == [12] * PICTURES + [192] * PICTURES


def test_two_networks_over_one_decoded_column_share_the_decoding(df, counted):
    made = small().transform(df)
    for name, columns in (("one", 2), ("two", 3)):
        made = unroll(outputCol=f"{name}_pixels").transform(made)
        model = networks.linear(192, columns)
        made = ONNXModel(model=model, inputCol=f"{name}_pixels", outputCol=name).transform(made)
    assert passes(made) == 1
    run(made.select("small", "one", "two"))
    assert counted()["image_decodes"] == PICTURES


def test_a_stage_at_the_end_of_a_long_chain_is_planned_alone(spark):
    model = networks.network(
        [networks.node("Add", ["x", "one"], ["y"])],
        [networks.value("x", ["N", 1])],
        [networks.value("y", ["N", 1])],
        {"one": np.ones((1, 1), np.float32)},
    )
    df = spark.range(1).selectExpr("double(id) AS x0")
    before = mmlrs.counters()
    for i in range(30):
        df = ONNXModel(model=model, inputCol=f"x{i}", outputCol=f"x{i + 1}").transform(df)
    after = mmlrs.counters()
    assert [after[name] - before[name] for name in ("stage_builds", "plans")] == [30, 30]
    assert df.select("x30").first().x30 == [30.0]


def test_a_worker_builds_and_plans_each_stage_once_for_all_batches(spark, df, counted):
    key = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(key)
    spark.conf.set(key, 1)
    try:
        run(
            ImageFeaturizer(inputCol="small", outputCol="f")
            .transform(small().transform(df))
            .select("f")
            .coalesce(1)
        )
    finally:
        spark.conf.set(key, before)
    done = counted()
    assert done["model_rows"] == done["program_runs"] == PICTURES
    assert (done["stage_builds"], done["plans"]) == (2, 2)


def test_a_stage_is_built_and_planned_once_for_datasets_of_one_schema(df):
    featurizer = ImageFeaturizer(inputCol="content", outputCol="f")
    before = mmlrs.counters()
    for _ in range(3):
        featurizer.transform(df)
    after = mmlrs.counters()
    assert [after[name] - before[name] for name in ("stage_builds", "plans")] == [1, 1]


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
        small().transform(df)


class AlwaysNewWorkers:
    """A session whose every task has a process of its own."""

    def __init__(self, reuse: str) -> None:
        self.conf = {"spark.python.worker.reuse": reuse}
        self.asked = 0

    def __getattr__(self, name):  # range and select
        return lambda *args: self

    def collect(self):
        self.asked += 1
        return [(json.dumps({"pid": 2 * self.asked + i, "image_decodes": 0}),) for i in range(2)]


@pytest.mark.spark
@pytest.mark.parametrize(("reuse", "rounds"), [("false", 1), ("true", 100)])
def test_counters_of_workers_that_do_not_stay_are_asked_for_an_end(spark, reuse, rounds):
    session = AlwaysNewWorkers(reuse)
    assert len(worker_counters(session)) == 2 * rounds
    assert session.asked == rounds


def test_planning_a_chain_asks_for_the_schema_of_its_source_alone(spark, monkeypatch):
    stages = [UnicodeNormalize(inputCol=f"t{i}", outputCol=f"t{i + 1}") for i in range(3)]
    made = stages[0].transform(spark.createDataFrame([("Ab",)], "t0 string"))
    monkeypatch.setattr(type(made), "schema", property(lambda df: pytest.fail("a schema was asked for")))
    for stage in stages[1:]:
        made = stage.transform(made)
    monkeypatch.undo()
    assert made.columns == ["t0", "t1", "t2", "t3"]


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


def test_a_udf_is_pickled_once_per_session_and_again_for_other_files(spark, monkeypatch):
    from mmlrs.engine import spark as engine

    mmlrs.clear_caches()
    stage, df = (
        UnicodeNormalize(inputCol="text", outputCol="lower"),
        spark.createDataFrame([("Ab",)], "text string"),
    )
    made = []
    monkeypatch.setattr(
        engine, "arrow_udf", lambda *args, **kwargs: made.append(F.arrow_udf(*args, **kwargs)) or made[-1]
    )
    for _ in range(3):
        assert stage.transform(df).first().lower == "ab"
    assert len(made) == 1
    monkeypatch.setattr(
        spark.sparkContext, "_python_includes", [*spark.sparkContext._python_includes, "later.zip"]
    )
    stage.transform(df)
    assert len(made) == 2
    monkeypatch.undo()
    mmlrs.clear_caches()
    assert stage.transform(df).first().lower == "ab"


def test_a_udf_with_a_model_inside_is_not_kept(df):
    from mmlrs.engine import spark as engine

    mmlrs.clear_caches()
    stages = four_stages()
    for _ in range(2):
        piped(df, stages).select("scores").first()
    [udfs] = engine._udfs.values()
    assert udfs.cache_info()[:2] == (3, 3), "hits and misses: all columns without a model"


def test_a_worker_exempts_its_modules_from_garbage_collection_once_and_other_processes_do_not(monkeypatch):
    from pyspark import TaskContext

    from mmlrs.engine import worker

    frozen = []
    monkeypatch.setattr(worker.gc, "freeze", lambda: frozen.append(True))
    for context, expected in ((None, 0), (TaskContext(), 1)):
        worker._freeze_modules.cache_clear()
        monkeypatch.setattr(TaskContext, "get", classmethod(lambda _, context=context: context))
        for _ in range(2):
            mmlrs.clear_caches()
            worker.Kernel('{"sources": 0, "nodes": [], "outputs": []}', (), (), ()).load()
        assert len(frozen) == expected
    worker._freeze_modules.cache_clear()
