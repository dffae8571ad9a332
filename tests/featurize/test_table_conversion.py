"""Conversion of columns: the values are Spark's, on Spark and on tables alike."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pytest

from mmlrs.errors import DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.featurize import DataConversion, FastVectorAssembler

NAN, INF = float("nan"), float("inf")
UTC = dt.UTC


def converted(values: list, kind: pa.DataType, to: str, **params: object) -> list:
    table = pa.table({"x": pa.array(values, kind)})
    return DataConversion(cols=["x"], convertTo=to, **params).transform(table)["x"].to_pylist()


@pytest.mark.parametrize(
    ("values", "kind", "to", "expected"),
    [
        ([0, 2, None], pa.int32(), "boolean", [False, True, None]),
        ([NAN, 0.0, -1.5], pa.float64(), "boolean", [True, False, True]),
        ([" Yes ", "0", "T", "n"], pa.string(), "boolean", [True, False, True, False]),
        ([Decimal("0.0"), Decimal("0.1")], pa.decimal128(3, 1), "boolean", [False, True]),
        ([1.9, -1.9, 127.9], pa.float64(), "byte", [1, -1, 127]),
        ([Decimal("1.9"), Decimal("-1.9")], pa.decimal128(3, 1), "integer", [1, -1]),
        ([" 12 ", "+7", "-0"], pa.string(), "short", [12, 7, 0]),
        ([True, False], pa.bool_(), "long", [1, 0]),
        ([2**40], pa.int64(), "double", [float(2**40)]),
        (["1e3", " NaN", "-Infinity", ".5", "5."], pa.string(), "double", [1000.0, NAN, -INF, 0.5, 5.0]),
        ([1e300], pa.float64(), "float", [INF]),
        ([1e10, 0.1, -0.0, 1e-4, NAN], pa.float64(), "string", ["1.0E10", "0.1", "-0.0", "1.0E-4", "NaN"]),
        ([Decimal("1.90")], pa.decimal128(5, 2), "string", ["1.90"]),
        ([True, None], pa.bool_(), "string", ["true", None]),
        ([-1], pa.int64(), "date", [dt.date(1969, 12, 31)]),
        ([dt.date(1969, 12, 31)], pa.date32(), "long", [-86_400_000]),
        ([-1], pa.timestamp("us"), "long", [-1]),
        ([10_413_795_845], pa.timestamp("s"), "string", ["2300-01-01 01:04:05"]),
        ([dt.date(9999, 12, 31), dt.date(1, 1, 1)], pa.date32(), "string", ["9999-12-31 00:00:00", "0001-01-01 00:00:00"]),
        (["2300-01-02 03:04:05"], pa.string(), "date", [dt.date(2300, 1, 2)]),
    ],
)  # fmt: skip
def test_values_become_what_they_are(values, kind, to, expected):
    assert repr(converted(values, kind, to)) == repr(expected)


@pytest.mark.parametrize(
    ("value", "kind", "to"),
    [
        (128, pa.int32(), "byte"),
        (2**31, pa.int64(), "integer"),
        (NAN, pa.float64(), "long"),
        (1e30, pa.float64(), "long"),
        (Decimal("1e20"), pa.decimal128(38, 0), "long"),
        ("1.0", pa.string(), "integer"),
        ("0x10", pa.string(), "long"),
        ("", pa.string(), "double"),
        ("maybe", pa.string(), "boolean"),
        ("2021-02-30 00:00:00", pa.string(), "timestamp"),
        ("2021-01-01", pa.string(), "date"),
        (2**62, pa.int64(), "timestamp"),
        (-(10**15), pa.int64(), "date"),
    ],
)
def test_a_value_that_cannot_be_converted_goes_by_the_policy(value, kind, to):
    with pytest.raises(
        DecodeError,
        match=rf"DataConversion: column `x`, row 1 of the table: has the value .*not a valid {to}",
    ):
        converted([None, value], kind, to)
    assert converted([None, value], kind, to, handleInvalid="keep") == [None, None]
    assert converted([None, value], kind, to, handleInvalid="skip") == [None]
    table = pa.table({"x": pa.array([None, value], kind), "y": pa.array(["a", "b"])})
    stage = DataConversion(cols=["x"], convertTo=to, handleInvalid="keep", errorCol="why")
    why = stage.transform(table)["why"].to_pylist()
    assert why[0] is None
    assert "column `x`: has the value" in why[1]


def test_numbers_are_milliseconds_since_1970_and_local_times_are_in_the_zone():
    assert converted([-1], pa.int64(), "timestamp") == [dt.datetime(1969, 12, 31, 23, 59, 59, 999000, UTC)]
    assert converted([dt.date(2021, 7, 1)], pa.date32(), "timestamp", timeZone="+02:00") == [
        dt.datetime(2021, 6, 30, 22, tzinfo=UTC)
    ]
    summer = pa.array([0], pa.timestamp("us", "Asia/Tokyo"))
    made = DataConversion(cols=["x"], convertTo="string").transform(pa.table({"x": summer}))
    assert made["x"].to_pylist() == ["1970-01-01 09:00:00"]


def test_days_beyond_the_years_of_spark_and_python_are_refused():
    days = pa.table({"x": pa.array([2**31 - 1], pa.int32()).cast(pa.date32())})
    with pytest.raises(DecodeError, match="not a valid time in the years 1 to 9999"):
        DataConversion(cols=["x"], convertTo="string").transform(days)


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        (pa.date32(), "integer"),
        (pa.float64(), "date"),
        (pa.list_(pa.int32()), "string"),
        (pa.bool_(), "timestamp"),
    ],
)
def test_types_that_do_not_become_each_other_are_named(kind, to):
    with pytest.raises(
        SchemaMismatchError,
        match=rf"DataConversion: column `x`: has type .*, which cannot be converted to {to}",
    ):
        converted([None], kind, to)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"dateTimeFormat": "yyyy-MM-dd EEE"}, "param `dateTimeFormat` has `EEE`, which is not supported"),
        ({"dateTimeFormat": "yyyy 'at"}, "param `dateTimeFormat` has a quote that is not closed"),
        ({"timeZone": "Mars/Olympus"}, "param `timeZone` must be a time zone"),
        ({"outputCols": ["a", "b"]}, "param `outputCols` must name 1 column, one for each of `cols`, got 2"),
    ],
)
def test_params_that_cannot_be_used_are_named(params, message):
    with pytest.raises(InvalidParamError, match=message):
        converted(["2021-01-01"], pa.string(), "date", **params)


def test_columns_are_converted_in_their_place_or_beside_it():
    table = pa.table({"a": ["1"], "b": ["2"], "c": ["3"]})
    made = DataConversion(cols=["b", "a"], convertTo="long", outputCols=["b", "a_long"]).transform(table)
    assert made.to_pydict() == {"a": ["1"], "b": [2], "c": ["3"], "a_long": [1]}
    with pytest.raises(SchemaMismatchError, match="column `c` already exists"):
        DataConversion(cols=["b"], convertTo="long", outputCols=["c"]).transform(table)


def test_categories_are_made_and_undone():
    table = pa.table({"size": ["small", "large", "small"], "n": [20, 10, 20]})
    made = DataConversion(cols=["size", "n"], convertTo="toCategorical").transform(table)
    assert made.to_pydict() == {"size": [1.0, 0.0, 1.0], "n": [1.0, 0.0, 1.0]}
    assert json.loads(made.schema.field("size").metadata[b"ml_attr"])["vals"] == ["large", "small"]
    assert DataConversion(cols=["size", "n"], convertTo="clearCategorical").transform(made).equals(table)
    with pytest.raises(SchemaMismatchError, match="has no nominal attributes"):
        DataConversion(cols=["n"], convertTo="clearCategorical").transform(table)
    with pytest.raises(InvalidParamError, match="param `errorCol` can be set for one column only"):
        DataConversion(cols=["size", "n"], convertTo="toCategorical", errorCol="why").transform(table)


#: Text, pattern: in the zone of the session, whose clock skipped 2:30 on 14 March 2021 and showed 1:30 twice on 7 November.
TEXTS = [
    ("2021-03-04 05:06:07", "yyyy-MM-dd HH:mm:ss"),
    ("2021-03-14 02:30:00", "yyyy-MM-dd HH:mm:ss"),
    ("2021-11-07 01:30:00", "yyyy-MM-dd HH:mm:ss"),
    ("1800-01-01 00:00:00", "yyyy-MM-dd HH:mm:ss"),
    ("0001-01-03 23:59:59", "yyyy-MM-dd HH:mm:ss"),
    ("9999-12-30 00:00:00", "yyyy-MM-dd HH:mm:ss"),
    ("2021-1-7", "yyyy-MM-dd"),
    ("2021-1-7", "yyyy-M-d"),
    (" 2021-01-07", "yyyy-MM-dd"),
    ("21-01-07", "yy-MM-dd"),
    ("20210304", "yyyyMMdd"),
    ("2021-01-07T12", "yyyy-MM-dd'T'HH"),
    ("07 jan 2021 12:30 pm", "dd MMM yyyy h:mm a"),
    ("2021-01-07 12:00:00.5", "yyyy-MM-dd HH:mm:ss.SSS"),
    ("2021-02-29", "yyyy-MM-dd"),
    ("10000-01-01", "yyyy-MM-dd"),
    ("24:00", "HH:mm"),
    ("2021-01", "yyyy-MM"),
]
NUMBERS = ["double", "float", "int", "bigint", "smallint", "tinyint", "boolean", "string"]
TARGETS = {"int": "integer", "bigint": "long", "smallint": "short", "tinyint": "byte"}


@pytest.fixture
def new_york(spark):
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    yield spark
    spark.conf.set("spark.sql.session.timeZone", before)


def test_texts_are_read_and_written_as_spark_reads_and_writes_them(new_york):
    from pyspark.sql import functions as F

    made = []
    for i, (text, pattern) in enumerate(TEXTS):
        df = new_york.createDataFrame([(i, text)], "i int, x string")
        df = df.withColumn("theirs", F.try_to_timestamp("x", F.lit(pattern)))
        df = df.withColumn("their_text", F.date_format("theirs", pattern))
        ours = DataConversion(
            cols=["x"],
            outputCols=["ours"],
            convertTo="timestamp",
            dateTimeFormat=pattern,
            handleInvalid="keep",
        )
        back = DataConversion(
            cols=["ours"], outputCols=["our_text"], convertTo="string", dateTimeFormat=pattern
        )
        made.append(back.transform(ours.transform(df)))
    rows = made[0]
    for df in made[1:]:
        rows = rows.union(df)
    columns = ["x", "unix_micros(ours)", "unix_micros(theirs)", "our_text", "their_text"]
    for text, ours, theirs, our_text, their_text in rows.selectExpr(*columns).collect():
        assert ours == theirs, text
        assert our_text == their_text, text


def test_numbers_and_texts_become_what_a_cast_of_spark_makes_of_them(spark):
    values = ["1", "-1.9", "300", "1e10", " 12 ", "true", "NaN", "x", "", "0.1", "-0.0", "1234567.5"]
    source = spark.createDataFrame([(v,) for v in values], "s string").selectExpr(
        "s string", *[f"try_cast(s as {n}) {n}" for n in ("double", "float", "boolean")], "try_cast(s as decimal(12,3)) dec"
    ).selectExpr("*", "try_cast(double as int) int")  # fmt: skip
    ours = source
    names = []
    for old in source.columns:
        for to in NUMBERS:
            if old != to:
                names.append((f"{old}_{to}", f"try_cast({old} as {to})"))
                stage = DataConversion(
                    cols=[old],
                    outputCols=[f"{old}_{to}"],
                    convertTo=TARGETS.get(to, to),
                    handleInvalid="keep",
                )
                ours = stage.transform(ours)
    pairs = [f"struct({name} ours, {theirs} theirs)" for name, theirs in names]
    for row in ours.selectExpr("string", *pairs).collect():
        for (name, _), pair in zip(names, row[1:], strict=True):
            assert repr(pair.ours) == repr(pair.theirs), f"{row.string!r}: {name}"


def test_conversion_is_part_of_the_python_pass_of_its_neighbours(spark, capsys):
    df = spark.createDataFrame([("1",), ("2",)], "x string")
    numbers = DataConversion(cols=["x"], outputCols=["n"], convertTo="double").transform(df)
    made = FastVectorAssembler(inputCols=["n"], outputCol="v").transform(numbers)
    made.explain()
    assert capsys.readouterr().out.count("ArrowEvalPython") <= 1
    assert sorted(r.v[0] for r in made.collect()) == [1.0, 2.0]


def test_on_spark_columns_are_converted_and_indexed_in_their_place(spark):
    from pyspark.ml.feature import IndexToString

    df = spark.createDataFrame([("1", "b"), ("2", "a"), (None, "b")], "x string, y string")
    made = DataConversion(cols=["X"], convertTo="long").transform(df)
    assert made.dtypes == [("x", "bigint"), ("y", "string")]
    indexed = DataConversion(cols=["y"], convertTo="toCategorical").transform(made)
    back = IndexToString(inputCol="y", outputCol="z").transform(indexed)
    assert sorted(map(tuple, back.collect()), key=repr) == [(1, 1.0, "b"), (2, 0.0, "a"), (None, 1.0, "b")]
    assert DataConversion(cols=["y"], convertTo="clearCategorical").transform(indexed).dtypes[1] == (
        "y",
        "string",
    )
