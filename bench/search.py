"""The search over networks against Spark ML's own, over the same stages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench import pictures
from bench.measure import Figure, Setting, side_by_side
from bench.session import CORES, spark_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FOLDS = 3
ROWS = 256
#: Numbers of layers that are removed from EfficientNet-Lite0: features of 1,280 and of 320 numbers, from two networks.
CUTS = [1, 3]
PENALTIES = [0.01, 0.1, 1.0]
PEER = "Spark's CrossValidator over the same stages"


def write_labelled(folder: Path, rows: int) -> None:
    """Write JPEG files of noisy photographs with labels 0 and 1, a tenth of them wrong, as one parquet file per core."""
    photographs = list(pictures.colour_photographs().values())
    random = np.random.default_rng(0)
    order = np.arange(rows) % len(photographs)
    noise = random.uniform(0, 60, rows)
    files = [pictures.jpeg(photographs[i], 500, 375, noise=n) for i, n in zip(order, noise, strict=True)]
    labels = ((order % 2 == 1) != (random.random(rows) < 0.1)).astype(float)
    for part in range(CORES):
        content = pa.array(files[part::CORES], pa.binary())
        table = pa.table({"image": content, "label": labels[part::CORES]})
        pq.write_table(table, folder / f"part-{part}.parquet", compression="none")


class Searches:
    """The same search with both libraries; `accuracies` holds those of the last search, trial by trial."""

    def __init__(self, source: DataFrame) -> None:
        from pyspark.ml import Pipeline
        from pyspark.ml.classification import LogisticRegression
        from pyspark.sql import functions as F

        from mmlrs.image import ImageFeaturizer

        self.source = source
        self.featurizer = ImageFeaturizer(inputCol="image", outputCol="features")
        self.learner = LogisticRegression(maxIter=10)
        self.pipeline: Any = Pipeline(stages=[self.featurizer, self.learner])
        # The same folds as ours, so that both do the same work.
        self.folded = source.withColumn("fold", F.floor(F.rand(0) * FOLDS).cast("int"))
        self.accuracies: list[float] = []

    def ours(self) -> None:
        from mmlrs.automl import DiscreteHyperParam, GridSpace, HyperparamBuilder, TuneHyperparameters

        space = HyperparamBuilder().addHyperparam(
            self.featurizer, "cutOutputLayers", DiscreteHyperParam(CUTS)
        )
        space.addHyperparam(self.learner, "regParam", DiscreteHyperParam(PENALTIES))
        search = TuneHyperparameters(
            models=[self.pipeline],
            paramSpace=GridSpace(space.build()),
            numFolds=FOLDS,
            parallelism=CORES,
            showProgress=False,
        )
        self.accuracies = search.fit(self.source).getAllModelMetrics()["metric"].to_pylist()

    def theirs(self) -> None:
        from pyspark.ml.evaluation import MulticlassClassificationEvaluator
        from pyspark.ml.tuning import CrossValidator, ParamGridBuilder

        grid = ParamGridBuilder().addGrid(self.featurizer.cutOutputLayers, CUTS)
        search = CrossValidator(
            estimator=self.pipeline,
            estimatorParamMaps=grid.addGrid(self.learner.regParam, PENALTIES).build(),
            evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
            numFolds=FOLDS,
            parallelism=CORES,
            foldCol="fold",
        )
        self.accuracies = search.fit(self.folded).avgMetrics


def search(setting: Setting) -> Iterator[Figure]:
    """A search over networks, against Spark's CrossValidator over the same stages, with nothing cached by hand."""
    rows = ROWS // 4 if setting.quick else ROWS
    with spark_session(images=True) as spark, tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        write_labelled(Path(folder), rows)
        both = Searches(spark.read.parquet(folder))
        both.ours()
        ours = both.accuracies
        both.theirs()
        apart = max(abs(a - b) for a, b in zip(ours, both.accuracies, strict=True))
        if apart > 1e-3:
            raise AssertionError(f"the accuracies differ by {apart}")
        timed = side_by_side(both.ours, both.theirs, 1 if setting.quick else 3, warm_up=False)
        yield Figure(
            f"TuneHyperparameters, {len(CUTS)} networks, {len(PENALTIES)} regularisations, {FOLDS} folds, {rows} JPEG "
            "files of 500x375: ImageFeaturizer and LogisticRegression",
            timed.ratio,
            target=3.0,
            detail=timed.seconds(PEER),
        )
