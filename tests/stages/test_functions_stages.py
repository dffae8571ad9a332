"""Python functions as stages: functions of whole datasets, of the values of a row, and UDFs of PySpark."""

from __future__ import annotations

import datetime as dt
import json
import sys

import pandas as pd
import pyarrow as pa
import pytest

from mmlrs.engine.ddl import arrow_type
from mmlrs.errors import (
    ColumnNotFoundError,
    ExecutionError,
    InvalidParamError,
    SchemaMismatchError,
)
from mmlrs.stages import Lambda, UDFTransformer
from mmlrs.testing import reversed_columns

TABLE = pa.table({"i": [1, 2, None, 4], "name": ["ada", None, "grace", ""]})


@pytest.fixture(autouse=True, scope="module")
def functions_travel():
    """Send the functions of this module to Spark's workers, which cannot import it."""
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def head(rows):
    """A function that can be imported."""
    return rows.limit(2) if hasattr(rows, "limit") else rows.slice(0, 2)


def size(name):
    return None if name is None else len(name)


# -- whole datasets ---------------------------------------------------------------------------------------------------


def test_a_function_makes_a_table_of_a_table():
    assert Lambda(transformFunc=head).transform(TABLE).equals(TABLE.slice(0, 2))
    assert Lambda(transformFunc=reversed_columns).transform(TABLE).column_names == ["name", "i"]


def test_a_function_gets_a_table_of_whatever_is_not_spark():
    seen = []

    def look(rows):
        seen.append(type(rows))
        return rows

    stage = Lambda(transformFunc=look)
    frame = pd.DataFrame({"a": [1, 2]}, index=[5, 6])
    assert stage.transform(frame).equals(frame)
    assert isinstance(stage.transform(TABLE.to_batches()[0]), pa.RecordBatch)
    assert seen == [pa.Table, pa.Table]


@pytest.mark.parametrize(
    "wrong", [None, 3, [1], TABLE.to_batches()[0], pd.DataFrame()], ids=lambda v: type(v).__name__
)
def test_a_result_of_another_kind_is_refused(wrong):
    def change(rows):
        return wrong

    message = (
        r"Lambda: param `transformFunc`: \S+:test_a_result_of_another_kind_is_refused\.<locals>\.change must return a "
        rf"pyarrow\.Table, like its argument, but returned a \S+{type(wrong).__name__}$"
    )
    with pytest.raises(SchemaMismatchError, match=message):
        Lambda(transformFunc=change).transform(TABLE)


def test_a_function_that_fails_is_named_with_its_cause():
    def fail(rows):
        raise LookupError("no such thing")

    with pytest.raises(ExecutionError, match=r"Lambda: .*fail failed: LookupError: no such thing") as caught:
        Lambda(transformFunc=fail).transform(TABLE)
    assert isinstance(caught.value.__cause__, LookupError)


@pytest.mark.spark
def test_a_function_makes_a_frame_of_a_frame(spark):
    df = spark.createDataFrame(TABLE)
    assert [r.i for r in Lambda(transformFunc=head).transform(df).collect()] == [1, 2]
    for wrong in (TABLE, df.name, None):
        with pytest.raises(
            SchemaMismatchError, match="must return a Spark DataFrame, like its argument, but returned a"
        ):
            Lambda(transformFunc=lambda rows, wrong=wrong: wrong).transform(df)
    with pytest.raises(ExecutionError, match=r"Lambda: .* failed: AnalysisException: .*nothing"):
        Lambda(transformFunc=lambda rows: rows.select("nothing")).transform(df)


@pytest.mark.parametrize("value", ["head", 3, {"function": 3}, [head], Lambda(transformFunc=head)], ids=repr)
def test_what_is_no_function_is_refused(value):
    with pytest.raises(InvalidParamError, match="Lambda: param `transformFunc` must be a function, got"):
        Lambda(transformFunc=value)


def test_a_function_is_required():
    with pytest.raises(InvalidParamError, match="Lambda: param `transformFunc` must be set"):
        Lambda().transform(TABLE)
    with pytest.raises(InvalidParamError, match="UDFTransformer: param `udf` must be set"):
        UDFTransformer(inputCol="i", returnType="int").transform(TABLE)


# -- values of a row --------------------------------------------------------------------------------------------------


