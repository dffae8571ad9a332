"""Vector assembly and automatic featurization against Spark ML's own stages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from bench import data
from bench.measure import Figure, Setting, side_by_side
from bench.session import run_to_nowhere, spark_session
from bench.text import same_vectors, spark_stages, text_featurizer

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Columns and rows of the assembly of doubles.
WIDTHS = ((10, 1_000_000), (100, 200_000), (1_000, 20_000))
NOMINAL_COLUMNS, LEVELS = 100, 10_000


def assembly(spark: SparkSession, setting: Setting) -> Iterator[Figure]:
    """Measure FastVectorAssembler alone, between plain columns."""
    for columns, rows in WIDTHS:
        with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
            table = pa.table(data.numbers(rows // 4 if setting.quick else rows, columns))
            source = spark.read.parquet(data.write(Path(folder), table))
            yield assembler_figure(source, f"{columns:,} columns of doubles", setting)
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        source = spark.read.parquet(data.write(Path(folder), pa.table(data.numbers(1_000, NOMINAL_COLUMNS))))
        levels = [f"level {i}" for i in range(LEVELS)]
        marked = [
            source[name].alias(name, metadata={"ml_attr": {"type": "nominal", "vals": levels, "name": name}})
            for name in source.columns
        ]
        what = f"{NOMINAL_COLUMNS} nominal columns of {LEVELS:,} levels, plan included"
        yield assembler_figure(source.select(*marked), what, setting)


def assembler_figure(source: DataFrame, what: str, setting: Setting) -> Figure:
    """Compare both assemblers on the same columns; each run plans again."""
    from pyspark.ml.feature import VectorAssembler

    from mmlrs.featurize import FastVectorAssembler

    ours = FastVectorAssembler(inputCols=source.columns, outputCol="features")
    theirs = VectorAssembler(inputCols=source.columns, outputCol="features")

    def fresh() -> DataFrame:
        return source.select("*")

    for a, b in zip(*(s.transform(source).select("features").take(3) for s in (ours, theirs)), strict=True):
        np.testing.assert_array_equal(a[0].toArray(), b[0].toArray())
    timed = side_by_side(
        lambda: run_to_nowhere(ours.transform(fresh()).select("features")),
        lambda: run_to_nowhere(theirs.transform(fresh()).select("features")),
        setting.pairs(21),  # many, because the runs are short
    )
    return Figure(
        f"FastVectorAssembler alone, {what}", timed.ratio, target=1.0, detail=timed.seconds("VectorAssembler")
    )


def native_run(spark: SparkSession, setting: Setting) -> Iterator[Figure]:
    """Assemble a text column, doubles and a vector column into one sparse vector, in one native run."""
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as F

    rows = 10_000 if setting.quick else 50_000
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        random = np.random.default_rng(2)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(random.normal(size=rows * 64)), 64)
        columns = {
            "text": data.documents(rows),
            **data.numbers(rows, 50),
            "array": vectors.cast(pa.list_(pa.float64())),
        }
        plain = spark.read.parquet(data.write(Path(folder), pa.table(columns)))
        source = plain.withColumn("vector", array_to_vector(F.col("array"))).drop("array")
        for bigrams, text in ((True, "stop words, bigrams and idf"), (False, "words and idf")):
            yield native_run_figure(source, text, setting, bigrams=bigrams)


def native_run_figure(source: DataFrame, text: str, setting: Setting, *, bigrams: bool) -> Figure:
    """Compare the native run on one text column, 50 doubles and a vector with Spark ML's stages."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import VectorAssembler

    from mmlrs.featurize import FastVectorAssembler

    columns = ["features_of_text", *(f"c{i}" for i in range(50)), "vector"]
    stages = spark_stages("text", "features_of_text", bigrams=bigrams).getStages()
    theirs = Pipeline(stages=[*stages, VectorAssembler(inputCols=columns, outputCol="features")]).fit(source)
    featurizer = text_featurizer(useStopWordsRemover=bigrams, useNGram=bigrams)
    words = featurizer.setOutputCol("features_of_text").fit(source)
    assembler = FastVectorAssembler(inputCols=columns, outputCol="features")

    def ours() -> DataFrame:
        return assembler.transform(words.transform(source)).select("features")

    same_vectors(ours(), theirs.transform(source).select("features"))
    timed = side_by_side(
        lambda: run_to_nowhere(ours()),
        lambda: run_to_nowhere(theirs.transform(source).select("features")),
        setting.pairs(5),
    )
    return Figure(
        f"in a native run: one text column to 2^18 ({text}), 50 doubles and one 64-vector, assembled sparse",
        timed.ratio,
        target=4.0,
        detail=timed.seconds("Spark ML's stages"),
    )


