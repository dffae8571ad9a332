"""What users do most, on every supported version of PySpark: `make test-spark VERSION=3.5.9` runs these tests.

They use no function that only some versions have, such as `toArrow`.
"""

from __future__ import annotations

import datetime as dt
import decimal

import networks
import numpy as np
import pandas as pd
import pyarrow as pa
import pyspark
import pytest
from pyspark.sql import functions as F

import mmlrs
from mmlrs import functions as MF
from mmlrs.engine import versions
from mmlrs.engine.bridge import collect, to_spark
from mmlrs.errors import MmlrsError
from mmlrs.featurize import Featurize, ValueIndexer
from mmlrs.image import ImageFeaturizer, ImageTransformer, UnrollImage, read_images
from mmlrs.onnx import ONNXModel
from mmlrs.stages import StratifiedRepartition, UDFTransformer
from mmlrs.testing import Identity, sample_image, worker_counters
from mmlrs.text import TextFeaturizer, UnicodeNormalize
from mmlrs.train import ComputeModelStatistics, TrainClassifier

pytestmark = pytest.mark.spark

NAN, INF = float("nan"), float("inf")
GOOD, BAD = sample_image("jpeg"), b"no image"


def same(left, right) -> bool:
    """Whether two values are equal, with NaN equal to NaN and not to None."""
    return repr(left) == repr(right)


def values_of(column) -> list:
    """The values of a column. A dense vector may have null indices, or none."""
    rows = column.to_pylist()
    return [
        {**row, "indices": row["indices"] or None} if isinstance(row, dict) and "indices" in row else row
        for row in rows
    ]


# -- images ------------------------------------------------------------------------------------------------------------


def test_an_image_pipeline_is_fitted_saved_and_loaded(spark, photos, tmp_path):
    from pyspark.ml import Pipeline, PipelineModel
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import StringIndexer

    stages = [
        ImageFeaturizer(inputCol="image", outputCol="features"),
        StringIndexer(inputCol="label", outputCol="y"),
        LogisticRegression(featuresCol="features", labelCol="y", maxIter=2, regParam=0.01),
    ]
    images = read_images(spark, photos)
    model = Pipeline(stages=stages).fit(images)
    model.save(str(tmp_path / "model"))
    loaded = PipelineModel.load(str(tmp_path / "model"))
    expected, again = (
        {r.path: (r.prediction, list(r.probability)) for r in one.transform(images).collect()}
        for one in (model, loaded)
    )
    assert len(expected) == 12
    assert again == expected


def test_images_give_what_they_give_on_a_table_also_after_a_break_of_the_lineage(spark):
    table = pa.table({"i": range(4), "content": [GOOD, sample_image("png"), None, GOOD]})
    resize = ImageTransformer(inputCol="content", outputCol="small", handleInvalid="keep").resize(8, 8)
    unroll = UnrollImage(inputCol="small", outputCol="pixels", handleInvalid="keep")
    expected = unroll.transform(resize.transform(table)).to_pylist()
    small = resize.transform(to_spark(spark, table).coalesce(1))
    broken = small.select("i", "content", F.col("small").alias("small"))
    for df in (unroll.transform(small), unroll.transform(broken)):
        assert sorted(collect(df).to_pylist(), key=lambda row: row["i"]) == [
            {**row, "pixels": vector(row["pixels"])} for row in expected
        ]
    assert small.where(F.col("small").isNull()).count() == 1
    assert small.select("small.height").distinct().count() == 2  # 8 and null


def vector(values):
    """A list of numbers as a cell of a column of dense vectors."""
    return values if values is None else {"type": 1, "size": None, "indices": None, "values": values}


def test_bad_rows_are_kept_skipped_or_fail(spark):
    table = pa.table({"i": range(4), "content": [GOOD, BAD, None, GOOD]})
    df = to_spark(spark, table)
    stage = ImageFeaturizer(inputCol="content", outputCol="f", handleInvalid="keep", errorCol="why")
    kept = sorted(stage.transform(df).collect(), key=lambda row: row.i)
    assert [row.f is None for row in kept] == [False, True, True, False]
    assert [row.why is None for row in kept] == [True, False, False, True]
    for skip in (
        stage.copy().setErrorCol(None).setHandleInvalid("skip"),
        ImageTransformer(inputCol="content", outputCol="f", handleInvalid="skip").resize(4, 4),
    ):
        skipped = sorted(skip.transform(df).collect(), key=lambda row: row.i)
        assert [row.i for row in skipped] == [0, 3]
        assert all(row.f is not None for row in skipped)
    assert skipped[0].f.height == 4
    with pytest.raises(Exception, match="ImageFeaturizer: column `content`"):
        ImageFeaturizer(inputCol="content", outputCol="f").transform(df).collect()


