"""The search for hyper-parameters on Spark: its result, what trials share, and how failures are reported."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from searches import renames, space_of, tuner, values_of

from mmlrs.automl import (
    DiscreteHyperParam,
    FloatRangeHyperParam,
    GridSpace,
    IntRangeHyperParam,
    RandomSpace,
    TuneHyperparameters,
    TuneHyperparametersModel,
)
from mmlrs.automl.trials import trials
from mmlrs.errors import ColumnNotFoundError, DecodeError, ExecutionError, InvalidParamError, MmlrsError
from mmlrs.featurize import ValueIndexer
from mmlrs.train import TrainClassifier, TrainRegressor

# -- on Spark ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def corners(spark):
    """Two numbers and whether exactly one of them is large: a tree of depth 1 cannot tell, one of depth 2 can."""
    random = np.random.default_rng(5)
    a, b = random.uniform(size=(2, 400))
    label = (a > 0.5) != (b > 0.5)
    table = pa.table({"a": a, "b": b, "kind": np.where(label, "one", "none")})
    df = spark.createDataFrame(table).coalesce(2).persist()
    df.count()
    yield df
    df.unpersist()


@pytest.fixture(scope="module")
def tree(spark):
    from pyspark.ml.classification import DecisionTreeClassifier

    return DecisionTreeClassifier(seed=1)


def persisted(spark):
    return spark.sparkContext._jsc.getPersistentRDDs().size()


def test_the_search_finds_the_params_that_do_best_and_reports_them(
    spark, corners, tree, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("MMLRS_PROGRESS", "1")
    trainer = TrainClassifier(model=tree, labelCol="kind")
    space = space_of(GridSpace, (tree, tree.maxDepth, DiscreteHyperParam([1, 4, -3])))
    stage = tuner([trainer], space, evaluationMetric="AUC", numFolds=2)
    before = persisted(spark)
    model = stage.fit(corners)
    assert persisted(spark) == before
    assert model.getBestParams() == {"DecisionTreeClassifier.maxDepth": 4}
    assert "DecisionTreeClassifier(maxDepth=4, seed=1): AUC 0.9" in model.getBestModelInfo()
    assert model.uid == stage.uid
    table = model.getAllModelMetrics().to_pydict()
    assert table["best"] == [False, True, False]
    assert table["metric"][1] == model.getBestMetric() > 0.9 > table["metric"][0]
    assert table["metric"][1] == pytest.approx(np.mean(table["folds"][1]))
    assert table["metric"][2] is None
    assert "maxDepth given invalid value -3" in table["error"][2]
    assert table["learner"] == [f"DecisionTreeClassifier(maxDepth={depth}, seed=1)" for depth in (1, 4, -3)]
    assert model.getBestModel().getModel().getOrDefault("maxDepth") == 4
    told = capsys.readouterr().err
    assert "TuneHyperparameters: 3 of 3: " in told
    assert "AUC 0.9" in told
    assert "failed: " in told
    bar = told.split("\r")[-1]
    assert bar.startswith("TuneHyperparameters: 100%")
    assert "3/3" in bar
    assert f"best AUC {model.getBestMetric():.4g}" in bar
    assert tree.getMaxDepth() == 5  # its default: the user's learner is not changed

    model.save(str(tmp_path / "tuned"))
    loaded = TuneHyperparametersModel.load(str(tmp_path / "tuned"))
    assert loaded.getAllModelMetrics().equals(model.getAllModelMetrics())
    scored = loaded.transform(corners)
    assert scored.where("(prediction = 1) = (kind = 'one')").count() > 380
    assert scored.collect() == model.transform(corners).collect()


def test_a_search_is_saved_and_loaded(spark, corners, tree, tmp_path):
    trainer = TrainClassifier(model=tree, labelCol="kind")
    space = space_of(
        RandomSpace,
        (tree, "maxDepth", IntRangeHyperParam(1, 4)),
        (tree, "minInfoGain", FloatRangeHyperParam(0, 1e-3)),
    )
    stage = tuner([trainer], space, numRuns=2, numFolds=2, showProgress=False, seed=3)
    stage.save(str(tmp_path / "search"))
    loaded = TuneHyperparameters.load(str(tmp_path / "search"))
    assert loaded.getParamSpace().to_json() == space.to_json()
    drawn = [values_of(trials(s, s.getModels(), s.getParamSpace())) for s in (stage, loaded)]
    assert drawn[0] == drawn[1]
    odd = tuner([trainer], space_of(GridSpace, (trainer, "model", DiscreteHyperParam([tree]))))
    with pytest.raises(InvalidParamError, match=r"the values of TrainClassifier.model cannot be saved"):
        odd.save(str(tmp_path / "odd"))


def test_the_metric_is_that_of_sparks_cross_validator(spark, corners, tree):
    from pyspark.ml import Pipeline
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.feature import StringIndexer, VectorAssembler
    from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
    from pyspark.sql import functions as F

    learner = tree.copy().setLabelCol("label")
    stages = [
        StringIndexer(inputCol="kind", outputCol="label", stringOrderType="alphabetAsc"),
        VectorAssembler(inputCols=["a", "b"], outputCol="features"),
        learner,
    ]
    pipeline = Pipeline(stages=stages)
    space = space_of(GridSpace, (learner, "maxDepth", DiscreteHyperParam([1, 3])))
    ours = tuner([pipeline], space, numFolds=3, seed=7, showProgress=False).fit(corners)
    theirs = CrossValidator(
        estimator=pipeline,
        estimatorParamMaps=ParamGridBuilder().addGrid(learner.maxDepth, [1, 3]).build(),
        evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
        numFolds=3,
        foldCol="fold",
    ).fit(corners.withColumn("fold", F.floor(F.rand(7) * 3).cast("int")))
    assert ours.getAllModelMetrics()["metric"].to_pylist() == pytest.approx(theirs.avgMetrics, abs=1e-12)
    assert np.array(ours.getAllModelMetrics()["folds"].to_pylist()).shape == (2, 3)


@pytest.fixture
def counting(spark):
    """An estimator and a transformer that count how often they are used."""
    from pyspark.ml import Estimator, Model, Transformer
    from pyspark.sql import functions as F

    counts = {"fit": 0, "transform": 0}

    class Shifted(Model):
        def _transform(self, dataset):
            return dataset.withColumn("shifted", F.col("a") - 0.5)

    class Shift(Estimator):
        def _fit(self, dataset):
            counts["fit"] += 1
            return Shifted()

    class Double(Transformer):
        def _transform(self, dataset):
            counts["transform"] += 1
            return dataset.withColumn("doubled", F.col("b") * 2)

    return counts, Double(), Shift()


def test_what_trials_share_is_done_once_for_each_fold(corners, tree, counting):
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import StringIndexer, VectorAssembler

    counts, double, shift = counting
    learner = tree.copy().setLabelCol("label")
    labels = StringIndexer(inputCol="kind", outputCol="label")
    features = VectorAssembler(inputCols=["shifted", "doubled"], outputCol="features")
    pipeline = Pipeline(stages=[double, labels, shift, features, learner])
    space = space_of(
        GridSpace,
        (learner, "maxDepth", DiscreteHyperParam([1, 3])),
        (learner, "minInstancesPerNode", DiscreteHyperParam([1, 2])),
    )
    model = tuner([pipeline], space, numFolds=3, showProgress=False).fit(corners)
    assert len(model.getAllModelMetrics()) == 4
    refit = 1
    assert counts == {"fit": 3 + refit, "transform": 1 + refit}
    assert model.getBestParams()["DecisionTreeClassifier.maxDepth"] == 3
    assert model.transform(corners).count() == 400


def test_trials_that_differ_early_share_what_comes_before(corners, tree, counting):
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import StringIndexer, VectorAssembler

    counts, double, shift = counting
    learner = tree.copy().setLabelCol("label").setMaxDepth(2)
    labels = StringIndexer(inputCol="kind", outputCol="label")
    features = VectorAssembler(outputCol="features")
    pipeline = Pipeline(stages=[labels, shift, double, features, learner])
    columns = DiscreteHyperParam([["shifted"], ["shifted", "doubled"]])
    space = space_of(GridSpace, (features, "inputCols", columns))
    model = tuner([pipeline], space, numFolds=2, showProgress=False).fit(corners)
    assert model.getBestParams() == {"VectorAssembler.inputCols": ["shifted", "doubled"]}
    assert counts["fit"] == 2 + 1


def test_trainers_share_their_features(corners, spark, tree, monkeypatch):
    from pyspark.ml.classification import RandomForestClassifier

    forest = RandomForestClassifier(numTrees=2, maxDepth=2, seed=1)
    trainers = [TrainClassifier(model=m, labelCol="kind") for m in (tree, forest)]
    prepared = []
    original = TrainClassifier._prepare

    def counted(self, df, whole=None):
        prepared.append(self.uid)
        return original(self, df, whole)

    monkeypatch.setattr(TrainClassifier, "_prepare", counted)
    space = space_of(GridSpace, (tree, "maxDepth", DiscreteHyperParam([1, 2])))
    model = tuner(trainers, space, numFolds=2, showProgress=False).fit(corners)
    assert len(model.getAllModelMetrics()) == 3
    assert len(prepared) == 2 + 1  # once for each fold, and the winner's


def test_a_trainer_may_learn_a_label_that_a_stage_before_it_makes(corners, tree):
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import SQLTransformer

    target = SQLTransformer(statement="SELECT a, b, kind = 'one' AS target FROM __THIS__")
    pipeline = Pipeline(stages=[target, TrainClassifier(model=tree, labelCol="target")])
    model = tuner([pipeline], GridSpace([]), numFolds=2, showProgress=False).fit(corners)
    assert model.getBestMetric() > 0.7


def test_regressors_are_searched_too_and_the_lower_error_wins(spark):
    from pyspark.ml.regression import DecisionTreeRegressor

    x = np.linspace(0, 1, 200)
    df = pa.table({"x": x, "y": np.sin(6 * x)})
    learner = DecisionTreeRegressor(seed=1)
    trainer = TrainRegressor(model=learner, labelCol="y")
    space = space_of(GridSpace, (learner, "maxDepth", DiscreteHyperParam([1, 5])))
    model = tuner([trainer], space, evaluationMetric="rmse", numFolds=2, showProgress=False).fit(df)
    assert model.getBestParams() == {"DecisionTreeRegressor.maxDepth": 5}
    table = model.getAllModelMetrics()
    assert model.getBestMetric() == min(table["metric"].to_pylist())
    made = model.transform(df)
    assert made.column_names == ["x", "y", "prediction"]
    assert b"mmlrs" in made.schema.field("prediction").metadata
    assert np.abs(made["prediction"].to_numpy() - np.sin(6 * x)).mean() < 0.1


def test_when_all_trials_fail_the_first_cause_is_told(spark, corners, tree):
    trainer = TrainClassifier(model=tree, labelCol="kind")
    space = space_of(GridSpace, (tree, "maxDepth", DiscreteHyperParam([-1, -2])))
    before = persisted(spark)
    with pytest.raises(ExecutionError, match=r"all 2 trials failed, the first with .*invalid value -1"):
        tuner([trainer], space, numFolds=2, showProgress=False).fit(corners)
    assert persisted(spark) == before


def test_a_shared_step_that_fails_fails_its_trials(corners, tree):
    from pyspark.ml import Pipeline

    trainer = TrainClassifier(model=tree, labelCol="kind", inputCols=["a", "missing"])
    space = space_of(GridSpace, (tree, "maxDepth", DiscreteHyperParam([1, 2])))
    with pytest.raises(ExecutionError, match=r"all 2 trials failed, .*column `missing`"):
        tuner([Pipeline(stages=[trainer])], space, numFolds=2, showProgress=False).fit(corners)
    with pytest.raises(ColumnNotFoundError, match="TrainClassifier: column `missing`: not found"):
        tuner([trainer], space, numFolds=2, showProgress=False).fit(corners)  # which is known before


def test_a_metric_of_another_kind_is_told(corners, tree):
    trainer = TrainClassifier(model=tree, labelCol="kind")
    stage = tuner([trainer], GridSpace([]), evaluationMetric="rmse", numFolds=2, showProgress=False)
    with pytest.raises(
        InvalidParamError, match=r'`evaluationMetric`: "rmse" is a metric of regression, .*TrainClassifier'
    ):
        stage.fit(corners)


def test_a_fold_without_rows_is_told(spark, tree):
    df = spark.createDataFrame([(0.1, "a"), (0.9, "b")], "x double, kind string").coalesce(1)
    trainer = TrainClassifier(model=tree, labelCol="kind")
    with pytest.raises(DecodeError, match=r"TuneHyperparameters: fold . of 5 has no row"):
        tuner([trainer], GridSpace([]), numFolds=5, showProgress=False).fit(df)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.setModels(renames("a")), "`models` must be estimators, got the RenameColumn"),
        (lambda t: t.setLabelCol("no"), "TuneHyperparameters: column `no`"),
        (lambda t: t.setNumFolds(1), "`numFolds` must be between 2 and"),
        (lambda t: t.setParallelism(0), "`parallelism` must be between 1 and"),
    ],
)
def test_a_search_that_cannot_be_is_one_clear_error(spark, corners, change, message):
    stage = tuner([ValueIndexer(inputCol="kind", outputCol="prediction")], GridSpace([]), showProgress=False)
    with pytest.raises(MmlrsError, match=message):
        change(stage).fit(corners)
