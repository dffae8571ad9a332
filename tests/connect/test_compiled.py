"""Compiled models on Spark Connect, where the params come from getters of the server and from its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmlrs

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    city = rng.choice(["Bern", "Oslo", "Rome"], 80)
    x = rng.normal(size=80)
    return pd.DataFrame({"city": city, "x": x, "label": np.where(x + (city == "Bern") > 0.3, "yes", "no")})


@pytest.mark.parametrize("kind", ["linear", "forest"])
def test_a_pipeline_is_compiled_on_the_server(spark, frame, kind, tmp_path: Path):
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression, RandomForestClassifier
    from pyspark.ml.feature import OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler

    learner = (
        LogisticRegression(labelCol="target", maxIter=3)
        if kind == "linear"
        else RandomForestClassifier(labelCol="target", numTrees=3, maxDepth=3)
    )
    stages = [
        StringIndexer(inputCol="label", outputCol="target"),
        StringIndexer(inputCol="city", outputCol="place"),
        OneHotEncoder(inputCol="place", outputCol="flags"),
        VectorAssembler(inputCols=["flags", "x"], outputCol="raw"),
        StandardScaler(inputCol="raw", outputCol="features"),
        learner,
    ]
    df = spark.createDataFrame(frame)
    fitted = Pipeline(stages=stages).fit(df)
    compiled = mmlrs.compile(fitted, workDir=str(tmp_path))
    expected = fitted.transform(df).toPandas()
    scored = compiled.transform(frame)
    assert scored.prediction.tolist() == expected.prediction.tolist()
    probabilities = np.stack([v.toArray() for v in expected.probability])
    assert np.allclose(
        np.stack(list(mmlrs.to_numpy(scored["probability"]))), probabilities, rtol=1e-9, atol=1e-12
    )
    on_spark = compiled.transform(df).select("prediction", "predictedLabel").toPandas()
    assert on_spark.prediction.tolist() == expected.prediction.tolist()
    mmlrs.register(spark, f"answer_{kind}", fitted)
    df.createOrReplaceTempView("people")
    answers = spark.sql(f"SELECT answer_{kind}(city, x) AS a FROM people").toPandas()
    assert answers.a.tolist() == on_spark.predictedLabel.tolist()
    assert not list(tmp_path.iterdir())
