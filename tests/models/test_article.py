"""The snippets of the article that introduced Deep Learning Pipelines run with another import. The Hub is played on loopback."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import skimage.data
from PIL import Image
from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from web import serve_hub

import mmlrs
from mmlrs.image import DeepImageFeaturizer, DeepImagePredictor, readImages
from mmlrs.models import _hub_models, info
from mmlrs.models._hub import HubSpec

#: The graphs of the onnx package that play the networks: small ones, whose weights are constants.
GRAPHS = {"ResNet50": "light_shufflenet.onnx", "InceptionV3": "light_squeezenet.onnx"}


@pytest.fixture
def networks(hub, monkeypatch, tmp_path) -> None:
    """The Hub has both networks."""
    _hub_models._fetched.cache_clear()
    monkeypatch.setenv("MMLRS_MODELS", str(tmp_path / "none"))
    light = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    pages = {}
    for name, graph in GRAPHS.items():
        spec = HubSpec.parse(info(name).file.spec)
        serve_hub(hub, {spec.file: (light / graph).read_bytes()}, repo=spec.repo)
        pages |= hub.pages
    hub.pages = pages


@pytest.fixture
def myimages(tmp_path) -> str:
    """Two classes of three small pictures, in folders named by their label, and one that is no picture."""
    for label, name in enumerate(("cat", "rocket")):
        folder = tmp_path / "myimages" / f"label={label}"
        folder.mkdir(parents=True)
        for side in (40, 60, 80):
            Image.fromarray(getattr(skimage.data, name)()[:side, :side]).save(folder / f"{side}.jpg")
    return str(tmp_path / "myimages")


def test_read_images_and_predict_their_classes(spark, networks, myimages):
    image_df = readImages(myimages)

    predictor = DeepImagePredictor(
        inputCol="image",
        outputCol="predicted_labels",
        modelName="InceptionV3",
        decodePredictions=True,
        topK=10,
    )
    predictions_df = predictor.transform(image_df)

    rows = predictions_df.select("predicted_labels").collect()
    assert [len(row.predicted_labels) for row in rows] == [10] * 6
    assert rows[0].predicted_labels[0].description in info("InceptionV3").descriptions


def test_tune_the_network_like_any_param(spark, networks, myimages):
    train_images_df = readImages(myimages, numPartition=1)

    featurizer = DeepImageFeaturizer(inputCol="image", outputCol="features", modelName="InceptionV3")
    lr = LogisticRegression(maxIter=2, labelCol="label")
    p = Pipeline(stages=[featurizer, lr])
    grid = ParamGridBuilder().addGrid(featurizer.modelName, ["ResNet50", "InceptionV3"]).build()
    cv = CrossValidator(
        estimator=p,
        estimatorParamMaps=grid,
        evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
        numFolds=2,
        seed=1,
    )
    model = cv.fit(train_images_df)

    assert len(model.avgMetrics) == 2
    assert model.bestModel.stages[0].getModelName().name in GRAPHS
    assert model.transform(train_images_df).count() == 6


def test_the_network_as_a_function_of_sql(spark, networks, myimages):
    readImages(myimages).createOrReplaceTempView("traffic_imgs")
    predictor = DeepImagePredictor(inputCol="image", modelName="ResNet50", decodePredictions=True, topK=1)
    mmlrs.register(spark, "my_object_recognition_function", predictor)

    answers = spark.sql("SELECT image, my_object_recognition_function(image) AS objects FROM traffic_imgs")

    assert all(len(row.objects) == 1 for row in answers.select("objects").collect())


def test_a_search_over_names_is_saved_and_loaded(spark, networks, tmp_path):
    featurizer = DeepImageFeaturizer(inputCol="image", outputCol="features", modelName="InceptionV3")
    grid = [{featurizer.modelName: name} for name in GRAPHS]
    pipeline = Pipeline(stages=[featurizer, LogisticRegression()])
    search = CrossValidator(
        estimator=pipeline, estimatorParamMaps=grid, evaluator=MulticlassClassificationEvaluator()
    )
    search.save(str(tmp_path / "search"))
    loaded = CrossValidator.load(str(tmp_path / "search"))
    stages = [loaded.getEstimator().copy(point).getStages()[0] for point in loaded.getEstimatorParamMaps()]
    assert [stage.getModelName().name for stage in stages] == list(GRAPHS)
