"""Compiled pipelines against Spark's own: a pandas table without Spark, and pictures on Spark."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import data
from bench.measure import Comparison, Figure, Setting, side_by_side
from bench.search import write_labelled
from bench.session import CORES, run_to_nowhere, spark_session

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession

ROWS = 100_000
#: The rows that the pipelines are fitted on.
FITTED = 20_000
TREES = 100
PICTURES = 384
ANSWERS = ["probability", "prediction"]
LABEL = "income"


def people(rows: int) -> pd.DataFrame:
    """Return the table of `data.census` without its column of missing values."""
    return data.census(rows).drop_columns(["hours"]).to_pandas()


def pipeline(frame: pd.DataFrame, learner: Any) -> Any:
    """Return a pipeline of Spark ML for the table of `people`: index, one-hot, assemble, scale, learn."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler

    numbers = [name for name in frame.columns if frame[name].dtype == np.float64]
    categories = [name for name in frame.columns if name not in (*numbers, LABEL)]
    indexed, hot = [f"{name}_index" for name in categories], [f"{name}_hot" for name in categories]
    return Pipeline(
        stages=[
            StringIndexer(inputCol=LABEL, outputCol="label"),
            StringIndexer(inputCols=categories, outputCols=indexed, handleInvalid="keep"),
            OneHotEncoder(inputCols=indexed, outputCols=hot),
            VectorAssembler(inputCols=[*numbers, *hot], outputCol="assembled"),
            StandardScaler(inputCol="assembled", outputCol="features"),
            learner,
        ]
    )


def learners() -> dict[str, Any]:
    from pyspark.ml.classification import LogisticRegression, RandomForestClassifier

    return {
        "logistic regression": LogisticRegression(maxIter=10),
        f"a forest of {TREES} trees": RandomForestClassifier(numTrees=TREES, seed=1),
    }


def check_equal(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    """Raise if the answers differ."""
    import mmlrs

    apart = np.abs(mmlrs.to_numpy(ours["probability"]) - mmlrs.to_numpy(theirs["probability"])).max()
    if apart > 1e-9 or list(ours["prediction"]) != list(theirs["prediction"]):
        raise AssertionError(f"the probabilities differ by {apart}, or the predictions differ")


def on_tables(spark: SparkSession, setting: Setting) -> Iterator[Figure]:
    """Score a pandas table without Spark, and the same rows, cached, with Spark. Both return pandas columns."""
    from pyspark.ml.functions import vector_to_array
    from pyspark.sql.functions import col

    import mmlrs

    rows = ROWS // 10 if setting.quick else ROWS
    frame = people(rows)
    spark.conf.set("spark.sql.execution.arrow.pyspark.enabled", "true")
    source = spark.createDataFrame(frame).repartition(CORES).cache()
    source.count()
    order = source.toPandas()
    for name, learner in learners().items():
        fitted = pipeline(frame, learner).fit(spark.createDataFrame(people(FITTED)))
        compiled = mmlrs.compile(fitted, outputCols=ANSWERS)
        scored = fitted.transform(source)
        plain = scored.select(ANSWERS)
        # As arrays, Arrow carries the vectors, which is faster than pickled objects.
        arrays = scored.select(vector_to_array(col("probability")).alias("probability"), "prediction")
        ours = partial(compiled.transform, order)
        check_equal(ours(), arrays.toPandas())
        what = f"compiled pipeline with {name}, a pandas table of {rows:,} rows, against Spark's transform and toPandas"
        timed = side_by_side(ours, plain.toPandas, setting.pairs(7))
        yield Figure(
            what, timed.ratio, target=5.0, detail=timed.seconds(f"Spark local[{CORES}], rows cached")
        )
        timed = side_by_side(ours, arrays.toPandas, setting.pairs(7))
        yield Figure(f"{what} of vectors as arrays", timed.ratio, detail=timed.seconds("Spark"))


def passes(df: DataFrame) -> int:
    """Return how many passes through Python the plan of a DataFrame has."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        df.explain()
    return text.getvalue().count("EvalPython ")


def on_pictures(spark: SparkSession, folder: str, setting: Setting) -> Iterator[Figure]:
    """Classify pictures on Spark with a learner in Python and with the same learner in the JVM."""
    from pyspark.ml import PipelineModel
    from pyspark.ml.classification import LogisticRegression

    import mmlrs
    from mmlrs.image import ImageFeaturizer
    from mmlrs.train import TrainClassifier

    rows = PICTURES // 4 if setting.quick else PICTURES
    write_labelled(Path(folder), rows)
    source = spark.read.parquet(folder)
    featurizer = ImageFeaturizer(inputCol="image", outputCol="features")
    train = TrainClassifier(model=LogisticRegression(maxIter=5), labelCol="label", inputCols=["features"])
    learned = train.fit(featurizer.transform(source).select("features", "label").limit(64).cache())
    original = PipelineModel([featurizer, learned])
    compiled = mmlrs.compile(original)
    pictures = source.select("image")
    names = ["prediction", "probability"]
    ours, theirs = (model.transform(pictures).select(names) for model in (compiled, original))
    check_equal(ours.toPandas(), theirs.toPandas())
    timed: Comparison = side_by_side(
        partial(run_to_nowhere, ours), partial(run_to_nowhere, theirs), setting.pairs(21)
    )
    yield Figure(
        f"ImageFeaturizer and TrainClassifier compiled, Spark local[{CORES}], {rows} JPEG files of 500x375",
        timed.ratio,
        target=1.0,
        detail=timed.detail(rows, "the learner in the JVM"),
    )
    yield Figure("passes through Python in its plan", passes(ours), "", 1, at_least=False)


def compiled(setting: Setting) -> Iterator[Figure]:
    """Compiled pipelines: index, one-hot, assemble, scale and learn on a pandas table; pictures on Spark."""
    with spark_session() as spark:
        yield from on_tables(spark, setting)
    with spark_session(images=True) as spark, tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        yield from on_pictures(spark, folder, setting)