def test_a_large_model_is_sent_as_a_file_and_two_columns_share_one_decoding(spark):
    model = networks.linear(192, 7000, seed=3)
    df = to_spark(spark, pa.table({"content": [GOOD] * 4})).coalesce(1)
    df = ImageTransformer(inputCol="content", outputCol="small").resize(8, 8).transform(df)
    df = UnrollImage(inputCol="small", outputCol="pixels").transform(df)
    df = ONNXModel(model=model, inputCol="pixels", outputCol="y", outputType="vector").transform(df)
    worker_counters(spark, reset=True)
    rows = df.select("pixels", "y").collect()
    decodes = sum(worker["image_decodes"] for worker in worker_counters(spark))
    assert len(rows) == 4
    assert rows[0].y.size == 7000
    assert decodes == 4, "the columns of one query share the decoded images"


# -- text, features, training ------------------------------------------------------------------------------------------


def test_text_becomes_the_sparse_vectors_of_a_table(spark):
    table = pa.table({"text": ["the quick brown fox", "the lazy dog", None, ""]})
    stage = TextFeaturizer(inputCol="text", outputCol="f", numFeatures=1 << 12, handleInvalid="keep")
    expected = stage.fit(table).transform(table)["f"].to_pylist()
    df = to_spark(spark, table).coalesce(1)
    made = stage.fit(df).transform(df)
    assert made.schema["f"].dataType.simpleString() == "vector"
    assert collect(made)["f"].to_pylist() == expected
    assert [None if row.f is None else row.f.indices.tolist() for row in made.collect()] == [
        None if row is None else row["indices"] for row in expected
    ]


MIXED = pa.table(
    {
        "small": pa.array([1, None, 3, 4], pa.int32()),
        "large": pa.array([2**53 + 1, None, 5, 7], pa.int64()),
        "double": pa.array([1.5, None, 2.5, 4.0], pa.float64()),
        "word": ["a", "b", None, "a"],
        "flag": [True, None, False, True],
        "day": [dt.date(2024, 1, 31), None, dt.date(1583, 1, 1), dt.date(9999, 12, 31)],
        "at": pa.array(
            [dt.datetime(2024, 10, 27, 1, 30, tzinfo=dt.UTC), None] * 2, pa.timestamp("us", "UTC")
        ),
    }
)


def test_mixed_columns_become_the_features_of_a_table(spark):
    stage = Featurize(inputCols=MIXED.column_names, outputCol="f")
    expected = stage.fit(MIXED).transform(MIXED)["f"].to_pylist()
    df = to_spark(spark, MIXED).coalesce(1)
    assert same(collect(stage.fit(df).transform(df))["f"].to_pylist(), expected)


def test_a_classifier_is_trained_and_measured(spark):
    from pyspark.ml.classification import LogisticRegression

    table = pa.table(
        {
            "age": [20.0, 60.0, None, 55.0, 30.0, 70.0, 22.0, 66.0],
            "city": ["Rome", "Bern", "Rome", None, "Bern", "Rome", "Rome", "Bern"],
            "bought": ["no", "yes", "no", "yes", "no", "yes", "no", "yes"],
        }
    )
    df = to_spark(spark, table)
    model = TrainClassifier(model=LogisticRegression(maxIter=5), labelCol="bought").fit(df)
    statistics = ComputeModelStatistics().transform(model.transform(df))
    assert statistics.first().accuracy > 0.8
    assert len(model.transform(table)) == 8


# -- functions ---------------------------------------------------------------------------------------------------------


