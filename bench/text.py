"""Text to hashed features, against Spark ML's stages, and against scikit-learn on one core."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench import data
from bench.measure import Figure, Setting, side_by_side
from bench.session import CORES, run_to_nowhere, spark_session

FEATURES = 1 << 18


def spark_stages(inputCol: str, outputCol: str, *, bigrams: bool = True, slots: int = FEATURES) -> Any:
    """Return the Spark ML stages that TextFeaturizer replaces."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import IDF, HashingTF, NGram, RegexTokenizer, StopWordsRemover

    stages: list[Any] = [
        RegexTokenizer(inputCol=inputCol, outputCol="tokens", pattern=r"\s+", minTokenLength=0)
    ]
    last = "tokens"
    if bigrams:
        stages.append(StopWordsRemover(inputCol=last, outputCol="words"))
        stages.append(NGram(inputCol="words", outputCol="bigrams", n=2))
        last = "bigrams"
    stages.append(HashingTF(inputCol=last, outputCol="counts", numFeatures=slots))
    stages.append(IDF(inputCol="counts", outputCol=outputCol, minDocFreq=1))
    return Pipeline(stages=stages)


def text_featurizer(**params: Any) -> Any:
    """Return a TextFeaturizer with stop words, bigrams and idf."""
    from mmlrs.text import TextFeaturizer

    params = {"useStopWordsRemover": True, "useNGram": True, "numFeatures": FEATURES, **params}
    return TextFeaturizer(inputCol="text", outputCol="features", **params)


def same_vectors(ours: Any, theirs: Any) -> None:
    """Check that both return the same vectors, row by row."""
    for a, b in zip(ours.limit(50).collect(), theirs.limit(50).collect(), strict=True):
        np.testing.assert_array_equal(a[0].indices, b[0].indices)
        np.testing.assert_allclose(a[0].values, b[0].values, rtol=1e-12)


def beside_spark(setting: Setting) -> Iterator[Figure]:
    """Measure fit and transform on Spark."""
    rows = 20_000 if setting.quick else 100_000
    with tempfile.TemporaryDirectory(prefix="mmlrs-bench-") as folder, spark_session() as spark:
        source = spark.read.parquet(data.write(Path(folder), pa.table({"text": data.documents(rows)})))
        ours, theirs = text_featurizer(), spark_stages("text", "features")
        same_vectors(
            ours.fit(source).transform(source).select("features"),
            theirs.fit(source).transform(source).select("features"),
        )

        def run(stage: Any) -> None:
            run_to_nowhere(stage.fit(source).transform(source).select("features"))

        timed = side_by_side(lambda: run(ours), lambda: run(theirs), setting.pairs(5))
        yield Figure(
            f"TextFeaturizer, stop words, bigrams and idf, fit + transform of {rows:,} documents of 60 words",
            timed.ratio,
            target=5.0,
            detail=timed.seconds(f"Spark ML's five stages, local[{CORES}]"),
        )


def beside_sklearn(setting: Setting) -> Iterator[Figure]:
    """Measure the kernel on one core."""
    from sklearn.feature_extraction.text import HashingVectorizer

    rows = 5_000 if setting.quick else 20_000
    table = pa.table({"text": data.documents(rows)})
    model = text_featurizer(useIDF=False).fit(table)
    program = model._core().plan(table.schema).program()
    batch = table.combine_chunks().to_batches()[0]
    texts = table["text"].to_pylist()
    peer = HashingVectorizer(
        n_features=FEATURES, ngram_range=(2, 2), stop_words="english", alternate_sign=False, norm=None
    )
    timed = side_by_side(
        lambda: program.run(batch, 1, False), lambda: peer.transform(texts), setting.pairs(5)
    )
    yield Figure(
        f"the kernel of TextFeaturizer on one core, stop words and bigrams, {rows:,} documents of 60 words",
        timed.ratio,
        target=5.0,
        detail=timed.seconds("scikit-learn's HashingVectorizer"),
    )


def text(setting: Setting) -> Iterator[Figure]:
    """Text to hashed features."""
    yield from beside_sklearn(setting)
    yield from beside_spark(setting)
