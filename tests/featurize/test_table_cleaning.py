"""Missing values: what fills them, in which columns, and what cannot be filled."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlrs.errors import ColumnNotFoundError, DecodeError, InvalidParamError, SchemaMismatchError
from mmlrs.featurize import CleanMissingData, CleanMissingDataModel, FastVectorAssembler

NAN, INF = float("nan"), float("inf")


def cleaned(values: list, kind: pa.DataType, mode: str = "Mean", **params: object) -> list:
    table = pa.table({"x": pa.array(values, kind)})
    model = CleanMissingData(inputCols=["x"], cleaningMode=mode, **params).fit(table)
    return model.transform(table)["x"].to_pylist()


numbers = st.floats(-1e6, 1e6) | st.none() | st.just(NAN)


@given(st.lists(numbers, min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_the_mean_is_that_of_pandas_and_nan_is_missing_in_the_fit_too(values):
    series = pd.Series([NAN if v is None else v for v in values], dtype=float)
    if series.isna().all():
        with pytest.raises(DecodeError, match="column `x`: has no value to fill with"):
            cleaned(values, pa.float64())
        return
    assert cleaned(values, pa.float64()) == pytest.approx(
        series.fillna(series.mean()).tolist(), rel=1e-12, abs=1e-9
    )


@given(st.lists(numbers, min_size=1, max_size=60).filter(lambda v: any(x is not None and x == x for x in v)))
@settings(max_examples=60, deadline=None)
def test_the_median_is_the_lower_of_the_two_middle_values(values):
    present = sorted(v for v in values if v is not None and not math.isnan(v))
    lower = present[(len(present) - 1) // 2]
    expected = [lower if v is None or math.isnan(v) else v for v in values]
    assert cleaned(values, pa.float64(), "Median") == expected


def test_the_median_of_many_values_is_near_the_middle():
    values = np.random.default_rng(5).permutation(200_001).astype(float)
    table = pa.table({"x": np.append(values, NAN)})
    [fill] = CleanMissingData(inputCols=["x"], cleaningMode="Median").fit(table).getFillValues()
    assert abs(fill - 100_000) < 0.003 * 200_000


@pytest.mark.parametrize(
    ("kind", "values", "fill"),
    [
        (pa.int8(), [127, 127, None], 127),
        (pa.int16(), [-3, -2, None], -2),
        (pa.int32(), [1, 2, 4, 4, None], 2),
        (pa.int64(), [1, 2, None], 1),
        (pa.float32(), [0.1, 0.1, None], pytest.approx(0.1, rel=1e-7)),
        (
            pa.decimal128(10, 3),
            [Decimal("1.000"), Decimal("2.000"), Decimal("2.000"), None],
            Decimal("1.667"),
        ),
    ],
)
def test_columns_keep_their_type(kind, values, fill):
    assert cleaned(values, kind)[-1] == fill


@pytest.mark.parametrize(
    ("kind", "values", "text", "fill"),
    [
        (pa.string(), ["a", None], "unknown", "unknown"),
        (pa.bool_(), [True, None], "false", False),
        (pa.int32(), [None, None], "7", 7),
        (pa.float64(), [NAN, 1.0], "-1.5", -1.5),
        (pa.decimal128(5, 2), [None], "1.25", Decimal("1.25")),
    ],
)
def test_a_custom_value_fills_every_type(kind, values, text, fill):
    made = cleaned(values, kind, "Custom", customValue=text)
    assert fill in made
    assert None not in made


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pa.int8(), "128"),
        (pa.int32(), "1.5"),
        (pa.float64(), "x"),
        (pa.bool_(), "maybe"),
        (pa.decimal128(3, 1), "1000"),
    ],
)
def test_a_custom_value_of_another_type_is_refused(kind, text):
    with pytest.raises(
        InvalidParamError, match=r"CleanMissingData: param `customValue` must be a value of type .* `x`"
    ):
        cleaned([None], kind, "Custom", customValue=text)


def test_a_custom_value_must_be_given():
    with pytest.raises(InvalidParamError, match="param `customValue` must be set"):
        cleaned([1.0], pa.float64(), "Custom")


@pytest.mark.parametrize("mode", ["Mean", "Median"])
@pytest.mark.parametrize("kind", [pa.string(), pa.bool_()])
def test_mean_and_median_are_for_numbers(mode, kind):
    with pytest.raises(
        SchemaMismatchError, match=f'column `x`: has type .*no {mode.lower()}; use cleaningMode "Custom"'
    ):
        cleaned([None], kind, mode)


def test_infinities_are_values():
    assert cleaned([1.0, INF, None], pa.float64()) == [1.0, INF, INF]
    assert cleaned([1.0, INF, -INF, None], pa.float64(), "Median") == [1.0, INF, -INF, 1.0]
    with pytest.raises(DecodeError, match="column `x`: has infinities of both signs"):
        cleaned([INF, -INF], pa.float64())


@pytest.mark.parametrize("rows", [0, 3])
def test_a_column_without_values_is_named(rows):
    table = pa.table({"full": pa.array([1.0] * rows, pa.float64()), "empty": pa.nulls(rows, pa.float64())})
    with pytest.raises(
        DecodeError,
        match=r"CleanMissingData: column `.*`: has no value to fill with: it has no rows, or all values are missing",
    ):
        CleanMissingData(inputCols=["full", "empty"]).fit(table)


def test_columns_are_replaced_in_their_place_or_added():
    table = pa.table({"a": [1.0, None], "b": [None, 2], "c": ["x", "y"]})
    model = CleanMissingData(inputCols=["a", "b"]).fit(table)
    assert model.transform(table).to_pydict() == {"a": [1.0, 1.0], "b": [2, 2], "c": ["x", "y"]}
    model.setOutputCols(["a", "b2"])
    assert model.transform(table).to_pydict() == {
        "a": [1.0, 1.0],
        "b": [None, 2],
        "c": ["x", "y"],
        "b2": [2, 2],
    }
    with pytest.raises(SchemaMismatchError, match="column `c` already exists"):
        model.setOutputCols(["a", "c"]).transform(table)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"inputCols": ["a"], "outputCols": ["x", "y"]}, "param `outputCols` must name 1 column"),
        ({"inputCols": ["a", "a"]}, "param `inputCols` names `a` twice"),
        ({"inputCols": []}, "param `inputCols` must not be empty"),
    ],
)
def test_columns_that_do_not_pair_are_refused(params, message):
    with pytest.raises(InvalidParamError, match=message):
        CleanMissingData(**params).fit(pa.table({"a": [1.0]}))


def test_a_missing_column_is_named():
    with pytest.raises(ColumnNotFoundError, match="column `b`: not found; the columns are `a`"):
        CleanMissingData(inputCols=["b"]).fit(pa.table({"a": [1.0]}))


def test_values_of_a_model_that_do_not_fit_the_column_are_refused():
    table = pa.table({"a": pa.array([1], pa.int8())})
    with pytest.raises(
        InvalidParamError, match="param `fillValues` must be a value of type int8 for column `a`, got 300"
    ):
        CleanMissingDataModel(inputCols=["a"], fillValues=[300]).transform(table)
    with pytest.raises(InvalidParamError, match="param `fillValues` must have 1 values"):
        CleanMissingDataModel(inputCols=["a"], fillValues=[1, 2]).transform(table)


def test_ten_thousand_columns_are_cleaned():
    names = [f"c{i}" for i in range(10_000)]
    table = pa.table({name: [float(i), None, NAN, 2.0] for i, name in enumerate(names)})
    made = CleanMissingData(inputCols=names).fit(table).transform(table)
    assert made.column_names == names
    assert made["c9999"].to_pylist() == [9999.0, 5000.5, 5000.5, 2.0]


@pytest.fixture
def frame(spark):
    return spark.sql(
        "select i, cast(x as double) x, cast(n as int) n, cast(x as decimal(10,3)) d, s from values"
        " (1, 1.0, 1, 'a'), (2, null, 2, null), (3, 4.5, 4, 'c'), (4, 7.25, 4, 'd'), (5, null, null, 'e') t(i, x, n, s)"
    )


@pytest.mark.parametrize("strategy", ["mean", "median"])
def test_the_result_is_that_of_sparks_imputer(frame, strategy):
    from pyspark.ml.feature import Imputer

    columns, outputs = ["x", "n", "d"], ["x2", "n2", "d2"]
    expected = Imputer(inputCols=columns, outputCols=outputs, strategy=strategy).fit(frame).transform(frame)
    made = CleanMissingData(inputCols=columns, outputCols=outputs, cleaningMode=strategy.title()).fit(frame)
    made = made.transform(frame)
    assert made.dtypes == expected.dtypes
    assert sorted(made.collect()) == sorted(expected.collect())


def test_on_spark_plain_columns_are_cleaned_without_a_python_pass(frame, capsys):
    model = CleanMissingData(inputCols=["x", "s"], cleaningMode="Custom", customValue="0").fit(frame)
    made = model.transform(frame)
    made.explain()
    assert "Python" not in capsys.readouterr().out
    assert [tuple(r) for r in made.select("x", "s").sort("i").collect()] == [
        (1.0, "a"),
        (0.0, "0"),
        (4.5, "c"),
        (7.25, "d"),
        (0.0, "e"),
    ]
    with pytest.raises(InvalidParamError, match="param `fillValues` must be a value of type float64"):
        model.setFillValues(["zero", "0"]).transform(frame)


def test_cleaning_and_assembling_take_one_python_pass(frame, capsys):
    cleaned = CleanMissingData(inputCols=["x", "n"]).fit(frame).transform(frame)
    made = FastVectorAssembler(inputCols=["x", "n"], outputCol="v").transform(cleaned)
    made.explain()
    assert capsys.readouterr().out.count("ArrowEvalPython") <= 1
    assert made.sort("i").first()["v"].toArray().tolist() == [1.0, 1.0]
