"""The main job and the single pass on Spark Connect."""

from __future__ import annotations

import contextlib
import io
import zipfile
from pathlib import Path

import networks
import numpy as np
import pyarrow as pa
import pytest

import mmlrs
from mmlrs.featurize import FastVectorAssembler
from mmlrs.image import ImageFeaturizer, ImageTransformer, UnrollImage, read_image_stream, read_images
from mmlrs.onnx import ONNXModel
from mmlrs.testing import sample_image, worker_counters
from mmlrs.text import UnicodeNormalize

pytestmark = pytest.mark.spark


def plan_of(df) -> str:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        df.explain()
    return text.getvalue()


def stages():
    """Features by a small network, because the pictures go through it in each of the many jobs; a label; a classifier."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import StringIndexer

    return [
        ImageFeaturizer(
            inputCol="image", outputCol="features", model=networks.pictures_network().SerializeToString()
        ),
        StringIndexer(inputCol="label", outputCol="y"),
        LogisticRegression(featuresCol="features", labelCol="y", maxIter=3, regParam=0.01),
    ]


@pytest.fixture(scope="module")
def images(spark, photos):
    return read_images(spark, photos)


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pa.table({"i": range(4), "content": [sample_image(f) for f in ("jpeg", "png")] * 2})


@pytest.fixture(scope="module")
def files(spark, table):
    return spark.createDataFrame(table)


def scores(model, df) -> dict[str, float]:
    rows = model.transform(df).select("path", "probability", "prediction", "y").collect()
    assert [r.prediction for r in rows] == [r.y for r in rows]
    return {r.path: round(r.probability[0], 6) for r in rows}


def test_the_main_job_is_fitted_saved_loaded_and_scored(images, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel

    fitted = Pipeline(stages=stages()).fit(images)
    expected = scores(fitted, images)
    assert len(expected) == 12
    fitted.save(str(tmp_path / "model"))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    assert isinstance(loaded.stages[0], ImageFeaturizer)
    assert scores(loaded, images) == expected


def test_a_stage_is_saved_over_an_older_one_only_when_asked(tmp_path, table):
    stage = ImageFeaturizer(inputCol="content", outputCol="f")
    stage.save(str(tmp_path / "stage"))
    with pytest.raises(Exception, match=r"(?i)exists"):
        stage.save(str(tmp_path / "stage"))
    stage.copy().setMiniBatchSize(3).write().overwrite().save(str(tmp_path / "stage"))
    loaded = ImageFeaturizer.load(str(tmp_path / "stage"))
    assert loaded.uid == stage.uid
    assert loaded.getMiniBatchSize() == 3
    assert loaded.transform(table)["f"] == stage.transform(table)["f"]


def test_cross_validation_searches_params_of_both_kinds_of_stage(images):
    from pyspark.ml import Pipeline
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

    featurizer, indexer, classifier = stages()
    grid = (
        ParamGridBuilder()
        .addGrid(classifier.regParam, [0.01])
        .addGrid(featurizer.miniBatchSize, [1, 8])
        .build()
    )
    validator = CrossValidator(
        estimator=Pipeline(stages=[featurizer, indexer, classifier]),
        estimatorParamMaps=grid,
        evaluator=MulticlassClassificationEvaluator(labelCol="y", metricName="accuracy"),
        numFolds=2,
        seed=1,
    )
    best = validator.fit(images)
    assert best.avgMetrics[0] == best.avgMetrics[1] > 0.5


def test_a_pipeline_of_four_native_stages_is_one_python_pass(spark, files, table):
    from pyspark.ml import Pipeline

    four = [
        ImageTransformer(inputCol="content", outputCol="small").resize(8, 8),
        ImageTransformer(inputCol="small", outputCol="flipped").flip(),
        UnrollImage(inputCol="flipped", outputCol="pixels"),
        ONNXModel(model=networks.linear(192, 5), inputCol="pixels", outputCol="scores", outputType="vector"),
    ]
    made = Pipeline(stages=four).fit(files).transform(files)
    assert plan_of(made).count("ArrowEvalPython") == 1
    plan = plan_of(made.select("scores"))
    assert "ONNXModel(" in plan
    assert "ImageTransformer(" not in plan
    worker_counters(spark, reset=True)
    rows = sorted(made.select("i", "small", "scores").collect(), key=lambda row: row.i)
    assert sum(c["image_decodes"] for c in worker_counters(spark)) == 4
    for stage in four:
        table = stage.transform(table)
    expected = table["scores"].to_pylist()
    np.testing.assert_allclose([r.scores.toArray() for r in rows], expected, rtol=1e-4, atol=1e-2)
    assert made.schema["scores"].metadata == {"ml_attr": {"num_attrs": 5}}


def test_a_cached_frame_ends_the_lineage(files):
    from mmlrs.engine.spark import lineage_of

    made = ImageTransformer(inputCol="content", outputCol="small").resize(8, 8).transform(files)
    assert set(lineage_of(made)) == {"small"}
    made.cache()
    try:
        assert lineage_of(made) == {}
        after = UnrollImage(inputCol="small", outputCol="pixels").transform(made)
        assert {len(r.pixels) for r in after.collect()} == {192}
    finally:
        made.unpersist()


@pytest.mark.parametrize("method", ["persist", "cache"])
def test_a_frame_that_nothing_else_holds_is_cached(files, method):
    from mmlrs.engine.spark import lineage_of

    stage = ImageTransformer(inputCol="content", outputCol="small").resize(8, 8)
    made = getattr(stage.transform(files), method)()
    try:
        assert made.storageLevel.useMemory
        assert lineage_of(made) == {}
        assert made.columns[-1] == "small"
    finally:
        made.unpersist()


def test_planning_a_chain_asks_the_server_for_one_schema(spark, monkeypatch):
    made = spark.createDataFrame([("Ab", 1.0)], "t0 string, x double")
    asked = []
    client = type(spark.client)
    analyze = client._analyze
    monkeypatch.setattr(
        client, "_analyze", lambda *args, **kwargs: asked.append(kwargs) or analyze(*args, **kwargs)
    )
    for stage in (
        UnicodeNormalize(inputCol="t0", outputCol="t1"),
        UnicodeNormalize(inputCol="t1", outputCol="t2"),
        FastVectorAssembler(inputCols=["x"], outputCol="v"),
    ):
        made = stage.transform(made)
    assert len(asked) == 1


def test_stages_are_functions_in_python_and_sql(spark, files, table):
    featurizer = ImageFeaturizer(inputCol="content", outputCol="f")
    expected = np.array(featurizer.transform(table)["f"].to_pylist())
    files.createOrReplaceTempView("files")
    mmlrs.register(spark, "featurize", featurizer)
    results = [
        files.select("i", mmlrs.udf(featurizer)("content").alias("f")),
        files.select("i", mmlrs.pandas_udf(featurizer)("content").alias("f")),
        spark.sql("SELECT i, featurize(content) AS f FROM files"),
    ]
    for result in results:
        rows = [r.f.toArray() if hasattr(r.f, "toArray") else r.f for r in result.orderBy("i").collect()]
        np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def spoiled(spark):
    rows = [
        (0, bytearray(sample_image())),
        (1, None),
        (2, bytearray(b"x")),
        (3, bytearray(sample_image("png"))),
    ]
    return spark.createDataFrame(rows, "i int, content binary")


def test_bad_rows_are_dropped_kept_or_told(spoiled):
    stage = ImageFeaturizer(inputCol="content", outputCol="f")
    skipped = stage.copy().setHandleInvalid("skip").transform(spoiled)
    assert sorted(r.i for r in skipped.collect()) == [0, 3]
    kept = stage.copy().setHandleInvalid("keep").setErrorCol("why").transform(spoiled)
    assert {r.i: (r.f is None, r.why is None) for r in kept.collect()} == {
        0: (False, True),
        1: (True, False),
        2: (True, False),
        3: (False, True),
    }
    with pytest.raises(Exception, match=r"ImageFeaturizer: column `content`, row \d of the batch"):
        stage.transform(spoiled).collect()


def test_images_are_read_from_zip_archives_too(spark, photos, tmp_path):
    pictures = sorted(Path(photos).rglob("*.jpg"))
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        for picture in pictures[:2]:
            archive.write(picture, picture.name)
        archive.writestr("notes.txt", "no picture")
    (tmp_path / "one.jpg").write_bytes(pictures[2].read_bytes())
    made = read_images(spark, str(tmp_path), error_col="why")
    rows = {r.path.rsplit("/", 1)[-1]: r for r in made.collect()}
    assert {name: row.image is None for name, row in rows.items()} == {
        "one.jpg": False,
        pictures[0].name: False,
        pictures[1].name: False,
        "notes.txt": True,
    }
    assert "two.zip/notes.txt" in rows["notes.txt"].path
    assert rows["notes.txt"].why
    assert read_images(spark, str(tmp_path), drop_invalid=True).count() == 3


def test_a_stream_of_images_is_scored(spark, photos, tmp_path):
    picture = next(Path(photos).rglob("*.jpg"))
    (tmp_path / "one.jpg").write_bytes(picture.read_bytes())
    made = ImageFeaturizer(outputCol="f").transform(read_image_stream(spark, str(tmp_path)))
    again = mmlrs.udf(ImageFeaturizer())("content").alias("again")
    query = made.select("path", "f", again).writeStream.format("memory").queryName("scored").start()
    try:
        query.processAllAvailable()
        (tmp_path / "two.jpg").write_bytes(picture.read_bytes())
        query.processAllAvailable()
        rows = spark.table("scored").collect()
    finally:
        query.stop()
    assert sorted(r.path.rsplit("/", 1)[-1] for r in rows) == ["one.jpg", "two.jpg"]
    assert rows[0].f == rows[1].f == rows[0].again


def test_a_large_model_travels_as_a_file(spark):
    model = networks.linear(1200, 1000, seed=77)
    data = np.random.default_rng(0).standard_normal((6, 1200)).astype(np.float32)
    table = pa.table({"i": range(6), "x": data.tolist()})
    stage = ONNXModel(model=model, inputCol="x", outputCol="y", outputType="vector")
    expected = np.array(stage.transform(table)["y"].to_pylist())
    df = spark.createDataFrame(table)
    for _ in range(2):
        rows = stage.transform(df.repartition(3)).orderBy("i").collect()
        np.testing.assert_allclose([r.y.toArray() for r in rows], expected, rtol=1e-3, atol=1e-3)