def test_stages_are_functions_of_columns_and_of_sql(spark):
    df = to_spark(spark, pa.table({"text": ["ÀB", None], "content": [GOOD, None], "x": [1.0, None]}))
    lower = UnicodeNormalize(inputCol="text", lower=True, handleInvalid="keep")
    featurize = ImageFeaturizer(inputCol="content", outputCol="f", handleInvalid="keep")
    mmlrs.register(spark, "plain", lower)
    mmlrs.register(spark, "featurize", featurize)
    df.createOrReplaceTempView("rows")
    rows = spark.sql("SELECT plain(text) AS text, featurize(content) AS f FROM rows").collect()
    columns = df.select(mmlrs.udf(lower)("text").alias("text"), mmlrs.udf(featurize)("content").alias("f"))
    expected = columns.collect()
    assert [row.text for row in rows] == [row.text for row in expected]
    assert expected[1] == (None, None)
    assert rows[1] == (None, None)
    assert list(rows[0].f) == [np.float32(value) for value in expected[0].f]
    kind = spark.sql("SELECT featurize(content) AS f FROM rows").schema["f"].dataType.simpleString()
    assert kind == ("vector" if versions.SQL_VECTORS else "array<float>")


def test_functions_with_a_default_model_return_the_same_in_python_and_sql(spark):
    df = to_spark(spark, pa.table({"text": ["a cat", None], "content": [GOOD, None]}))
    df.createOrReplaceTempView("pairs")
    mmlrs.register_all(spark, "all_", handleInvalid="keep")
    keep = {"handleInvalid": "keep"}
    columns = df.select(
        MF.classify_image("content", **keep).alias("c"),
        MF.embed_image("content", **keep).alias("f"),
        MF.embed_text(F.col("text"), **keep).alias("t"),
    )
    assert dict(columns.dtypes) == {
        "c": "array<struct<class:string,description:string,probability:float>>",
        "f": "array<float>",
        "t": "array<float>",
    }
    query = "SELECT all_classify_image(content) AS c, all_embed_image(content) AS f, all_embed_text(text) AS t FROM pairs"
    rows = spark.sql(query)
    assert rows.dtypes == columns.dtypes
    first, null = rows.collect()
    assert [first, null] == columns.collect()
    assert (len(first.c), len(first.f), len(first.t)) == (5, 1280, 384)
    assert null == (None, None, None)


def test_functions_keep_nulls_and_nan_apart_or_fail(spark):
    table = pa.table({"x": pa.array([1.0, NAN, None]), "n": pa.array([1, 2**53 + 1, None])})
    df = to_spark(spark, table).coalesce(1)

    def identity(array):
        return array

    copy_double, copy_long = (versions.arrow_udf(identity, kind) for kind in ("double", "bigint"))
    made = df.select(copy_double("x").alias("y"))
    assert made.where(F.isnan("y")).count() == 1
    assert made.where(F.isnull("y")).count() == 1
    spark.udf.register("copied", versions.sql_udf(identity, "double"))
    df.createOrReplaceTempView("numbers")
    for query in (df.select(copy_long("n").alias("y")), spark.sql("SELECT copied(x) AS y FROM numbers")):
        if versions.ARROW_UDF:
            query.collect()
        else:
            with pytest.raises(
                Exception, match=r"cannot be sent to a function without loss; .* PySpark 4\.1"
            ):
                query.collect()


def test_python_functions_of_every_kind_are_columns(spark):
    from pyspark.sql.functions import pandas_udf, udf

    table = pa.table({"i": [1, 2, None]})
    df = to_spark(spark, table)

    def twice(value):
        return None if value is None else 2 * value

    def add(column):
        return column + column

    add.__annotations__ = {"column": pd.Series, "return": pd.Series}
    for function, kind in (
        (twice, "bigint"),
        (udf(twice, "bigint"), None),
        (pandas_udf(add, "double"), None),
    ):
        stage = UDFTransformer(inputCol="i", outputCol="y", udf=function, returnType=kind)
        for made in (stage.transform(df).collect(), stage.transform(table).to_pylist()):
            assert sorted(str(row["y"]) for row in made) in (["2", "4", "None"], ["2.0", "4.0", "None"])


# -- streams and partitions --------------------------------------------------------------------------------------------


