"""Stages that map rows one to one give on a stream what they give on a table."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmlrs.featurize import FastVectorAssembler, ValueIndexer
from mmlrs.stages import (
    ClassBalancer,
    DropColumns,
    Explode,
    FixedMiniBatchTransformer,
    FlattenBatch,
    Lambda,
    MultiColumnAdapter,
    Query,
    RenameColumn,
    SelectColumns,
    Timer,
    UDFTransformer,
)
from mmlrs.train import ComputePerInstanceStatistics, TrainClassifier

ROWS = pa.table(
    {
        "age": [20.0, 60.0, 25.0, 55.0, 30.0, 70.0, 22.0, 66.0],
        "city": ["Rome", "Bern", "Rome", "Bern", "Bern", "Rome", "Rome", "Bern"],
        "bought": ["no", "yes", "no", "yes", "no", "yes", "no", "yes"],
        "words": [["a"], ["b", "c"], [], ["d"], ["e"], ["f", "g"], ["h"], ["i"]],
    }
)


def without_words(df):
    return df.drop("words")


def classifier():
    from pyspark.ml.classification import DecisionTreeClassifier

    return TrainClassifier(
        model=DecisionTreeClassifier(maxDepth=2), labelCol="bought", inputCols=["age", "city"]
    )


CASES = {
    "SelectColumns": lambda: [SelectColumns(cols=["age"])],
    "DropColumns": lambda: [DropColumns(cols=["age"])],
    "RenameColumn": lambda: [RenameColumn(inputCol="age", outputCol="years")],
    "Explode": lambda: [Explode(inputCol="words", outputCol="word")],
    "Lambda": lambda: [Lambda(transformFunc=without_words)],
    "UDFTransformer": lambda: [
        UDFTransformer(inputCol="age", outputCol="twice", udf=lambda age: 2 * age, returnType="double")
    ],
    "MultiColumnAdapter": lambda: [
        MultiColumnAdapter(
            baseStage=ValueIndexer(), inputCols=["city", "bought"], outputCols=["city_index", "bought_index"]
        )
    ],
    "Query": lambda: [Query(statement="SELECT city, age + 1 AS older FROM __THIS__")],
    "ClassBalancer": lambda: [ClassBalancer(inputCol="city", broadcastJoin=True)],
    "mini-batches": lambda: [FixedMiniBatchTransformer(batchSize=3), FlattenBatch()],
    "Timer": lambda: [Timer(stage=FastVectorAssembler(inputCols=["age"], outputCol="vector"))],
    "TrainedClassifierModel": lambda: [classifier(), ComputePerInstanceStatistics()],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("rows")
    pq.write_table(ROWS.slice(0, 5), where / "0.parquet")
    pq.write_table(ROWS.slice(5), where / "1.parquet")
    return str(where)


@pytest.mark.parametrize("name", CASES)
def test_a_stream_gives_what_a_batch_gives(name, spark, folder):
    batch = spark.read.parquet(folder)
    stream = spark.readStream.schema(batch.schema).option("maxFilesPerTrigger", 1).parquet(folder)
    made, expected = stream, batch
    for stage in CASES[name]():
        fitted = stage.fit(expected) if hasattr(stage, "fit") else stage
        made, expected = fitted.transform(made), fitted.transform(expected)
    assert made.isStreaming
    table = "stream_of_" + "".join(filter(str.isalnum, name))
    query = made.writeStream.format("memory").queryName(table).trigger(availableNow=True).start()
    assert query.awaitTermination(120)
    assert query.exception() is None
    found = spark.table(table)
    assert found.columns == expected.columns
    assert sorted(map(repr, found.collect())) == sorted(map(repr, expected.collect()))
    assert found.count() > 0
