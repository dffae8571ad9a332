"""The search for hyper-parameters, beside Spark ML's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import data
from bench.measure import Figure, Setting, side_by_side
from bench.session import CORES, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FOLDS = 3
PENALTIES = [0.001, 0.01, 0.05, 0.2]
MIXES = [0.0, 0.5, 1.0]


def words_by_spark() -> list[Any]:
    """The stages of Spark ML that make features of a text."""
    from pyspark.ml.feature import IDF, HashingTF, RegexTokenizer, StopWordsRemover

    return [
        RegexTokenizer(inputCol="text", outputCol="words", pattern="\\W+"),
        StopWordsRemover(inputCol="words", outputCol="kept"),
        HashingTF(inputCol="kept", outputCol="counts"),
        IDF(inputCol="counts", outputCol="features"),
    ]


def words_by_mmlrs() -> list[Any]:
    """The same in one stage."""
    from mmlrs.text import TextFeaturizer

    return [TextFeaturizer(inputCol="text", outputCol="features", useStopWordsRemover=True, useIDF=True)]


def search(source: DataFrame, stages: list[Any], pairs: int) -> tuple[float, str]:
    """Time both searches over a pipeline of these stages and a learner; they must find the same."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
    from pyspark.sql import functions as F

    from mmlrs.automl import DiscreteHyperParam, GridSpace, HyperparamBuilder, TuneHyperparameters

    learner = LogisticRegression(maxIter=10)
    pipeline = Pipeline(stages=[*stages, learner])
    space = HyperparamBuilder().addHyperparam(learner, "regParam", DiscreteHyperParam(PENALTIES))
    space.addHyperparam(learner, "elasticNetParam", DiscreteHyperParam(MIXES))
    ours = TuneHyperparameters(
        models=[pipeline],
        paramSpace=GridSpace(space.build()),
        numFolds=FOLDS,
        parallelism=CORES,
        showProgress=False,
    )
    grid = ParamGridBuilder().addGrid(learner.regParam, PENALTIES).addGrid(learner.elasticNetParam, MIXES)
    theirs = CrossValidator(
        estimator=pipeline,
        estimatorParamMaps=grid.build(),
        evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
        numFolds=FOLDS,
        parallelism=CORES,
        foldCol="fold",
    )
    # The folds of ours, so that both do the same work.
    dealt = source.withColumn("fold", F.floor(F.rand(ours.getSeed()) * FOLDS).cast("int"))
    found: dict[str, list[float]] = {}

    def run_ours() -> None:
        found["ours"] = ours.fit(source).getAllModelMetrics()["metric"].to_pylist()

    def run_theirs() -> None:
        found["theirs"] = theirs.fit(dealt).avgMetrics

    timed = side_by_side(run_ours, run_theirs, pairs, warm_up=False)
    apart = max(abs(a - b) for a, b in zip(found["ours"], found["theirs"], strict=True))
    if apart > 1e-3:
        raise AssertionError(f"the accuracies differ by {apart}")
    return timed.ratio, timed.seconds("Spark's CrossValidator, which featurizes for each trial")


def tune(setting: Setting) -> Iterator[Figure]:
    """12 trials and 3 folds over pipelines that start with a text."""
    rows = 4_000 if setting.quick else 40_000
    with spark_session() as spark, tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        source = spark.read.parquet(data.write(Path(folder), data.reviews(rows)))
        for name, stages, target in (
            ("Spark ML's text stages", words_by_spark(), 3.0),
            ("TextFeaturizer", words_by_mmlrs(), None),
        ):
            ratio, detail = search(source, stages, setting.pairs(3))
            yield Figure(
                f"TuneHyperparameters, {len(PENALTIES) * len(MIXES)} trials, {FOLDS} folds, {rows:,} texts: {name} and "
                "LogisticRegression",
                ratio,
                target=target,
                detail=detail,
            )
