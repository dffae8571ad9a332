"""Estimators, sparse vectors and the assembly on Spark Connect."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from mmlrs.featurize import CountSelector, FastVectorAssembler, Featurize
from mmlrs.text import TextFeaturizer

pytestmark = pytest.mark.spark

TABLE = pa.table(
    {
        "age": [31.0, None, 45.0, 28.0],
        "job": ["nurse", "clerk", "nurse", "clerk"],
        "since": [datetime.date(2020, 1, d) for d in range(1, 5)],
        "note": ["likes tea", "likes coffee", "", "no sugar please"],
        "label": [1.0, 0.0, 1.0, 0.0],
    }
)


@pytest.fixture(scope="module")
def people(spark):
    return spark.createDataFrame(TABLE)


def values(made) -> list[list[float]]:
    return [row.features.toArray().round(9).tolist() for row in made.select("features").collect()]


def test_featurize_trains_a_pipeline_that_saves_and_loads(people, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.classification import LogisticRegression

    featurize = Featurize(inputCols=["age", "job", "since", "note"], outputCol="features")
    model = Pipeline(stages=[featurize, LogisticRegression(maxIter=3)]).fit(people)
    expected = values(model.transform(people))
    assert expected[1][0] == pytest.approx((31 + 45 + 28) / 3)
    model.save(str(tmp_path / "model"))
    assert values(PipelineModel.load(str(tmp_path / "model")).transform(people)) == expected


def test_text_is_hashed_selected_and_assembled_in_one_run(people):
    text = TextFeaturizer(inputCol="note", outputCol="words", useIDF=False).fit(people)
    words = text.transform(people)
    selector = CountSelector(inputCol="words", outputCol="used").fit(words)
    used = selector.transform(words)
    assembler = FastVectorAssembler(inputCols=["used", "label"], outputCol="features")
    made = values(assembler.transform(used))
    assert [sum(row) for row in made] == [3.0, 2.0, 2.0, 3.0]  # an empty text is one empty word, as in Spark


def test_plain_columns_are_assembled_by_the_jvm(people):
    assembler = FastVectorAssembler(inputCols=["label", "label"], outputCol="features")
    assert values(assembler.transform(people)) == [[1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]
