"""How well `FineTuner` does with few photographs, beside Spark's logistic regression on the same features."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bench.measure import Figure, Setting
from bench.session import spark_session
from bench.tuxpaint import photographs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SEEDS = 5
#: Share of the pictures of each class to test with.
TESTED = 0.25
#: Both stop at the minimum rather than at their limits.
ITERATIONS, TOLERANCE = 1_000, 1e-9

Classes = NDArray[np.int64]
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Percentage of the test rows whose class is right, and their mean cross-entropy."""

    accuracy: float
    loss: float

    @staticmethod
    def of(probabilities: Numbers, classes: Classes) -> Scores:
        """Compare probabilities, a row of them for each picture, with the true classes."""
        right = probabilities.argmax(axis=1) == classes
        own = probabilities[np.arange(len(classes)), classes]
        return Scores(100 * float(right.mean()), float(-np.log(own).mean()))


def opaque(pictures: pa.Table) -> pa.Table:
    """Return the pictures with white in place of their transparent background."""
    from mmlrs.image import ImageTransformer

    on_white = ImageTransformer(inputCol="image", outputCol="opaque", alpha="composite")
    return on_white.transform(pictures).select(["opaque"]).rename_columns(["image"])


def split(classes: Classes, seed: int) -> tuple[Classes, Classes]:
    """Return the rows to train on and those to test with, of each class the same share."""
    from sklearn.model_selection import StratifiedShuffleSplit

    splitter = StratifiedShuffleSplit(1, test_size=TESTED, random_state=seed)
    [(train, test)] = splitter.split(np.zeros((len(classes), 1)), classes)
    return train, test


def tuned(pictures: pa.Table, train: Classes, test: Classes, penalty: float, seed: int) -> Numbers:
    """Return the probabilities of the test pictures by `FineTuner`, which computes the features itself."""
    from mmlrs import vectors
    from mmlrs.ann import FineTuner
    from mmlrs.image import ImageFeaturizer

    tuner = FineTuner(
        model=ImageFeaturizer().getModel(),
        inputCol="image",
        l2=penalty,
        maxIter=ITERATIONS,
        tol=TOLERANCE,
        seed=seed,
    )
    scored = tuner.fit(pictures.take(train)).transform(pictures.take(test))
    return np.asarray(vectors.to_numpy(scored["probability"]), dtype=np.float64)


def regressed(
    spark: SparkSession, features: Numbers, classes: Classes, train: Classes, test: Classes, penalty: float
) -> Numbers:
    """Return the probabilities of the test pictures by Spark's logistic regression.

    Without standardization its objective is that of `FineTuner`: the mean cross-entropy and half the penalty times the sum of the
    squared weights, without the intercepts.
    """
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.linalg import Vectors

    def frame(rows: Classes) -> Any:
        pairs = [(Vectors.dense(features[row]), float(classes[row])) for row in rows]
        return spark.createDataFrame(pairs, ["features", "label"]).coalesce(1)

    learner = LogisticRegression(
        regParam=penalty, standardization=False, maxIter=ITERATIONS, tol=TOLERANCE, family="multinomial"
    )
    scored = learner.fit(frame(train)).transform(frame(test)).select("probability").collect()
    return np.array([row["probability"].toArray() for row in scored])


def fine_tuner(setting: Setting) -> Iterator[Figure]:
    """Transfer learning with `FineTuner` on the photographs of Tux Paint, beside Spark's LogisticRegression on the same features."""
    from mmlrs import vectors
    from mmlrs.image import ImageFeaturizer

    found, labels = photographs()
    names, classes = np.unique(labels, return_inverse=True)
    pictures = opaque(found).append_column("label", pa.array(labels.tolist()))
    featurizer = ImageFeaturizer(inputCol="image", outputCol="features")
    features = np.asarray(vectors.to_numpy(featurizer.transform(pictures)["features"]), dtype=np.float64)
    seeds = 1 if setting.quick else SEEDS
    ours, theirs = [], []
    with spark_session() as spark:
        for seed in range(seeds):
            train, test = split(classes, seed)
            penalty = 1 / len(train)
            ours.append(Scores.of(tuned(pictures, train, test, penalty, seed), classes[test]))
            theirs.append(Scores.of(regressed(spark, features, classes, train, test, penalty), classes[test]))
    accuracies, losses = (
        [statistics.mean(getattr(one, what) for one in side) for side in (ours, theirs)]
        for what in ("accuracy", "loss")
    )
    beyond = [a.accuracy - b.accuracy for a, b in zip(ours, theirs, strict=True)]
    yield Figure(
        f"test accuracy of FineTuner in {len(names)} classes, features of EfficientNet-Lite0, beyond that of Spark's "
        "LogisticRegression, in points",
        accuracies[0] - accuracies[1],
        "",
        target=0.0,
        detail=f"{accuracies[0]:.1f} % against {accuracies[1]:.1f} %, means of {seeds} seeds, each with {len(test)} of {len(labels)} "
        f"pictures to test with; differences from {min(beyond):+.1f} to {max(beyond):+.1f}; mean cross-entropy of these pictures "
        f"{losses[0]:.4f} against {losses[1]:.4f}; penalty 1/{len(train)} for both",
    )
