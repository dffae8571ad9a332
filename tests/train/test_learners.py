"""Learners of every make in the trainers, labels of every type, and what is known before any work."""

from __future__ import annotations

import datetime as dt
import decimal

import pyarrow as pa
import pytest

from mmlrs.automl import (
    DiscreteHyperParam,
    FindBestModel,
    GridSpace,
    HyperparamBuilder,
    TuneHyperparameters,
)
from mmlrs.errors import DecodeError, ExecutionError, InvalidParamError, SchemaMismatchError
from mmlrs.featurize import IndexToValue
from mmlrs.train import ComputeModelStatistics, TrainClassifier, TrainedClassifierModel, TrainRegressor

ROWS = 40


@pytest.fixture(scope="module")
def df(spark):
    """A number and a category that tell labels of every type, a weight and a fold."""
    day, moment = dt.date(2020, 1, 31), dt.datetime(2020, 1, 31, 23, 59, 59, 500_000, dt.UTC)
    rows = [
        (
            float(i),
            "ab"[i % 2],
            ["no", "yes"][i % 2],
            decimal.Decimal(9 + i % 2),
            day + dt.timedelta(i % 2),
            moment + dt.timedelta(seconds=i % 2),
            float(1 + i % 2),
            i // 2 % 2,
            float(3 * (i % 2)),
        )
        for i in range(ROWS)
    ]
    names = (
        "x double, job string, text string, dec decimal(3,1), day date, moment timestamp, w double, "
        "fold int, number double"
    )
    made = spark.createDataFrame(rows, names).coalesce(1).persist()
    yield made
    made.unpersist()