def test_a_stream_gives_what_a_batch_gives(spark, tmp_path):
    to_spark(spark, pa.table({"text": ["Ab", None, "CD"]})).write.parquet(str(tmp_path / "in"))
    stage = UnicodeNormalize(inputCol="text", outputCol="lower", lower=True, handleInvalid="keep")
    stream = stage.transform(spark.readStream.schema("text string").parquet(str(tmp_path / "in")))
    query = (
        stream.writeStream.format("parquet")
        .option("path", str(tmp_path / "out"))
        .option("checkpointLocation", str(tmp_path / "state"))
        .trigger(availableNow=True)
        .start()
    )
    assert query.awaitTermination(120)
    rows = spark.read.parquet(str(tmp_path / "out")).collect()
    assert sorted(str(row.lower) for row in rows) == ["None", "ab", "cd"]


def test_labels_are_spread_evenly_over_partitions(spark):
    df = spark.range(40).select("id", (F.col("id") % 2).alias("label"))
    made = StratifiedRepartition(labelCol="label", n=4).transform(df)
    counts = made.groupBy(F.spark_partition_id().alias("part"), "label").count().collect()
    assert {(row.part, row.label): row["count"] for row in counts} == {
        (part, label): 5 for part in range(4) for label in range(2)
    }


# -- values of every type ----------------------------------------------------------------------------------------------

MOMENT = dt.datetime(2024, 10, 27, 1, 30, 0, 123456, tzinfo=dt.UTC)  # once of two equal local times in Berlin
COLUMNS = {
    "boolean": pa.array([True, None, False]),
    "tinyint": pa.array([1, None, -128], pa.int8()),
    "smallint": pa.array([1, None, -(2**15)], pa.int16()),
    "int": pa.array([1, None, -(2**31)], pa.int32()),
    "bigint": pa.array([2**53 + 1, None, -(2**63)], pa.int64()),
    "float": pa.array([NAN, None, -0.0], pa.float32()),
    "double": pa.array([NAN, None, INF], pa.float64()),
    "decimal": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("-2.25")], pa.decimal128(10, 2)),
    "string": pa.array(["ä", None, ""]),
    "binary": pa.array([b"\0x", None, b""]),
    "date": pa.array([dt.date(1583, 1, 1), None, dt.date(9999, 12, 31)]),
    "timestamp": pa.array([MOMENT, None, dt.datetime(1600, 1, 1, tzinfo=dt.UTC)], pa.timestamp("us", "UTC")),
    "list of float": pa.array([[1.5, None, NAN], None, []], pa.list_(pa.float32())),
    "list of double": pa.array([[1.5, 0.1], [NAN], [None, INF]], pa.list_(pa.float64())),
    "list of int": pa.array([[1, None], None, [-(2**31)]], pa.list_(pa.int32())),
    "list of bigint": pa.array([[2**53 + 1, None], [2**63 - 1], None], pa.list_(pa.int64())),
    "list of string": pa.array([["a", None], None, []], pa.list_(pa.string())),
    "list of lists": pa.array([[[1.5, None], None, [NAN]], None, []], pa.list_(pa.list_(pa.float64()))),
    "struct": pa.array(
        [{"a": None, "b": NAN, "c": "x", "d": 2**53 + 1}, None, {"a": 1, "b": None, "c": None, "d": None}],
        pa.struct([("a", pa.int32()), ("b", pa.float64()), ("c", pa.string()), ("d", pa.int64())]),
    ),
    "list of structs": pa.array(
        [[{"a": NAN}, None, {"a": None}], None, []], pa.list_(pa.struct([("a", pa.float64())]))
    ),
    "vector": pa.array(
        [
            {"type": 1, "size": None, "indices": [], "values": [1.0, NAN]},
            None,
            {"type": 0, "size": 3, "indices": [2], "values": [0.1]},
        ],
        mmlrs.engine.fields.VECTOR,
    ),
}


@pytest.fixture(scope="module")
def every_type(spark):
    """A column of each type, cached in the JVM, and in a time zone with daylight saving time."""
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    table = pa.table({"i": range(3), **COLUMNS})
    yield table, to_spark(spark, table).coalesce(1)
    spark.conf.set("spark.sql.session.timeZone", before)


def test_values_of_every_type_reach_the_jvm_and_return(every_type):
    table, df = every_type
    made = collect(df)
    for name in COLUMNS:
        assert same(values_of(made[name]), values_of(table[name])), name


