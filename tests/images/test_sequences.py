"""Sequences of pictures: the same on Spark and on tables, and the same as a plain loop says."""

# ruff: noqa: DTZ001 - the clock of a camera has no time zone
from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.errors import ColumnNotFoundError, InvalidParamError, SchemaMismatchError
from mmlrs.image import SequenceGrouper

START = dt.datetime(2024, 5, 31, 18, 0, 0)


def grouper(**params):
    return SequenceGrouper(**{"locationCol": "place", "timeCol": "time", "outputCol": "sequence", **params})


def loop(places, times, gap):
    """Name the sequences one location after the other."""
    names: list[str | None] = [None] * len(places)
    for place in {place for place in places if place is not None}:
        rows = sorted(
            (times[i], i) for i in range(len(places)) if places[i] == place and times[i] is not None
        )
        first, before = None, None
        for time, row in rows:
            if before is None or (time - before).total_seconds() > gap:
                first = time
            names[row], before = f"{place}@{first.isoformat()}", time
    return names


ROWS = st.lists(
    st.tuples(st.sampled_from(["A", "B", "", None]), st.one_of(st.none(), st.integers(0, 400))), max_size=30
)


@settings(deadline=None, max_examples=60)
@given(rows=ROWS, gap=st.sampled_from([0.0, 0.5, 30.0, 60.0]), text=st.booleans())
def test_sequences_are_those_of_a_loop(rows, gap, text):
    places = [place for place, _ in rows]
    times = [None if at is None else START + dt.timedelta(seconds=at / 4) for _, at in rows]
    given_times = (
        pa.array([None if t is None else t.isoformat(" ") for t in times], pa.string())
        if text
        else pa.array(times, pa.timestamp("us"))
    )
    table = pa.table({"place": pa.array(places, pa.string()), "time": given_times})
    names = grouper(gapSeconds=gap).transform(table)["sequence"].to_pylist()
    expected = loop(places, times, gap)
    known = [row for row, name in enumerate(expected) if name is not None]
    assert [names[row] for row in known] == [expected[row] for row in known]
    assert all(name is None for row, name in enumerate(names) if row not in known)
    numbered = table.append_column("id", pa.array(range(len(rows))))
    named = grouper(gapSeconds=gap, idCol="id").transform(numbered)["sequence"].to_pylist()
    assert named == [name or f"{places[row] or ''}?{row}" for row, name in enumerate(expected)]


TIMES = [
    "2024-05-31 18:00:59", "2024:05:31 18:01:30", "2024-05-31T18:01:30.5", "2024-05-31 18:01:31,25", "2024-05-31 18:09:00",
    "2024-05-31 18:01:30+02:00", "2024-05-31 06:01:30 PM", "2024-05-31 18:01:300", "2024-02-29 00:00:00", "2023-02-29 00:00:00", " 2024-05-31 18:09:59",
    "2099-01-01 00:00:00", "0000:00:00 00:00:00", "0000-01-01 00:00:00", "2024-13-01 00:00:00", "2024-02-30 00:00:00",
    "2024-05-31 24:00:00", "2024-05-31 18:60:00", "31.05.2024 18:00", "", None, "0001-01-01 00:00:00",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["string", "timestamp_ntz", "timestamp"])
def test_spark_names_the_sequences_that_a_table_has(spark, kind):
    from pyspark.sql import functions as F

    random = np.random.default_rng(0)
    if kind == "string":
        times = [*TIMES, *TIMES][:32]
    else:
        times = [START + dt.timedelta(seconds=float(s)) for s in np.round(random.uniform(0, 900, 31), 1)] + [
            None
        ]
    places = [[3, 12, None][i] for i in random.choice(3, 32, p=[0.5, 0.4, 0.1])]
    arrow = pa.array(times, pa.string() if kind == "string" else pa.timestamp("us"))
    if kind == "timestamp":
        arrow = pc.assume_timezone(arrow, spark.conf.get("spark.sql.session.timeZone"))
    table = pa.table({"place": pa.array(places, pa.int32()), "time": arrow, "id": range(32)})
    stage = grouper(idCol="id")
    expected = dict(enumerate(stage.transform(table)["sequence"].to_pylist()))
    rows = [
        (place, None if time is None else str(time), i) for i, (place, time) in enumerate(zip(places, times))
    ]
    df = spark.createDataFrame(rows, "place int, time string, id int").repartition(3)
    df = df.withColumn("time", F.col("time").cast(kind)) if kind != "string" else df
    found = {row.id: row.sequence for row in stage.transform(df).select("id", "sequence").collect()}
    assert found == expected
    assert 0 < sum("?" in name for name in found.values()) < 32
    without = {row.id: row.sequence for row in grouper().transform(df).select("id", "sequence").collect()}
    assert without == {i: None if "?" in name else name for i, name in expected.items()}


