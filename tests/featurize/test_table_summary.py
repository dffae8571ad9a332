"""Summaries of columns: equal to NumPy's and Spark's, of every type of column, in one pass."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs import _native
from mmlrs.errors import ColumnNotFoundError, InvalidParamError
from mmlrs.featurize import SummarizeData, ValueIndexer

NAN, INF = float("nan"), float("inf")
RANKS = {
    "Min": 0.0, "1st_Quartile": 0.25, "Median": 0.5, "3rd_Quartile": 0.75, "Max": 1.0,
    "P0_5": 0.005, "P1": 0.01, "P5": 0.05, "P95": 0.95, "P99": 0.99, "P99_5": 0.995,
}  # fmt: skip


def summary(columns: dict, **params: object) -> dict[str, dict]:
    made = SummarizeData(**params).transform(pa.table(columns))
    return {row["Feature"]: row for row in made.to_pylist()}


values = st.floats(-1e6, 1e6).map(lambda v: round(v, 3)) | st.sampled_from([0.0, -0.0, 7.0, NAN]) | st.none()


@given(st.lists(values, max_size=80))
@settings(max_examples=80, deadline=None)
def test_numbers_are_described_as_numpy_and_pandas_describe_them(given_values):
    [row] = summary({"x": pa.array(given_values, pa.float64())}).values()
    series = pd.Series(given_values, dtype=float)
    present = series.dropna().to_numpy()
    assert (row["Count"], row["Missing_Value_Count"]) == (len(series), series.isna().sum())
    assert row["Unique_Value_Count"] == len(set(present))
    if not len(present):
        assert all(row[name] is None for name in [*RANKS, "Mean", "Sample_Variance", "Sample_Skewness"])
        return
    for name, rank in RANKS.items():
        assert row[name] == np.quantile(present, rank, method="inverted_cdf"), name
    assert row["Mean"] == pytest.approx(present.mean(), rel=1e-12, abs=1e-9)
    if len(present) > 1:
        assert row["Sample_Variance"] == pytest.approx(present.var(ddof=1), rel=1e-9, abs=1e-9)
        assert row["Sample_Standard_Deviation"] == pytest.approx(math.sqrt(row["Sample_Variance"]))
    else:
        assert row["Sample_Variance"] is None


def test_skewness_and_kurtosis_are_scipys():
    from scipy import stats

    x = np.random.default_rng(3).gamma(2.0, size=5000) + 1e6
    [row] = summary({"x": x}).values()
    assert row["Sample_Skewness"] == pytest.approx(stats.skew(x), rel=1e-6)
    assert row["Sample_Kurtosis"] == pytest.approx(stats.kurtosis(x), rel=1e-6)


def test_many_values_keep_the_stated_error():
    x = np.random.default_rng(4).normal(size=300_000)
    ordered = np.sort(x)
    for threshold in (0.001, 0.02):
        [row] = summary({"x": x}, errorThreshold=threshold).values()
        for name, rank in RANKS.items():
            assert abs(np.searchsorted(ordered, row[name]) / len(x) - rank) < 3 * threshold, name
        assert (row["Min"], row["Max"]) == (ordered[0], ordered[-1])
        assert abs(row["Unique_Value_Count"] / len(x) - 1) < 0.06


def test_every_type_of_column_is_described():
    rows = summary(
        {
            "byte": pa.array([1, 2, None], pa.int8()),
            "unsigned": pa.array([2**64 - 1, 0, 1], pa.uint64()),
            "decimal": pa.array([Decimal("1.50"), Decimal("2.50"), None], pa.decimal128(9, 2)),
            "flag": [True, False, None],
            "text": ["a", "a", None],
            "category": pa.array(["a", "b", None]).dictionary_encode(),
            "bytes": [b"a", b"b", b"b"],
            "day": [dt.date(1900, 1, 1), None, dt.date(2500, 1, 1)],
            "time": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
            "list": [[1], None, [2]],
            "struct": [{"a": 1}, {"a": None}, None],
            "nothing": pa.nulls(3),
        }
    )
    counts = {name: (row["Unique_Value_Count"], row["Missing_Value_Count"]) for name, row in rows.items()}
    assert counts == {
        "byte": (2, 1), "unsigned": (3, 0), "decimal": (2, 1), "flag": (2, 1), "text": (1, 1), "category": (2, 1),
        "bytes": (2, 0), "day": (2, 1), "time": (2, 1), "list": (None, 1), "struct": (None, 1), "nothing": (None, 3),
    }  # fmt: skip
    assert [name for name, row in rows.items() if row["Mean"] is not None] == ["byte", "unsigned", "decimal"]
    assert rows["decimal"]["Mean"] == 2.0
    assert all(row["Count"] == 3 for row in rows.values())


def test_large_whole_numbers_are_told_apart():
    assert summary({"x": [2**62, 2**62 + 1, 2**62 + 2]})["x"]["Unique_Value_Count"] == 3


def test_infinities_are_values_that_poison_only_what_they_must():
    [row] = summary({"x": [1.0, 2.0, INF]}).values()
    assert (row["Min"], row["Median"], row["Max"], row["Mean"]) == (1.0, 2.0, INF, INF)
    assert math.isnan(row["Sample_Variance"])
    assert math.isnan(row["Sample_Kurtosis"])
    assert math.isnan(summary({"x": [-INF, INF]})["x"]["Mean"])


def test_a_constant_column_has_no_shape():
    [row] = summary({"x": [0.1] * 11}).values()
    assert (row["Sample_Variance"], row["Sample_Skewness"], row["Sample_Kurtosis"]) == (0.0, None, None)


def test_switches_leave_columns_out():
    made = SummarizeData(basic=False, sample=False, percentiles=False).transform(pa.table({"x": [1.0]}))
    assert made.column_names == ["Feature", "Count", "Unique_Value_Count", "Missing_Value_Count"]
    made = SummarizeData(counts=False, basic=False, sample=False).transform(pa.table({"x": [1.0]}))
    assert made.column_names == ["Feature", "P0_5", "P1", "P5", "P95", "P99", "P99_5"]


def test_chosen_columns_are_described_in_their_order():
    table = pa.table({"a": [1], "b": [2], "c": [3]})
    assert SummarizeData(inputCols=["c", "a"]).transform(table)["Feature"].to_pylist() == ["c", "a"]
    with pytest.raises(ColumnNotFoundError, match="SummarizeData: column `d`: not found"):
        SummarizeData(inputCols=["d"]).transform(table)
    with pytest.raises(InvalidParamError, match=r"param `errorThreshold` must be between 0.0001 and 0.5"):
        SummarizeData(errorThreshold=0.0).transform(table)


def test_tables_without_rows_and_without_columns_have_summaries():
    empty = summary({"x": pa.array([], pa.float64()), "s": pa.array([], pa.string())})
    assert [(row["Count"], row["Unique_Value_Count"], row["Mean"]) for row in empty.values()] == [
        (0, 0, None)
    ] * 2
    assert SummarizeData().transform(pa.table({})).num_rows == 0


def test_the_summary_does_not_depend_on_how_the_rows_are_split():
    table = pa.table(
        {"x": np.random.default_rng(1).normal(size=1000), "s": [str(i % 37) for i in range(1000)]}
    )
    values = SummarizeData(inputCols=["x", "s"])._params_json()

    def fitted(*parts: pa.Table) -> dict:
        stage = _native.Stage("SummarizeData", "u", values)
        whole = stage.fit(table.schema)
        for part in parts:
            one = stage.fit(table.schema)
            for batch in part.to_batches():
                one.update(batch, 1)
            whole.merge(one.state())
        return json.loads(whole.finish())["rows"]

    expected = fitted(table)
    for cuts in ([0, 1, 1, 700, 1000], [0, 999, 1000]):
        parts = [table.slice(a, b - a) for a, b in itertools.pairwise(cuts)]
        for order in (parts, parts[::-1]):
            for row, other in zip(expected, fitted(*order), strict=True):
                for name, value in row.items():
                    assert other[name] == (
                        pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
                    )


def test_ten_thousand_columns_are_described():
    made = SummarizeData().transform(pa.table({f"c{i}": [float(i), None, 2.0] for i in range(10_000)}))
    assert made.num_rows == 10_000
    assert made["Max"][9999].as_py() == 9999.0


@pytest.fixture
def frame(spark):
    return spark.sql(
        "select id, sqrt(id) x, if(id % 7 = 0, null, cast(id % 13 as decimal(5,1))) d, string(id % 5) s,"
        " if(id % 2 = 0, double('NaN'), 1.0D) n, array(id) a from range(0, 500, 1, 3)"
    )


def test_the_summary_is_that_of_spark(frame):
    from pyspark.sql import functions as F

    made = {row.Feature: row for row in SummarizeData().transform(frame).collect()}
    assert list(made) == frame.columns
    names = ["id", "x", "d"]
    numbers = frame.select(*(F.col(name).cast("double").alias(name) for name in names))
    # Exact counts: an approximate one of Spark's holds so many registers that to compile it takes half a minute.
    functions = (
        F.min, F.max, F.mean, F.variance, F.stddev, F.skewness, F.kurtosis, F.count, lambda name: F.size(F.collect_set(name)),
    )  # fmt: skip
    theirs = numbers.select(*(f(name) for name in names for f in functions)).first()
    quantiles = numbers.approxQuantile(names, list(RANKS.values()), 0.0)  # leaves out nulls, column by column
    for i, name in enumerate(names):
        row = made[name]
        ours = (
            row.Min, row.Max, row.Mean, row.Sample_Variance, row.Sample_Standard_Deviation, row.Sample_Skewness,
            row.Sample_Kurtosis, row.Count - row.Missing_Value_Count,
        )  # fmt: skip
        *moments, distinct = theirs[len(functions) * i : len(functions) * (i + 1)]
        assert ours == pytest.approx(tuple(moments), rel=1e-9)
        assert row.Unique_Value_Count == pytest.approx(distinct, rel=0.03)
        assert [row[key] for key in RANKS] == pytest.approx(quantiles[i])
    assert (made["n"].Missing_Value_Count, made["n"].Unique_Value_Count) == (250, 1)
    assert (made["s"].Unique_Value_Count, made["s"].Mean) == (5, None)
    assert (made["a"].Count, made["a"].Unique_Value_Count, made["a"].Missing_Value_Count) == (500, None, 0)


def test_columns_of_native_stages_are_described_in_the_same_job(frame):
    indexed = ValueIndexer(inputCol="s", outputCol="index").fit(frame).transform(frame)
    tracker = frame.sparkSession.sparkContext.statusTracker()
    frame.sparkSession.sparkContext.setJobGroup("summary", "one job")
    made = SummarizeData(inputCols=["index", "X"]).transform(indexed)
    assert len(tracker.getJobIdsForGroup("summary")) == 1
    frame.sparkSession.sparkContext.setJobGroup("other", "")
    assert [(row.Feature, row.Max) for row in made.collect()] == [("index", 4.0), ("x", math.sqrt(499))]