def made_learner(name):
    """Learners are made with a session alone."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LinearSVC, LogisticRegression, OneVsRest
    from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator
    from pyspark.ml.feature import StandardScaler
    from pyspark.ml.tuning import CrossValidator, ParamGridBuilder, TrainValidationSplit

    line = LogisticRegression(maxIter=4)
    grid = ParamGridBuilder().addGrid(line.regParam, [0.0, 0.1]).build()
    scaler = StandardScaler(outputCol="scaled")  # which reads the features when it names no input
    scaled = Pipeline(stages=[scaler, LogisticRegression(maxIter=4, featuresCol="scaled")])
    return {
        "Pipeline": lambda: scaled,
        "CrossValidator over a Pipeline, by folds": lambda: CrossValidator(
            estimator=scaled,
            estimatorParamMaps=[{}],
            evaluator=MulticlassClassificationEvaluator(),
            numFolds=2,
            foldCol="fold",
        ),
        "TrainValidationSplit": lambda: TrainValidationSplit(
            estimator=line,
            estimatorParamMaps=grid,
            evaluator=BinaryClassificationEvaluator(),
            seed=1,
        ),
        "OneVsRest with a weight inside": lambda: OneVsRest(classifier=LinearSVC(maxIter=4, weightCol="w")),
        "TuneHyperparameters": lambda: TuneHyperparameters(
            models=[line],
            paramSpace=GridSpace(
                HyperparamBuilder().addHyperparam(line, "regParam", DiscreteHyperParam([0.0, 0.1])).build()
            ),
            numFolds=2,
            showProgress=False,
        ),
    }[name]()


@pytest.mark.parametrize(
    "name",
    [
        "Pipeline",
        "CrossValidator over a Pipeline, by folds",
        "TrainValidationSplit",
        "OneVsRest with a weight inside",
        "TuneHyperparameters",
    ],
)
def test_estimators_around_learners_are_learners(df, name, tmp_path):
    learner = made_learner(name)
    before = {str(p): str(v) for p, v in learner.extractParamMap().items()}
    data = df.select("x", "job", "text", "w", "fold")
    model = TrainClassifier(model=learner, labelCol="text", inputCols=["x", "job"]).fit(data)
    assert {str(p): str(v) for p, v in learner.extractParamMap().items()} == before, (
        "the learner is not changed"
    )
    scored = model.transform(data)
    row = ComputeModelStatistics().transform(scored).first()
    assert (row.accuracy, row.labels) == (1.0, ["no", "yes"])
    assert "prediction" in scored.columns
    if name == "Pipeline":
        model.save(str(tmp_path / "model"))
        again = TrainedClassifierModel.load(str(tmp_path / "model")).transform(data)
        assert again.select("prediction").collect() == scored.select("prediction").collect()


def test_a_learner_written_in_python_by_others_is_a_learner(df):
    from pyspark import keyword_only
    from pyspark.ml import Estimator, Model
    from pyspark.ml.functions import vector_to_array
    from pyspark.ml.param.shared import HasFeaturesCol, HasLabelCol, HasPredictionCol
    from pyspark.sql import functions as F

    class Columns(HasFeaturesCol, HasLabelCol, HasPredictionCol):
        pass

    class Constant(Model, Columns):
        def _transform(self, dataset):
            first = vector_to_array(F.col(self.getFeaturesCol()))[0]
            return dataset.withColumn(self.getPredictionCol(), F.when(first == first, 1.0))

    class Majority(Estimator, Columns):
        @keyword_only
        def __init__(self, predictionCol="prediction"):
            super().__init__()
            self._set(predictionCol=predictionCol)

        def _fit(self, dataset):
            assert dataset.select(self.getLabelCol(), self.getFeaturesCol()).count() == ROWS
            return self._copyValues(Constant())

    model = TrainClassifier(
        model=Majority(predictionCol="guess"), labelCol="text", inputCols=["x", "job"]
    ).fit(df)
    assert ComputeModelStatistics().transform(model.transform(df)).first().accuracy == 0.5


@pytest.mark.parametrize("label", ["dec", "day", "moment"])
def test_labels_may_be_decimals_dates_and_timestamps(df, label):
    from pyspark.ml.classification import DecisionTreeClassifier

    data = df.select("job", label)
    model = TrainClassifier(model=DecisionTreeClassifier(), labelCol=label).fit(data)
    expected = {
        "dec": [9.0, 10.0],
        "day": ["2020-01-31", "2020-02-01"],
    }
    if label in expected:
        assert model.getLabels() == expected[label]
    scored = model.transform(data)
    row = ComputeModelStatistics().transform(scored).first()
    assert (row.accuracy, row.AUC) == (1.0, 1.0)
    guessed = IndexToValue(inputCol="prediction", outputCol="guess").transform(scored)
    assert {r.guess for r in guessed.select("guess").collect()} == set(model.getLabels())


def test_timestamps_as_labels_do_not_depend_on_the_time_zone_of_the_session(spark, df):
    from pyspark.ml.classification import DecisionTreeClassifier

    zone = spark.conf.get("spark.sql.session.timeZone")
    table = pa.table(
        {
            "x": [0.0, 1.0, 0.0, 1.0],
            "y": pa.array([0, 1_500_000, 0, 1_500_000], pa.timestamp("us", "UTC")),
        }
    )
    try:
        spark.conf.set("spark.sql.session.timeZone", "Asia/Kathmandu")
        model = TrainClassifier(model=DecisionTreeClassifier(), labelCol="y").fit(table)
    finally:
        spark.conf.set("spark.sql.session.timeZone", zone)
    assert model.getLabels() == ["1970-01-01 00:00:00", "1970-01-01 00:00:01.5"]
    scored = model.transform(table)
    assert ComputeModelStatistics().transform(scored)["accuracy"].to_pylist() == [1.0]


def wrong_learner(name):
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.clustering import KMeans
    from pyspark.ml.feature import StandardScaler, StringIndexer, UnivariateFeatureSelector, VectorAssembler
    from pyspark.ml.recommendation import ALS
    from pyspark.ml.regression import FMRegressor, LinearRegression
    from pyspark.ml.tuning import CrossValidator

    return {
        "clusterer": KMeans,
        "regressor": LinearRegression,
        "regressor in a pipeline": lambda: Pipeline(stages=[StandardScaler(), FMRegressor()]),
        "regressor in a cross-validation": lambda: CrossValidator(estimator=LinearRegression()),
        "empty cross-validation": CrossValidator,
        "empty pipeline": lambda: Pipeline(stages=[]),
        "indexer": StringIndexer,
        "selector": UnivariateFeatureSelector,
        "recommender": ALS,
        "trainer": lambda: TrainClassifier(model=LogisticRegression(), labelCol="text"),
        "pipeline of raw columns": lambda: Pipeline(
            stages=[VectorAssembler(inputCols=["x", "w"], outputCol="features"), LogisticRegression()]
        ),
    }[name]()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "clusterer",
            r"must be a classifier, got a KMeans, which does not predict a label; pass a classifier",
        ),
        ("regressor", r"got a LinearRegression, which is a regressor; pass it to TrainRegressor, or pass"),
        ("regressor in a pipeline", r"got a FMRegressor in a Pipeline, which is a regressor"),
        (
            "regressor in a cross-validation",
            r"got a LinearRegression in a CrossValidator, which is a regressor",
        ),
        ("empty cross-validation", r"got a CrossValidator without a stage"),
        ("empty pipeline", r"got a Pipeline without a stage"),
        ("indexer", r"got a StringIndexer, which does not predict a label"),
        ("selector", r"got a UnivariateFeatureSelector, which does not predict a label"),
        ("recommender", r"got a ALS, which does not predict a label"),
        ("trainer", r"got a TrainClassifier, which makes features of raw columns itself"),
    ],
)
def test_what_is_no_classifier_is_refused_before_any_work(df, name, message, monkeypatch):
    monkeypatch.setattr(TrainClassifier, "_prepare", None)  # whose call would fail otherwise
    with pytest.raises(InvalidParamError, match=message):
        TrainClassifier(model=wrong_learner(name), labelCol="text", inputCols=["x"]).fit(df)


def test_a_classifier_is_no_regressor(df):
    from pyspark.ml.classification import FMClassifier, LogisticRegression

    for learner in (LogisticRegression(), FMClassifier()):
        with pytest.raises(InvalidParamError, match=r"which is a classifier; pass it to TrainClassifier"):
            TrainRegressor(model=learner, labelCol="number", inputCols=["x"]).fit(df)


def test_a_pipeline_that_reads_raw_columns_says_what_there_is(df):
    learner = wrong_learner("pipeline of raw columns")
    with pytest.raises(
        InvalidParamError, match=r"its VectorAssembler reads the column `x`, which no previous"
    ):
        TrainClassifier(model=learner, labelCol="text", inputCols=["x", "w"]).fit(df)


def test_learners_of_scikit_learn_are_recognized():
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(InvalidParamError, match=r"`model` .*got the LogisticRegression of scikit-learn; use"):
        TrainClassifier(model=LogisticRegression(), labelCol="y")
    with pytest.raises(InvalidParamError, match=r"`models` .*LogisticRegression of scikit-learn; use its"):
        TuneHyperparameters(models=[LogisticRegression()])
    with pytest.raises(
        InvalidParamError,
        match=r"got the class LogisticRegression; create an instance: LogisticRegression\(\)",
    ):
        TrainClassifier(model=LogisticRegression, labelCol="y")


def test_columns_that_will_exist_already_are_told_before_any_work(df, monkeypatch):
    from pyspark.ml.classification import LogisticRegression

    monkeypatch.setattr(TrainClassifier, "_prepare", None)
    taken = df.withColumnRenamed("w", "Probability")
    for name, data in (("prediction", df.withColumnRenamed("w", "prediction")), ("Probability", taken)):
        with pytest.raises(SchemaMismatchError, match=f"TrainClassifier: column `{name}` already exists"):
            TrainClassifier(model=LogisticRegression(), labelCol="text", inputCols=["x"]).fit(data)
    search = TuneHyperparameters(
        models=[TrainClassifier(model=LogisticRegression(), labelCol="text")], paramSpace=GridSpace([])
    )
    with pytest.raises(SchemaMismatchError, match="TrainClassifier: column `Probability` already exists"):
        search.fit(taken)


def test_a_metric_that_does_not_fit_is_told_before_any_work(df, monkeypatch):
    from pyspark.ml.classification import LinearSVC, LogisticRegression
    from pyspark.ml.clustering import KMeans

    monkeypatch.setattr(TrainClassifier, "_prepare", None)

    def fit(learner, metric, data=df, label="text"):
        trainer = TrainClassifier(model=learner, labelCol=label, inputCols=["x"])
        search = TuneHyperparameters(models=[trainer], paramSpace=GridSpace([]), evaluationMetric=metric)
        search.fit(data)

    three = df.selectExpr("x", "concat('class ', int(x) % 3) kind")
    with pytest.raises(InvalidParamError, match='"AUC" needs two classes, and column `kind` has 3; use "acc'):
        fit(LogisticRegression(), "AUC", three, "kind")
    with pytest.raises(InvalidParamError, match='"log_loss" needs a column of probability, and LinearSVC wr'):
        fit(LinearSVC(), "log_loss")
    with pytest.raises(
        InvalidParamError, match="TrainClassifier: param `model` must be a classifier, got a KM"
    ):
        fit(KMeans(), "accuracy")
    plain = TuneHyperparameters(models=[KMeans()], paramSpace=GridSpace([]), evaluationMetric="accuracy")
    with pytest.raises(
        InvalidParamError,
        match=r'"accuracy" is a metric of classification, and KMeans_\w+ is a KMeans, which predicts',
    ):
        plain.fit(df)
    plain = TuneHyperparameters(
        models=[LogisticRegression()], paramSpace=GridSpace([]), evaluationMetric="r2"
    )
    with pytest.raises(
        InvalidParamError, match=r'"r2" is a metric of regression, and LogisticRegression_\w+ does cl'
    ):
        plain.fit(df)


def test_the_best_of_models_of_three_classes_has_no_auc():
    from mmlrs.featurize import FastVectorAssembler
    from mmlrs.stages import RenameColumn

    model = TrainedClassifierModel(
        featurizer=FastVectorAssembler(inputCols=["x"], outputCol="f"),
        model=RenameColumn(inputCol="x", outputCol="prediction"),
        labelCol="y",
        labels=["a", "b", "c"],
    )
    data = pa.table({"x": [0.0, 1.0], "y": ["a", "b"]})
    with pytest.raises(InvalidParamError, match='"AUC" needs two classes, and the models have 3'):
        FindBestModel(models=[model], evaluationMetric="AUC").fit(data)
    with pytest.raises(
        SchemaMismatchError, match="TrainedClassifierModel: column `prediction` already exists"
    ):
        model.transform(data.append_column("prediction", pa.array([0.0, 1.0])))


def test_no_rows_and_no_labels_say_so(df):
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.regression import LinearRegression

    empty = df.select("x", "number", "text").limit(0)
    with pytest.raises(DecodeError, match="TrainRegressor: the dataset has no rows"):
        TrainRegressor(model=LinearRegression(), labelCol="number", inputCols=["x"]).fit(empty)
    trainer = TrainClassifier(model=LogisticRegression(), labelCol="text", inputCols=["x"])
    with pytest.raises(
        DecodeError, match="TrainClassifier: column `text`: has no value: the dataset has no rows"
    ):
        trainer.fit(empty)
    with pytest.raises(DecodeError, match="TuneHyperparameters: the dataset has no rows"):
        TuneHyperparameters(models=[trainer], paramSpace=GridSpace([])).fit(empty)
    missing = df.selectExpr("x", "string(null) text")
    with pytest.raises(
        Exception, match='`text`: is null or NaN; handleInvalid="skip" trains without such rows'
    ):
        trainer.fit(missing)


ODD = "a.{} `b` c"


def test_names_of_columns_may_hold_dots_quotes_and_spaces_in_every_part(df):
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.tuning import CrossValidator

    names = {name: ODD.format(name) for name in ("x", "job", "text", "w", "fold")}
    data = df.select(*names).toDF(*names.values())
    line = LogisticRegression(
        maxIter=4, weightCol=names["w"], predictionCol="a.guess", probabilityCol="p `p`"
    )
    folds = CrossValidator(
        estimator=line,
        estimatorParamMaps=[{}],
        evaluator=MulticlassClassificationEvaluator(predictionCol="a.guess"),
        numFolds=2,
        foldCol=names["fold"],
    )
    trainer = TrainClassifier(model=folds, labelCol=names["text"], featuresCol="the.features")
    model = trainer.fit(data)
    assert model.getFeaturizer().getInputCols() == [names["x"], names["job"]]
    scored = model.transform(data)
    assert {"a.guess", "p `p`"} <= set(scored.columns)
    assert scored.columns[: len(names)] == list(names.values())
    row = ComputeModelStatistics().transform(scored).first()
    assert (row.accuracy, row.AUC, row.labels) == (1.0, 1.0, ["no", "yes"])
    search = TuneHyperparameters(
        models=[TrainClassifier(model=line, labelCol=names["text"].upper())],
        paramSpace=GridSpace([]),
        labelCol=names["text"],
        evaluationMetric="AUC",
        numFolds=2,
        showProgress=False,
    )
    assert search.fit(data).getBestMetric() == 1.0


def test_a_level_or_a_class_that_a_fold_lacks_does_not_fail_a_search(spark):
    from pyspark.ml.classification import LogisticRegression

    rows = [
        (float(i), "unicorn" if i == 7 else "ab"[i % 2], "rare" if i == 9 else "yn"[i % 2]) for i in range(60)
    ]
    data = spark.createDataFrame(rows, "x double, job string, y string").coalesce(1)
    line = LogisticRegression(maxIter=2)
    space = GridSpace(
        HyperparamBuilder().addHyperparam(line, "regParam", DiscreteHyperParam([0.0, 0.1])).build()
    )

    def search(**params):
        trainer = TrainClassifier(model=line, labelCol="y", **params)
        return TuneHyperparameters(models=[trainer], paramSpace=space, numFolds=2, showProgress=False)

    table = search().fit(data).getAllModelMetrics()
    assert table["error"].null_count == 2
    assert all(len(folds) == 2 for folds in table["folds"].to_pylist())
    with pytest.raises(
        ExecutionError, match=r'DecodeError: FeaturizeModel: column `job`.*the value "unicorn"'
    ):
        search(unseenCategories="error").fit(data)


def test_a_metric_that_one_fold_does_not_define_is_the_mean_of_the_others(spark):
    from pyspark.ml.classification import DecisionTreeClassifier

    rows = [(float(i), "yes" if i == 3 else "no") for i in range(30)]
    data = spark.createDataFrame(rows, "x double, y string").coalesce(1)
    trainer = TrainClassifier(model=DecisionTreeClassifier(maxDepth=2), labelCol="y")
    search = TuneHyperparameters(
        models=[trainer], paramSpace=GridSpace([]), evaluationMetric="AUC", numFolds=2, showProgress=False
    )
    [row] = search.fit(data).getAllModelMetrics().to_pylist()
    known = [value for value in row["folds"] if value is not None]
    assert (len(row["folds"]), len(known), row["metric"]) == (2, 1, known[0])


def test_other_columns_that_a_learner_reads_are_no_features(df):
    from pyspark.ml.regression import GBTRegressor

    data = df.select("x", "number", (df.fold == 1).alias("known.to stop"))
    learner = GBTRegressor(maxIter=2, validationIndicatorCol="known.to stop")
    model = TrainRegressor(model=learner, labelCol="number").fit(data)
    assert model.getFeaturizer().getInputCols() == ["x"]
