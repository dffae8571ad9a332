"""FastVectorAssembler gives what Spark's VectorAssembler gives, wherever it runs."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from pyspark.ml.feature import StringIndexer, VectorAssembler
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import functions as F
from pyspark.sql.types import BooleanType, DoubleType, FloatType, IntegerType, StructType

from mmlrs.errors import ColumnNotFoundError, DecodeError, SchemaMismatchError
from mmlrs.featurize import CountSelector, CountSelectorModel, FastVectorAssembler

COLUMNS = ["d", "f", "i", "b", "m", "v"]


@pytest.fixture(scope="module")
def frame(spark):
    rows = [
        (1.5, 2.5, 3, True, Vectors.dense(1.0, 0.0, 2.0)),
        (0.0, 0.0, 0, False, Vectors.sparse(3, [1], [4.0])),
        (-1e300, float("inf"), -7, True, Vectors.sparse(3, [], [])),
        (7.0, -0.5, 2, False, Vectors.dense(0.0, 0.0, 0.0)),
    ]
    schema = (
        StructType()
        .add("d", DoubleType())
        .add("f", FloatType())
        .add("i", IntegerType())
        .add("b", BooleanType())
        .add("v", VectorUDT())
    )
    return spark.createDataFrame(rows, schema).withColumn("m", F.expr("CAST(d / 1e290 AS DECIMAL(20, 2))"))


def vectors(df, column="features"):
    return [row[0] for row in df.select(column).collect()]


@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[:5], ["d"], ["v"], ["v", "d", "v"]])
def test_the_values_are_those_of_sparks_assembler(frame, columns):
    ours = FastVectorAssembler(inputCols=columns, outputCol="features").transform(frame)
    theirs = VectorAssembler(inputCols=columns, outputCol="features").transform(frame)
    for a, b in zip(vectors(ours), vectors(theirs), strict=True):
        np.testing.assert_array_equal(a.toArray(), b.toArray())


def test_a_vector_is_sparse_where_that_is_smaller(frame):
    ours = vectors(FastVectorAssembler(inputCols=["v", "v", "v"], outputCol="features").transform(frame))
    theirs = vectors(VectorAssembler(inputCols=["v", "v", "v"], outputCol="features").transform(frame))
    assert [type(v) for v in ours] == [type(v) for v in theirs]


@pytest.fixture(scope="module")
def gaps(spark):
    return spark.createDataFrame([(1.0, 1), (None, 2), (float("nan"), None), (4.0, 4)], "x double, `a.b` int")


@pytest.mark.parametrize("columns", [["x", "`a.b`"]])
def test_missing_values_follow_handle_invalid_as_in_spark(gaps, columns):
    names = ["x", "a.b"]
    keep = FastVectorAssembler(inputCols=names, outputCol="features", handleInvalid="keep").transform(gaps)
    theirs = VectorAssembler(inputCols=columns, outputCol="features", handleInvalid="keep").transform(gaps)
    for a, b in zip(vectors(keep), vectors(theirs), strict=True):
        np.testing.assert_array_equal(a.toArray(), b.toArray())
    skip = FastVectorAssembler(inputCols=names, outputCol="features", handleInvalid="skip").transform(gaps)
    assert [v.toArray().tolist() for v in vectors(skip)] == [[1.0, 1.0], [4.0, 4.0]]
    with pytest.raises(Exception, match="FastVectorAssembler: column `x`: is null or NaN"):
        FastVectorAssembler(inputCols=names, outputCol="features").transform(gaps).collect()


def test_the_kernel_tells_what_was_missing(gaps):
    stage = FastVectorAssembler(
        inputCols=["x", "a.b"], outputCol="features", handleInvalid="keep", errorCol="why"
    )
    why = [row[0] for row in stage.transform(gaps).select("why").collect()]
    assert why[0] is None
    assert "`x`" in why[1]
    assert "`x`" in why[2]
    assert why[3] is None
    with pytest.raises(
        DecodeError, match="FastVectorAssembler: column `x`, row 1 of the table: is null or NaN"
    ):
        FastVectorAssembler(inputCols=["x"], outputCol="o").transform(pa.table({"x": [1.0, None]}))


def test_nominal_attributes_stay_at_their_slots_and_others_go(spark, gaps):
    source = spark.createDataFrame([("b", 1.0), ("a", 2.0), ("b", 3.0)], "s string, x double")
    indexed = StringIndexer(inputCol="s", outputCol="k").fit(source).transform(source)
    expected = {
        "num_attrs": 2,
        "attrs": {"nominal": [{"name": "k", "vals": ["b", "a"], "idx": 1}]},
    }
    plain = FastVectorAssembler(inputCols=["x", "k"], outputCol="features").transform(indexed)
    kernel = FastVectorAssembler(inputCols=["x", "k"], outputCol="features", errorCol="why").transform(
        indexed
    )
    assert plain.schema["features"].metadata["ml_attr"] == expected
    assert kernel.schema["features"].metadata["ml_attr"] == expected
    # A tree learner reads them.
    from pyspark.ml.classification import DecisionTreeClassifier

    tree = DecisionTreeClassifier(featuresCol="features", labelCol="x").fit(plain)
    assert tree.numFeatures == 2


def test_nominal_attributes_are_named_as_vector_assembler_names_them(spark):
    source = spark.createDataFrame([("b", 1.0), ("a", 2.0), ("b", 3.0)], "s string, x double")
    indexed = StringIndexer(inputCol="s", outputCol="k").fit(source).transform(source)
    renamed = indexed.withColumn("l", F.col("k"))
    both = VectorAssembler(inputCols=["x", "k"], outputCol="v").transform(renamed)

    def nominal(assembler, columns):
        stage = assembler(inputCols=columns, outputCol="features")
        return stage.transform(both).schema["features"].metadata["ml_attr"]["attrs"]["nominal"]

    for columns in (["l", "x"], ["x", "v", "k"]):
        ours, theirs = nominal(FastVectorAssembler, columns), nominal(VectorAssembler, columns)
        assert {(a["name"], a["idx"]) for a in ours} == {(a["name"], a["idx"]) for a in theirs}
        assert [a["vals"] for a in ours] == [a["vals"] for a in theirs]


@pytest.mark.parametrize("attribute", [5, {"type": "weird"}, {"type": "nominal", "name": ""}])
def test_attributes_that_spark_cannot_read_do_no_harm(spark, attribute):
    source = spark.createDataFrame([(1.0,)], "x double")
    marked = source.select(F.col("x").alias("x", metadata={"ml_attr": attribute}))
    made = FastVectorAssembler(inputCols=["x"], outputCol="features").transform(marked)
    assert made.first().features.toArray().tolist() == [1.0]
    assert made.schema["features"].metadata["ml_attr"]["num_attrs"] == 1


def test_a_frame_without_columns_lacks_the_column(spark):
    with pytest.raises(ColumnNotFoundError, match="FastVectorAssembler: column `x`"):
        FastVectorAssembler(inputCols=["x"], outputCol="features").transform(spark.range(1).select())


def test_the_first_missing_column_is_named(spark):
    rows = [(1.0, 2, True), (None, None, False), (1.0, 3, None), (float("nan"), 1, None)]
    stage = FastVectorAssembler(inputCols=["x", "i j", "b"], outputCol="features")
    for row, column in zip(rows[1:], ("x", "b", "x"), strict=True):
        source = spark.createDataFrame([row], "x double, `i j` int, b boolean")
        with pytest.raises(Exception, match=f"FastVectorAssembler: column `{column}`: is null or NaN"):
            stage.transform(source).collect()


def test_between_plain_columns_there_is_no_python_pass(gaps, capsys):
    FastVectorAssembler(inputCols=["x"], outputCol="features").transform(gaps).explain()
    assert "ArrowEvalPython" not in capsys.readouterr().out


def test_behind_a_native_stage_there_is_one_python_pass(frame, capsys):
    kept = CountSelectorModel(inputCol="v", outputCol="w", indices=[1], size=3).transform(frame)
    made = FastVectorAssembler(inputCols=["w", "d"], outputCol="features").transform(kept).select("features")
    made.explain()
    assert capsys.readouterr().out.count("ArrowEvalPython") == 1
    assert [v.toArray().tolist() for v in vectors(made)][:2] == [[0.0, 1.5], [4.0, 0.0]]


def test_ten_thousand_columns_and_no_rows():
    table = pa.table({f"c{i}": pa.array([float(i), 0.0]) for i in range(10_000)})
    stage = FastVectorAssembler(inputCols=table.column_names, outputCol="features")
    made = stage.transform(table)["features"]
    assert made[0].as_py()["values"][9_999] == 9_999.0
    assert made[1].as_py()["size"] == 10_000
    assert stage.transform(table.slice(0, 0)).num_rows == 0


def test_a_text_column_is_refused_by_name():
    with pytest.raises(SchemaMismatchError, match="FastVectorAssembler: column `s`: has type string"):
        FastVectorAssembler(inputCols=["s"], outputCol="o").transform(pa.table({"s": ["a"]}))


@pytest.mark.parametrize("lists", [[["a", "b"]], [["1", "2"]], [[b"1"]]])
def test_lists_of_text_are_refused_even_where_the_texts_look_like_numbers(lists):
    table = pa.table({"v": lists})
    for stage in (
        FastVectorAssembler(inputCols=["v"]),
        CountSelectorModel(inputCol="v", indices=[0], size=2),
    ):
        with pytest.raises(
            SchemaMismatchError, match=r"column `v`: has type array<(string|binary)>; .* reads .*numbers"
        ):
            stage.transform(table)


def test_a_null_inside_an_array_follows_handle_invalid():
    table = pa.table({"x": [1, 2], "v": [[1.0, None], [2.0, 3.0]]})
    stage = FastVectorAssembler(inputCols=["x", "v"], outputCol="out")
    with pytest.raises(
        DecodeError, match="FastVectorAssembler: column `v`, row 0 of the table: has a null in slot 1"
    ):
        stage.transform(table)
    assert stage.copy()._set(handleInvalid="skip").transform(table)["x"].to_pylist() == [2]
    kept = stage.copy()._set(handleInvalid="keep", errorCol="why").transform(table)
    assert str(kept["out"][0].as_py()["values"]) == "[1.0, 1.0, nan]"
    assert kept["why"].to_pylist() == ["column `v`: has a null in slot 1", None]


def test_the_selector_passes_over_arrays_with_nulls_and_rejects_them():
    table = pa.table({"v": [[1.0, None, 0.0], [2.0, 0.0, 0.0], [0.0, 3.0, 0.0]]})
    model = CountSelector(inputCol="v", outputCol="out").fit(table)
    assert model.getIndices() == [0, 1]
    with pytest.raises(
        DecodeError, match="CountSelectorModel: column `v`, row 0 of the table: has a null in slot 1"
    ):
        model.transform(table)


def test_a_vector_column_without_any_vector_is_refused_under_keep():
    table = pa.table({"v": pa.array([None], pa.list_(pa.float64()))})
    with pytest.raises(DecodeError, match=r"column `v`.*size of its vectors is unknown"):
        FastVectorAssembler(inputCols=["v"], outputCol="o", handleInvalid="keep").transform(table)