def test_a_function_gets_none_for_a_null_and_makes_a_null_of_none():
    stage = UDFTransformer(inputCol="name", outputCol="n", udf=size, returnType="int")
    made = stage.transform(TABLE)
    assert made["n"].to_pylist() == [3, None, 5, 0]
    assert made.schema.field("n").type == pa.int32()
    assert made.select(TABLE.column_names).equals(TABLE)


def test_columns_are_arguments_in_the_order_given():
    stage = UDFTransformer(
        inputCols=["name", "i", "name"], udf=lambda *values: json.dumps(values), returnType="string"
    )
    made = stage.transform(TABLE)
    assert made[f"{stage.uid}_output"].to_pylist()[:2] == ['["ada", 1, "ada"]', "[null, 2, null]"]


@pytest.mark.parametrize("rows", [0, 1, 4096, 4097, 9000])
def test_every_row_is_computed_once_and_in_order(rows):
    table = pa.table({"x": pa.chunked_array([range(rows // 2), range(rows // 2, rows)], pa.int64())})
    seen = []
    stage = UDFTransformer(
        inputCol="x", outputCol="y", udf=lambda x: (seen.append(x), -x)[1], returnType="bigint"
    )
    assert stage.transform(table)["y"].to_pylist() == [-x for x in range(rows)]
    assert seen == list(range(rows))


NESTED = [
    ("array<double>", [[1.0, None], None]),
    ("map<string,int>", [{"a": 1}, None]),
    ("struct<a:int,b:array<string>>", [{"a": 1, "b": ["x"]}, None]),
    ("date", [dt.date(2020, 2, 29), None]),
    ("timestamp_ntz", [dt.datetime.fromisoformat("2020-02-29T01:02:03.000004"), None]),
    ("binary", [b"\0", None]),
    ("boolean", [True, None]),
]


@pytest.mark.parametrize(("kind", "values"), NESTED, ids=[kind for kind, _ in NESTED])
def test_values_of_every_type_go_in_and_come_out(kind, values):
    table = pa.table({"x": pa.array(values, arrow_type(kind))})
    made = UDFTransformer(inputCol="x", outputCol="y", udf=lambda x: x, returnType=kind).transform(table)
    assert made["y"].equals(table["x"])
    assert made.schema.field("y").type == arrow_type(kind)


@pytest.mark.spark
@pytest.mark.parametrize(("kind", "values"), NESTED, ids=[kind for kind, _ in NESTED])
def test_values_of_every_type_go_through_spark(spark, kind, values):
    from pyspark.sql.types import DataType

    df = spark.createDataFrame(pa.table({"x": pa.array(values, arrow_type(kind))}))
    made = UDFTransformer(inputCol="x", outputCol="y", udf=lambda x: x, returnType=kind).transform(df)
    assert all(row.x == row.y for row in made.collect())
    assert made.schema["y"].dataType == DataType.fromDDL(kind)


def test_a_row_that_fails_is_named_with_its_cause():
    stage = UDFTransformer(inputCol="x", outputCol="y", udf=lambda x: 1 / x, returnType="double")
    table = pa.table({"x": [*range(1, 5000), 0]})
    message = r"UDFTransformer: column `x`, row 4999 of the table: \S+<lambda> failed: ZeroDivisionError: division by zero"
    with pytest.raises(ExecutionError, match=message) as caught:
        stage.transform(table)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    two = UDFTransformer(inputCols=["x", "z"], udf=lambda x: x, returnType="double")
    with pytest.raises(
        ExecutionError,
        match=r"UDFTransformer: columns `x`, `z`, row 0 of the table: .* failed: TypeError: .*positional",
    ):
        two.transform(pa.table({"x": [1], "z": [2]}))


@pytest.mark.parametrize(
    ("kind", "value"),
    [("double", "1.5"), ("int", "1"), ("int", 2**40), ("string", 3), ("array<int>", [1, "b"])],
)
def test_a_value_that_does_not_fit_the_type_is_named(kind, value):
    stage = UDFTransformer(
        inputCol="i", outputCol="y", udf=lambda i: value if i == 4 else None, returnType=kind
    )
    with pytest.raises(
        ExecutionError,
        match=r"UDFTransformer: column `i`, row 3 of the table: .* returned .*, which is not of type ",
    ):
        stage.transform(TABLE)


@pytest.mark.spark
@pytest.mark.parametrize("arrow", ["true", "false"])
def test_on_spark_a_value_that_does_not_fit_is_an_error_and_never_a_null(spark, arrow):
    key = "spark.sql.execution.pythonUDF.arrow.enabled"
    before = spark.conf.get(key)
    spark.conf.set(key, arrow)
    try:
        df = spark.createDataFrame(TABLE)
        whole = UDFTransformer(inputCol="i", outputCol="y", udf=lambda i: 3, returnType="double").transform(
            df
        )
        assert {row.y for row in whole.collect()} == {3.0}
        wrong = UDFTransformer(inputCol="i", outputCol="y", udf=lambda i: "x", returnType="double").transform(
            df
        )
        with pytest.raises(Exception, match="Failed to parse string: 'x'"):
            wrong.collect()
    finally:
        spark.conf.set(key, before)


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (
            {"udf": size, "returnType": "int"},
            InvalidParamError,
            "param `inputCol` or `inputCols` must be set",
        ),
        (
            {"inputCol": "i", "inputCols": ["i"], "udf": size, "returnType": "int"},
            InvalidParamError,
            "param `inputCol` must not be set together with `inputCols`",
        ),
        (
            {"inputCols": [], "udf": size, "returnType": "int"},
            InvalidParamError,
            "param `inputCols` must not be empty",
        ),
        (
            {"inputCol": "i", "udf": size},
            InvalidParamError,
            r"param `returnType` must be set, because \S+:size is a plain function",
        ),
        (
            {"inputCol": "i", "udf": size, "returnType": "nope"},
            InvalidParamError,
            "param `returnType` cannot be used: 'nope'",
        ),
        ({"inputCol": "z", "udf": size, "returnType": "int"}, ColumnNotFoundError, "column `z`: not found"),
        (
            {"inputCol": "i", "outputCol": "name", "udf": size, "returnType": "int"},
            SchemaMismatchError,
            "column `name` already exists",
        ),
    ],
)
@pytest.mark.parametrize("where", ["table", pytest.param("spark", marks=pytest.mark.spark)])
def test_params_that_make_no_sense_are_refused(request, where, params, error, message):
    data = TABLE if where == "table" else request.getfixturevalue("spark").createDataFrame(TABLE)
    with pytest.raises(error, match=rf"(?s)UDFTransformer: {message}"):
        UDFTransformer(**params).transform(data)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("INT", pa.int32()),
        ("decimal", pa.decimal128(10, 0)),
        ("decimal(12)", pa.decimal128(12, 0)),
        (" decimal ( 5 , 2 ) ", pa.decimal128(5, 2)),
        ("array<map<string,array<byte>>>", pa.list_(pa.map_(pa.string(), pa.list_(pa.int8())))),
        ("a int, `b c`: string", pa.struct([("a", pa.int32()), ("b c", pa.string())])),
        ("struct<a int,b:date>", pa.struct([("a", pa.int32()), ("b", pa.date32())])),
    ],
)
def test_types_are_read_as_spark_writes_them(text, kind):
    assert arrow_type(text) == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nope",
        "array<",
        "array<int",
        "array<int>>",
        "map<int>",
        "struct<a>",
        "struct<>",
        "decimal(a)",
        "decimal(50,2)",
        "int;",
        "a int,",
        "(",
    ],
)
def test_what_is_no_type_is_told(text):
    with pytest.raises(ValueError, match=r"is not a type|precision"):
        arrow_type(text)


