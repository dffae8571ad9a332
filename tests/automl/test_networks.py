"""Searches over networks: each picture goes through each network once, and the results are those of a search without that."""

from __future__ import annotations

import networks
import numpy as np
import onnx
import pictures
import pytest
from searches import space_of, tuner

from mmlrs.automl import DiscreteHyperParam, GridSpace
from mmlrs.automl.computed import families
from mmlrs.automl.kept import Kept
from mmlrs.automl.rowwise import added, identity, is_rowwise, read
from mmlrs.automl.steps import RowwiseStep, tree_of
from mmlrs.automl.trials import trials
from mmlrs.featurize import FastVectorAssembler, ValueIndexer
from mmlrs.image import ImageFeaturizer, ImageTransformer
from mmlrs.models import ModelHandle
from mmlrs.stages import DropColumns, Lambda, RenameColumn
from mmlrs.testing import reversed_columns
from mmlrs.text import TextFeaturizer
from mmlrs.train import TrainClassifier

PICTURES = 24


def network(seed: int) -> bytes:
    """A small network of pictures with weights of its own."""
    model = networks.pictures_network()
    kernel = np.random.default_rng(seed).standard_normal((5, 3, 3, 3)).astype(np.float32)
    for weight in model.graph.initializer:
        if weight.name == "kernel":
            weight.CopyFrom(onnx.numpy_helper.from_array(kernel, "kernel"))
    return model.SerializeToString()


A, B, C, D = map(network, range(4))


@pytest.fixture(scope="module")
def df(spark):
    """Pictures of noise, those of one kind redder, and some with the wrong kind."""
    random = np.random.default_rng(0)
    rows = []
    for i in range(PICTURES):
        pixels = random.uniform(0, 200, (20, 24, 3)) + (i % 2) * np.array([0, 0, 25])
        kind = (i + (i % 5 == 0)) % 2
        rows.append((pictures.png(pixels.clip(0, 255).astype(np.uint8)), float(kind), "ba"[kind]))
    return spark.createDataFrame(rows, "image binary, label double, kind string").coalesce(1)


@pytest.fixture(scope="module")
def bayes(spark):
    """A learner that takes one job."""
    from pyspark.ml.classification import NaiveBayes

    return NaiveBayes()


@pytest.fixture
def cached(monkeypatch):
    """The columns of the frames with computed columns that searches cache."""
    found = []
    offer = Kept.offer

    def recorded(self, frame, *rest):
        found.append(frame.columns)
        return offer(self, frame, *rest)

    monkeypatch.setattr(Kept, "offer", recorded)
    return found


def pipeline(*stages):
    from pyspark.ml import Pipeline

    return Pipeline(stages=list(stages))


def featurizer(**params) -> ImageFeaturizer:
    return ImageFeaturizer(**{"outputCol": "features", "model": A, **params})


def search(df, models, *added, folds: int = 2, **params):
    space = space_of(GridSpace, *((stage, name, DiscreteHyperParam(values)) for stage, name, values in added))
    stage = tuner(models, space, evaluationMetric="log_loss", numFolds=folds, showProgress=False, **params)
    return stage.fit(df)


def metrics(model) -> list[list[float]]:
    return model.getAllModelMetrics()["folds"].to_pylist()


def form_of(kind: str, bayes):
    """The featurizer and the pipeline of one of the two forms."""
    if kind == "pipeline":
        stage = featurizer()
        return stage, pipeline(stage, bayes)
    stage = featurizer(outputCol="vector")
    return stage, pipeline(stage, TrainClassifier(model=bayes, labelCol="kind", inputCols=["vector"]))


@pytest.mark.parametrize("kind", ["pipeline", "trainer"])
def test_each_picture_goes_through_each_network_once(spark, df, bayes, counted, cached, monkeypatch, kind):
    stage, learner = form_of(kind, bayes)
    space = (stage, "model", [A, B]), (bayes, "smoothing", [0.1, 1.0])
    before = spark.sparkContext._jsc.getPersistentRDDs().size()
    model = search(df, [learner], *space)
    assert counted()["model_rows"] == 2 * PICTURES  # the best model is fitted on the same columns
    assert spark.sparkContext._jsc.getPersistentRDDs().size() == before
    assert len(cached) == 2
    for columns in cached:
        assert "image" not in columns
        assert len(columns) == 3  # the features, the label and the fold

    for module in ("steps", "search"):
        monkeypatch.setattr(f"mmlrs.automl.{module}.is_rowwise", lambda _: False)
    monkeypatch.setattr("mmlrs.automl.steps.identity", lambda _: None)
    plain = search(df, [learner], (stage, "model", [A, B]), (bayes, "smoothing", [1.0]))
    assert counted()["model_rows"] > 2 * PICTURES
    assert metrics(model)[1::2] == [pytest.approx(folds, abs=1e-12) for folds in metrics(plain)]
    assert len({metric for folds in metrics(model) for metric in folds}) == 8

    best = model.getBestModel()
    values = {name.rpartition(".")[2]: value for name, value in model.getBestParams().items()}
    bayes = bayes.copy().setSmoothing(values["smoothing"])
    again = form_of(kind, bayes)[1]
    again.getStages()[0].setModel(A if str(ModelHandle.from_bytes(A)) == values["model"] else B)
    scores = [[row.probability for row in m.transform(df).collect()] for m in (best, again.fit(df))]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("kind", ["pipeline", "trainer"])
