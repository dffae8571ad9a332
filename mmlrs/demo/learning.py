"""From pictures to classes: features, the learner, cross-validation, and the pipeline to save."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import TYPE_CHECKING

from mmlrs.image import ImageFeaturizer, ImageTransformer, UnrollImage
from mmlrs.train import ComputeModelStatistics, TrainClassifier

if TYPE_CHECKING:
    from pyspark.ml import Pipeline
    from pyspark.sql import Column, DataFrame

#: Rows and columns of the pictures whose raw pixels are learnt, for comparison.
SMALL = 32


def featurizer() -> ImageFeaturizer:
    """Return the network: EfficientNet-Lite0 on pictures whose transparent parts are white.

    It reads the files, since the images that `read_images` decodes have no alpha channel.
    """
    return ImageFeaturizer(inputCol="content", outputCol="features", alpha="composite")


def described(pictures: DataFrame) -> DataFrame:
    """Add the network's features and the raw pixels of the small picture. A picture is decoded once for both."""
    small = ImageTransformer(inputCol="content", outputCol="small", alpha="composite").resize(SMALL, SMALL)
    pixels = UnrollImage(inputCol="small", outputCol="pixels")
    made = pixels.transform(small.transform(featurizer().transform(pictures)))
    # One partition: a learner makes a pass per iteration, and on a few hundred rows each task costs more than its rows.
    return made.select("path", "content", "label", "fold", "features", "pixels").repartition(1)


def learner(column: str) -> TrainClassifier:
    """Return the classifier of a vector column. It adds `prediction`, `probability`, and the name of the class as `answer`."""
    from pyspark.ml.classification import LogisticRegression

    regression = LogisticRegression(regParam=0.1, maxIter=30)
    return TrainClassifier(model=regression, labelCol="label", inputCols=[column], predictedLabelCol="answer")


def pipeline() -> Pipeline:
    """Return the whole way from a picture to the name of its class."""
    from pyspark.ml import Pipeline

    return Pipeline(stages=[featurizer(), learner("features")])


def certainty() -> Column:
    """Return the probability of the predicted class, the largest one, as the column `certainty`."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql import functions as F

    return F.array_max(vector_to_array(F.col("probability"))).alias("certainty")


def judged(table: DataFrame, column: str, count: int) -> DataFrame:
    """Return every row with the answer of a classifier that was trained on the other folds, of which there are `count`."""
    kept = ("path", "content", "label", "answer")

    def part(fold: int) -> DataFrame:
        model = learner(column).fit(table.where(table.fold != fold))
        return model.transform(table.where(table.fold == fold)).select(*kept, certainty())

    # Two folds at once: a task on the one partition keeps one core busy.
    with ThreadPoolExecutor(2) as pool:
        parts = list(pool.map(part, range(count)))
    return reduce(lambda upper, lower: upper.unionByName(lower), parts)


def accuracy(answers: DataFrame) -> float:
    """Return the share of right answers."""
    statistics = ComputeModelStatistics(labelCol="label", scoredLabelsCol="answer").transform(answers)
    [row] = statistics.select("accuracy").collect()
    return float(row.accuracy)