@pytest.mark.spark
@pytest.mark.parametrize(
    "text", ["array<map<string,array<byte>>>", "a int, `b c`: string", "decimal(12)", "timestamp"]
)
def test_types_are_those_of_spark(spark, text):
    from pyspark.sql.pandas.types import to_arrow_type
    from pyspark.sql.types import DataType

    assert arrow_type(text) == to_arrow_type(DataType.fromDDL(text), timezone="UTC")


# -- UDFs of PySpark --------------------------------------------------------------------------------------------------


@pytest.fixture(params=["udf", "no_arrow", "pandas_udf", "arrow_udf"])
def spark_udf(request, spark):
    """The length of a text, as every kind of UDF."""
    import pyarrow.compute as pc
    from pyspark.sql.functions import arrow_udf, pandas_udf, udf

    def series(name: pd.Series) -> pd.Series:
        return name.str.len()

    def array(name: pa.Array) -> pa.Array:
        return pc.utf8_length(name)

    return {
        "udf": lambda: udf(size, "int", useArrow=True),
        "no_arrow": lambda: udf(size, "int", useArrow=False),
        "pandas_udf": lambda: pandas_udf(series, "int"),
        "arrow_udf": lambda: arrow_udf(array, "int"),
    }[request.param]()


@pytest.mark.spark
def test_a_udf_of_pyspark_gives_the_same_on_spark_and_on_a_table(spark, spark_udf):
    stage = UDFTransformer(inputCol="name", outputCol="n", udf=spark_udf)
    made = stage.transform(TABLE)
    assert made["n"].to_pylist() == [3, None, 5, 0]
    assert made.schema.field("n").type == pa.int32()
    df = stage.transform(spark.createDataFrame(TABLE))
    assert [row.n for row in df.collect()] == [3, None, 5, 0]
    with pytest.raises(
        InvalidParamError, match=r"param `returnType` must not be set, because the UDF .* has a return type"
    ):
        stage.copy().setReturnType("int").transform(TABLE)


