"""The best model wins, and searches find it: what is shared is done once, what fails is told."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from mmlrs.automl import (
    BestModel,
    DiscreteHyperParam,
    FindBestModel,
    FloatRangeHyperParam,
    GridSpace,
    HyperparamBuilder,
    IntRangeHyperParam,
    ParamSpace,
    RandomSpace,
    RangeHyperParam,
    TuneHyperparameters,
    TuneHyperparametersModel,
)
from mmlrs.automl.causes import cause_of
from mmlrs.automl.trials import configured, trials
from mmlrs.base import stage_spec
from mmlrs.errors import ColumnNotFoundError, DecodeError, ExecutionError, InvalidParamError, MmlrsError
from mmlrs.featurize import ValueIndexer
from mmlrs.stages import RenameColumn
from mmlrs.text import TextFeaturizer
from mmlrs.train import TrainClassifier, TrainRegressor
from mmlrs.train.statistics import METRICS

# -- spaces and trials ------------------------------------------------------------------------------------------------


def space_of(kind, *added):
    builder = HyperparamBuilder()
    for stage, param, values in added:
        builder.addHyperparam(stage, param, values)
    return kind(builder.build())


@pytest.mark.parametrize(
    ("values", "low", "high", "kind"),
    [
        (IntRangeHyperParam(2, 5), 2, 5, int),
        (FloatRangeHyperParam(-1.5, 2.5), -1.5, 2.5, float),
        (FloatRangeHyperParam(1e-4, 1.0, log=True), 1e-4, 1.0, float),
        (RangeHyperParam(1, 3), 1, 3, int),
        (RangeHyperParam(1.0, 3), 1, 3, float),
        (RangeHyperParam(1, 100, log=True), 1, 100, float),
    ],
)
def test_a_range_draws_values_inside_it(values, low, high, kind):
    random = np.random.default_rng(0)
    drawn = [values.draw(random) for _ in range(500)]
    assert all(low <= v < high and type(v) is kind for v in drawn)
    assert len(set(drawn)) > 1


def test_a_logarithmic_range_draws_as_many_values_from_each_decade():
    values, random = FloatRangeHyperParam(1e-4, 1.0, log=True), np.random.default_rng(0)
    decades = np.histogram(np.log10([values.draw(random) for _ in range(4000)]), bins=4, range=(-4, 0))[0]
    assert decades.min() > 850


def test_an_integer_range_reaches_all_its_values():
    random = np.random.default_rng(0)
    assert {IntRangeHyperParam(2, 5).draw(random) for _ in range(200)} == {2, 3, 4}


def tuner(models, space, **params):
    return TuneHyperparameters(models=models, paramSpace=space, **params)


def values_of(found):
    return [tuple(value for _, value in trial.point) for trial in found]


def test_a_grid_is_every_combination():
    text = TextFeaturizer(inputCol="t")
    space = space_of(
        GridSpace,
        (text, "numFeatures", DiscreteHyperParam([16, 32])),
        (text, text.minDocFreq, IntRangeHyperParam(1, 4)),
    )
    found = trials(tuner([text], space), [text], space)
    assert values_of(found) == [(16, 1), (16, 2), (16, 3), (32, 1), (32, 2), (32, 3)]
    assert found[0].parameters() == {"TextFeaturizer.numFeatures": 16, "TextFeaturizer.minDocFreq": 1}
    some = trials(tuner([text], space, numRuns=4), [text], space)
    assert len(some) == 4
    assert set(values_of(some)) < set(values_of(found))
    assert len(trials(tuner([text], space, numRuns=40), [text], space)) == 6


def test_a_grid_of_more_points_than_fit_into_memory_is_drawn_from_and_never_listed():
    text = TextFeaturizer(inputCol="t")
    space = space_of(
        GridSpace,
        (text, "numFeatures", IntRangeHyperParam(1, 2_000_000_000)),
        (text, "minDocFreq", IntRangeHyperParam(1, 1_000_000)),
    )
    few = values_of(trials(tuner([text], space, numRuns=5), [text], space))
    assert len(set(few)) == 5
    assert all(1 <= slots < 2_000_000_000 and 1 <= least < 1_000_000 for slots, least in few)
    with pytest.raises(
        InvalidParamError, match=r"TuneHyperparameters: param `paramSpace`: the grid has \d+ points"
    ):
        trials(tuner([text], space), [text], space)


def test_each_model_gets_its_own_params_alone():
    a, b, plain = TextFeaturizer(inputCol="t"), TextFeaturizer(inputCol="u"), TextFeaturizer(inputCol="v")
    space = space_of(
        GridSpace,
        (a, "numFeatures", DiscreteHyperParam([16, 32])),
        (b, "minDocFreq", DiscreteHyperParam([1, 2, 3])),
    )
    models = [a, b, plain]
    found = trials(tuner(models, space), models, space)
    assert [t.model.uid for t in found] == [a.uid] * 2 + [b.uid] * 3 + [plain.uid]
    assert values_of(found)[2:] == [(1,), (2,), (3,), ()]


def test_a_random_space_draws_points_that_differ_and_the_same_ones_for_the_same_seed():
    text = TextFeaturizer(inputCol="t")
    space = space_of(RandomSpace, (text, "numFeatures", IntRangeHyperParam(1, 1000)))

    def drawn(seed, **params):
        return values_of(trials(tuner([text], space, seed=seed, **params), [text], space))

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(3, numRuns=30))) == 30
    small = space_of(RandomSpace, (text, "numFeatures", DiscreteHyperParam([1, 2, 3])))
    assert sorted(values_of(trials(tuner([text], small, numRuns=50), [text], small))) == [(1,), (2,), (3,)]


def test_the_seed_of_a_hyper_parameter_changes_what_is_drawn():
    text = TextFeaturizer(inputCol="t")
    one, two = (
        values_of(trials(tuner([text], space), [text], space))
        for space in (
            space_of(RandomSpace, (text, "numFeatures", IntRangeHyperParam(1, 1000, seed))) for seed in (0, 1)
        )
    )
    assert one != two


def test_a_trial_configures_copies_of_the_stages_inside():
    inner = TextFeaturizer(inputCol="t", numFeatures=8)
    trainer = TrainClassifier(model=inner, labelCol="y")
    space = space_of(
        GridSpace,
        (inner, "numFeatures", DiscreteHyperParam([16])),
        (trainer, "numFeatures", DiscreteHyperParam([32])),
    )
    [trial] = trials(tuner([trainer], space), [trainer], space)
    made = configured(trainer, trial.point)
    assert (made.getModel().getNumFeatures(), made.getNumFeatures()) == (16, 32)
    assert (inner.getNumFeatures(), trainer.getModel()) == (8, inner)


def test_two_stages_of_one_class_are_told_by_their_uids():
    a, b = TextFeaturizer(inputCol="t"), TextFeaturizer(inputCol="u")
    trainer = TrainClassifier(model=a, labelCol="y")
    space = space_of(GridSpace, *((s, "numFeatures", DiscreteHyperParam([16])) for s in (a, b)))
    both = tuner([trainer, b], space)
    found = trials(both, [trainer, b], space)
    assert [list(t.parameters()) for t in found] == [["TextFeaturizer.numFeatures"]] * 2
    inside = TuneHyperparameters(models=[a, b])
    found = trials(tuner([inside], space), [inside], space)
    assert list(found[0].parameters()) == [f"{a.uid}.numFeatures", f"{b.uid}.numFeatures"]


SEEDS = {"kind": "FloatRangeHyperParam", "min": 0.1, "max": 1.0}


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {"kind": ["DiscreteHyperParam"], "values": [1]},
        {"kind": "ParamSpace", "values": [1]},
        {"kind": "DiscreteHyperParam"},
        {"kind": "DiscreteHyperParam", "values": {"a": 1}},
        {"kind": "DiscreteHyperParam", "values": None},
        {"kind": "DiscreteHyperParam", "values": [1], "self": 1},
        {"kind": "IntRangeHyperParam", "min": 0, "max": 10**30},
        {"kind": "IntRangeHyperParam", "min": [], "max": 1},
        *({**SEEDS, "seed": seed} for seed in ("x", math.nan, 1.5, None, [])),
        *({**SEEDS, "log": log} for log in ("yes", [], 1)),
        {**SEEDS, "max": math.inf},
    ],
    ids=str,
)
def test_a_stored_distribution_that_was_changed_is_one_clear_error(values):
    tuned = {"stage": "s_1", "owner": "S", "param": "p", "values": values}
    with pytest.raises(InvalidParamError, match=r"^(HyperParam|\w+HyperParam): "):
        ParamSpace.from_json({"kind": "random", "params": [tuned]})


@pytest.mark.parametrize(
    "space",
    [
        {"kind": ["grid"], "params": []},
        {"kind": "grid", "params": {}},
        {"kind": "grid", "params": None},
        {"kind": "grid", "params": [5]},
        {"kind": "grid", "params": [{"stage": 5, "owner": "S", "param": "p", "values": {}}]},
        {"kind": "grid", "params": [{"stage": "s", "param": "p", "values": {}}]},
        {"kind": "grid", "params": [], "self": 1},
    ],
    ids=str,
)
def test_a_stored_space_that_was_changed_is_one_clear_error(space):
    with pytest.raises((InvalidParamError, TypeError), match=r"must (be|have) "):
        ParamSpace.from_json(space)


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: DiscreteHyperParam([]), "`values` must not be empty"),
        (lambda: IntRangeHyperParam(3, 3), "IntRangeHyperParam: `min` must be less than `max`, got 3 and 3"),
        (lambda: FloatRangeHyperParam(0.0, 1.0, log=True), "with `log`, `min` must be greater than 0"),
        (
            lambda: HyperparamBuilder().addHyperparam(TextFeaturizer(), "regParam", DiscreteHyperParam([1])),
            "TextFeaturizer: there is no param `regParam`",
        ),
        (
            lambda: HyperparamBuilder().addHyperparam(TextFeaturizer(), "numFeatures", [1, 2]),
            "the values of TextFeaturizer.numFeatures must be a HyperParam .* got a list",
        ),
        (
            lambda: space_of(GridSpace, (TextFeaturizer(), "numFeatures", FloatRangeHyperParam(0, 1))),
            "GridSpace: the values of TextFeaturizer.numFeatures cannot be listed",
        ),
        (lambda: GridSpace(["numFeatures"]), "takes what HyperparamBuilder.build returns, got a str"),
        (
            lambda: TuneHyperparameters(paramSpace={"numFeatures": [1]}),
            "param `paramSpace` must be a GridSpace",
        ),
        (lambda: TuneHyperparameters(paramSpace={"kind": "x"}), 'must be a space of kind "grid" or "random"'),
        (lambda: TuneHyperparameters(models=[TextFeaturizer(), 3]), "one of them must be a stage, got 3"),
    ],
)
def test_a_space_that_cannot_be_is_one_clear_error(work, message):
    with pytest.raises(InvalidParamError, match=message):
        work()


def test_a_param_of_a_stage_that_no_model_holds_is_refused():
    text, other = TextFeaturizer(inputCol="t"), TextFeaturizer(inputCol="t")
    space = space_of(GridSpace, (other, "numFeatures", DiscreteHyperParam([1])))
    with pytest.raises(
        InvalidParamError,
        match=f"TuneHyperparameters: param `paramSpace`: names `numFeatures` of {other.uid}, but none of the models",
    ):
        trials(tuner([text], space), [text], space)


def test_the_metrics_are_those_that_statistics_know():
    choices = next(p for p in stage_spec("FindBestModel")["params"] if p["name"] == "evaluationMetric")
    assert all(f'"{name}"' in choices["constraint"] for name in METRICS)
    assert choices["constraint"].count('"') == 2 * len(METRICS)


# -- the best of several models ---------------------------------------------------------------------------------------


def predictions(**columns):
    return pa.table({"label": [0.0, 1.0, 1.0, 0.0, 1.0, 0.0], **columns})


def renames(*names):
    return [RenameColumn(inputCol=name, outputCol="prediction") for name in names]


GOOD, FAIR, BAD = (
    [0.0, 1.0, 1.0, 0.0, 1.0, 0.0],
    [0.0, 1.0, 1.0, 0.0, 0.0, 1.0],
    [1.0, 0.0, 0.0, 1.0, 0.0, 1.0],
)


@pytest.mark.parametrize("metric", [m for m in METRICS if m not in ("AUC", "areaUnderPR", "log_loss")])
@pytest.mark.parametrize("order", [("good", "fair", "bad"), ("bad", "fair", "good"), ("fair", "good", "bad")])
def test_the_winner_wins_by_every_metric(metric, order):
    data = predictions(good=GOOD, fair=FAIR, bad=BAD)
    finder = FindBestModel(
        models=renames(*order), evaluationMetric=metric, labelCol="label", scoredLabelsCol="prediction"
    )
    best = finder.fit(data)
    assert best.getBestModel().getInputCol() == "good"
    table = best.getAllModelMetrics()
    assert table["best"].to_pylist() == [name == "good" for name in order]
    values = table["metric"].to_pylist()
    assert best.getBestMetric() == (max if METRICS[metric].larger_is_better else min)(values)
    assert len(set(values)) == 3
    assert best.transform(data)["prediction"].to_pylist() == GOOD


@pytest.mark.parametrize("metric", ["AUC", "areaUnderPR", "log_loss"])
def test_the_winner_wins_by_scores(metric):
    scores = {"good": [0.1, 0.9, 0.8, 0.2, 0.7, 0.3], "bad": [0.9, 0.1, 0.2, 0.8, 0.3, 0.7]}
    models = [RenameColumn(inputCol=name, outputCol="score") for name in ("bad", "good")]
    finder = FindBestModel(models=models, evaluationMetric=metric, labelCol="label", scoresCol="score")
    best = finder.fit(predictions(**scores))
    assert best.getBestModel().getInputCol() == "good"
    assert best.getRocCurve()["true_positive_rate"].to_pylist()[-1] == 1.0


def test_of_equal_models_the_first_wins():
    data = predictions(a=FAIR, b=FAIR)
    finder = FindBestModel(models=renames("b", "a"), labelCol="label", scoredLabelsCol="prediction")
    assert finder.fit(data).getBestModel().getInputCol() == "b"


def test_a_metric_that_is_not_defined_does_not_win():
    data = pa.table({"label": [1.0, 1.0], "p": [0.0, 0.0]})
    finder = FindBestModel(models=renames("p"), labelCol="label", scoredLabelsCol="prediction")
    with pytest.raises(InvalidParamError, match='"AUC" is not defined for any of the models'):
        finder.setEvaluationMetric("AUC").fit(data)


def test_a_best_model_is_saved_with_its_metrics(tmp_path):
    data = predictions(good=GOOD, bad=BAD)
    finder = FindBestModel(models=renames("bad", "good"), labelCol="label", scoredLabelsCol="prediction")
    best = finder.fit(data)
    best.save(str(tmp_path / "best"))
    loaded = BestModel.load(str(tmp_path / "best"))
    assert loaded.getAllModelMetrics().equals(best.getAllModelMetrics())
    assert loaded.getBestModelMetrics()["accuracy"].to_pylist() == [1.0]
    assert loaded.transform(data).equals(best.transform(data))
    assert best.getScoredDataset().equals(best.transform(data))
    with pytest.raises(ExecutionError, match="BestModel: the scored dataset is not saved along"):
        loaded.getScoredDataset()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda f: f.setModels([ValueIndexer(inputCol="label")]),
            "`models` must be fitted models, got the estimator",
        ),
        (lambda f: f.setModels([]), "param `models` must not be empty"),
        (lambda f: f.setLabelCol("lable"), "FindBestModel: column `lable`"),
        (lambda f: f.setModels(renames("no")), "RenameColumn: column `no`"),
        (lambda f: f.setScoredLabelsCol("no"), "FindBestModel: model RenameColumn_.*: .*column `no`"),
        (lambda f: f.setEvaluationMetric("auc"), "`evaluationMetric` must be one of"),
    ],
)
def test_models_that_cannot_be_compared_are_one_clear_error(change, message):
    finder = FindBestModel(models=renames("good"), labelCol="label", scoredLabelsCol="prediction")
    with pytest.raises(MmlrsError, match=message):
        change(finder).fit(predictions(good=GOOD))


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


def test_the_search_finds_the_params_that_do_best_and_reports_them(spark, corners, tree, tmp_path, capsys):
    trainer = TrainClassifier(model=tree, labelCol="kind")
    space = space_of(GridSpace, (tree, tree.maxDepth, DiscreteHyperParam([1, 4, -3])))
    stage = tuner([trainer], space, evaluationMetric="AUC", numFolds=2)
    before = persisted(spark)
    model = stage.fit(corners)
    assert persisted(spark) == before
    assert model.getBestParams() == {"DecisionTreeClassifier.maxDepth": 4}
    assert "DecisionTreeClassifier.maxDepth=4): AUC 0.9" in model.getBestModelInfo()
    assert model.uid == stage.uid
    table = model.getAllModelMetrics().to_pydict()
    assert table["best"] == [False, True, False]
    assert table["metric"][1] == model.getBestMetric() > 0.9 > table["metric"][0]
    assert table["metric"][1] == pytest.approx(np.mean(table["folds"][1]))
    assert table["metric"][2] is None
    assert "maxDepth given invalid value -3" in table["error"][2]
    assert model.getBestModel().getModel().getOrDefault("maxDepth") == 4
    told = capsys.readouterr().err
    assert "TuneHyperparameters: 3 of 3: " in told
    assert "AUC 0.9" in told
    assert "failed: " in told
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
    with pytest.raises(ExecutionError, match=r"all 2 trials failed, the first one with .*invalid value -1"):
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
        InvalidParamError, match=r'`evaluationMetric`: "rmse" is of regression, .*TrainClassifier'
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


# -- causes -----------------------------------------------------------------------------------------------------------


def test_the_cause_of_a_failure_in_a_worker_is_what_the_worker_raised():
    worker = (
        "\n  An exception was thrown from the Python worker. Please see the stack trace below.\n"
        'Traceback (most recent call last):\n  File "/x/worker.py", line 5, in run\n    made = program.run(batch)\n'
        'mmlrs.errors.DecodeError: FeaturizeModel: column `job`, row 3 of the batch: has the value "a: b"\n'
    )
    expected = 'DecodeError: FeaturizeModel: column `job`, row 3 of the batch: has the value "a: b"'
    assert cause_of(RuntimeError(worker)) == expected
    assert (
        cause_of(RuntimeError(f"Job aborted:{worker}\n\tat org.x.Y(Z.scala:1)\nDriver stacktrace:\n"))
        == expected
    )


def test_a_cause_has_all_lines_but_those_of_the_jvm():
    assert cause_of(ValueError("one\n  two")) == "ValueError: one two"
    assert cause_of(ValueError("[A] is bad\n\nJVM stacktrace:\norg.x.Y\n\tat z")) == "ValueError: [A] is bad"
    assert cause_of(ValueError()) == "ValueError: no message"
