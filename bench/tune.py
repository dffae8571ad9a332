"""The search for hyper-parameters against Spark ML's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import data
from bench.measure import Comparison, Figure, Setting, seconds
from bench.session import CORES, spark_session
from bench.text import spark_stages, text_featurizer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FOLDS = 3
WORDS, SLOTS = 100, 1 << 14
PENALTIES = [0.001, 0.01, 0.05, 0.2]
MIXES = [0.0, 0.5, 1.0]
PEER = "Spark's CrossValidator over Spark ML's stages, which featurizes for each trial"


class Searches:
    """The same search with both libraries; `accuracies` holds those of the last search, trial by trial."""

    def __init__(self, source: DataFrame) -> None:
        from pyspark.ml.classification import LogisticRegression
        from pyspark.sql import functions as F

        self.source = source
        self.learner = LogisticRegression(maxIter=10)
        # The same folds as ours, so that both do the same work.
        fold = F.floor(F.rand(0) * FOLDS).cast("int")
        self.folded = source.withColumn("fold", fold)
        self.accuracies: list[float] = []

    def _pipeline(self, features: Any) -> Any:
        from pyspark.ml import Pipeline

        return Pipeline(stages=[features, self.learner])

    def ours(self, features: Any) -> None:
        from mmlrs.automl import DiscreteHyperParam, GridSpace, HyperparamBuilder, TuneHyperparameters

        space = HyperparamBuilder().addHyperparam(self.learner, "regParam", DiscreteHyperParam(PENALTIES))
        space.addHyperparam(self.learner, "elasticNetParam", DiscreteHyperParam(MIXES))
        search = TuneHyperparameters(
            models=[self._pipeline(features)],
            paramSpace=GridSpace(space.build()),
            numFolds=FOLDS,
            parallelism=CORES,
            showProgress=False,
        )
        self.accuracies = search.fit(self.source).getAllModelMetrics()["metric"].to_pylist()

    def theirs(self) -> None:
        from pyspark.ml.evaluation import MulticlassClassificationEvaluator
        from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

        grid = ParamGridBuilder().addGrid(self.learner.regParam, PENALTIES)
        search = CrossValidator(
            estimator=self._pipeline(spark_stages("text", "features", slots=SLOTS)),
            estimatorParamMaps=grid.addGrid(self.learner.elasticNetParam, MIXES).build(),
            evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
            numFolds=FOLDS,
            parallelism=CORES,
            foldCol="fold",
        )
        self.accuracies = search.fit(self.folded).avgMetrics


def tune(setting: Setting) -> Iterator[Figure]:
    """12 trials and 3 folds over pipelines that start with text; one run of each, because the peer takes minutes."""
    rows = 3_000 if setting.quick else 40_000
    table = data.reviews(rows, WORDS)
    with spark_session() as spark, tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        own = {
            "Spark ML's five text stages": spark_stages("text", "features", slots=SLOTS),
            "TextFeaturizer": text_featurizer(numFeatures=SLOTS),
        }
        few = Searches(spark.createDataFrame(table.slice(0, 500)))  # to warm up
        few.theirs()
        both = Searches(spark.read.parquet(data.write(Path(folder), table)))
        theirs = seconds(both.theirs)
        expected = both.accuracies
        for name, features in own.items():
            few.ours(features)
            timed = Comparison([seconds(lambda features=features: both.ours(features))], [theirs])  # type: ignore[misc]
            apart = max(abs(a - b) for a, b in zip(both.accuracies, expected, strict=True))
            if apart > 1e-3:
                raise AssertionError(f"the accuracies differ by {apart}")
            yield Figure(
                f"TuneHyperparameters, {len(PENALTIES) * len(MIXES)} trials, {FOLDS} folds, {rows:,} texts of {WORDS} "
                f"words: {name} and LogisticRegression",
                timed.ratio,
                target=3.0,
                detail=timed.seconds(PEER),
            )
