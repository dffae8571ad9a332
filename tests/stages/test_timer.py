"""Timer: what is measured is the work of the stage, and the data is left as it was."""

from __future__ import annotations

import logging
import time

import pyarrow as pa
import pytest

from mmlrs.engine.fields import VECTOR
from mmlrs.errors import ExecutionError, InvalidParamError
from mmlrs.stages import (
    ClassBalancer,
    ClassBalancerModel,
    Lambda,
    RenameColumn,
    Timer,
    TimerModel,
    UDFTransformer,
)

TABLE = pa.table({"i": range(4), "y": ["a", "a", "b", None]})
PAUSE = 0.2


def slow(rows):
    time.sleep(PAUSE)
    return rows


def counted(folder, column="i"):
    """A stage that leaves a file for every row it computes."""

    def touch(i):
        import uuid

        (folder / uuid.uuid4().hex).touch()
        return i

    return UDFTransformer(inputCol=column, outputCol=f"{column}_again", udf=touch, returnType="bigint")


def test_a_table_is_transformed_and_the_time_is_told(caplog):
    model = Timer(stage=Lambda(transformFunc=slow)).fit(TABLE)
    assert isinstance(model, TimerModel)
    assert model.fitSeconds is None  # there is nothing to fit
    assert model.transformSeconds is None
    with caplog.at_level(logging.INFO, logger="mmlrs.stages"):
        assert model.transform(TABLE).equals(TABLE)
    assert PAUSE <= model.transformSeconds < PAUSE + 5
    uid = model.getStage().uid
    assert [r.getMessage() for r in caplog.records] == [
        f"TimerModel: the transform of {uid} took {model.transformSeconds:.3f} s"
    ]
    assert caplog.records[0].name == "mmlrs.stages"


def test_an_estimator_is_fitted_and_the_time_is_told(caplog):
    timer = Timer(stage=ClassBalancer(inputCol="y"))
    with caplog.at_level(logging.INFO, logger="mmlrs.stages"):
        model = timer.fit(TABLE)
    assert model.uid == timer.uid
    assert isinstance(model.getStage(), ClassBalancerModel)
    assert 0 < model.fitSeconds < 60
    assert [r.getMessage().split(" took")[0] for r in caplog.records] == [
        f"Timer: the fit of {timer.getStage().uid}"
    ]
    assert model.transform(TABLE)["weight"].to_pylist() == [1.0, 1.0, 2.0, 1.0]


def test_times_stay_with_a_copy_and_are_not_saved(tmp_path):
    model = Timer(stage=ClassBalancer(inputCol="y")).fit(TABLE)
    model.transform(TABLE)
    assert model.copy().fitSeconds == model.fitSeconds
    model.save(str(tmp_path / "model"))
    loaded = TimerModel.load(str(tmp_path / "model"))
    assert loaded.fitSeconds is loaded.transformSeconds is None
    assert loaded.transform(TABLE).equals(model.transform(TABLE))


def test_a_model_refuses_an_estimator_and_both_need_a_stage():
    with pytest.raises(
        InvalidParamError, match="TimerModel: param `stage` must be a transformer, got a ClassBalancer"
    ):
        TimerModel(stage=ClassBalancer(inputCol="y")).transform(TABLE)
    for work in (Timer().fit, TimerModel().transform):
        with pytest.raises(InvalidParamError, match="param `stage` must be set"):
            work(TABLE)
    with pytest.raises(InvalidParamError, match="Timer: param `stage` must be a stage, got 3"):
        Timer(stage=3)


def test_the_error_of_the_stage_is_the_error():
    def fail(rows):
        raise LookupError("no such thing")

    with pytest.raises(ExecutionError, match=r"Lambda: .*no such thing"):
        Timer(stage=Lambda(transformFunc=fail)).fit(TABLE).transform(TABLE)


@pytest.mark.spark
def test_the_work_is_done_once_while_the_clock_runs_and_what_follows_reads_it(spark, tmp_path):
    from pyspark.sql import functions as F

    df = spark.range(6).toDF("i")
    model = Timer(stage=counted(tmp_path)).fit(df)
    made = model.transform(df)
    assert len(list(tmp_path.iterdir())) == 6  # nobody has asked for a row yet
    assert model.transformSeconds > 0
    assert made.storageLevel.useMemory
    assert not df.storageLevel.useMemory
    assert made.agg(F.sum("i_again")).first()[0] == 15
    assert {r.i for r in made.where("i_again > 2").collect()} == {3, 4, 5}
    assert len(list(tmp_path.iterdir())) == 6
    made.unpersist()