def test_a_kernel_gets_and_returns_the_values_of_every_type(every_type):
    table, df = every_type
    outputs = {name: f"copy of {name}" for name in COLUMNS}
    for name, output in outputs.items():
        df = Identity(inputCol=name, outputCol=output).transform(df)
    made = collect(df.select(*(f"`{output}`" for output in outputs.values())))
    for name, output in outputs.items():
        expected = Identity(inputCol=name, outputCol=output).transform(table)[output]
        assert same(values_of(made[output]), values_of(expected)), name


def test_the_nulls_of_a_batch_without_rows_or_with_nulls_alone_stay(spark, every_type):
    table, _ = every_type
    for rows in (
        table.slice(0, 0),
        pa.table({n: pa.nulls(2, c.type) for n, c in zip(table.column_names, table.columns)}),
    ):
        df = to_spark(spark, rows)
        for name in ("double", "list of float", "struct", "vector", "timestamp"):
            df = Identity(inputCol=name, outputCol=f"copy of {name}").transform(df)
            assert df.schema[f"copy of {name}"].dataType == df.schema[name].dataType
        made = collect(df)
        for name in ("double", "list of float", "struct", "vector", "timestamp"):
            assert made[f"copy of {name}"].null_count == rows.num_rows


def test_numbers_with_nulls_are_indexed_as_on_a_table(spark):
    table = pa.table({"n": pa.array([2**53 + 1, None, 2**53 + 1, 3], pa.int64())})
    stage = ValueIndexer(inputCol="n", outputCol="y", handleInvalid="keep")
    df = to_spark(spark, table).coalesce(1)
    assert (
        collect(stage.fit(df).transform(df))["y"].to_pylist()
        == stage.fit(table).transform(table)["y"].to_pylist()
    )


@pytest.mark.parametrize("trees", [False, True])
def test_a_pipeline_is_compiled(spark, trees):
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import GBTClassifier, LogisticRegression
    from pyspark.ml.feature import Imputer, OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler

    rows = pa.table(
        {
            "city": ["a", "b", "c", "a"] * 10,
            "x": [1.0, None, 2.5, -1.0] * 10,
            "label": ["y", "n", "n", "y"] * 10,
        }
    )
    df = to_spark(spark, rows)
    stages = [
        StringIndexer(inputCol="label", outputCol="target"),
        StringIndexer(inputCol="city", outputCol="place"),
        OneHotEncoder(inputCol="place", outputCol="flags"),
        Imputer(inputCol="x", outputCol="filled"),
        VectorAssembler(inputCols=["flags", "filled"], outputCol="raw"),
        StandardScaler(inputCol="raw", outputCol="features"),
        GBTClassifier(labelCol="target", maxIter=2)
        if trees
        else LogisticRegression(labelCol="target", maxIter=3),
    ]
    fitted = Pipeline(stages=stages).fit(df)
    model = mmlrs.compile(fitted)
    expected = [(r.prediction, r.probability.toArray().tolist()) for r in fitted.transform(df).collect()]
    for scored in (model.transform(rows), collect(model.transform(df))):
        assert scored["prediction"].to_pylist() == [p for p, _ in expected]
        got = [v["values"] for v in scored["probability"].to_pylist()]
        assert all(a == pytest.approx(b, rel=1e-9) for a, (_, b) in zip(got, expected))
        assert scored["predictedLabel"].to_pylist() == rows["label"].to_pylist()
    mmlrs.register(spark, "answer", fitted)
    # A null among the arguments is an error before PySpark 4.1.
    df.where("x IS NOT NULL").createOrReplaceTempView("rows")
    answers = spark.sql("SELECT answer(city, x) AS a, label FROM rows").collect()
    assert [r.a for r in answers] == [r.label for r in answers]


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["3.4.1", "5.0.0"])
def test_an_unsupported_version_is_named_at_the_first_use(spark, monkeypatch, version):
    import sys

    df = spark.range(1)
    stage = UnicodeNormalize(inputCol="text", outputCol="lower")
    monkeypatch.setattr(pyspark, "__version__", version)
    monkeypatch.delitem(sys.modules, "mmlrs.engine.versions")
    with pytest.raises(MmlrsError, match=rf"PySpark 3\.5 to 4\.x .* PySpark {version} is installed"):
        stage.transform(df)
    assert stage.transform(pa.table({"text": ["a"]}))["lower"].to_pylist() == ["a"]
