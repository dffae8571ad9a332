"""The main job: a folder of photographs to a trained classifier in one `pyspark.ml.Pipeline`, and stages as functions."""

from __future__ import annotations

import shutil
from pathlib import Path

import networks
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import mmlrs
from mmlrs.errors import InvalidParamError
from mmlrs.image import ImageFeaturizer, ImageTransformer, UnrollImage, read_image_stream, read_images
from mmlrs.onnx import ONNXModel
from mmlrs.stages import Lambda
from mmlrs.testing import reversed_columns, sample_image
from mmlrs.text import UnicodeNormalize

pytestmark = pytest.mark.spark


def stages():
    """Features by a small network, because the pictures go through it in each of the many jobs; a label; a classifier."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import StringIndexer

    return [
        ImageFeaturizer(
            inputCol="image", outputCol="features", model=networks.pictures_network().SerializeToString()
        ),
        StringIndexer(inputCol="label", outputCol="y"),
        LogisticRegression(featuresCol="features", labelCol="y", maxIter=5, regParam=0.01),
    ]


@pytest.fixture(scope="module")
def images(spark, photos):
    return read_images(spark, photos)


@pytest.fixture(scope="module")
def fitted(images):
    from pyspark.ml import Pipeline

    return Pipeline(stages=stages()).fit(images)


def predictions(model, df) -> dict[str, float]:
    return {
        Path(r.path).name + r.label: r.prediction
        for r in model.transform(df).select("path", "label", "prediction").collect()
    }


def test_the_pipeline_learns_the_labels_of_the_folders(fitted, images):
    scored = fitted.transform(images)
    rows = scored.select("y", "prediction", "probability").collect()
    assert len(rows) == 12
    assert [r.y for r in rows] == [r.prediction for r in rows]
    assert scored.schema["features"].metadata["ml_attr"]["num_attrs"] == len(scored.first().features)


def test_a_saved_pipeline_of_native_and_jvm_stages_scores_the_same(fitted, images, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel

    fitted.save(str(tmp_path / "model"))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    assert isinstance(loaded.stages[0], ImageFeaturizer)
    assert predictions(loaded, images) == predictions(fitted, images)
    fitted.write().overwrite().save(str(tmp_path / "model"))
    unfitted = Pipeline(stages=stages())
    unfitted.save(str(tmp_path / "pipeline"))
    again = Pipeline.load(str(tmp_path / "pipeline"))
    assert [s.uid for s in again.getStages()] == [s.uid for s in unfitted.getStages()]


def test_cross_validation_searches_params_of_both_kinds_of_stage(images):
    from pyspark.ml import Pipeline
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

    featurizer, indexer, classifier = stages()
    grid = (
        ParamGridBuilder()
        .addGrid(classifier.regParam, [0.01, 10.0])
        .addGrid(featurizer.miniBatchSize, [1, 8])
        .build()
    )
    validator = CrossValidator(
        estimator=Pipeline(stages=[featurizer, indexer, classifier.copy({classifier.maxIter: 2})]),
        estimatorParamMaps=grid,
        evaluator=MulticlassClassificationEvaluator(labelCol="y", metricName="accuracy"),
        numFolds=2,
        seed=1,
        parallelism=2,
    )
    best = validator.fit(images)
    assert len(best.avgMetrics) == 4
    # The size of a mini-batch changes nothing, so metrics come in equal pairs.
    assert best.avgMetrics[0] == best.avgMetrics[1]
    assert best.avgMetrics[2] == best.avgMetrics[3]
    assert best.bestModel.transform(images).count() == 12


def test_a_streaming_query_scores_a_growing_folder(spark, fitted, photos, tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    files = sorted(Path(photos).rglob("*.jpg")) + sorted(Path(photos).rglob("*.png"))

    def arrive(batch: list[Path]) -> None:
        for file in batch:
            shutil.copy(file, folder / f"{file.parent.name}-{file.name}")

    arrive(files[:3])
    scored = fitted.transform(read_image_stream(spark, str(folder)))
    query = scored.select("path", "prediction").writeStream.format("memory").queryName("scored").start()
    try:
        query.processAllAvailable()
        assert spark.table("scored").count() == 3
        arrive(files[3:7])
        (folder / "broken.jpg").write_bytes(b"no picture")
        with pytest.raises(
            Exception, match=r"ImageFeaturizer: column `image`, row \d of the batch .*broken\.jpg"
        ):
            query.processAllAvailable()
    finally:
        query.stop()


def test_a_streaming_query_keeps_what_cannot_be_scored(spark, photos, tmp_path):
    folder = tmp_path / "incoming"
    folder.mkdir()
    featurizer = ImageFeaturizer(outputCol="f", handleInvalid="keep", errorCol="why")
    made = featurizer.transform(read_image_stream(spark, str(folder)))
    query = (
        made.selectExpr("path", "f IS NULL AS bad", "why")
        .writeStream.format("memory")
        .queryName("kept")
        .start()
    )
    try:
        shutil.copy(next(Path(photos).rglob("*.jpg")), folder / "good.jpg")
        query.processAllAvailable()
        (folder / "broken.jpg").write_bytes(b"no picture")
        query.processAllAvailable()
        rows = {Path(r.path).name: r for r in spark.table("kept").collect()}
    finally:
        query.stop()
    assert {name: row.bad for name, row in rows.items()} == {"good.jpg": False, "broken.jpg": True}
    assert "broken.jpg" in rows["broken.jpg"].why


# -- functions --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return pa.table({"i": range(4), "content": [sample_image(f) for f in ("jpeg", "png")] * 2})


@pytest.fixture(scope="module")
def files(spark, table):
    frame = spark.createDataFrame(
        [(r["i"], bytearray(r["content"])) for r in table.to_pylist()], "i int, content binary"
    )
    frame.createOrReplaceTempView("files")
    return frame.coalesce(1)


@pytest.fixture(scope="module")
def featurizer() -> ImageFeaturizer:
    return ImageFeaturizer(
        inputCol="content", outputCol="f", model=networks.pictures_network().SerializeToString()
    )


def as_arrays(rows, name: str = "f") -> np.ndarray:
    return np.array(
        [
            r[name].toArray() if hasattr(r[name], "toArray") else r[name]
            for r in sorted(rows, key=lambda r: r.i)
        ]
    )


@pytest.fixture(scope="module")
def expected(featurizer, table) -> np.ndarray:
    return np.array(featurizer.transform(table)["f"].to_pylist())


def test_a_registered_stage_is_called_from_sql(spark, files, featurizer, expected):
    mmlrs.register(spark, "featurize", featurizer)
    rows = spark.sql("SELECT i, featurize(content) AS f FROM files WHERE i < 100").collect()
    np.testing.assert_allclose(as_arrays(rows), expected, rtol=1e-4, atol=1e-5)
    assert spark.sql("SELECT featurize(CAST(NULL AS BINARY)) IS NULL AS gone").schema.names == ["gone"]


def test_a_registered_stage_that_keeps_gives_null_for_null(spark, featurizer):
    mmlrs.register(spark, "featurize_or_null", featurizer.copy().setHandleInvalid("keep"))
    assert spark.sql("SELECT featurize_or_null(CAST(NULL AS BINARY)) AS f").first().f is None


def test_a_stage_is_a_function_of_columns(files, featurizer, expected):
    function = mmlrs.udf(featurizer)
    rows = files.withColumn("f", function("content")).collect()
    np.testing.assert_allclose(as_arrays(rows), expected, rtol=1e-4, atol=1e-5)
    keeping = mmlrs.udf(featurizer.copy().setHandleInvalid("keep"))
    assert files.selectExpr("i", "CAST(NULL AS BINARY) AS x").withColumn("f", keeping("x")).first().f is None


def test_a_pandas_udf_of_a_stage_mixes_with_ones_own_in_one_pass(files, featurizer, expected):
    from plans import passes
    from pyspark.sql import functions as F

    @F.pandas_udf("double")
    def total(vectors: pd.Series) -> pd.Series:
        return vectors.map(sum)

    made = files.withColumn("f", total(mmlrs.pandas_udf(featurizer)("content")))
    assert passes(made) == 1
    np.testing.assert_allclose(as_arrays(made.collect()), expected.sum(axis=1), rtol=1e-4)


def test_a_stage_runs_inside_ones_own_pandas_udf(files, featurizer, expected):
    from pyspark.sql import functions as F

    @F.pandas_udf("array<float>")
    def own(content: pd.Series) -> pd.Series:
        return featurizer.transform(pd.DataFrame({"content": content}))["f"]

    np.testing.assert_allclose(
        as_arrays(files.withColumn("f", own("content")).collect()), expected, rtol=1e-4, atol=1e-5
    )


def native_pipeline():
    from pyspark.ml import PipelineModel

    return PipelineModel(
        [
            ImageTransformer(inputCol="content", outputCol="small").resize(8, 8),
            UnrollImage(inputCol="small", outputCol="pixels"),
            ONNXModel(
                model=networks.linear(192, 5).SerializeToString(),
                inputCol="pixels",
                outputCol="f",
                outputType="vector",
            ),
        ]
    )


def test_a_pipeline_of_native_stages_is_one_function(spark, files, table):
    pipeline = native_pipeline()
    expected = np.array(pipeline.transform(table)["f"].to_pylist())
    rows = files.withColumn("f", mmlrs.udf(pipeline)("content")).collect()
    np.testing.assert_allclose(as_arrays(rows), expected, rtol=1e-4, atol=1e-2)
    mmlrs.register(spark, "piped", pipeline)
    rows = spark.sql("SELECT i, piped(content) AS f FROM files").collect()
    np.testing.assert_allclose(as_arrays(rows), expected, rtol=1e-4, atol=1e-2)


def test_a_pipeline_of_native_stages_runs_on_a_table(table):
    made = native_pipeline().transform(table)
    assert isinstance(made, pa.Table)
    assert made.column_names == ["i", "content", "small", "pixels", "f"]
    frame = native_pipeline().transform(table.to_pandas())
    assert isinstance(frame, pd.DataFrame)
    np.testing.assert_allclose(np.stack(frame["f"]), np.array(made["f"].to_pylist()), rtol=1e-5)


def test_what_cannot_be_a_function_is_told_so(featurizer, fitted):
    with pytest.raises(InvalidParamError, match="a function returns a value for every row"):
        mmlrs.udf(featurizer.copy().setHandleInvalid("skip"))
    from pyspark.ml import PipelineModel

    with pytest.raises(InvalidParamError, match=r"Lambda .* cannot be compiled: it runs a Python function"):
        mmlrs.udf(PipelineModel([*fitted.stages, Lambda(transformFunc=reversed_columns)]))
    with pytest.raises(InvalidParamError, match=r"takes 1 column \(content\), got 2"):
        mmlrs.udf(featurizer)("content", "i")
    both = ONNXModel(model=networks.linear(), inputCol="x", fetchDict={"a": "hidden", "b": "y"})
    with pytest.raises(
        InvalidParamError, match="a function returns one column, and this stage returns `a`, `b`"
    ):
        mmlrs.udf(both)("x")
    with pytest.raises(InvalidParamError, match="a function is made of a stage or a PipelineModel, got None"):
        mmlrs.udf(None)
    with pytest.raises(
        InvalidParamError, match="a function is made of a stage or a PipelineModel, got <class"
    ):
        mmlrs.udf(ONNXModel)


def test_a_query_with_a_wrong_number_of_columns_fails(spark):
    lower = UnicodeNormalize(inputCol="a", outputCol="b")
    mmlrs.register(spark, "lowered", lower)
    texts = spark.createDataFrame([("A", "B")], "x string, y string")
    for made in (spark.sql("SELECT lowered('A', 'B')"), texts.select(mmlrs.pandas_udf(lower)("x", "y"))):
        with pytest.raises(Exception, match=r"takes 1 column \(a\), got 2"):
            made.collect()


@pytest.mark.parametrize("name", [None, 3, ""])
def test_a_function_needs_a_name(spark, name):
    with pytest.raises(InvalidParamError, match="register: param `name` must be the name of a function, got"):
        mmlrs.register(spark, name, UnrollImage())


def test_a_function_may_write_a_column_with_the_name_of_its_argument(spark):
    from pyspark.ml import PipelineModel

    back = PipelineModel(
        [
            UnicodeNormalize(inputCol="a", outputCol="b", lower=True),
            UnicodeNormalize(inputCol="b", outputCol="a"),
        ]
    )
    [row] = spark.createDataFrame([("HEY",)], "x string").select(mmlrs.udf(back)("x")).collect()
    assert row[0] == "hey"