@pytest.mark.spark
def test_the_work_of_the_input_is_done_before_the_clock_starts_and_not_kept(spark, tmp_path):
    (tmp_path / "input").mkdir()
    done = []

    def look(rows):
        done.append(len(list((tmp_path / "input").iterdir())))
        return rows.selectExpr("i_again + 1 AS x")

    df = counted(tmp_path / "input").transform(spark.range(8).toDF("i"))
    made = Timer(stage=Lambda(transformFunc=look)).fit(df).transform(df)
    assert done == [8]
    assert not df.storageLevel.useMemory
    assert sum(r.x for r in made.collect()) == 36
    assert len(list((tmp_path / "input").iterdir())) == 8
    made.unpersist()


@pytest.mark.spark
def test_what_was_kept_before_stays_kept(spark):
    df = spark.range(3).selectExpr("id AS i", "id * 7 AS k").cache()
    try:
        stage = UDFTransformer(inputCol="k", outputCol="l", udf=lambda k: k, returnType="bigint")
        made = Timer(stage=stage).fit(df).transform(df)
        assert made.storageLevel.useMemory
        assert df.storageLevel.useMemory
        made.unpersist()
        assert df.storageLevel.useMemory
    finally:
        df.unpersist()


@pytest.mark.spark
def test_the_input_is_given_back_when_the_stage_fails(spark):
    df = spark.range(3).toDF("i")

    def fail(i):
        raise LookupError("no such thing")

    stage = UDFTransformer(inputCol="i", udf=fail, returnType="bigint")
    with pytest.raises(Exception, match="no such thing"):
        Timer(stage=stage).fit(df).transform(df)
    assert not df.storageLevel.useMemory


@pytest.mark.spark
def test_the_fit_of_a_learner_of_spark_is_measured_without_the_work_of_its_input(spark, tmp_path):
    from pyspark.ml.feature import StringIndexer

    df = counted(tmp_path).transform(spark.createDataFrame(TABLE).na.drop())
    model = Timer(stage=StringIndexer(inputCol="y", outputCol="z")).fit(df)
    assert 0 < model.fitSeconds < 60
    assert len(list(tmp_path.iterdir())) == 3  # computed once, before the clock
    assert not df.storageLevel.useMemory
    made = model.transform(df)
    assert {(r.y, r.z) for r in made.collect()} == {("a", 0.0), ("b", 1.0)}
    made.unpersist()
    table = TABLE.slice(0, 3)
    assert model.transform(table)["z"].to_pylist() == [0.0, 0.0, 1.0]
    assert Timer(stage=StringIndexer(inputCol="y", outputCol="z")).fit(table).fitSeconds > 0


@pytest.mark.spark
def test_without_materialization_nothing_runs(spark, tmp_path):
    df = counted(tmp_path).transform(spark.range(3).toDF("i"))
    model = Timer(stage=counted(tmp_path, "i_again"), disableMaterialization=True).fit(df)
    assert model.getDisableMaterialization()
    made = model.transform(df)
    assert model.transformSeconds > 0
    assert not list(tmp_path.iterdir())
    assert not made.storageLevel.useMemory


@pytest.mark.spark
def test_a_stream_passes_unmeasured_and_the_log_says_so(spark, caplog, tmp_path):
    stream = spark.readStream.format("rate").load()
    model = Timer(stage=RenameColumn(inputCol="value", outputCol="x")).fit(stream)
    with caplog.at_level(logging.INFO, logger="mmlrs.stages"):
        made = model.transform(stream)
    assert made.isStreaming
    assert made.columns == ["timestamp", "x"]
    assert model.transformSeconds is None
    assert "is not measured, because a stream has no end" in caplog.text


@pytest.mark.spark
def test_a_timer_in_a_pipeline_is_saved_and_loaded(spark, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel

    df = spark.createDataFrame(TABLE)
    stages = [
        Timer(stage=ClassBalancer(inputCol="y")),
        Timer(stage=RenameColumn(inputCol="weight", outputCol="w")),
    ]
    pipeline = Pipeline(stages=stages)
    pipeline.save(str(tmp_path / "pipeline"))
    model = Pipeline.load(str(tmp_path / "pipeline")).fit(df)
    assert model.stages[0].fitSeconds > 0
    model.save(str(tmp_path / "model"))
    made = PipelineModel.load(str(tmp_path / "model")).transform(df)
    assert sorted(r.w for r in made.collect()) == [1.0, 1.0, 1.0, 2.0]
    spark.catalog.clearCache()


def test_a_stage_of_spark_on_a_table_keeps_null_and_sparse_vectors(spark):
    from pyspark.ml.feature import SQLTransformer

    dense = {"type": 1, "size": None, "indices": None, "values": [1.0, 2.0]}
    sparse = {"type": 0, "size": 2, "indices": [1], "values": [3.0]}
    table = pa.table({"v": pa.array([dense, None, sparse], VECTOR)})
    copied = SQLTransformer(statement="SELECT * FROM __THIS__")
    made = Timer(stage=copied).fit(table).transform(table)
    assert made["v"].to_pylist() == [dense, None, sparse]
    assert made.schema.field("v").type == VECTOR
