"""Training and evaluation against Spark ML's own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import data
from bench.measure import Figure, Setting, side_by_side
from bench.session import spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def statistics(spark: SparkSession, setting: Setting) -> Iterator[Figure]:
    """Compare all metrics of two classes with the area under the ROC curve alone."""
    from pyspark.ml.evaluation import BinaryClassificationEvaluator

    from mmlrs.train import ComputeModelStatistics

    rows = 500_000 if setting.quick else 10_000_000
    ours = ComputeModelStatistics(labelCol="label", scoresCol="score")
    # Without bins, so that its area is also exact.
    theirs = BinaryClassificationEvaluator(rawPredictionCol="score", labelCol="label", numBins=0)
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        source = spark.read.parquet(data.write(Path(folder), data.scored(rows)))
        [metrics] = ours.transform(source).collect()
        if abs(metrics["AUC"] - theirs.evaluate(source)) > 1e-9:
            raise AssertionError("the areas differ")
        timed = side_by_side(
            lambda: ours.transform(source).collect(),
            lambda: theirs.evaluate(source),
            1,  # the peer takes minutes
            warm_up=False,  # the comparison of the areas was the warm-up
        )
    yield Figure(
        f"ComputeModelStatistics, all metrics of {rows:,} scored rows",
        timed.ratio,
        target=1 / 3,
        detail=timed.seconds("Spark's BinaryClassificationMetrics for the area under the ROC curve alone"),
    )


def by_hand(source: DataFrame) -> Any:
    """Return the pipeline that a user of Spark ML would write for the table of `data.census`."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import Imputer, OneHotEncoder, StringIndexer, VectorAssembler

    kinds = dict(source.dtypes)
    numbers = [name for name in source.columns if kinds[name] == "double"]
    categories = [name for name in source.columns if kinds[name] == "string" and name != "income"]
    filled, indexed = [f"{n}_filled" for n in numbers], [f"{c}_index" for c in categories]
    encoded = [f"{c}_hot" for c in categories]
    return Pipeline(
        stages=[
            StringIndexer(inputCol="income", outputCol="label", stringOrderType="alphabetAsc"),
            Imputer(inputCols=numbers, outputCols=filled),
            StringIndexer(inputCols=categories, outputCols=indexed),
            OneHotEncoder(inputCols=indexed, outputCols=encoded, dropLast=False),
            VectorAssembler(inputCols=[*filled, *encoded], outputCol="features"),
            LogisticRegression(maxIter=20),
        ]
    )


def classifier(spark: SparkSession, setting: Setting) -> Iterator[Figure]:
    """Compare TrainClassifier with a pipeline on a census-like table; both train on one half and are evaluated on the other."""
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.evaluation import BinaryClassificationEvaluator

    from mmlrs.train import TrainClassifier

    rows = 50_000 if setting.quick else 500_000
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        table = data.census(2 * rows)
        known, other = (
            spark.read.parquet(data.write(Path(tempfile.mkdtemp(dir=folder)), part))
            for part in (table.slice(0, rows), table.slice(rows))
        )
        ours = TrainClassifier(model=LogisticRegression(maxIter=20), labelCol="income")
        theirs = by_hand(known)
        timed = side_by_side(lambda: ours.fit(known), lambda: theirs.fit(known), setting.pairs(3))
        ours_scored, theirs_scored = ours.fit(known).transform(other), theirs.fit(known).transform(other)
        evaluator = BinaryClassificationEvaluator(rawPredictionCol="probability", labelCol="label", numBins=0)
        theirs_area = evaluator.evaluate(theirs_scored)
        both = ours_scored.selectExpr("probability", "if(income = 'low', 1D, 0D) label")
        ours_area = evaluator.evaluate(both)
    yield Figure(
        f"TrainClassifier with LogisticRegression on {rows:,} people with 14 columns",
        timed.ratio,
        target=1 / 1.1,
        detail=timed.seconds("a pipeline of Spark ML's stages written by hand"),
    )
    yield Figure(
        "its area under the ROC curve on the same number of other people, relative to the pipeline's, both to three digits",
        round(ours_area, 3) / round(theirs_area, 3),
        target=1.0,
        detail=f"{ours_area:.5f} against {theirs_area:.5f}",
    )


def train(setting: Setting) -> Iterator[Figure]:
    """Training and evaluation on Spark."""
    with spark_session(memory="6g") as spark:
        for measure in (statistics, classifier):
            yield from measure(spark, setting)
