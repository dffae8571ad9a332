"""The general stages on Spark Connect."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest

from mmlrs.errors import InvalidParamError
from mmlrs.stages import (
    Cacher,
    CheckpointData,
    ClassBalancer,
    DynamicMiniBatchTransformer,
    EnsembleByKey,
    Explode,
    FixedMiniBatchTransformer,
    FlattenBatch,
    PartitionConsolidator,
    PartitionSample,
    Query,
    Repartition,
    StratifiedRepartition,
    TimeIntervalMiniBatchTransformer,
)

pytestmark = pytest.mark.spark

TABLE = pa.table(
    {
        "i": range(12),
        "y": ["a", "b", "a", None] * 3,
        "v": [[float(i), None] for i in range(12)],
    }
)


@pytest.fixture(scope="module")
def df(spark):
    return spark.createDataFrame(TABLE)


def rows(made) -> list[str]:
    return sorted(map(repr, made.to_pylist() if isinstance(made, pa.Table) else made.toArrow().to_pylist()))


@pytest.mark.parametrize(
    "stage",
    [
        Cacher(),
        CheckpointData(),
        Repartition(n=3),
        StratifiedRepartition(labelCol="y", n=2),
        PartitionConsolidator(),
        PartitionSample(mode="Head", count=100),
        PartitionSample(count=100),
        PartitionSample(percent=1.0),
        Explode(inputCol="v", outputCol="e"),
        ClassBalancer(inputCol="y"),
        EnsembleByKey(keys=["y"], cols=["i", "v"]),
        EnsembleByKey(keys=["y"], cols=["i", "v"], collapseGroup=False),
        FixedMiniBatchTransformer(batchSize=1),
        DynamicMiniBatchTransformer(maxBatchSize=1),
        TimeIntervalMiniBatchTransformer(millisToWait=5, maxBatchSize=1),
        Query(statement="SELECT i, '{}' AS t FROM __THIS__"),
    ],
    ids=lambda stage: stage._stage,
)
def test_a_stage_gives_what_it_gives_on_a_table(df, stage):
    results = []
    for data in (df, TABLE):
        ready = stage.fit(data) if hasattr(stage, "fit") else stage
        results.append(rows(ready.transform(data)))
    assert results[0] == results[1]


def test_batches_of_vectors_come_back(spark, df):
    from pyspark.ml.functions import array_to_vector
    from pyspark.sql import functions as F

    vectors = df.select("i", array_to_vector(F.array("i", F.lit(2.0))).alias("v"))
    made = FlattenBatch().transform(FixedMiniBatchTransformer(batchSize=5).transform(vectors))
    assert sorted((r.i, r.v.toArray().tolist()) for r in made.collect()) == [(i, [i, 2.0]) for i in range(12)]
    means = EnsembleByKey(keys=["j"], cols=["v"]).transform(vectors.withColumn("j", F.lit(1))).collect()
    assert means[0]["mean(v)"].toArray().tolist() == [5.5, 2.0]


def test_labels_are_shared_evenly_and_a_wrong_statement_is_told_at_once(spark, df):
    from pyspark.sql import functions as F

    made = StratifiedRepartition(labelCol="y", n=3).transform(df)
    found = Counter((r.y, r.p) for r in made.select("y", F.spark_partition_id().alias("p")).collect())
    assert set(found.values()) == {1, 2}
    with pytest.raises(InvalidParamError, match=r"(?s)Query: param `statement` cannot be run: .*nothing"):
        Query(statement="SELECT nothing FROM __THIS__").transform(df)