def test_one_trial_for_each_network_is_enough(df, bayes, counted, kind):
    stage, learner = form_of(kind, bayes)
    search(df, [learner], (stage, "model", [A, B]))
    assert counted()["model_rows"] == 2 * PICTURES


def test_equal_networks_of_different_pipelines_are_the_same(df, bayes, counted, tmp_path):
    path = tmp_path / "network.onnx"
    path.write_bytes(A)
    (tmp_path / "link.onnx").symlink_to(path)
    forms = [A, str(path), str(tmp_path / "link.onnx")]
    learners = [pipeline(featurizer(model=form), bayes.copy()) for form in forms]
    model = search(df, learners)
    assert counted()["model_rows"] == PICTURES
    assert len({tuple(folds) for folds in metrics(model)}) == 1


def test_networks_that_are_combined_run_once_each(df, bayes, counted):
    one, two = featurizer(outputCol="one"), featurizer(outputCol="two")
    both = FastVectorAssembler(inputCols=["one", "two"], outputCol="features")
    learner = pipeline(one, two, both, bayes)
    model = search(df, [learner], (one, "model", [A, B]), (two, "model", [C, D]))
    assert counted()["model_rows"] == 4 * PICTURES
    assert len({tuple(folds) for folds in metrics(model)}) == 4
    stages = model.getBestModel().stages
    assert [type(stage).__name__ for stage in stages] == [
        "ImageFeaturizer", "ImageFeaturizer", "FastVectorAssembler", "NaiveBayesModel",
    ]  # fmt: skip


def test_combined_with_one_that_fails_the_others_do_not_fail(df, bayes):
    one, two = featurizer(outputCol="one"), featurizer(outputCol="features", model=B)
    learner = pipeline(one, two, bayes)
    model = search(df, [learner], (one, "model", [A]), (two, "maxBytes", [1, 2**20]))
    errors = model.getAllModelMetrics()["error"].to_pylist()
    assert [error is None for error in errors] == [False, True]
    assert "LimitExceededError: ImageFeaturizer: column `image`, row 0" in errors[0]


def test_rows_that_a_network_drops_are_dropped_in_every_fold(spark, df, bayes, counted):
    bad = spark.createDataFrame([(b"no picture", 1.0, "a")], df.schema)
    stage = featurizer(handleInvalid="skip")
    model = search(df.union(bad), [pipeline(stage, bayes)], (stage, "model", [A, B]))
    assert counted()["model_rows"] == 2 * PICTURES
    assert model.transform(df.union(bad)).count() == PICTURES


def test_columns_with_dots_and_columns_that_nobody_reads_do_not_matter(df, bayes):
    from pyspark.sql import functions as F

    def learner(features, label):
        trainer = TrainClassifier(model=bayes, labelCol=label, inputCols=[features])
        return pipeline(featurizer(outputCol=features), trainer)

    odd = df.withColumnRenamed("kind", "a.kind").select("*", F.lit(1).alias("twice"), F.lit(2).alias("twice"))
    model = search(odd, [learner("the.features", "a.kind")])
    assert metrics(model) == metrics(search(df, [learner("features", "kind")]))


def test_a_nested_pipeline_is_fitted_like_any_other(df, bayes, counted):
    from pyspark.ml.feature import StringIndexer

    index, stage = StringIndexer(inputCol="kind", outputCol="index"), featurizer()
    learner = pipeline(pipeline(index, stage), bayes.copy().setLabelCol("index"))
    model = search(df, [learner])
    assert counted()["model_rows"] == PICTURES  # although a stage before it learns
    inner, last = model.getBestModel().stages
    assert [type(s).__name__ for s in inner.stages] == ["StringIndexerModel", "ImageFeaturizer"]
    assert last.transform(inner.transform(df)).count() == PICTURES
    assert [row.prediction for row in model.transform(df).collect()] == [
        row.prediction for row in learner.fit(df).transform(df).collect()
    ]


# -- the tree of steps ------------------------------------------------------------------------------------------------


def tree(models, *added):
    space = space_of(GridSpace, *((stage, name, DiscreteHyperParam(values)) for stage, name, values in added))
    stage = tuner(models, space)
    failed = []
    found = tree_of(trials(stage, models, space), "features", lambda *of: failed.append(of))
    assert not failed
    return found


def first(root) -> list[list[str]]:
    """The stages that run first, for each node below the root."""
    steps = [node.step for node in root.children.values()]
    return [
        [type(stage).__name__ for stage in step.stages] if isinstance(step, RowwiseStep) else []
        for step in steps
    ]


