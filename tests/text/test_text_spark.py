"""Text stages on Spark: one Python pass, the same result as on tables."""

from __future__ import annotations

import contextlib
import io

import pyarrow as pa
import pytest
from pyspark.ml import Pipeline

from mmlrs.testing.checks import assert_same, collect
from mmlrs.text import PageSplitter, TextFeaturizer, TextFeaturizerModel, UnicodeNormalize

pytestmark = pytest.mark.spark

TEXTS = ["Ｗide words", "ﬁne words", "Ünder", "", "words and Words"]


@pytest.fixture
def df(spark):
    return spark.createDataFrame([(text,) for text in TEXTS], "text string").repartition(2)


def passes(df) -> int:
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        df.explain()
    return text.getvalue().count("ArrowEvalPython")


def stages() -> list:
    return [
        UnicodeNormalize(inputCol="text", outputCol="normal"),
        TextFeaturizer(inputCol="normal", outputCol="features", numFeatures=500),
    ]


def test_normalizing_and_featurizing_is_one_python_pass_and_gives_what_a_table_gives(df):
    made = Pipeline(stages=stages()).fit(df).transform(df)
    assert passes(made) == 1
    assert passes(made.select("features")) == 1
    assert made.schema["features"].metadata == {"ml_attr": {"num_attrs": 500}}
    expected = pa.table({"text": TEXTS})
    for stage in stages():
        expected = (stage.fit(expected) if isinstance(stage, TextFeaturizer) else stage).transform(expected)
    assert_same(collect(made), expected, sort=True)


def test_without_idf_the_fit_reads_no_rows(df):
    from pyspark.sql import functions as F

    bad = df.select(F.raise_error(F.lit("read")).cast("string").alias("text"))
    model = TextFeaturizer(inputCol="text", outputCol="v", useIDF=False).fit(bad)
    assert model.transform(df).count() == len(TEXTS)


def test_bytes_from_the_jvm_that_are_not_utf8_read_as_the_jvm_reads_them(spark):
    from pyspark.ml.feature import HashingTF, RegexTokenizer

    df = spark.sql("SELECT CAST(X'61ff62c320e28220eda080' AS string) AS text")
    tokens = RegexTokenizer(inputCol="text", outputCol="t").transform(df)
    expected = HashingTF(inputCol="t", outputCol="v").transform(tokens).first().v
    assert TextFeaturizerModel(inputCol="text", outputCol="v").transform(df).first().v == expected


def test_pages_are_arrays_of_strings(df):
    made = PageSplitter(
        inputCol="text", outputCol="pages", maximumPageLength=4, minimumPageLength=1
    ).transform(df)
    assert made.schema["pages"].dataType.simpleString() == "array<string>"
    assert all("".join(row.pages) == row.text for row in made.collect())