def by_hand(table: pa.Table) -> Any:
    """Return the pipeline that a user of Spark ML would write for the table of `data.mixed`."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import Imputer, OneHotEncoder, SQLTransformer, StringIndexer, VectorAssembler

    numbers = [n for n in table.column_names if n.startswith("c")]
    categories = [n for n in table.column_names if n.startswith("k")]
    dates = [n for n in table.column_names if n.startswith("d")]
    parts = [
        f"CAST({sql} AS DOUBLE) AS {d}_{i}"
        for d in dates
        for i, sql in enumerate(
            (
                f"year({d})",
                f"weekday({d}) + 1",
                f"month({d})",
                f"day({d})",
                f"datediff({d}, DATE'1970-01-01')",
            )
        )
    ]
    slots = [f"{d}_{i}" for d in dates for i in range(5)]
    indexed, encoded = [f"{k}_index" for k in categories], [f"{k}_hot" for k in categories]
    filled = [f"{n}_filled" for n in numbers]
    return Pipeline(
        stages=[
            Imputer(inputCols=numbers, outputCols=filled),
            StringIndexer(inputCols=categories, outputCols=indexed),
            OneHotEncoder(inputCols=indexed, outputCols=encoded, dropLast=False),
            SQLTransformer(statement=f"SELECT *, {', '.join(parts)} FROM __THIS__"),
            *spark_stages("text", "words", bigrams=False).getStages(),
            VectorAssembler(inputCols=[*filled, *encoded, *slots, "words"], outputCol="features"),
        ]
    )


def featurize(spark: SparkSession, setting: Setting) -> Iterator[Figure]:
    """Measure the fit and transform of Featurize."""
    from mmlrs.featurize import Featurize

    rows = 100_000 if setting.quick else 1_000_000
    table = data.mixed(rows)
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder:
        source = spark.read.parquet(data.write(Path(folder), table))
        ours, theirs = (
            Featurize(inputCols=table.column_names, outputCol="features", minDocFreq=1),
            by_hand(table),
        )

        def run(stage: Any) -> None:
            run_to_nowhere(stage.fit(source).transform(source).select("features"))

        timed = side_by_side(lambda: run(ours), lambda: run(theirs), setting.pairs(5))
        yield Figure(
            f"Featurize, fit + transform of {rows:,} rows: 10 numbers, 5 categories, 2 dates, 1 text",
            timed.ratio,
            target=2.0,
            detail=timed.seconds("a pipeline of Spark ML's stages written by hand"),
        )


def summary(spark: SparkSession, setting: Setting) -> Iterator[Figure]:
    """Compare SummarizeData with the two Spark calls that report almost the same; they do not count distinct values."""
    from mmlrs.featurize import SummarizeData

    columns, stage = 100, SummarizeData()
    ranks = [0.005, 0.01, 0.05, 0.95, 0.99, 0.995]  # besides the quartiles, which `summary` returns

    def theirs(source: DataFrame) -> None:
        source.summary().collect()
        source.approxQuantile(source.columns, ranks, stage.getErrorThreshold())

    def sources(rows: int, folder: str) -> DataFrame:
        return spark.read.parquet(
            data.write(Path(folder), pa.table(data.numbers(rows, columns, missing=0.01)))
        )

    rows = 100_000 if setting.quick else 1_000_000
    with tempfile.TemporaryDirectory() as small, tempfile.TemporaryDirectory() as large:
        few, many = sources(5_000, small), sources(rows, large)
        side_by_side(lambda: stage.transform(few).collect(), lambda: theirs(few), 1)  # warms both
        timed = side_by_side(  # one pair: the peer takes minutes
            lambda: stage.transform(many).collect(), lambda: theirs(many), 1, warm_up=False
        )
    yield Figure(
        f"SummarizeData of {columns} columns x {rows:,} rows",
        timed.ratio,
        target=3.0,
        detail=timed.seconds("Spark's `summary` plus `approxQuantile`"),
    )


def features(setting: Setting) -> Iterator[Figure]:
    """Assembly and featurization on Spark."""
    with spark_session(memory="6g") as spark:
        for measure in (assembly, native_run, featurize, summary):
            yield from measure(spark, setting)