@pytest.mark.spark
def test_a_pandas_udf_gets_structs_as_frames(spark):
    from pyspark.sql.functions import pandas_udf

    @pandas_udf("struct<b:int,c:int>")
    def doubled(frame: pd.DataFrame, plus: pd.Series) -> pd.DataFrame:
        return pd.DataFrame({"b": frame["a"] * 2, "c": plus})

    table = pa.table({"s": [{"a": 1}, {"a": 3}], "p": [5, 6]})
    stage = UDFTransformer(inputCols=["s", "p"], outputCol="y", udf=doubled)
    expected = [{"b": 2, "c": 5}, {"b": 6, "c": 6}]
    assert stage.transform(table)["y"].to_pylist() == expected
    made = stage.transform(spark.createDataFrame(table)).toArrow()
    assert made["y"].to_pylist() == expected


@pytest.mark.spark
def test_a_column_of_another_length_is_refused_on_a_table(spark):
    from pyspark.sql.functions import arrow_udf

    def short(x: pa.Array) -> pa.Array:
        return x.slice(1)

    stage = UDFTransformer(inputCol="i", outputCol="y", udf=arrow_udf(short, "bigint"))
    with pytest.raises(
        ExecutionError, match=r"column `i`, rows 0 to 3 of the table: .*short returned 3 values for 4 rows"
    ):
        stage.transform(TABLE)


@pytest.mark.spark
def test_an_aggregation_is_refused(spark):
    from pyspark.sql.functions import pandas_udf

    def mean(x: pd.Series) -> float:
        return x.mean()

    stage = UDFTransformer(inputCol="i", udf=pandas_udf(mean, "double"))
    for data in (TABLE, spark.createDataFrame(TABLE)):
        with pytest.raises(
            InvalidParamError,
            match=r"param `udf` must map a row to a value.*mean is an iterator or aggregate UDF",
        ):
            stage.transform(data)


@pytest.mark.spark
def test_spark_vectors_are_read_and_made_also_from_a_cached_frame(spark):
    from pyspark.ml.linalg import Vectors, VectorUDT
    from pyspark.sql.functions import udf

    df = spark.createDataFrame(
        [(Vectors.dense([3.0, 4.0]),), (Vectors.sparse(2, [1], [1.0]),)], ["v"]
    ).cache()
    try:
        norm = UDFTransformer(
            inputCol="v", outputCol="n", udf=lambda v: float(v.norm(2)), returnType="double"
        )
        twice = udf(lambda v: Vectors.dense(v.toArray() * 2), VectorUDT(), useArrow=False)
        made = UDFTransformer(inputCol="v", outputCol="w", udf=twice).transform(norm.transform(df))
        assert [(r.n, r.w.toArray().tolist()) for r in made.collect()] == [
            (5.0, [6.0, 8.0]),
            (1.0, [0.0, 2.0]),
        ]
    finally:
        df.unpersist()


@pytest.mark.spark
def test_native_stages_around_a_function_are_still_one_pass(spark):
    from mmlrs.engine.spark import lineage_of
    from mmlrs.text import UnicodeNormalize

    df = UnicodeNormalize(inputCol="name", outputCol="a", handleInvalid="keep").transform(
        spark.createDataFrame(TABLE)
    )
    made = UDFTransformer(inputCol="a", outputCol="n", udf=size, returnType="int").transform(df)
    assert set(lineage_of(made)) == {"a"}
    assert [r.n for r in made.collect()] == [3, None, 5, 0]
