"""Names of columns in either case, and what Spark's own failures look like."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mmlrs.errors import IoError, SchemaMismatchError
from mmlrs.featurize import CleanMissingData, CountSelector, FastVectorAssembler, SummarizeData
from mmlrs.image import UnrollImage
from mmlrs.onnx import ONNXModel
from mmlrs.stages import DropColumns, EnsembleByKey, RenameColumn, SelectColumns
from mmlrs.testing import sample_model
from mmlrs.text import UnicodeNormalize


@pytest.fixture
def exact(spark) -> Iterator[Any]:
    """A session in which names that differ in case are two names."""
    spark.conf.set("spark.sql.caseSensitive", "true")
    yield spark
    spark.conf.set("spark.sql.caseSensitive", "false")


@pytest.fixture
def both(spark) -> Any:
    """A DataFrame with a column `a` and a column `A`."""
    return spark.createDataFrame([(1.0, 2.0)], "a double, b double").withColumnsRenamed({"b": "A"})


def test_two_names_that_differ_in_case_are_two_columns_where_the_session_says_so(exact, both):
    made = CleanMissingData(inputCols=["a", "A"], outputCols=["b", "B"]).fit(both).transform(both)
    made = FastVectorAssembler(inputCols=["A", "b", "B"], outputCol="v").transform(made)
    model = ONNXModel(model=sample_model(), feedDict={"x": "x"}, fetchDict={"V": "scores"})
    made = model.transform(made.selectExpr("*", "array(a, A, b, B) x"))
    made = RenameColumn(inputCol="x", outputCol="X").transform(made)
    row = made.select("a", "A", "b", "B", "v", "X").first()
    assert [list(v) if hasattr(v, "__len__") else v for v in row] == [1, 2, 1, 2, [2, 1, 2], [1, 2, 1, 2]]
    assert made.columns == ["a", "A", "b", "B", "v", "X", "V"]


def test_a_column_whose_source_has_become_ambiguous_is_read_as_it_is(exact, both):
    texts = both.selectExpr("CAST(a AS STRING) a", "CAST(A AS STRING) A")
    made = UnicodeNormalize(inputCol="a", outputCol="b").transform(texts)
    exact.conf.set("spark.sql.caseSensitive", "false")
    assert UnicodeNormalize(inputCol="b", outputCol="c").transform(made).select("c").first().c == "1.0"


@pytest.mark.parametrize(
    "work",
    [
        lambda df: FastVectorAssembler(inputCols=["a"], outputCol="v").transform(df),
        lambda df: FastVectorAssembler(inputCols=["a"], outputCol="v", errorCol="why").transform(df),
        lambda df: SelectColumns(cols=["A"]).transform(df),
        lambda df: SummarizeData().transform(df),
        lambda df: CleanMissingData(inputCols=["a"], outputCols=["b"]).fit(df),
    ],
)
def test_a_name_that_may_be_any_of_two_columns_is_one_clear_error(both, work):
    with pytest.raises(
        SchemaMismatchError, match=r"column `[aA]`: matches `a`, `A`; .*spark.sql.caseSensitive"
    ):
        work(both)


def test_columns_of_one_name_that_no_stage_reads_are_kept(spark, jpeg):
    df = spark.createDataFrame([(jpeg, 1.0)], "image binary, n double").selectExpr(
        "image", "n a", "n A", "n a"
    )
    made = DropColumns(cols=["image"]).transform(
        UnrollImage(handleInvalid="skip", outputCol="v").transform(df)
    )
    assert made.columns == ["a", "A", "a", "v"]
    assert tuple(made.first())[:3] == (1.0, 1.0, 1.0)


def test_vectors_of_the_old_library_are_named_with_the_remedy(spark):
    from pyspark.mllib.linalg import Vectors

    old = spark.createDataFrame([(1, Vectors.dense([1.0, 2.0]))], ["k", "v"])
    for work in (
        lambda: FastVectorAssembler(inputCols=["v"]).transform(old),
        lambda: CountSelector(inputCol="v").fit(old),
        lambda: EnsembleByKey(keys=["k"], cols=["v"]).transform(old),
    ):
        with pytest.raises(
            SchemaMismatchError, match=r'column `v`: .*MLUtils.convertVectorColumnsToML\(df, "v"\)'
        ):
            work()


def test_a_bad_row_in_a_job_is_told_in_a_few_lines(spark):
    from pyspark.errors import PythonException

    df = spark.createDataFrame([(b"no picture",)], "image binary")
    with pytest.raises(PythonException) as caught:
        UnrollImage(outputCol="v").transform(df).collect()
    lines = str(caught.value).strip().splitlines()
    assert lines[-1].startswith(
        "mmlrs.errors.DecodeError: UnrollImage: column `image`, row 0 of the batch: not an image"
    )
    assert len(lines) < 10
    assert not any("pyspark" in line or "During handling" in line for line in lines)


def test_a_pipeline_a_missing_folder_and_one_that_is_there_are_told(spark, tmp_path):
    from pyspark.ml import PipelineModel

    PipelineModel(stages=[UnrollImage()]).save(f"{tmp_path}/pipeline")
    with pytest.raises(
        IoError, match=r"holds a pyspark.ml.pipeline.PipelineModel, .*load it with PipelineModel.load"
    ):
        UnrollImage.load(f"{tmp_path}/pipeline")
    with pytest.raises(IoError, match="nothing/metadata: cannot be read: PATH_NOT_FOUND"):
        UnrollImage.load(f"{tmp_path}/nothing")
    with pytest.raises(IoError, match=r"pipeline: already exists; use write\(\).overwrite\(\)"):
        UnrollImage().save(f"{tmp_path}/pipeline")


def test_what_is_no_dataframe_of_spark_is_refused(spark):
    from pyspark.sql import functions as F

    df = spark.range(2)
    for wrong in (df.groupBy("id"), F.col("id")):
        with pytest.raises(SchemaMismatchError, match=r"SelectColumns: cannot transform a pyspark\.sql"):
            SelectColumns(cols=["id"]).transform(wrong)


def test_vectors_keep_their_precision_under_a_name_of_another_case(spark):
    from pyspark.ml.linalg import Vectors

    df = spark.createDataFrame([(Vectors.dense([0.1, 2.0]),)], ["Vec"])
    made = FastVectorAssembler(inputCols=["vec"], outputCol="out").transform(df)
    assert made.first().out == Vectors.dense([0.1, 2.0])
