"""Stages, plans and UDFs are made once: for copies, for datasets of one schema, and in the workers."""

from __future__ import annotations

import json

import networks
import numpy as np
import pytest
from image_stages import PICTURES, four_stages, piped, run, small, unroll
from plans import passes
from pyspark.sql import functions as F

import mmlrs
from mmlrs.image import ImageFeaturizer, ImageTransformer
from mmlrs.onnx import ONNXModel
from mmlrs.testing import worker_counters
from mmlrs.text import UnicodeNormalize

pytestmark = pytest.mark.spark


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


# -- planning ---------------------------------------------------------------------------------------------------------


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


def test_planning_a_chain_asks_for_the_schema_of_its_source_alone(spark, monkeypatch):
    stages = [UnicodeNormalize(inputCol=f"t{i}", outputCol=f"t{i + 1}") for i in range(3)]
    made = stages[0].transform(spark.createDataFrame([("Ab",)], "t0 string"))
    monkeypatch.setattr(type(made), "schema", property(lambda df: pytest.fail("a schema was asked for")))
    for stage in stages[1:]:
        made = stage.transform(made)
    monkeypatch.undo()
    assert made.columns == ["t0", "t1", "t2", "t3"]


# -- UDFs and workers --------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(("reuse", "rounds"), [("false", 1), ("true", 100)])
def test_counters_of_workers_that_do_not_stay_are_asked_for_an_end(spark, reuse, rounds):
    session = AlwaysNewWorkers(reuse)
    assert len(worker_counters(session)) == 2 * rounds
    assert session.asked == rounds