def test_a_row_wise_stage_runs_before_stages_that_only_add_columns(spark, bayes):
    from pyspark.ml.feature import StringIndexer

    before = [StringIndexer(inputCol="kind", outputCol="i"), ValueIndexer(inputCol="kind", outputCol="j")]
    assert first(tree([pipeline(*before, featurizer(), bayes)])) == [["ImageFeaturizer"]]
    reads = featurizer(inputCol="small")
    small = ImageTransformer(inputCol="image", outputCol="small").resize(8, 8)
    assert first(tree([pipeline(*before, small, reads, bayes)])) == [["ImageTransformer", "ImageFeaturizer"]]


def test_a_row_wise_stage_stays_behind_what_may_change_its_rows_or_columns(spark, bayes):
    from pyspark.ml.feature import RFormula, SQLTransformer, StringIndexer

    stays = [
        StringIndexer(inputCol="kind", outputCol="index", handleInvalid="skip"),
        ValueIndexer(inputCol="kind", outputCol="index", handleInvalid="skip"),
        StringIndexer(inputCol="kind", outputCol="Image"),
        StringIndexer(inputCol="kind", outputCol="Features"),
        SQLTransformer(statement="SELECT *, rand() AS r FROM __THIS__"),
        RFormula(formula="label ~ .", featuresCol="f"),
        Lambda(transformFunc=reversed_columns),
        RenameColumn(inputCol="content", outputCol="image"),
        DropColumns(cols=["kind"]),
        featurizer(outputCol="other", handleInvalid="skip"),
    ]
    for stage in stays:
        assert first(tree([pipeline(stage, featurizer(), bayes)])) == [[]], stage
    assert first(tree([pipeline(ValueIndexer(inputCol="kind", outputCol="i"), featurizer())])) == [[]]


def test_equal_stages_before_a_network_are_one(bayes):
    def learner():
        return pipeline(
            RenameColumn(inputCol="content", outputCol="image"),
            DropColumns(cols=["x"]),
            featurizer(),
            bayes.copy(),
        )

    root = tree([learner(), learner()])
    for name in ("RenameColumn", "DropColumns", "ImageFeaturizer"):
        [root] = root.children.values()
        assert type(root.step.stage).__name__ == name
    assert len(root.children) == 2


def test_networks_of_one_family_share_a_network_with_its_input(bayes):
    one, two = featurizer(outputCol="one"), featurizer(outputCol="two")
    root = tree([pipeline(one, two, bayes)], (one, "model", [A, B]), (two, "model", [C, D]))
    assert [len(family) for family in families(root.children.values())] == [4]
    root = tree([pipeline(one, bayes)], (one, "model", [A, B]))
    assert [len(family) for family in families(root.children.values())] == [1, 1]

    size = ImageTransformer(inputCol="image", outputCol="small").resize(8, 8)
    other = size.copy().resize(4, 4)
    learners = [pipeline(s, featurizer(inputCol="small"), bayes) for s in (size, other)]
    assert [len(family) for family in families(tree(learners).children.values())] == [1, 1]


def test_the_columns_below_a_node_are_known_if_its_stages_are(spark, bayes):
    def below(*stages):
        [node] = tree([pipeline(featurizer(), *stages)]).children.values()
        return node.reads()

    assert below(bayes) == {"features", "label", "prediction", "probability", "rawPrediction"}
    trainer = TrainClassifier(model=bayes, labelCol="kind")
    assert below(trainer) is None  # it learns from all columns
    assert below(trainer.copy().setInputCols(["features"])) == {"kind", "features"}
    weighted = TrainClassifier(model=bayes.copy().setWeightCol("w"), labelCol="kind", inputCols=["features"])
    assert below(weighted) == {"kind", "features", "w"}
    assert below(Lambda(transformFunc=reversed_columns), bayes) is None


class Own(ImageFeaturizer):
    """A subclass may do anything."""


def test_only_known_stages_are_identified_by_their_params(tmp_path):
    path = tmp_path / "network.onnx"
    path.write_bytes(A)
    assert identity(featurizer()) == identity(featurizer(model=str(path)))
    assert identity(featurizer()) != identity(featurizer(model=B))
    assert identity(featurizer()) != identity(featurizer(pooling="max"))
    assert identity(featurizer()) == identity(featurizer(pooling="auto"))  # the default
    for stage in (
        Own(outputCol="features", model=A),
        Lambda(transformFunc=reversed_columns),
        TextFeaturizer(),
    ):
        assert identity(stage) is None
        assert not is_rowwise(stage)
    assert read(Own(outputCol="features", model=A)) is None


def test_an_estimator_reads_and_adds_the_columns_of_its_params(spark):
    from pyspark.ml.feature import SQLTransformer, StringIndexer, VectorAssembler

    assert read(VectorAssembler(inputCols=["a", "b"], outputCol="c")) == {"a", "b", "c"}
    assert added(VectorAssembler(inputCols=["a", "b"], outputCol="c")) == {"c"}
    assert added(StringIndexer(inputCol="a", outputCol="b")) == {"b"}
    assert added(StringIndexer(inputCol="a", outputCol="b", handleInvalid="skip")) is None
    assert read(SQLTransformer(statement="SELECT a FROM __THIS__")) is None
    assert added(ValueIndexer(inputCol="a", outputCol="b", errorCol="e", handleInvalid="keep")) == {"b", "e"}
