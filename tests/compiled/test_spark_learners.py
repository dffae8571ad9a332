"""Compiled learners of Spark ML give what the originals give, ties and odd values included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from parity import check

pytest.importorskip("pyspark")

from pyspark.ml import Pipeline
from pyspark.ml import classification as C
from pyspark.ml import clustering as K
from pyspark.ml import regression as R
from pyspark.ml.feature import VectorAssembler, VectorIndexer
from pyspark.ml.linalg import SparseVector, Vectors

RNG = np.random.default_rng(5)
ROWS = 120


def _rows(width: int = 4) -> list[Any]:
    """Dense and sparse vectors, some of them equal."""
    rows: list[Any] = []
    for i in range(ROWS):
        values = np.round(RNG.normal(size=width), 1) * (RNG.random(width) < 0.7)
        places = np.flatnonzero(values)
        rows.append(Vectors.dense(values) if i % 2 else SparseVector(width, places, values[places]))
    return rows


@pytest.fixture(scope="module")
def data(spark: Any) -> Any:
    """Features, labels of two and three classes, a target, counts and weights."""
    vectors = _rows()
    sums = np.array([v.toArray().sum() for v in vectors]) + RNG.normal(size=ROWS) * 0.3
    rows = [
        (
            v,
            float(s > 0),
            float(np.digitize(s, [-0.7, 0.7])),
            float(s),
            float(abs(round(s)) + 1),
            float(i % 4 + 1),
        )
        for i, (v, s) in enumerate(zip(vectors, sums, strict=True))
    ]
    df = spark.createDataFrame(rows, ["features", "two", "three", "target", "count", "weight"]).coalesce(1)
    return df.cache()


@pytest.fixture(scope="module")
def odd(spark: Any, data: Any) -> Any:
    """The rows, and rows with NaN, infinities and large numbers."""
    nan, inf = float("nan"), float("inf")
    more = [
        [nan, 1.0, 0.0, 0.0],
        [inf, 0.0, 0.0, 1.0],
        [-inf, 1.0, 1.0, 0.0],
        [1e300, -1e300, 0.0, 0.0],
        [0.0] * 4,
    ]
    rows = [(Vectors.dense(row), 0.0, 0.0, 0.0, 1.0, 1.0) for row in more]
    return data.union(spark.createDataFrame(rows, data.schema))


CLASSIFIERS: list[Callable[[], Any]] = [
    lambda: C.LogisticRegression(labelCol="two", maxIter=5),
    lambda: C.LogisticRegression(labelCol="two", maxIter=5, threshold=0.7, weightCol="weight"),
    lambda: C.LogisticRegression(labelCol="two", maxIter=5, thresholds=[0.2, 0.8]),
    lambda: C.LogisticRegression(labelCol="two", maxIter=5, threshold=0.0, rawPredictionCol=""),
    lambda: C.LogisticRegression(labelCol="two", maxIter=5, family="multinomial"),
    lambda: C.LogisticRegression(labelCol="three", maxIter=5),
    lambda: C.LogisticRegression(labelCol="three", maxIter=5, thresholds=[0.5, 0.0, 0.4]),
    lambda: C.LogisticRegression(labelCol="three", maxIter=5, probabilityCol="", rawPredictionCol=""),
    lambda: C.LinearSVC(labelCol="two", maxIter=5, threshold=0.3),
    lambda: C.NaiveBayes(labelCol="three", modelType="gaussian"),
    lambda: C.FMClassifier(labelCol="two", maxIter=3, factorSize=3),
    lambda: C.MultilayerPerceptronClassifier(labelCol="three", layers=[4, 5, 3], maxIter=5),
    lambda: C.DecisionTreeClassifier(labelCol="three", maxDepth=4, leafCol="leaf"),
    lambda: C.RandomForestClassifier(
        labelCol="three", numTrees=4, maxDepth=4, leafCol="leaf", weightCol="weight"
    ),
    lambda: C.RandomForestClassifier(labelCol="three", numTrees=3).setThresholds([0.5, 0.2, 0.3]),
    lambda: C.GBTClassifier(labelCol="two", maxIter=3, stepSize=0.3, leafCol="leaf"),
    lambda: C.OneVsRest(classifier=C.LogisticRegression(maxIter=3), labelCol="three"),
    lambda: C.OneVsRest(classifier=C.LinearSVC(maxIter=3), labelCol="three"),
    lambda: C.OneVsRest(classifier=C.GBTClassifier(maxIter=2, maxDepth=2), labelCol="three"),
]


@pytest.mark.parametrize("number", range(len(CLASSIFIERS)))
def test_classifiers(data: Any, odd: Any, number: int) -> None:
    check(CLASSIFIERS[number]().fit(data), odd)


@pytest.mark.parametrize("variant", ["multinomial", "complement", "bernoulli"])
def test_naive_bayes_of_counts(spark: Any, data: Any, variant: str) -> None:
    rows = [(Vectors.dense((r.features.toArray() > 0) * 1.0), r.three) for r in data.collect()]
    if variant != "bernoulli":
        rows.append((Vectors.sparse(4, [1], [7.5]), 1.0))
    df = spark.createDataFrame(rows, ["features", "label"])
    check(C.NaiveBayes(modelType=variant, thresholds=[0.3, 0.4, 0.3]).fit(df), df)


REGRESSORS: list[Callable[[], Any]] = [
    lambda: R.LinearRegression(labelCol="target", maxIter=5, weightCol="weight"),
    lambda: R.FMRegressor(labelCol="target", maxIter=3, factorSize=2),
    lambda: R.DecisionTreeRegressor(labelCol="target", maxDepth=3, varianceCol="variance", leafCol="leaf"),
    lambda: R.RandomForestRegressor(labelCol="target", numTrees=3, maxDepth=4, leafCol="leaf"),
    lambda: R.GBTRegressor(labelCol="target", maxIter=3, stepSize=0.4),
    lambda: R.IsotonicRegression(labelCol="target", featureIndex=2),
    lambda: R.IsotonicRegression(labelCol="target", featureIndex=1, isotonic=False, weightCol="weight"),
]


@pytest.mark.parametrize("number", range(len(REGRESSORS)))
def test_regressors(data: Any, odd: Any, number: int) -> None:
    check(REGRESSORS[number]().fit(data), odd)


@pytest.mark.parametrize(
    ("family", "link", "label"),
    [
        ("gaussian", "identity", "target"),
        ("gaussian", "log", "count"),
        ("gaussian", "inverse", "count"),
        ("binomial", "logit", "two"),
        ("binomial", "probit", "two"),
        ("binomial", "cloglog", "two"),
        ("poisson", "log", "count"),
        ("poisson", "sqrt", "count"),
        ("gamma", "inverse", "count"),
        ("gamma", "log", "count"),
        ("tweedie", None, "count"),
    ],
)
def test_generalized_linear_regression(
    data: Any, odd: Any, family: str, link: str | None, label: str
) -> None:
    learner = R.GeneralizedLinearRegression(
        family=family, labelCol=label, maxIter=2, regParam=0.1, linkPredictionCol="linked", offsetCol="weight"
    )
    if link is None:
        learner.setVariancePower(1.5).setLinkPower(-0.5)
    else:
        learner.setLink(link)
    check(learner.fit(data), odd if link in ("identity", "logit", "log") else data)


def test_clusters(data: Any) -> None:
    check(K.KMeans(k=3, seed=1, maxIter=3).fit(data), data)
    nonzero = data.where("target > 1.5")
    check(K.KMeans(k=2, seed=1, maxIter=3, distanceMeasure="cosine").fit(nonzero), nonzero)
    check(K.GaussianMixture(k=2, seed=1, maxIter=3).fit(data), data)


def test_trees_with_categories(spark: Any) -> None:
    rows = [(float(RNG.integers(0, 6)), float(RNG.normal())) for _ in range(150)]
    rows = [(c, x, float(c in (1.0, 4.0)) + x / 10 + float(c == 2.0) * 2) for c, x in rows]
    df = spark.createDataFrame(rows, ["c", "x", "label"])
    stages: list[Any] = [
        VectorAssembler(inputCols=["c", "x"], outputCol="v"),
        VectorIndexer(inputCol="v", outputCol="features", maxCategories=8),
    ]
    indexed = Pipeline(stages=stages).fit(df).transform(df).select("features", "label")
    model = R.RandomForestRegressor(numTrees=4, maxDepth=4).fit(indexed)
    strange = spark.createDataFrame(
        [(Vectors.dense([v, 0.1]), 0.0) for v in (9.0, 1.5, -1.0, float("nan"))], indexed.schema
    )
    assert "in {" in model.toDebugString
    check(model, indexed.union(strange))
    check(R.GBTRegressor(maxIter=2, maxDepth=3).fit(indexed), indexed)