def test_rows_keep_their_order_and_pandas_its_index():
    frame = pd.DataFrame(
        {"place": ["A", "A"], "time": pd.to_datetime(["2024-01-01 00:01", "2024-01-01 00:00"])},
        index=["x", "y"],
    )
    out = grouper().transform(frame)
    assert out["sequence"].to_dict() == dict.fromkeys("xy", "A@2024-01-01T00:00:00")
    zoned = frame.assign(time=frame["time"].dt.tz_localize("Asia/Tokyo"))
    assert set(grouper().transform(zoned)["sequence"]) == {"A@2023-12-31T15:00:00Z"}
    assert grouper().transform(frame.head(0))["sequence"].tolist() == []


def test_an_hour_that_occurs_twice_is_two_hours(spark):
    times = pd.to_datetime(["2024-11-03 05:30Z", "2024-11-03 06:30Z"]).tz_convert("America/New_York")
    frame = pd.DataFrame({"place": "A", "time": times})
    expected = ["A@2024-11-03T05:30:00Z", "A@2024-11-03T06:30:00Z"]
    assert grouper().transform(frame)["sequence"].tolist() == expected
    rows = grouper().transform(spark.createDataFrame(frame)).collect()
    assert sorted(row.sequence for row in rows) == expected


@pytest.mark.parametrize("gap", [4.1, 8.2, 1.001, 2.3])
def test_a_gap_of_exactly_the_limit_is_within_it(gap):
    times = [START, START + dt.timedelta(microseconds=round(gap * 1e6))]
    table = pa.table({"place": ["A", "A"], "time": pa.array(times, pa.timestamp("us"))})
    assert len(set(grouper(gapSeconds=gap).transform(table)["sequence"].to_pylist())) == 1


def test_times_that_no_calendar_has_are_not_valid():
    for unit, number in (("s", 2**58), ("s", -62135596801), ("ms", -(2**62)), ("us", 2**62)):
        table = pa.table({"place": ["A", "A"], "time": pa.array([number, 0], pa.timestamp(unit))})
        assert grouper().transform(table)["sequence"].to_pylist() == [None, "A@1970-01-01T00:00:00"]
    nanoseconds = pa.table({"place": ["A"], "time": pa.array([1_500_000_000], pa.timestamp("ns"))})
    assert grouper().transform(nanoseconds)["sequence"].to_pylist() == ["A@1970-01-01T00:00:01.500000"]


def test_one_column_may_be_all_three():
    table = pa.table({"t": ["2024-05-31 18:00:59", "x"]})
    stage = grouper(locationCol="t", timeCol="t", idCol="t")
    names = stage.transform(table)["sequence"].to_pylist()
    assert names == ["2024-05-31 18:00:59@2024-05-31T18:00:59", "x?x"]


def test_wrong_columns_are_one_error(spark):
    table = pa.table({"place": ["A"], "time": ["2024-01-01 00:00:00"], "number": [1.5]})
    with pytest.raises(ColumnNotFoundError, match="column `where`: not found"):
        grouper(locationCol="where").transform(table)
    for params, message in (
        ({"locationCol": "number"}, "column `number`: has type double; expected strings or integers"),
        ({"timeCol": "number"}, "column `number`: has type double; expected timestamps or strings"),
    ):
        for data in (table, spark.createDataFrame(table.to_pandas())):
            with pytest.raises(SchemaMismatchError, match=message):
                grouper(**params).transform(data)
    with pytest.raises(InvalidParamError, match="gapSeconds"):
        grouper(gapSeconds=-1.0).transform(table)
    stream = spark.readStream.format("rate").load().selectExpr("'A' AS place", "timestamp AS time")
    with pytest.raises(InvalidParamError, match="cannot run on a stream"):
        grouper().transform(stream)
